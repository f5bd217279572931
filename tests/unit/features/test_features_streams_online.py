"""Windows over a stream, read online: as of now, whether events come or not."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow
import pytest
from examples_of import examples
from feature_house import FeatureHouse, entity, minute, timestamp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from waiting import wait_until

from mlbox.engine.features.commands import Aggregate, Calendar, Column
from mlbox.engine.features.streaming.pushes import Push
from mlbox.engine.features.window_functions import FUNCTIONS

NAMES = (f"online{number}" for number in itertools.count())
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # each example writes files: to shrink one takes minutes
EXACT = [name for name, function in FUNCTIONS.items() if function.error is None]
SQL = {
    "count": "count(x)",
    "sum": "sum(x)",
    "avg": "avg(x)",
    "min": "min(x)",
    "max": "max(x)",
    "sqr": "sum(x * x)",
    "sum_squares": "sum(x * x)",
    "stddev": "stddev_samp(x)",
    "var": "var_samp(x)",
    "first": "arg_min_null(x, ts)",
    "last": "arg_max_null(x, ts)",
}


def now() -> datetime:
    return datetime.now(UTC)


def push(house: FeatureHouse, name: str, *rows: dict[str, Any]) -> None:
    (one,) = [one for one in house.features._directory.sets() if one.name == name]
    house.features.streams.pushes.push(one, Push(pyarrow.Table.from_pylist(list(rows)), None))


def made(house: FeatureHouse, *aggregates: Aggregate, columns: tuple[Column, ...] = (), **more: Any) -> str:
    name = next(NAMES)
    plain = columns or (Column("x", type="DOUBLE"),)
    declared = {"aggregates": aggregates, "store": "both", **more}
    house.create(name, None, entity("k", "BIGINT"), timestamp("ts"), *plain, **declared)
    house.vector(f"{name}_v", f"{name}.*")
    return name


@settings(
    max_examples=examples(8),
    suppress_health_check=list(HealthCheck),
    phases=[Phase.reuse, Phase.explicit, Phase.generate],
)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 200), st.none() | st.integers(-9, 9)),
        min_size=1,
        max_size=30,
        unique_by=lambda row: (row[0], row[1]),
    ),
    cuts=st.lists(st.integers(1, 29), max_size=3),
    functions=st.lists(st.sampled_from(EXACT), min_size=1, max_size=4, unique=True),
)
def test_online_values_are_those_of_sql_as_of_now(
    shared: FeatureHouse, rows: list[tuple[int, int, int | None]], cuts: list[int], functions: list[str]
) -> None:
    windows = (timedelta(hours=1), timedelta(hours=2))
    name = made(shared, *(Aggregate(f, "x", windows, name=f) for f in functions))
    start = now().replace(second=30, microsecond=0)
    events = [{"k": k, "ts": start - timedelta(minutes=m + 1), "x": x} for k, m, x in rows]
    # none that has left a window within the last minute, or does so within the next
    near, far = timedelta(minutes=1), timedelta(minutes=59)
    events = [event for event in events if near < (now() - event["ts"]) % timedelta(hours=1) < far]
    for first, last in itertools.pairwise([0, *sorted(cuts), len(events)]):
        if events[first:last]:
            push(shared, name, *events[first:last])
    for key in {event["k"] for event in events}:
        found = shared.online(f"{name}_v", k=key)
        for function in functions:
            for hours in (1, 2):
                ((expected,),) = shared.run(
                    f"SELECT {SQL[function]} FROM {name} WHERE k = {key} AND ts >= now() - INTERVAL {hours} HOUR"
                )
                value = found[f"{function}_{hours}h"]
                assert (value is None) == (expected is None), (function, hours, found)
                assert value is None or math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)
        latest = max((event for event in events if event["k"] == key), key=lambda event: event["ts"])
        assert found["x"] == latest["x"]


@settings(max_examples=examples(8), suppress_health_check=list(HealthCheck), phases=PHASES)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 60), st.none() | st.integers(-9, 9)),
        min_size=1,
        max_size=20,
        unique_by=lambda row: (row[0], row[1]),
    ),
    spine=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 100)), min_size=1, max_size=10),
    functions=st.lists(st.sampled_from(EXACT), min_size=1, max_size=3, unique=True),
    ttl=st.none() | st.just(timedelta(minutes=25)),
)
def test_a_vector_has_the_windows_at_the_time_of_the_spine(
    shared: FeatureHouse,
    rows: list[tuple[int, int, int | None]],
    spine: list[tuple[int, int]],
    functions: list[str],
    ttl: timedelta | None,
) -> None:
    name = made(shared, *(Aggregate(f, "x", (timedelta(minutes=20),), name=f) for f in functions), ttl=ttl)
    push(shared, name, *({"k": k, "ts": minute(m), "x": x} for k, m, x in rows))
    places = [(n, k, minute(m)) for n, (k, m) in enumerate(spine)]
    shared.table(f"{name}_s", "n INTEGER, k BIGINT, event_time TIMESTAMPTZ", places)
    found = shared.as_of(f"{name}_v", f"{name}_s", "n")
    for row, (key, time) in zip(found, spine, strict=True):
        before = [(m, x) for k, m, x in rows if k == key and m <= time]
        seen = bool(before) and (ttl is None or max(before)[0] >= time - 25)
        assert row["x"] == (max(before, key=lambda pair: pair[0])[1] if seen else None)
        for function in functions:
            ((expected,),) = shared.run(
                f"SELECT {SQL[function]} FROM {name} WHERE k = ? AND ts BETWEEN ? AND ?",
                [key, minute(time - 20), minute(time)],
            )
            value = row[function]
            assert (value is None) == (not seen or expected is None), (function, row)
            assert value is None or math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)


def test_windows_lose_their_rows_while_none_comes(sets: FeatureHouse) -> None:
    two, hour = timedelta(seconds=2), timedelta(hours=1)
    name = made(
        sets,
        Aggregate("count", "*", (two, hour), name="n"),
        Aggregate("sum", "x", (two,), name="s"),
        Aggregate("quantile", "x", (two,), name="q", argument=0.5),
    )
    sets.features.start()
    push(sets, name, {"k": 1, "ts": now(), "x": 2.0}, {"k": 2, "ts": now(), "x": 3.0})
    assert sets.online(f"{name}_v", k=1)["n_1h"] == 1
    wait_until(lambda: sets.online(f"{name}_v", k=1) == {"x": 2.0, "n_2s": 0, "n_1h": 1, "s": None, "q": None})
    push(sets, name, {"k": 1, "ts": now(), "x": 5.0})
    found = sets.online(f"{name}_v", k=1)
    assert (found["x"], found["n_1h"]) == (5.0, 2)


def test_windows_lose_their_rows_while_the_server_is_down(sets: FeatureHouse) -> None:
    name = made(sets, Aggregate("max", "x", (timedelta(seconds=1), timedelta(days=1)), name="m"))
    push(sets, name, {"k": 1, "ts": now(), "x": 2.0}, {"k": 2, "ts": now() - timedelta(hours=30), "x": 3.0})
    sets.close()
    began = now()
    wait_until(lambda: now() - began > timedelta(seconds=1.2))
    sets.open()
    sets.features.start()
    wait_until(lambda: sets.online(f"{name}_v", k=1) == {"x": 2.0, "m_1s": None, "m_1d": 2.0})
    assert sets.online(f"{name}_v", k=2) == {"x": 3.0, "m_1s": None, "m_1d": None}


def test_a_late_event_changes_windows_and_not_the_latest_values(sets: FeatureHouse) -> None:
    name = made(
        sets, Aggregate("sum", "x", (timedelta(hours=1),), name="s"), Aggregate("count", "*", (Calendar("year"),))
    )
    push(sets, name, {"k": 1, "ts": now(), "x": 2.0})
    push(sets, name, {"k": 1, "ts": now() - timedelta(minutes=5), "x": 3.0})
    found = sets.online(f"{name}_v", k=1)
    assert (found["x"], found["s"]) == (2.0, 5.0)


def test_text_and_times_in_windows_go_online_too(sets: FeatureHouse) -> None:
    columns = (Column("city", type="VARCHAR"), Column("seen", type="TIMESTAMPTZ"))
    hour = (timedelta(hours=1),)
    name = made(
        sets,
        Aggregate("last", "city", hour, name="city_last"),
        Aggregate("min", "seen", hour, name="seen_first"),
        Aggregate("approx_distinct", "city", hour, name="cities"),
        columns=columns,
    )
    first, second = now() - timedelta(minutes=9), now() - timedelta(minutes=4)
    push(sets, name, {"k": 1, "ts": first, "city": "Rome", "seen": first})
    push(sets, name, {"k": 1, "ts": second, "city": "Oslo", "seen": second})
    push(sets, name, {"k": 1, "ts": first - timedelta(minutes=1), "city": "Bern", "seen": second})
    found = sets.online(f"{name}_v", k=1)
    assert found == {"city": "Oslo", "seen": second, "city_last": "Oslo", "seen_first": first, "cities": 3}


@pytest.mark.parametrize("size", [1, 3])
def test_entities_of_several_columns(sets: FeatureHouse, size: int) -> None:
    name = next(NAMES)
    columns = (entity("a", "VARCHAR"), entity("b", "BIGINT"), timestamp("ts"), Column("x", type="DOUBLE"))
    hour = Aggregate("sum", "x", (timedelta(hours=1),), name="s")
    sets.create(name, None, *columns, aggregates=(hour,), store="both")
    sets.vector("v", f"{name}.s")
    rows = [{"a": a, "b": b, "ts": now(), "x": float(b)} for a in ("u", "v") for b in (1, 2)]
    for first in range(0, len(rows), size):
        push(sets, name, *rows[first : first + size])
    push(sets, name, *rows)
    assert sets.online("v", a="v", b=2) == {"s": 4.0}
    assert sets.online("v", a="u", b=1) == {"s": 2.0}
    assert sets.online("v", a="u", b=3) == {"s": None}
