"""Statistics of the columns of a relation, by SQL that need not know the columns.

``COLUMNS(*)`` computes a struct for each column in one pass, ``UNPIVOT`` makes rows of them; a second pass counts the
histogram between the bounds that the first has found. So it works for tables, views and CTEs alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlbox.base.names import quote
from mlbox.engine.catalog.tables.feature_sets import ColumnStatistics
from mlbox.engine.features.definition import SEQUENCE, FeatureSet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
BINS = 20
COUNTED = 100_000
"""Texts of a column that are counted one by one."""

_IS_NUMBER = (
    "regexp_full_match({type}, '(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|BOOLEAN|DECIMAL\\(.*\\))')"
)

_NUMBER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|BOOLEAN|DECIMAL\(.*\)")


def finite(relation: str) -> str:
    """A SELECT with the columns of a relation as doubles; NULL where there is no finite number."""
    number = "TRY_CAST(COLUMNS(_r.*) AS DOUBLE)"
    is_number = _IS_NUMBER.format(type="typeof(COLUMNS(_r.*))")
    return f"SELECT CASE WHEN {is_number} AND isfinite({number}) THEN {number} END FROM {relation} AS _r"


def relation_sql(relation: str) -> str:
    """A SELECT with one row a column of ``relation`` (SQL that can follow FROM), in the order of the columns.

    ``column_name, type, row_count, nulls, distinct_count, min, mean, max, stddev, quantiles, histogram_edges,
    histogram_counts, top``; numbers rest on the finite values, and are NULL for columns that hold none.
    """
    points = ", ".join(map(str, QUANTILES))
    edges = f"list_transform(range({BINS + 1}), lambda i: n.min + i * (n.max - n.min) / {BINS})"
    place = f"least({BINS - 1}, floor((v - low) / nullif(high - low, 0) * {BINS}))::INTEGER"
    counts = f"list_transform(range({BINS}), lambda i: coalesce(map_extract_value(h.bins, i::INTEGER), 0)::BIGINT)"
    text = "CASE WHEN typeof(COLUMNS(_r.*)) = 'VARCHAR' THEN COLUMNS(_r.*)::VARCHAR END"
    return f"""
        WITH _kinds AS (
            SELECT row_number() OVER () AS ordinal, column_name, type FROM (
                SELECT typeof(COLUMNS(_r.*)) FROM (SELECT 1) LEFT JOIN {relation} AS _r ON true LIMIT 1
            ) UNPIVOT (type FOR column_name IN (COLUMNS(*)))
        ), _counts AS (
            SELECT column_name, s.* FROM (
                SELECT {{
                    'row_count': count(*), 'present': count(COLUMNS(_r.*)),
                    'distinct_count': approx_count_distinct(COLUMNS(_r.*)), 'top': approx_top_k({text}, 10)
                }} FROM {relation} AS _r
            ) UNPIVOT (s FOR column_name IN (COLUMNS(*)))
        ), _finite AS ({finite(relation)}), _numbers AS MATERIALIZED (
            SELECT column_name, s.* FROM (
                SELECT {{
                    'min': min(COLUMNS(*)), 'mean': avg(COLUMNS(*)), 'max': max(COLUMNS(*)),
                    'stddev': stddev_samp(COLUMNS(*)), 'quantiles': approx_quantile(COLUMNS(*), [{points}])
                }} FROM _finite
            ) UNPIVOT (s FOR column_name IN (COLUMNS(*)))
        ), _bins AS (
            SELECT column_name, histogram({place}) AS bins
            FROM (FROM _finite UNPIVOT (v FOR column_name IN (COLUMNS(*))))
            JOIN (SELECT column_name, min AS low, max AS high FROM _numbers) USING (column_name)
            GROUP BY column_name
        )
        SELECT column_name, k.type, c.row_count, c.row_count - c.present AS nulls, c.distinct_count, n.min, n.mean,
            n.max, n.stddev, n.quantiles, CASE WHEN n.min IS NOT NULL THEN {edges} END AS histogram_edges,
            CASE WHEN n.min IS NOT NULL THEN {counts} END AS histogram_counts, c.top
        FROM _kinds k JOIN _counts c USING (column_name) LEFT JOIN _numbers n USING (column_name)
        LEFT JOIN _bins h USING (column_name) ORDER BY k.ordinal
        """


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as it is counted: ``number`` is it as a double, NULL where there is no finite one."""

    name: str
    number: str | None
    is_text: bool


