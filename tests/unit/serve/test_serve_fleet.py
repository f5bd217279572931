"""The end of all workers, from the side of the server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from serving_house import House

from mlbox.cli.commands.down import PATIENCE
from mlbox.serve.workers import fleet
from mlbox.serve.workers.cells import Cells
from mlbox.serve.workers.channel import Channel
from mlbox.serve.workers.fleet import Fleet, Worker


class Waited(Future[Any]):
    """An answer that never comes; it notes for how long it would be waited for."""

    told: list[float]

    def result(self, timeout: float | None = None) -> Any:
        assert timeout is not None
        self.told.append(timeout)
        time.sleep(0.01)
        return super().result(0)


class Silent(Channel):
    """To a worker that hangs."""

    def begin(self, kind: str, value: Any = None) -> Future[Any]:
        answer = Waited()
        answer.told = self.told
        return answer

    told: list[float]


@pytest.fixture
def ends() -> Iterator[list[socket.socket]]:
    pairs = [socket.socketpair() for _ in range(3)]
    yield [here for here, _ in pairs]
    for pair in pairs:
        for end in pair:
            end.close()


def test_workers_that_hang_share_the_time_of_a_stop(house: House, ends: list[socket.socket]) -> None:
    """However many they are, it is less than the owner waits for the server, who is told to kill it then."""
    told: list[float] = []
    running = Fleet(house.catalog, house.endpoints.shop, Cells.new(), len(ends), lambda worker: None)
    for index, end in enumerate(ends):
        channel = Silent(end, lambda kind, value: None, lambda: None)
        channel.told = told
        running._workers[index] = Worker(index, 0, channel)
    running.dismiss()
    assert told == sorted(told, reverse=True) and len(set(told)) == len(ends)
    assert told[0] <= fleet.LEAVE_SECONDS < PATIENCE
    assert running.pids() == []
