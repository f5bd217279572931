"""Answers that come in pieces from a process of user code."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.client.serving.streaming import WINDOW
from mlbox.serve.python.errors import CodeFailed
from mlbox.serve.python.process import Ticket

if TYPE_CHECKING:
    from mlbox.serve.python.pool import Pool


@dataclass(slots=True, eq=False)
class StreamTicket(Ticket):
    """Its pieces wait here for who reads them: at most ``WINDOW``, since the process then waits for us."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    pieces: deque[memoryview] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, body: memoryview) -> None:
        """Tell who reads."""
        self.sent = monotonic()
        self.pieces.append(body)
        self.wake()

    def wake(self) -> None:
        """There is news; told by any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self.news.set)

    def kept(self) -> float:
        """None while a piece waits here: then the code waits for the caller, not he for it."""
        return 0.0 if self.pieces else Ticket.kept(self)  # super() knows no class with slots


async def pieces_of(
    pool: Pool, head: Mapping[str, Any], seconds: float, kept: float | None = None, large: bool = False
) -> AsyncGenerator[Any, None]:
    """The pieces as they are made, each within so many seconds. Raises as ``Pool.ask``; closed early, the generator of
    the code is closed too. The code may be in a piece that nobody waits for any more for ``kept`` seconds. A ``large``
    request is encoded by a thread."""
    ticket = StreamTicket(dict(head), (), seconds)
    ticket.future.add_done_callback(lambda _: ticket.wake())
    taken = 0
    try:
        await pool.place_beside(ticket, large)
        while True:
            await _news(pool, ticket, seconds)
            if not ticket.pieces:
                ticket.future.result()
                return
            body = ticket.pieces.popleft()
            if not ticket.pieces and ticket.sent is not None:
                ticket.sent = monotonic()
            taken += 1
            if taken == WINDOW // 2:
                pool.taken(ticket, taken)
                taken = 0
            yield _piece(pool, body)
    finally:
        if not ticket.future.done():
            ticket.future.cancel()
            pool.abandoned(ticket, min(seconds, kept or seconds))


def _piece(pool: Pool, body: memoryview) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodeFailed(f"{pool.launch.name} gave a piece that is no text: {error}") from None


async def _news(pool: Pool, ticket: StreamTicket, seconds: float) -> None:
    """Until there is a piece, or the end."""
    while not ticket.pieces and not ticket.future.done():
        ticket.news.clear()
        if ticket.pieces or ticket.future.done():
            return
        try:
            async with asyncio.timeout(seconds):
                await ticket.news.wait()
        except TimeoutError:
            ticket.future.cancel()
            raise pool.late(ticket) from None
