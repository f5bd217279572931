"""Statistics of an ingest are those that DuckDB's own functions give, column by column, whatever the numbers are."""

from __future__ import annotations

import math
from statistics import stdev

import duckdb
import pytest

from mlbox.engine.catalog.tables.feature_sets import ColumnStatistics
from mlbox.engine.features.definition import Feature, FeatureSet
from mlbox.engine.features.row_statistics import of_rows
from mlbox.engine.features.statistics import BINS, QUANTILES, relation_sql

COLUMNS = {
    "spread": ("BIGINT", "(hash(i) % 1000003)::BIGINT - 500000"),
    "near": ("INTEGER", "(hash(i * 3) % 50)::INTEGER - 7"),
    "yes": ("BOOLEAN", "hash(i * 5) % 3 = 0"),
    "tiny": ("UTINYINT", "CASE WHEN i % 7 > 0 THEN hash(i * 7) % 4 END"),
    "skewed": ("DOUBLE", "exp(hash(i * 11) % 1000 / 100.0)"),
    "real": ("FLOAT", "hash(i * 13) % 1000 / 7.0"),
    "money": ("DECIMAL(9,2)", "hash(i * 17) % 10000 / 100.0"),
    "broken": ("DOUBLE", "CASE i % 5 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN '-inf'::DOUBLE WHEN 2 THEN i END"),
    "one": ("INTEGER", "7"),
    "one_real": ("DOUBLE", "0.1"),
    "none": ("DOUBLE", "NULL"),
    "never": ("DOUBLE", "'inf'::DOUBLE"),
    "few": ("VARCHAR", "'k' || (hash(i * 19) % 30)"),
    "when": ("DATE", "DATE '2026-01-01' + (i % 40)::INTEGER"),
    "far": ("DOUBLE", "CASE WHEN i % 2 = 0 THEN 1e308 ELSE -1e308 END"),
    "high": ("DOUBLE", "1e15 + i % 40"),
    "v": ("VARCHAR", "'w' || (hash(i * 23) % 20)"),
    "n": ("INTEGER", "(hash(i * 29) % 60)::INTEGER"),
    "above": ("DOUBLE", "hash(i * 31) % 1000 / 3.0"),
}


@pytest.fixture(scope="module", params=[5_000, 210_000])
def counted(request: pytest.FixtureRequest) -> tuple[duckdb.DuckDBPyConnection, dict[str, ColumnStatistics]]:
    """A table of the columns, with a row that is not asked for, and the statistics of the others."""
    connection = duckdb.connect()
    features = tuple(Feature(name, kind) for name, (kind, _) in COLUMNS.items())
    feature_set = FeatureSet("p", "t", 1, "id", (), "at", None, features)
    select = ", ".join(f'({sql})::{kind} AS "{name}"' for name, (kind, sql) in COLUMNS.items())
    connection.execute("ATTACH ':memory:' AS data; CREATE SCHEMA data._sets")
    connection.execute(
        f"CREATE TABLE {feature_set.table} AS SELECT {select}, i AS _ingested FROM range({request.param}) t(i)"
    )
    connection.execute(f"CREATE VIEW t AS SELECT * EXCLUDE (_ingested) FROM {feature_set.table} WHERE _ingested > 0")
    return connection, {found.column_name: found for found in of_rows(connection, feature_set, 0)}


Counted = tuple[duckdb.DuckDBPyConnection, dict[str, ColumnStatistics]]


def test_statistics_are_those_of_any_relation(counted: Counted) -> None:
    """Both ways tell the same; sketches within their error, and means that floats add up differently nearly."""
    connection, found = counted
    names = ("row_count", "nulls", "min", "max", "mean", "stddev", "histogram_edges", "histogram_counts")
    relation = connection.sql(relation_sql("t")).to_arrow_table().to_pylist()
    assert [row["column_name"] for row in relation] == list(COLUMNS)
    for row in relation:
        if row["column_name"] in ("far", "high"):  # DuckDB's own deviations of these are wrong
            continue
        ours = found[row["column_name"]]
        for name in names:
            assert getattr(ours, name) == (pytest.approx(row[name], rel=1e-9) if row[name] is not None else None), name
        assert ours.distinct_count == row["distinct_count"]
        assert (ours.quantiles is None) == (row["quantiles"] is None)


def test_quantiles_of_near_integers_are_exact_and_others_near(counted: Counted) -> None:
    """Rank errors of a sketch stay within two parts of a hundred."""
    connection, found = counted
    for name in ("near", "yes", "tiny", "one"):
        points = ", ".join(map(str, QUANTILES))
        number = f'"{name}"::INTEGER'
        ((true,),) = connection.execute(f"SELECT quantile_cont({number}, [{points}]) FROM t").fetchall()
        assert found[name].quantiles == pytest.approx(true)
    for name in ("spread", "skewed", "real", "money", "broken"):
        for point, value in zip(QUANTILES, found[name].quantiles or [], strict=True):
            ((below, within),) = connection.execute(
                f'SELECT count(*) FILTER ("{name}" < $1) / count(*), count(*) FILTER ("{name}" <= $1) / count(*) '
                f'FROM t WHERE isfinite("{name}"::DOUBLE)',
                [value],
            ).fetchall()
            assert below - 0.02 <= point <= within + 0.02, name


def test_numbers_at_the_ends_of_what_doubles_can_say(counted: Counted) -> None:
    """A range that no double holds has no bins, and a small spread far from zero keeps its deviation."""
    connection, found = counted
    far, high = found["far"], found["high"]
    assert (far.min, far.max, far.mean, far.histogram_counts, far.quantiles) == (-1e308, 1e308, None, None, None)
    values = [row[0] - 1e15 for row in connection.execute("SELECT high FROM t").fetchall()]
    assert high.stddev is not None and math.isclose(high.stddev, stdev(values), rel_tol=1e-6)
    assert high.histogram_counts is not None and (len(high.histogram_counts), sum(high.histogram_counts)) == (
        BINS,
        len(values),
    )


def test_most_frequent_texts_are_in_their_order(counted: Counted) -> None:
    """By how often they are there, then by themselves."""
    connection, found = counted
    true = connection.execute("SELECT few FROM t GROUP BY few ORDER BY count(*) DESC, few LIMIT 10").fetchall()
    assert found["few"].top == [text for (text,) in true]
    assert found["when"].top is None and found["near"].top is None