def of_rows(cursor: DuckDBPyConnection, feature_set: FeatureSet, after: int) -> list[ColumnStatistics]:
    """Statistics of the rows whose sequence is above ``after``, one a column: as :func:`relation_sql` has them.

    The types are known, so every column is counted by itself, which takes a fraction of the time. Above 200,000 rows
    the quantiles are those of a hundred thousand of them, chosen by hash.
    """
    columns = [_column(name, kind) for name, kind in feature_set.entities]
    columns += [_column(feature.name, feature.type) for feature in feature_set.features]
    rows = f"FROM {feature_set.table} WHERE {SEQUENCE} > {after}"
    first = cursor.execute(f"SELECT count(*), {', '.join(map(_counts, columns))} {rows}").fetchall()[0]
    total = first[0]
    found = [
        ColumnStatistics(c.name, total, total - n["present"], n["distinct"], min=n["low"], max=n["high"])
        for c, n in zip(columns, first[1:], strict=True)
    ]
    numbers = [place for place, known in enumerate(found) if known.min is not None]
    for place, binned in _bins(cursor, columns, found, rows).items():
        found[place] = _with_bins(found[place], binned)
    if numbers:
        points, every = ", ".join(map(str, QUANTILES)), total // 100_000 if total > 200_000 else 1
        asked = ", ".join(f"approx_quantile({columns[place].number}, [{points}])" for place in numbers)
        sample = cursor.execute(f"SELECT {asked} {rows} AND hash({SEQUENCE}) % {every} = 0").fetchall()[0]
        for place, quantiles in zip(numbers, sample, strict=True):
            found[place] = replace(found[place], quantiles=quantiles)
    return [
        replace(known, top=_top(cursor, quote(known.column_name), known.distinct_count, rows))
        if column.is_text
        else known
        for column, known in zip(columns, found, strict=True)
    ]


def _column(name: str, kind: str) -> _Column:
    column = quote(name)
    number = None
    if _NUMBER.fullmatch(kind):
        number = f"{column}::DOUBLE"
        if kind in ("FLOAT", "DOUBLE"):
            number = f"CASE WHEN isfinite({column}) THEN {number} END"
    return _Column(name, number, kind == "VARCHAR")


def _counts(column: _Column) -> str:
    name, number = quote(column.name), column.number or "NULL::DOUBLE"
    parts = {"present": f"count({name})", "distinct": f"approx_count_distinct({name})"}
    parts |= {"low": f"min({number})", "high": f"max({number})"}
    return "{" + ", ".join(f"'{key}': {value}" for key, value in parts.items()) + "}"


def _top(cursor: DuckDBPyConnection, column: str, distinct: int, rows: str) -> list[str] | None:
    """The most frequent texts; approximately where there are so many that counting each takes long."""
    if distinct > COUNTED:
        approximately: list[str] | None = cursor.execute(f"SELECT approx_top_k({column}, 10) {rows}").fetchall()[0][0]
        return approximately
    found = cursor.execute(
        f"SELECT {column}, count(*) AS n {rows} AND {column} IS NOT NULL GROUP BY 1 ORDER BY n DESC, 1 LIMIT 10"
    ).fetchall()
    return [text for text, _ in found] or None


_Binned = dict[int, tuple[int, float, float]]
"""By bin: rows, and the sum and the sum of squares of what their numbers are above the bin's lower edge."""


def _bins(
    cursor: DuckDBPyConnection, columns: list[_Column], found: list[ColumnStatistics], rows: str
) -> dict[int, _Binned]:
    parts = []
    for place, (column, known) in enumerate(zip(columns, found, strict=True)):
        if known.min is None or known.max is None:
            continue
        low, width = f"{known.min!r}::DOUBLE", f"{(known.max - known.min) / BINS!r}::DOUBLE"
        number = f"SELECT {column.number} - {low} AS above {rows}"
        place_of = f"least({BINS - 1}, floor(above / nullif({width}, 0)))"
        over = f"SELECT {place_of} AS bin, above - bin * {width} AS d FROM ({number}) WHERE above IS NOT NULL"
        parts.append(f"SELECT {place}, bin::INTEGER AS bin, count(*), sum(d), sum(d * d) FROM ({over}) GROUP BY bin")
    binned: dict[int, _Binned] = {}
    for place, bin_, *sums in cursor.execute(" UNION ALL ".join(parts)).fetchall() if parts else ():
        binned.setdefault(place, {})[bin_] = (sums[0], sums[1], sums[2])
    return binned


def _with_bins(known: ColumnStatistics, binned: _Binned) -> ColumnStatistics:
    """Mean and deviation come from the bins (Chan, Golub and LeVeque: how sums of parts are put together)."""
    low, high = known.min or 0.0, known.max or 0.0
    edges = [low + number * (high - low) / BINS for number in range(BINS + 1)]
    count, mean, squares = 0, 0.0, 0.0
    for bin_, (n, above, above_squared) in sorted(binned.items()):
        own_mean, own_squares = edges[bin_] + above / n, above_squared - above * above / n
        apart = own_mean - mean
        squares += own_squares + apart * apart * count * n / (count + n)
        count += n
        mean += apart * n / count
    return replace(
        known,
        mean=mean,
        stddev=(max(squares, 0.0) / (count - 1)) ** 0.5 if count > 1 else None,
        histogram_edges=edges,
        histogram_counts=[binned.get(number, (0, 0.0, 0.0))[0] for number in range(BINS)],
    )
