"""Memory that two sides share: what is put comes out, in order, and never over what has not been taken."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterator

import pytest
from examples_of import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbox.client.serving import arena, wire

HALF = arena.SIZE // 2


@pytest.fixture
def sides() -> Iterator[tuple[arena.Arena, arena.Arena]]:
    yield _sides()


def _sides() -> tuple[arena.Arena, arena.Arena]:
    descriptor = arena.made()
    assert descriptor is not None
    both = arena.opened(descriptor, 0), arena.opened(descriptor, 1)
    os.close(descriptor)
    assert both[0] is not None and both[1] is not None
    return both[0], both[1]


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 4)), max_size=40))
def test_bodies_come_out_as_they_were_put(steps: list[tuple[int, int]]) -> None:
    """Sizes in hundredths of a half; after each some of those under way are taken, and that is told."""
    ours, theirs = _sides()
    waiting: deque[tuple[list[int], bytes]] = deque()
    for number, (hundredths, taken) in enumerate(steps):
        content = bytes([number]) * (hundredths * HALF // 100)
        place = ours.put([content[:7], content[7:]], len(content))
        if place is not None:
            waiting.append((place, content))
        else:
            assert waiting and sum(len(each) for _, each in waiting) + 2 * len(content) > HALF
        for _ in range(min(taken, len(waiting))):
            told, expected = waiting.popleft()
            assert theirs.take(told) == expected
        news = theirs.news()
        if news is not None:
            ours.heard(news)
    for told, expected in waiting:
        assert theirs.take(told) == expected


def test_what_finds_no_room_is_not_put(sides: tuple[arena.Arena, arena.Arena]) -> None:
    ours, theirs = sides
    assert ours.put([bytes(HALF)], HALF) is not None and ours.put([b"a"], 1) is None
    theirs.take([0, HALF, 1])
    assert (theirs.news(), theirs.news()) == (1, None)
    ours.heard(1)
    assert ours.put([b"a"], 1) == [0, 1, 2]
    assert ours.put([bytes(HALF)], HALF) is None and ours.put([bytes(HALF + 1)], HALF + 1) is None


@pytest.mark.parametrize("place", [[-1, 4, 1], [0, HALF + 1, 1], [HALF, 1, 1], [0, -1, 1], [0, 1], "abc", 7])
def test_a_place_that_lies_ends_the_connection(sides: tuple[arena.Arena, arena.Arena], place: object) -> None:
    ours, theirs = sides
    one, other = socket.socketpair()
    with one, other:
        wire.send(one, {"id": 1, "shared": place})
        with pytest.raises(wire.Closed):
            wire.receive(other, theirs)


def test_large_bodies_are_shared_and_small_ones_sent(sides: tuple[arena.Arena, arena.Arena]) -> None:
    ours, theirs = sides
    one, other = socket.socketpair()
    with one, other:
        for size, shared in ((10, False), (arena.SHARED_FROM, True), (arena.SHARED_FROM - 1, False)):
            body = os.urandom(size)
            wire.send(one, {"id": 1}, [body[:5], body[5:]], ours)
            head, found = wire.receive(other, theirs)
            assert found == body and ("shared" in head) is shared
            found[0:1] = b"x"  # it belongs to who has received it
        wire.send(other, {"id": 2}, (), theirs)
        assert wire.receive(one, ours)[0] == {"id": 2, "got": 1}
        assert not ours._under_way


def test_the_memory_cannot_be_taken_away() -> None:
    descriptor = arena.made()
    assert descriptor is not None
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    os.close(descriptor)


def test_arrays_of_every_layout_are_packed() -> None:
    import numpy as np

    matrix = np.arange(24, dtype=np.float16).reshape(4, 6)
    columns = {
        "column": matrix[:, 1],
        "back": matrix[::-1, ::2],
        "turned": matrix.T,
        "deep": matrix.reshape(2, 2, 6),
        "scalar": np.array(2.5),
        "flags": matrix > 5,
        "none": matrix[:0],
        "read": np.frombuffer(bytes(8), np.int32),
    }
    entries, buffers = wire.pack(columns)
    found = wire.unpack(entries, memoryview(b"".join(map(bytes, buffers))))
    for name, values in columns.items():
        assert found[name].dtype == values.dtype and np.array_equal(found[name], values), name
