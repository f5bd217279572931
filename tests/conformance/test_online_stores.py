"""What every online store must do; a store that is registered is tested here without further words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from engines import redis
from examples_of import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.engine.features.stores.online.base import STORES, Capabilities, OnlineStore, Place, Row, Schema, open_store
from mlbox.engine.features.stores.online.codec import Layout
from mlbox.engine.features.stores.online.rows import get_many, packed, put_many


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    """Where each store is; one that cannot run here is not in it."""
    folder = tmp_path_factory.mktemp("stores")
    found = {"lmdb": Place(folder / "online")}
    if redis.why_not():
        yield found
        return
    with redis.running(folder / "redis", password="a word") as server:
        yield {**found, "redis": Place(folder, server.url, "a word")}


@pytest.fixture(params=STORES.names())
def place(request: pytest.FixtureRequest, places: dict[str, Place]) -> Place:
    name = str(request.param)
    if name not in places:
        pytest.skip(redis.why_not())
    return places[name]


@pytest.fixture
def store(place: Place) -> Iterator[OnlineStore]:
    found = open_store(place)
    yield found
    found.close()


def schema(*features: str, entities: tuple[str, ...] = ("BIGINT",)) -> Schema:
    return Schema(new_id(), entities, features or ("DOUBLE",))


def row(key: Any, time: int = 0, value: Any = 1.0, event: int = 0, sequence: int = 0) -> Row:
    return Row(key if isinstance(key, tuple) else (key,), time, event, sequence, (value,))


def values(store: OnlineStore, of: Schema, *keys: Any) -> list[Any]:
    found = get_many(store, of, [key if isinstance(key, tuple) else (key,) for key in keys])
    return [None if one is None else one.values[0] for one in found]


def test_it_says_what_it_can(store: OnlineStore) -> None:
    assert isinstance(store.capabilities, Capabilities)


def test_rows_come_back_in_the_order_of_the_keys(store: OnlineStore) -> None:
    of = schema()
    assert put_many(store, of, [row(1, value=1.5), row(2, value=None)]) == 2
    assert values(store, of, 2, 3, 1, 1) == [None, None, 1.5, 1.5]
    found = get_many(store, of, [(2,), (3,)])
    assert found[0] is not None and found[1] is None  # a missing value is not a missing row
    assert get_many(store, of, []) == []
    assert put_many(store, of, []) == 0


def test_all_of_a_row_comes_back(store: OnlineStore) -> None:
    of = Schema(new_id(), ("VARCHAR", "INTEGER"), ("BIGINT", "VARCHAR", "BOOLEAN", "DOUBLE[]"))
    put = Row(("a", 1), 5, 4, 3, (2**60, "Zürich\x00", False, [1.0, None]))
    put_many(store, of, [put])
    assert get_many(store, of, [("a", 1)]) == [put]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (row(1, time=1, event=9, sequence=9), row(1, time=2, event=0, sequence=0)),
        (row(1, time=1, event=1, sequence=9), row(1, time=1, event=2, sequence=0)),
        (row(1, time=1, event=1, sequence=1), row(1, time=1, event=1, sequence=2)),
        (row(1, time=-5), row(1, time=-4)),
    ],
)
def test_an_older_row_never_replaces_a_newer_one(store: OnlineStore, older: Row, newer: Row) -> None:
    first, second = schema(), schema()
    assert (put_many(store, first, [older]), put_many(store, first, [newer])) == (1, 1)
    assert (put_many(store, second, [newer]), put_many(store, second, [older])) == (1, 0)
    assert get_many(store, first, [(1,)]) == get_many(store, second, [(1,)]) == [newer]
    assert put_many(store, first, [newer]) == 0  # a repeat changes nothing


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.tuples(*(st.integers(0, n) for n in (3, 5, 2))), max_size=6), max_size=5))
def test_the_newest_of_all_wins_in_any_order(store: OnlineStore, batches: list[list[tuple[int, int, int]]]) -> None:
    of = schema()
    newest: dict[int, Row] = {}
    sequence = 0
    for batch in batches:
        rows = []
        for key, time, event in batch:
            sequence += 1
            rows.append(row(key, time, float(sequence), event, sequence))
            newest[key] = max(newest.get(key, rows[-1]), rows[-1], key=lambda one: one.order)
        put_many(store, of, reversed(rows))
    assert get_many(store, of, [(key,) for key in range(4)]) == [newest.get(key) for key in range(4)]


def test_replacing_leaves_what_is_given_only(store: OnlineStore) -> None:
    of, other = schema(), schema()
    put_many(store, of, [row(1, 5), row(2, 5)])
    put_many(store, other, [row(1, 5, 9.0)])
    assert put_many(store, of, [row(2, 1, 7.0), row(3, 1, 8.0)], replace=True) == 2
    assert values(store, of, 1, 2, 3) == [None, 7.0, 8.0]  # an older row too
    assert values(store, other, 1) == [9.0]
    put_many(store, of, [], replace=True)
    assert values(store, of, 2) == [None]


def test_all_or_nothing(store: OnlineStore) -> None:
    of = schema()
    put_many(store, of, [row(1, 1, 1.0)])
    for replace in (False, True):
        with pytest.raises(Invalid):
            put_many(store, of, [row(1, 2, 2.0), row(2, 2, 2.0), row("no number", 2)], replace=replace)
        with pytest.raises(Invalid):
            put_many(store, of, [row(1, 2, 2.0), row(None, 2)], replace=replace)
    assert values(store, of, 1, 2) == [1.0, None]


def test_sets_do_not_mix_and_are_dropped_alone(store: OnlineStore) -> None:
    sets = [schema() for _ in range(3)]
    for number, of in enumerate(sets):
        put_many(store, of, [row(key, value=float(number)) for key in range(-2, 3)])
    store.drop(sets[1].set_id)
    store.drop(new_id())
    assert [values(store, of, -2, 2) for of in sets] == [[0.0, 0.0], [None, None], [2.0, 2.0]]


def test_keys_by_the_type_of_the_entity(store: OnlineStore) -> None:
    of = schema(entities=("BIGINT", "VARCHAR"))
    put_many(store, of, [row((7, "a"), value=1.0)])
    assert values(store, of, (7.0, "a"), ("7", "a"), (7, "b"), (None, "a"), (7, None)) == [1.0, 1.0, None, None, None]
    with pytest.raises(Invalid, match="is not of type"):
        values(store, of, ("x", "a"))


def test_keys_of_any_length(store: OnlineStore) -> None:
    of = schema(entities=("VARCHAR",))
    long = ["x" * size for size in (0, 1, 400, 511, 512, 10_000)]
    put_many(store, of, [row(key, value=float(len(key))) for key in long])
    assert values(store, of, *long) == [float(len(key)) for key in long]
    assert values(store, of, "x" * 9_999) == [None]


def test_many_rows(store: OnlineStore) -> None:
    of = schema()
    assert put_many(store, of, (row(key, value=key / 2) for key in range(20_000))) == 20_000
    assert values(store, of, 0, 19_999, 20_000) == [0.0, 9_999.5, None]


def test_a_batch_is_read_as_a_whole(store: OnlineStore) -> None:
    """Readers of two keys that are always written together never see them differ."""
    of = schema()
    put_many(store, of, [row(1, 0, 0.0), row(2, 0, 0.0)])
    stop = threading.Event()
    torn: list[list[Any]] = []

    def read() -> None:
        while not stop.is_set():
            found = values(store, of, 1, 2)
            if found[0] != found[1]:
                torn.append(found)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for number in range(1, 60):
        put_many(store, of, [row(1, number, float(number)), row(2, number, float(number))], replace=number % 7 == 0)
    stop.set()
    for thread in readers:
        thread.join()
    assert torn == []


def test_what_is_written_is_read_at_once_by_everybody(store: OnlineStore) -> None:
    of = schema()
    put_many(store, of, [row(1, time=0, value=0.0)])
    acknowledged = [0.0]
    stop, wrong = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            known = acknowledged[-1]
            (found,) = values(store, of, 1)
            if found < known:
                wrong.append((known, found))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for number in range(1, 200):
        put_many(store, of, [row(1, time=number, value=float(number))])
        acknowledged.append(float(number))
    stop.set()
    for thread in readers:
        thread.join()
    assert not wrong
    assert values(store, of, 1) == [199.0]


def test_what_was_written_is_there_for_who_comes_next(place: Place) -> None:
    of = schema()
    first = open_store(place)
    put_many(first, of, [row(1, value=4.0)])
    first.close()
    second = open_store(place)
    assert values(second, of, 1) == [4.0]
    second.close()


def test_sets_are_read_together(store: OnlineStore) -> None:
    """Two sets in one call, in the order of the keys, with gaps."""
    one, other = schema(), schema("VARCHAR", entities=("VARCHAR",))
    put_many(store, one, [row(1, value=1.0), row(2, value=2.0)])
    put_many(store, other, [row("a", value="A")])
    first, second = Layout(one), Layout(other)
    keys = [second.keys.pack(("a",)), first.keys.pack((2,)), None, second.keys.pack(("b",)), first.keys.pack((1,))]
    found = store.fetch(keys)
    assert [None if raw is None else raw is not None for raw in found] == [True, True, None, None, True]
    assert found[0] is not None and second.decode(found[0]) == (0, ("A",))
    assert found[1] is not None and first.decode(found[1]) == (0, (2.0,))
    assert found[4] is not None and first.decode(found[4]) == (0, (1.0,))
    assert store.fetch([]) == [] and store.fetch([None]) == [None]


def test_values_are_deleted(store: OnlineStore) -> None:
    of, other = schema(), schema()
    for each in (of, other):
        put_many(store, each, [row(key) for key in range(3)])
    keys = [Layout(of).keys.pack((key,)) for key in (0, 2, 7)] + [Layout(other).keys.pack((1,))]
    assert store.delete([key for key in keys if key]) == 3
    assert values(store, of, 0, 1, 2) == [None, 1.0, None]
    assert values(store, other, 0, 1, 2) == [1.0, None, 1.0]
    assert store.delete([]) == 0


def test_a_mark_goes_with_the_rows(store: OnlineStore) -> None:
    of = schema()
    layout = Layout(of)
    assert store.mark(of.set_id) is None
    store.put(of.set_id, packed(layout, [row(1)]), mark=b"first")
    store.put(of.set_id, packed(layout, [row(2)]))
    assert store.mark(of.set_id) == b"first"
    with pytest.raises(Invalid):
        store.put(of.set_id, packed(layout, [row(3), row("x")]), mark=b"wrong")
    assert store.mark(of.set_id) == b"first"
    store.put(of.set_id, packed(layout, (row(key) for key in range(25_000))), mark=b"many")
    assert store.mark(of.set_id) == b"many"
    store.put(of.set_id, packed(layout, (row(key) for key in range(25_000))), mark=b"again", replace=True)
    store.put(of.set_id, [], mark=b"nothing", replace=True)
    assert (store.mark(of.set_id), values(store, of, 1)) == (b"nothing", [None])
    assert put_many(store, of, [row(1, value=7.0)]) == 1  # the mark is no row
    store.drop(of.set_id)
    assert store.mark(of.set_id) is None


def test_orders_are_compared_as_whole_numbers(store: OnlineStore) -> None:
    """Beyond the 53 bits that a double holds, on both sides of zero."""
    for low, high in ((2**62, 2**62 + 1), (-(2**62) - 1, -(2**62)), (-1, 0), (2**32 - 1, 2**32), (-(2**32), -1)):
        of = schema()
        assert put_many(store, of, [row(1, high, 1.0)]) == 1
        assert put_many(store, of, [row(1, low, 2.0)]) == 0
        assert put_many(store, of, [row(1, high, 3.0, sequence=1)]) == 1
        assert values(store, of, 1) == [3.0]


def test_many_rows_that_are_partly_newer(store: OnlineStore) -> None:
    """More than a batch into a set that has rows, with one key several times."""
    of = schema()
    put_many(store, of, (row(key, key % 2, -1.0) for key in range(12_000)))
    again = (row(key % 12_000, 1, float(key), sequence=key // 12_000) for key in range(36_000))
    put_many(store, of, again)
    assert values(store, of, 0, 1, 11_999) == [24_000.0, 24_001.0, 35_999.0]
