"""Workers of feeds, where the disk fails too."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest
from serving_house import House, Server
from waiting import wait_until

from mlbox.base.clock import now
from mlbox.base.errors import Unavailable
from mlbox.engine.catalog.tables.feeds import FeedRow
from mlbox.serve.feeds.worker import Way, Worker
from mlbox.serve.graph.outgoing import _CLIENTS, client


def test_a_feed_goes_on_when_its_failure_cannot_be_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def way(stopping: threading.Event) -> Way:
        opened.append(1)
        raise Unavailable("the endpoint was dropped")

    write = house.catalog.write_data

    def full(change: Any) -> Any:
        if len(opened) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(change)

    monkeypatch.setattr(house.catalog, "write_data", full)
    feed = FeedRow(project="default", name="f", id="f1", endpoint="e", kind="push", owner="", created_at=now())
    worker = Worker(house.catalog, house.bus, feed, way)
    worker.start()
    try:
        told = wait_until(lambda: [event for event in house.events if event.kind == "feed.failed"], 20)
    finally:
        worker.stop()
    assert told[0].data == {"error": "the endpoint was dropped"} and len(opened) == 2


def test_nothing_of_a_feed_that_has_ended_stays_open(house: House, serve: Callable[[House], Server]) -> None:
    url, given_up = f"{serve(house).url}/v2/repository/index", threading.Event()

    async def behind() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    async def ask() -> tuple[int, asyncio.Task[None]]:
        return (await client().send("POST", url, {}, {}, 20)).status, asyncio.ensure_future(behind())

    def way(stopping: threading.Event) -> Way:
        assert worker._loop is not None
        answers.append(asyncio.run_coroutine_threadsafe(ask(), worker._loop).result())
        stopping.wait(60)
        raise Unavailable("it is over")

    answers: list[Any] = []
    feed = FeedRow(project="default", name="f", id="f1", endpoint="e", kind="push", owner="", created_at=now())
    worker = Worker(house.catalog, house.bus, feed, way)
    worker.start()
    wait_until(lambda: answers)
    assert answers[0][0] == 200
    worker.stop()
    loop = worker._loop
    assert loop is not None
    wait_until(loop.is_closed, 20)
    assert loop not in _CLIENTS and given_up.is_set()
