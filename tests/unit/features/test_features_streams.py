"""Windows kept up with a stream: each event has the value that SQL gives over all rows, in whatever order they came."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pyarrow
import pytest
from examples_of import examples
from feature_house import FeatureHouse, entity, known_at, minute, timestamp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from waiting import wait_until

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.features.commands import Aggregate, Calendar, Column
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.streaming import pushes
from mlbox.engine.features.streaming.pushes import Push, json_rows
from mlbox.engine.features.streaming.writer import Taken
from mlbox.engine.features.window_functions import FUNCTIONS

NAMES = (f"stream{number}" for number in itertools.count())
WINDOWS: dict[str, tuple[tuple[timedelta | Calendar, ...], timedelta | None]] = {
    "sliding": ((timedelta(minutes=3), timedelta(minutes=7)), None),
    "aligned": ((timedelta(minutes=6),), timedelta(minutes=2)),
    "calendar": ((Calendar("hour"), Calendar("day", "Asia/Kathmandu")), None),
}
EXACT = [name for name, function in FUNCTIONS.items() if function.error is None]
SKETCHES = [name for name, function in FUNCTIONS.items() if function.error is not None]


def push(house: FeatureHouse, name: str, rows: list[dict[str, Any]], key: str | None = None) -> Taken:
    """Rows as a client pushes them."""
    return push_table(house, name, pyarrow.Table.from_pylist(rows), key)


def push_table(house: FeatureHouse, name: str, rows: pyarrow.Table, key: str | None = None) -> Taken:
    done = house.features.streams.pushes.push(found(house, name), Push(rows, key))
    assert done.taken is not None
    return done.taken


def found(house: FeatureHouse, name: str) -> FeatureSet:
    (one,) = [one for one in house.features._directory.sets() if one.name == name]
    return one


def aggregates(frame: str, functions: list[str], column: str = "x") -> tuple[Aggregate, ...]:
    windows, every = WINDOWS[frame]
    made = [
        Aggregate(f, column, windows, every, name=f, argument=0.5 if FUNCTIONS[f].argument else None) for f in functions
    ]
    return (*made, Aggregate("count", "*", windows, every, name="n_rows"))


def batch_values(house: FeatureHouse, name: str) -> list[dict[str, Any]]:
    """The same aggregates by the SQL of a set over a query, over the rows that the stream has."""
    one = found(house, name)
    columns = [entity(e) for e, _ in one.entities] + [timestamp(one.timestamp)]
    columns += [known_at(one.known_at)] if one.known_at else []
    plain = [f for f in one.features if f.aggregate is None]
    query = f"SELECT {', '.join([*one.entity_names, *one.times, *(f.name for f in plain)])} FROM {name}"
    house.create(
        f"{name}_batch",
        query,
        *columns,
        *(Column(f.name) for f in plain),
        aggregates=house.declared[name],  # type: ignore[attr-defined]
    )
    return house.rows(f"FROM {name}_batch ORDER BY n")


def same(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)


def stream_set(house: FeatureHouse, frame: str, functions: list[str], kind: str = "DOUBLE", **more: Any) -> str:
    name = next(NAMES)
    declared = aggregates(frame, functions)
    columns = (entity("k", "BIGINT"), timestamp("ts"), *more.pop("columns", ()))
    house.create(name, None, *columns, Column("n", type="BIGINT"), Column("x", type=kind), aggregates=declared, **more)
    house.__dict__.setdefault("declared", {})[name] = declared
    return name


PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # each example writes files: to shrink one takes minutes
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 40), st.none() | st.integers(-9, 9)), min_size=1, max_size=40
)


@settings(max_examples=examples(12), suppress_health_check=list(HealthCheck), phases=PHASES)
@given(
    rows=ROWS,
    cuts=st.lists(st.integers(1, 39), max_size=4),
    frame=st.sampled_from(sorted(WINDOWS)),
    kind=st.sampled_from(["DOUBLE", "INTEGER", "BIGINT"]),
    functions=st.lists(st.sampled_from(EXACT), min_size=1, max_size=4, unique=True),
    reopened=st.booleans(),
)
def test_a_stream_in_any_order_has_the_values_of_the_batch(
    shared: FeatureHouse,
    rows: list[tuple[int, int, int | None]],
    cuts: list[int],
    frame: str,
    kind: str,
    functions: list[str],
    reopened: bool,
) -> None:
    name = stream_set(shared, frame, functions, kind)
    events = [{"k": k, "ts": minute(t / 3), "n": n, "x": x} for n, (k, t, x) in enumerate(rows)]
    places = [0, *sorted(cuts), len(events)]
    for start, end in itertools.pairwise(places):
        if events[start:end]:
            push(shared, name, events[start:end])
        if reopened:  # what is in memory is a cache
            shared.features.streams.forget(found(shared, name).id)
    streamed, batch = shared.rows(f"FROM {name} ORDER BY n"), batch_values(shared, name)
    assert len(streamed) == len(batch) == len(events)
    for left, right in zip(streamed, batch, strict=True):
        for column in left:
            if column not in ("k", "ts"):
                assert same(left[column], right[column]), (column, left, right)


@settings(max_examples=examples(6), suppress_health_check=list(HealthCheck), phases=PHASES)
@given(rows=ROWS, cuts=st.lists(st.integers(1, 39), max_size=3), frame=st.sampled_from(sorted(WINDOWS)))
def test_sketches_over_a_stream_are_within_their_error(
    shared: FeatureHouse, rows: list[tuple[int, int, int | None]], cuts: list[int], frame: str
) -> None:
    name = stream_set(shared, frame, SKETCHES)
    events = [{"k": k, "ts": minute(t / 3), "n": n, "x": x} for n, (k, t, x) in enumerate(rows)]
    for start, end in itertools.pairwise([0, *sorted(cuts), len(events)]):
        if events[start:end]:
            push(shared, name, events[start:end])
    for left, right in zip(shared.rows(f"FROM {name} ORDER BY n"), batch_values(shared, name), strict=True):
        for column in left:
            if column.startswith(("approx_distinct", "n_rows")):
                assert left[column] == right[column]  # a HyperLogLog of the same rows is the same
            elif column.startswith("quantile"):
                assert (left[column] is None) == (right[column] is None)
                if left[column] is not None:
                    assert abs(left[column] - right[column]) <= 18 * 0.05 + 1e-9


@settings(max_examples=examples(6), suppress_health_check=list(HealthCheck), phases=PHASES)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 5), st.none() | st.integers(-9, 9)),
        min_size=1,
        max_size=25,
    ),
    cuts=st.lists(st.integers(1, 24), max_size=3),
    functions=st.lists(st.sampled_from(EXACT), min_size=1, max_size=3, unique=True),
)
def test_windows_follow_the_known_at_time(
    shared: FeatureHouse, rows: list[tuple[int, int, int, int | None]], cuts: list[int], functions: list[str]
) -> None:
    name = stream_set(shared, "sliding", functions, columns=(known_at("known"),))
    events = [{"k": k, "ts": minute(t), "known": minute(t + d), "n": n, "x": x} for n, (k, t, d, x) in enumerate(rows)]
    for start, end in itertools.pairwise([0, *sorted(cuts), len(events)]):
        if events[start:end]:
            push(shared, name, events[start:end])
    for left, right in zip(shared.rows(f"FROM {name} ORDER BY n"), batch_values(shared, name), strict=True):
        for column in left:
            if column not in ("k", "ts", "known"):
                assert same(left[column], right[column]), (column, left, right)


def test_wrong_rows_are_refused_each_with_its_reason(sets: FeatureHouse) -> None:
    name = stream_set(sets, "sliding", ["sum"])
    body = b"""[{"k": 1, "ts": "2026-01-01T00:00:00Z", "n": 1, "x": 2.5, "other": true},
        {"k": null, "ts": "2026-01-01T00:00:00Z"}, {"k": 1}, {"k": "a", "ts": "2026-01-01"}, 7,
        {"k": 1, "ts": "yesterday"}, {"k": 1, "ts": "2026-01-01T00:01:00Z", "n": 2, "x": 4}]"""
    taken = push_table(sets, name, json_rows(body, lines=False))
    assert taken.added == 2
    assert taken.refused == {
        1: "entity k is missing",
        2: "time ts is missing",
        3: "k is not of type BIGINT: a",
        4: "the row is not a JSON object",
        5: "ts is not of type TIMESTAMP WITH TIME ZONE: yesterday",
    }
    assert sets.run(f"SELECT n, sum_3m FROM {name} ORDER BY n") == [(1, 2.5), (2, 6.5)]
    letters = sets.rows('SELECT feature_set, reason, "row" FROM ml.dead_letters ORDER BY reason')
    assert [letter["feature_set"] for letter in letters] == [name] * 5
    assert {letter["reason"] for letter in letters} == set(taken.refused.values())
    assert '{"k": 1}' in {letter["row"] for letter in letters}


def test_too_late_rows_are_refused_however_they_are_cut(sets: FeatureHouse) -> None:
    rows = [(1, 10.0), (2, 30.0), (3, 21.0), (4, 19.0), (5, 45.0), (6, 34.0), (7, 36.0)]
    for cut in range(1, len(rows)):
        name = stream_set(sets, "sliding", ["sum"], options={"allowed_lateness": timedelta(minutes=10)})
        events = [{"k": 1, "ts": minute(m), "n": n, "x": 1.0} for n, m in rows]
        taken = [push(sets, name, events[:cut]), push(sets, name, events[cut:])]
        assert sets.run(f"SELECT n FROM {name} ORDER BY n") == [(1,), (2,), (3,), (5,), (7,)]
        reasons = [reason for one in taken for reason in one.refused.values()]
        assert reasons == [
            "later than allowed: 660 s behind, 600 s are allowed",
            "later than allowed: 660 s behind, 600 s are allowed",
        ]
        (row,) = sets.rows(f"SELECT late, rejected FROM data._mlbox.ingests WHERE feature_set = '{name}'")
        assert row == {"late": 2, "rejected": 2}


def test_a_repeated_push_is_taken_once(sets: FeatureHouse) -> None:
    name = stream_set(sets, "sliding", ["count"])
    event = [{"k": 1, "ts": minute(0), "n": 1, "x": 1.0}]
    assert push(sets, name, event, "first").added == 1
    assert push(sets, name, event, "first").added == 0
    sets.reopen()
    assert push(sets, name, event, "first").added == 0
    assert push(sets, name, event, "second").added == 1
    assert sets.run(f"SELECT count_3m FROM {name}") == [(2,), (2,)]


def test_times_may_be_numbers_of_a_declared_unit(sets: FeatureHouse) -> None:
    name = stream_set(sets, "sliding", ["count"], options={"time_unit": "ms"})
    millis = round(minute(5).timestamp() * 1000)
    body = f'{{"k": 1, "ts": {millis}, "n": 1}}\n{{"k": 1, "ts": "2026-01-01T00:06:00Z", "n": 2}}\n'
    assert push_table(sets, name, json_rows(body.encode(), lines=True)).refused == {}
    push(sets, name, [{"k": 1, "ts": millis + 1000, "n": 3, "x": 1.0}])
    assert sets.run(f"SELECT n, ts FROM {name} ORDER BY n") == [(1, minute(5)), (2, minute(6)), (3, minute(5 + 1 / 60))]


def test_insert_adds_rows_and_refuses_all_for_a_wrong_one(sets: FeatureHouse) -> None:
    name = stream_set(sets, "sliding", ["sum"])
    sets.insert(name, "SELECT 1, '2026-01-01 00:00:00Z'::TIMESTAMPTZ, 1, 2.0")
    sets.insert(name, "SELECT 3.0, 2, 1, '2026-01-01 00:01:00Z'::TIMESTAMPTZ", "x", "n", "k", "ts")
    with pytest.raises(Invalid, match="entity k is missing in row 2 for feature set"):
        sets.insert(name, "VALUES (1, '2026-01-01'::TIMESTAMPTZ, 3, 1.0), (NULL, '2026-01-01'::TIMESTAMPTZ, 4, 1.0)")
    assert sets.run(f"SELECT n, sum_3m FROM {name} ORDER BY n") == [(1, 2.0), (2, 5.0)]


def test_too_many_that_wait_are_told_to_come_again(sets: FeatureHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers are held until their rows are durable; beyond what may wait they are refused."""
    name = next(NAMES)
    sets.create(name, None, entity("k", "BIGINT"), timestamp("ts"), Column("x", type="DOUBLE"))
    monkeypatch.setattr(pushes, "WAITING", 3)
    one = found(sets, name)
    rows = pyarrow.Table.from_pylist([{"k": 1, "ts": "2026-01-01", "x": 1.0}] * 2)
    queues = sets.features.streams.pushes
    with ThreadPoolExecutor(1) as pool:
        with sets.features.streams.locks.of(one.ref.at(None)):
            waiting = pool.submit(queues.push, one, Push(rows, None))
            wait_until(lambda: one.id in queues._queues and queues._queues[one.id].rows == 2)
            with pytest.raises(Unavailable, match="has 2 rows waiting") as refused:
                push_table(sets, name, rows)
            assert refused.value.transient and "push again" in str(refused.value.hint)
        assert waiting.result().done
    assert sets.run(f"SELECT count(*) FROM {name}") == [(2,)]
