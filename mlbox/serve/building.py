"""Runtimes that are built beside the event loop: once for all who ask, by no thread that answers for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbox.serve.directory import Slot
    from mlbox.serve.endpoint import Runtime

AT_ONCE = 32
"""Endpoints that are built at once; the code of one may take minutes to begin."""


class Building:
    """Used on the event loop only. ``ensure`` builds, and may wait."""

    def __init__(self, ensure: Callable[[Slot], Runtime]) -> None:
        self._ensure = ensure
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="building")
        self._under_way: dict[Slot, asyncio.Future[Runtime]] = {}

    async def runtime(self, slot: Slot) -> Runtime:
        """That of a slot which has none yet."""
        work = self._under_way.get(slot)
        if work is None:
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._ensure, slot)
            self._under_way[slot] = work
            work.add_done_callback(lambda _: self._under_way.pop(slot, None))
        return await asyncio.shield(work)

    def close(self) -> None:
        """End the threads when their work is done."""
        self._threads.shutdown(wait=True)
