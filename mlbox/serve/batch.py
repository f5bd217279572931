"""An endpoint asked with rows of a query: the same runtime as behind HTTP, without the prediction log."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.serve import events
from mlbox.serve.graph.running import together

if TYPE_CHECKING:
    from mlbox.base.names import Ref
    from mlbox.serve.endpoint import Runtime

AT_ONCE = 64
"""Rows that are under way at once in what is asked row by row."""


class Batch:
    """An event loop in a thread of its own, made at first use. ``runtime`` gives what answers at an endpoint now."""

    def __init__(self, runtime: Callable[[Ref], Runtime]) -> None:
        self.runtime = runtime
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ask(self, runtime: Runtime, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The answer to each row, in order. Raises what an endpoint would answer. Waits: not for an event loop."""
        return asyncio.run_coroutine_threadsafe(_all(runtime, rows), self._running()).result()

    def close(self) -> None:
        """End the loop."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="batch", daemon=True).start()
            return self._loop


async def _all(runtime: Runtime, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    if runtime.row.graph is None:
        found, _, _ = await events.ask(runtime, list(rows))
        return list(found)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(row: Mapping[str, Any]) -> Any:
        async with room:
            return await runtime.event_later(dict(row))

    return await together([one(row) for row in rows])
