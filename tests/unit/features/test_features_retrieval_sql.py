"""The point-in-time join against a naive one, row by row, over random data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest
from examples_of import examples
from feature_house import minute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbox.engine.features.asof import Spine, newest, retrieval
from mlbox.engine.features.definition import Feature, FeatureSet, VectorFeature


@dataclass(frozen=True)
class Known:
    """A row of a set, in minutes."""

    key: tuple[int, str]
    event: int
    known: int
    value: float | None


@dataclass(frozen=True)
class Case:
    rows: list[Known]
    spine: list[tuple[int | None, str | None, int | None]]
    ttl: float | None
    has_known_at: bool


KEYS = st.tuples(st.integers(0, 2), st.sampled_from(["a", "b"]))
TIMES = st.integers(0, 12)  # few, so that ties are frequent
VALUES = st.none() | st.floats(-5, 5, allow_nan=False, width=32)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    has_known_at = draw(st.booleans())
    rows = []
    for key, event, delay, value in draw(st.lists(st.tuples(KEYS, TIMES, st.integers(-2, 6), VALUES), max_size=25)):
        rows.append(Known(key, event, event + delay if has_known_at else event, value))
    spine = draw(
        st.lists(
            st.tuples(
                st.none() | st.integers(0, 3),
                st.none() | st.sampled_from(["a", "b", "c"]),
                st.none() | st.integers(-3, 18),
            ),
            min_size=1,
            max_size=12,
        )
    )
    return Case(rows, spine, draw(st.none() | st.sampled_from([60.0, 180.0, 600.0, 0.0])), has_known_at)


def naive(case: Case, key: tuple[Any, Any], at: int | None) -> tuple[Known, int] | None:
    """By the words of the documentation; with the row's place among all."""
    found = [
        (row, number) for number, row in enumerate(case.rows) if at is not None and row.key == key and row.known <= at
    ]
    if not found:
        return None
    best = max(found, key=lambda pair: (pair[0].known, pair[0].event, pair[1]))
    assert at is not None
    if case.ttl is not None and (at - best[0].known) * 60 > case.ttl:
        return None
    return best


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    found = duckdb.connect()
    found.execute("SET TimeZone = 'UTC'; ATTACH ':memory:' AS data; CREATE SCHEMA data._sets")
    yield found
    found.close()


def load(connection: duckdb.DuckDBPyConnection, case: Case) -> FeatureSet:
    feature_set = FeatureSet(
        project="p",
        name="f",
        version=1,
        id="0" * 32,
        entities=(("k", "INTEGER"), ("l", "VARCHAR")),
        timestamp="event",
        known_at="known" if case.has_known_at else None,
        features=(Feature("x", "DOUBLE"), Feature("place", "INTEGER"), Feature("seen", "TIMESTAMPTZ")),
        ttl=case.ttl,
    )
    times = "event TIMESTAMPTZ, " + ("known TIMESTAMPTZ, " if case.has_known_at else "")
    connection.execute(
        f"CREATE OR REPLACE TABLE {feature_set.table} "
        f"(k INTEGER, l VARCHAR, {times}x DOUBLE, place INTEGER, seen TIMESTAMPTZ, _ingested BIGINT)"
    )
    for number, row in enumerate(case.rows):
        stamps: list[datetime] = [minute(row.event)] + ([minute(row.known)] if case.has_known_at else [])
        values = [*row.key, *stamps, row.value, number, minute(row.known), number + 1]
        connection.execute(f"INSERT INTO {feature_set.table} VALUES ({', '.join('?' * len(values))})", values)
    return feature_set


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_each_row_gets_what_was_known_then(connection: duckdb.DuckDBPyConnection, case: Case) -> None:
    feature_set = load(connection, case)
    connection.execute("CREATE OR REPLACE TABLE spine (n INTEGER, k INTEGER, l VARCHAR, t TIMESTAMPTZ)")
    for number, (k, text, at) in enumerate(case.spine):
        stamp = None if at is None else minute(at)
        connection.execute("INSERT INTO spine VALUES (?, ?, ?, ?)", [number, k, text, stamp])
    features = [VectorFeature("f", "p", name, name) for name in ("x", "place", "seen")]
    sql = retrieval(Spine("spine", "t"), [(feature_set, features)])
    got = connection.execute(f"SELECT n, t, x, place, seen FROM ({sql}) ORDER BY n").fetchall()

    assert [row[0] for row in got] == list(range(len(case.spine)))  # each row of the spine, once
    for (_, time, x, place, seen), (k, text, at) in zip(got, case.spine, strict=True):
        expected = naive(case, (k, text), at)
        assert (place, x) == ((expected[1], expected[0].value) if expected else (None, None))
        assert seen is None or seen <= time  # nothing from the future


@settings(max_examples=examples(80), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(), until=st.integers(-3, 18))
def test_newest_rows_for_the_online_store(connection: duckdb.DuckDBPyConnection, case: Case, until: int) -> None:
    feature_set = load(connection, case)
    limit = minute(until).isoformat()
    sql = newest(feature_set, f"{feature_set.axis} < TIMESTAMPTZ '{limit}'")
    got = {row[:2]: row[2:] for row in connection.execute(sql).fetchall()}

    expected = {}
    for number, row in enumerate(case.rows):
        if row.known < until:
            order = (row.known, row.event, number)
            expected[row.key] = max(expected.get(row.key, order), order)
    assert {key: row[4] for key, row in got.items()} == {key: order[2] for key, order in expected.items()}
    for key, (known, event, sequence, *_) in got.items():
        assert (known, event) == tuple(
            (minute(number) - minute(0)) // timedelta(microseconds=1) + int(minute(0).timestamp() * 1_000_000)
            for number in expected[key][:2]
        )
        assert sequence == expected[key][2] + 1
