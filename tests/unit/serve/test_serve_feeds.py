"""Workers of feeds, where the disk fails too."""

from __future__ import annotations

import errno
import threading
from typing import Any

import pytest
from serving_house import House
from waiting import wait_until

from mlbox.base.clock import now
from mlbox.base.errors import Unavailable
from mlbox.engine.catalog.tables.feeds import FeedRow
from mlbox.serve.feeds.worker import Way, Worker


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
