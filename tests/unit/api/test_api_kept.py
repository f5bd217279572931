"""How long results of asynchronous scripts are kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from mlbox.api import kept
from mlbox.api.kept import Statements
from mlbox.api.work import Script
from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.errors import NotFound


async def finished(statements: Statements, query_id: str, text: str = "SELECT 1 AS a") -> None:
    """Carry a script out."""
    one = statements.start(Script(text, Caller(), query_id=query_id))
    await asyncio.wait_for(one.work.done.wait(), 60)
    assert one.work.error is None


def known(statements: Statements, *ids: str) -> list[bool]:
    """Which of them can still be asked for."""
    found = []
    for query_id in ids:
        try:
            statements.find(query_id)
        except NotFound:
            found.append(False)
        else:
            found.append(True)
    return found


def test_the_oldest_go_when_there_are_too_many(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, by the bytes of their rows, and by age; the newest stays, however large."""

    async def scenario() -> None:
        statements = Statements(house.api_context())
        monkeypatch.setattr(kept, "KEPT_STATEMENTS", 2)
        for query_id in ("a", "b", "c"):
            await finished(statements, query_id)
        assert known(statements, "a", "b", "c") == [False, True, True]
        monkeypatch.setattr(kept, "KEPT_BYTES", 100_000)
        await finished(statements, "large", "SELECT i FROM range(50000) t(i)")
        assert known(statements, "b", "c", "large") == [False, False, True]
        statements.find("large").work.finished_at = now() - timedelta(hours=2)
        assert known(statements, "large") == [False]

    asyncio.run(scenario())


def test_what_is_under_way_is_never_forgotten(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are."""

    async def scenario() -> None:
        statements = Statements(house.api_context())
        monkeypatch.setattr(kept, "KEPT_STATEMENTS", 0)
        endless = "SELECT count(*) FROM range(100_000_000_000) t(i) WHERE i % 7 = 3"
        running = statements.start(Script(endless, Caller(), query_id="running"))
        await finished(statements, "short")
        assert known(statements, "running") == [True]
        running.work.cancel("enough")
        await asyncio.wait_for(running.work.done.wait(), 60)
        assert running.work.state == "cancelled"

    asyncio.run(scenario())
