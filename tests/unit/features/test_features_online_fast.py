"""The fast ways of the online store say what the slow ones say: one row, a matrix, rows a column at a time."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from examples_of import examples
from feature_house import FeatureHouse, entity, minute, timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref
from mlbox.engine.features.online_reader import OnlineReader
from mlbox.engine.features.stores.online import columns
from mlbox.engine.features.stores.online.base import Row, Schema
from mlbox.engine.features.stores.online.codec import Layout

KINDS: dict[str, st.SearchStrategy[Any]] = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "SMALLINT": st.integers(-(2**15), 2**15 - 1),
    "DOUBLE": st.floats(allow_nan=False),
    "BOOLEAN": st.booleans(),
    "VARCHAR": st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=8),
    "DATE": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "TIMESTAMP": st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
    "TIMESTAMP WITH TIME ZONE": st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)).map(
        lambda value: value.replace(tzinfo=UTC)
    ),
}
ENTITIES = {"BIGINT": KINDS["BIGINT"], "VARCHAR": st.text("ab\xe4", max_size=4), "DATE": KINDS["DATE"]}


@st.composite
def tables(draw: st.DrawFn) -> tuple[Schema, list[Row]]:
    entities = draw(st.lists(st.sampled_from(sorted(ENTITIES)), min_size=1, max_size=2))
    features = draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=5)) * draw(st.sampled_from((1, 1, 1, 30)))
    row = st.builds(
        Row,
        st.tuples(*(ENTITIES[kind] for kind in entities)),
        st.integers(-(10**15), 10**15),
        st.integers(-(10**15), 10**15),
        st.integers(0, 2**62),
        st.tuples(*(st.none() | KINDS[kind] for kind in features)),
    )
    return Schema("0123456789abcdef" * 2, tuple(entities), tuple(features)), draw(st.lists(row, max_size=4))


@settings(max_examples=examples(60), suppress_health_check=list(HealthCheck), deadline=None)
@given(case=tables())
def test_columns_become_the_bytes_of_rows(case: tuple[Schema, list[Row]]) -> None:
    """DuckDB's columns, as a REFRESH … ONLINE reads them, against each row by itself."""
    import duckdb

    schema, rows = case
    layout = Layout(schema)
    kinds = [*schema.entities, "BIGINT", "BIGINT", "BIGINT", *schema.features]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        named = ", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds))
        connection.execute(f"CREATE TABLE t (n INTEGER, {named})")
        for number, row in enumerate(rows):
            values = [number, *row.key, row.known_at, row.event_time, row.sequence, *row.values]
            connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(values))})", values)
        first = len(kinds) - len(schema.features)
        chosen = columns.expressions(layout, [f"c{number}" for number in range(first, len(kinds))])
        assert chosen is not None
        selected = ", ".join([*(f"c{number}" for number in range(first)), *chosen])
        found = [
            item
            for batch in connection.sql(f"SELECT {selected} FROM t ORDER BY n").to_arrow_reader(3)
            for item in columns.packed(layout, batch, len(schema.entities))
        ]
    assert found == [(layout.keys.pack(row.key), layout.pack(row)) for row in rows]


def test_what_has_no_column_form_goes_by_rows() -> None:
    assert columns.expressions(Layout(Schema("00" * 16, ("BIGINT",), ("DOUBLE", "DOUBLE[]"))), ["a", "b"]) is None


@pytest.fixture(scope="module")
def reader(shared: FeatureHouse) -> OnlineReader:
    """Two sets, one of them with a TTL of five minutes, numbers and booleans with gaps."""
    shared.table(
        "fast_raw",
        "k INTEGER, ts TIMESTAMPTZ, x DOUBLE, n INTEGER, b BOOLEAN, s VARCHAR",
        [
            (1, minute(0), 1.5, None, True, "one"),
            (2, minute(0), None, 2**31 - 1, False, "two"),
            (3, minute(9), -0.5, 7, None, None),
        ],
    )
    more = {"store": "both"}
    shared.create("fast", "FROM fast_raw", entity("k"), timestamp("ts"), **more)
    shared.create(
        "brief",
        "SELECT k, ts, x * 2 AS y, k > 1 AS big FROM fast_raw WHERE k <> 2",
        entity("k"),
        timestamp("ts"),
        ttl=timedelta(minutes=5),
        **more,
    )
    shared.vector("fast_v", "brief.big", "fast.*", "brief.y AS why")
    shared.vector("fast_n", "brief.big", "fast.n", "fast.x", "fast.b", "brief.y AS why")
    shared.vector("brief_v", "brief.y", "brief.big")
    shared.vector("one_v", "fast.*")
    return shared.features.reader(Ref("default", "fast_v"))


