"""Bodies that are bytes to be kept: taken in as they come, a piece of memory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from litestar import Request

from mlbox.base.errors import Invalid, Unavailable

PIECE = 1 << 20
OFFSET = "Upload-Offset"
COMPLETE = "Upload-Complete"
AnyRequest = Request[Any, Any, Any]


def offset_of(request: AnyRequest) -> int:
    """The byte that the body begins with."""
    told = request.headers.get(OFFSET, "0")
    if not told.isdecimal():
        raise Invalid(f"{OFFSET} is {told!r}", hint="it is the number of bytes that were sent before")
    return int(told)


def announced(request: AnyRequest) -> int | None:
    """Bytes of the body, where the request tells it."""
    told = request.headers.get("content-length", "")
    return int(told) if told.isdecimal() else None


async def receive(request: AnyRequest, take: Callable[[bytes], object]) -> None:
    """Hand the body on; ``Unavailable`` when it is cut off: its sender may go on later."""
    count, expected = 0, announced(request)
    async for piece in _gathered(request):
        count += len(piece)
        await asyncio.to_thread(take, piece)
    if expected is not None and count != expected:
        raise Unavailable(f"{count:,} of {expected:,} bytes arrived", hint="go on with the rest")


async def drain(request: AnyRequest) -> None:
    """Read what nobody needs: a sender who is not listened to does not listen either."""
    async for _ in request.stream():
        pass


async def _gathered(request: AnyRequest) -> AsyncIterator[bytes]:
    """In pieces that are worth a turn of a thread."""
    waiting, broken = bytearray(), False
    try:
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= PIECE:
                yield bytes(waiting)
                waiting.clear()
    except Exception:  # each server has its own word for a connection that is gone
        broken = True
    if waiting:
        yield bytes(waiting)
    if broken:
        raise Unavailable("the connection broke off", hint="go on with the rest")
