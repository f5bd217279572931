"""Answers in pieces: how many of them may be on their way, and their end when nobody wants more."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from typing import Any, AsyncIterator, Callable, Dict, Iterator, List, Optional

from mlbox.client.failures import WrongCall

WINDOW = 16
"""Pieces that are on their way at once: the code waits until the server has taken some."""

LARGEST_PIECE = 1 << 20
"""Bytes of a piece as JSON."""

_END = object()


def streams(function: Any) -> bool:
    """Whether calling it gives a generator, which may be asynchronous."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def encodable(value: Any) -> str:
    """A piece as JSON; raises ``WrongCall`` for what is too large or cannot be that."""
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError) as error:
        told = f"a piece of type {type(value).__name__} cannot be sent: {error}"
        raise WrongCall(told, "yield texts, numbers, or dictionaries of them") from None
    if len(text) > LARGEST_PIECE:
        raise WrongCall(f"a piece has {len(text):,} bytes; at most {LARGEST_PIECE:,}", "yield smaller pieces")
    return text


class Flow:
    """A stream that a thread makes: its room, as the thread that hears the server says."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._room = WINDOW
        self._stopped = False

    def more(self, number: int) -> None:
        """The server has taken so many."""
        with self._changed:
            self._room += number
            self._changed.notify()

    def stop(self) -> None:
        """Nobody wants more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def take(self) -> bool:
        """Wait for room for a piece; ``False`` when nobody wants it."""
        with self._changed:
            while self._room < 1 and not self._stopped:
                self._changed.wait()
            self._room -= 1
            return not self._stopped


class LoopFlow:
    """The same for a stream of an event loop, whose end is that of its task."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(WINDOW)

    def more(self, number: int) -> None:
        """The server has taken so many; told by another thread."""
        self._loop.call_soon_threadsafe(self._add, number)

    async def take(self) -> None:
        """Wait for room for a piece."""
        await self._room.acquire()

    def _add(self, number: int) -> None:
        for _ in range(number):
            self._room.release()


def through(first: Optional[Callable[[Any], Any]], step: Callable[[Any], Any], last: Any, value: Any) -> Iterator[Any]:
    """The pieces of ``step`` for what ``first`` makes of the value, each of them as ``last`` makes it."""
    pieces = step(value if first is None else first(value))
    try:
        for piece in pieces:
            yield piece if last is None else last(piece)
    finally:
        pieces.close()


async def through_later(
    first: Optional[Callable[[Any], Any]], step: Callable[[Any], Any], last: Any, value: Any
) -> AsyncIterator[Any]:
    """The same where any of the three is asynchronous; a plain generator is asked in a thread."""
    if first is not None:
        value = await _result(first(value))
    pieces = step(value)
    plain = not hasattr(pieces, "__anext__")
    try:
        while True:
            if plain:
                piece = await asyncio.get_running_loop().run_in_executor(None, next, pieces, _END)
                if piece is _END:
                    return
            else:
                try:
                    piece = await pieces.__anext__()
                except StopAsyncIteration:
                    return
            yield piece if last is None else await _result(last(piece))
    finally:
        if not plain:
            await pieces.aclose()
        elif not pieces.gi_running:  # a thread that is still in it ends with its piece
            pieces.close()


async def _result(value: Any) -> Any:
    return await value if hasattr(value, "__await__") else value


def named(event: Any, names: List[str]) -> Dict[str, Any]:
    """The values of an event by the names of a function's parameters."""
    return {name: event[name] for name in names if name in event}