KEYS = [3, 1, 4, 2, None, 1, "3", 3.0, 2, 1]


@pytest.mark.parametrize("moment", [None, minute(3), minute(10)])
def test_one_row_is_a_row_of_many(reader: OnlineReader, moment: datetime | None) -> None:
    many = reader.read({"k": KEYS}, [moment] * len(KEYS))
    for number, key in enumerate(KEYS):
        assert reader.row({"k": key}, moment) == {name: values[number] for name, values in many.items()}
        assert reader.row({"k": key}, moment) == {
            name: values[0] for name, values in reader.read({"k": [key]}, [moment]).items()
        }
    assert many["why"][0] == (-1.0 if moment == minute(10) else None if moment is None else -1.0)


@pytest.mark.parametrize("vector", ["fast_v", "fast_n", "brief_v", "one_v"])
def test_chosen_features_of_a_key_are_those_of_the_row(shared: FeatureHouse, reader: OnlineReader, vector: str) -> None:
    """Of two sets, of one with a TTL, of one, in the order of the vector and turned round."""
    own = shared.features.reader(Ref("default", vector))
    for names in (own.features, own.features[::-1], own.features[:1]):
        chosen = own.row_of(names)
        for key in KEYS:
            assert list(chosen({"k": key})) == [own.row({"k": key})[name] for name in names]
        with pytest.raises(Invalid, match="entity k is missing"):
            chosen({"j": 1})


def test_chosen_features_follow_a_new_definition(shared: FeatureHouse) -> None:
    shared.create("moving", "SELECT 1 AS k, now() AS ts, 1 AS x, 2 AS y", entity("k"), timestamp("ts"), store="both")
    shared.vector("moving_v", "moving.x", "moving.y")
    chosen = shared.features.reader(Ref("default", "moving_v")).row_of(["y", "x"])
    assert list(chosen({"k": 1})) == [2, 1]
    query = "SELECT 1 AS k, now() AS ts, 5 AS y, 0 AS z, 4 AS x"
    shared.create("moving", query, entity("k"), timestamp("ts"), store="both", replace=True)
    assert list(chosen({"k": 1})) == [5, 4]


@pytest.mark.parametrize("keys", [KEYS, KEYS[:1], []])
@pytest.mark.parametrize("moment", [None, minute(3), minute(10)])
def test_a_matrix_is_the_columns_as_numbers(shared: FeatureHouse, reader: OnlineReader, keys: Any, moment: Any) -> None:
    reader = shared.features.reader(Ref("default", "fast_n"))
    names = ["x", "why", "b", "n", "big"]
    at = None if moment is None else [moment] * len(keys)
    matrix = reader.matrix({"k": keys}, at, names)
    assert matrix.shape == (len(keys), 5)
    read = reader.read({"k": keys}, at)
    expected = [
        [math.nan if read[name][row] is None else float(read[name][row]) for name in names] for row in range(len(keys))
    ]
    for ours, theirs in zip(matrix.tolist(), expected, strict=True):
        assert [None if math.isnan(value) else value for value in ours] == [
            None if math.isnan(value) else value for value in theirs
        ]
    assert reader.matrix({"k": keys}, at).shape == (len(keys), len(reader.features))


def test_a_matrix_has_numbers_of_the_vector_only(reader: OnlineReader) -> None:
    with pytest.raises(Invalid, match="feature s is no number"):
        reader.matrix({"k": [1]})
    with pytest.raises(Invalid, match="the vector has no feature 'z'"):
        reader.matrix({"k": [1]}, features=["x", "z"])


def test_missing_and_stale_are_told_apart(reader: OnlineReader) -> None:
    brief, fast = reader.look({"k": [1, 3, 2, None]}, [minute(9), minute(9), minute(9), None])
    assert (brief.part.label, fast.part.label) == ("brief", "fast")
    assert brief.status == ["stale", "present", "missing", "missing"]
    assert fast.status == ["present", "present", "present", "missing"]
    assert brief.values[0] == (3.0, False)  # what it was stays to be seen
    assert brief.known_at[2] is None and brief.known_at[1] == round(minute(9).timestamp() * 1e6)


def test_columns_of_different_lengths_are_refused(shared: FeatureHouse, reader: OnlineReader) -> None:
    shared.create("other", "SELECT 1 AS j, now() AS ts, 1 AS z", entity("j"), timestamp("ts"), store="both")
    shared.vector("two_v", "other.z", "fast.x")
    two = shared.features.reader(Ref("default", "two_v"))
    assert two.row({"k": 1, "j": 1}) == {"z": 1, "x": 1.5}
    with pytest.raises(Invalid, match="different lengths"):
        two.read({"k": [1, 2, 3], "j": [1]})
    with pytest.raises(Invalid, match="entity j is missing"):
        two.row({"k": 1})
