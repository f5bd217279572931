"""An alias that moves while somebody changes, renames or drops the endpoint that follows it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from serving_house import House, Live, tensors
from waiting import wait_until

from mlbox.base.command import Caller
from mlbox.base.names import Ref
from mlbox.base.telemetry import span
from mlbox.engine.workflows.commands import AlterObject
from mlbox.serve.assemble import build
from mlbox.serve.commands import DropEndpoint
from mlbox.serve.workers.recipe import Recipe
from mlbox.serve.workers.station import WorkerSlot

ROW = {"x": [1.0], "y": [1.0]}


@pytest.fixture
def followed(live: Live, scaled: Callable[..., bytes]) -> Iterator[Live]:
    """An endpoint ``e`` of an alias, which means the first of two versions; and another model."""
    live.house.model("m", scaled(1.0), "x", "y", alias="best")
    live.house.model("m", scaled(2.0), "x", "y")
    live.house.model("other", scaled(50.0), "x", "y")
    live.house.endpoint("e", "m@best")
    assert _said(live) == [2.0]
    yield live


def _said(live: Live, name: str = "e") -> Any:
    return live.rows(name, ROW).json()["outputs"][0]["data"]


def _held(house: House, monkeypatch: pytest.MonkeyPatch, model: str) -> tuple[threading.Event, threading.Event]:
    """The first build of what answers by ``model`` waits: set when it has begun, and to let it go on."""
    build, begun, go_on = house.endpoints._switching._build, threading.Event(), threading.Event()

    def held(row: Any) -> Any:
        if any(share.name == model for share in row.shares) and not begun.is_set():
            begun.set()
            assert go_on.wait(60)
        return build(row)

    monkeypatch.setattr(house.endpoints._switching, "_build", held)
    return begun, go_on


def test_who_follows_an_alias_does_not_undo_what_was_changed_meanwhile(
    followed: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, turns = followed.house, []
    switch = house.endpoints._switching.switch

    def counted(*given: Any) -> Any:
        turns.append(1)
        return switch(*given)

    monkeypatch.setattr(house.endpoints._switching, "switch", counted)
    begun, go_on = _held(house, monkeypatch, "other")
    with ThreadPoolExecutor(2) as threads:
        changed = threads.submit(house.endpoint, "e", "other@1", replace=True)
        assert begun.wait(60)
        moved = threads.submit(house.alias, "m", "best", 2)
        wait_until(lambda: len(turns) == 2)
        go_on.set()
        changed.result(), moved.result()
    assert _said(followed) == [100.0]


def test_workers_are_not_given_an_endpoint_that_was_dropped_meanwhile(
    followed: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, told = followed.house, []
    spread = house.endpoints.spread
    monkeypatch.setattr(spread, "offer", lambda row, compared=None: told.append("offered") or {})
    monkeypatch.setattr(spread, "withdraw", lambda *given: told.append("withdrawn"))
    begun, go_on = _held(house, monkeypatch, "m")
    with ThreadPoolExecutor(1) as threads:
        moved = threads.submit(house.alias, "m", "best", 2)
        assert begun.wait(60)
        house.do(DropEndpoint(ref=Ref("default", "e")))
        go_on.set()
        moved.result()
    assert "offered" in told and told[-1] == "withdrawn"
    assert followed.rows("e", ROW).status_code == 404


def test_an_alias_that_moves_while_an_endpoint_is_renamed_is_followed(
    followed: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = followed.house
    renames = house.endpoints.renames
    build = renames._build

    def moved(row: Any) -> Any:
        built = build(row)
        house.alias("m", "best", 2)
        return built

    monkeypatch.setattr(renames, "_build", moved)
    command = AlterObject(kind="endpoint", ref=Ref("default", "e"), action="rename", new_name="f")
    renames.alter(command, renames.plan_alter(command, Caller()), Caller())
    assert _said(followed, "f") == [4.0]


def test_endpoints_that_are_being_built_hold_up_no_others(
    followed: Live, scaled: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = followed.house
    house.endpoint("slow", "other@1")
    slot = house.endpoints.directory.find("slow")
    slot.runtime = None  # as after a start
    begun, go_on = threading.Event(), threading.Event()

    def held(row: Any, shop: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return build(row, shop)

    monkeypatch.setattr("mlbox.serve.service.build", held)
    wide = {"inputs": tensors({"x": [1.0] * 300, "y": [1.0] * 300})}  # too many rows for the event loop
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(_said, followed, "slow") for _ in range(4)]
        try:
            assert begun.wait(60)
            wait_until(lambda: slot.meter.waiting == 4)
            assert followed.infer("e", wide, timeout=20).status_code == 200
            late = followed.infer("slow", {}, headers={"x-request-timeout-ms": "50"}, timeout=20)
            assert late.json()["code"] == "deadline_exceeded"
        finally:
            go_on.set()
        assert [each.result() for each in asked] == [[100.0]] * 4


def test_batching_may_be_altered_while_a_request_comes(followed: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    followed.house.endpoint("batched", "other@1", options={"batch": 8})
    slot = followed.house.endpoints.directory.find("batched")
    monkeypatch.setattr("mlbox.serve.asgi.span", lambda *given, **more: slot.take(slot.row) or span(*given, **more))
    assert _said(followed, "batched") == [100.0]


def test_a_worker_does_not_wait_for_what_is_being_built(followed: Live) -> None:
    row = followed.house.endpoints.directory.find("e").row
    slot = WorkerSlot(Recipe(row, {}, 2, 1), 2)
    slot.next = (Recipe(row, {}, 2, 2), None)
    with ThreadPoolExecutor(1) as threads:
        with slot.lock:  # as while it is built
            assert threads.submit(slot.move, 2).result(20) is False
        assert slot.move(2) and slot.recipe.generation == 2
