"""Bytes on their way to a client: written by the threads that work, sent by the loop that owns the socket."""

from __future__ import annotations

import asyncio

BUFFERED = 256 << 10
"""Bytes that are collected before they are sent."""
BEHIND = 4 << 20
"""A client that is so many bytes behind gets no more lines of logs."""
SLOW_SECONDS = 300.0
"""A client that takes nothing for so long is dropped, so that it does not hold a transaction for ever."""


class SocketOutbox:
    """For one connection."""

    def __init__(self, writer: asyncio.StreamWriter, loop: asyncio.AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop
        self._buffer = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """Add; waits while the client does not take what is there already."""
        self._buffer += data
        if len(self._buffer) >= BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Send what is there. Raises ``ConnectionError`` when the client has gone."""
        if not self._buffer:
            return
        data, self._buffer = self._buffer, bytearray()
        sent = asyncio.run_coroutine_threadsafe(self._send(bytes(data)), self._loop)
        try:
            sent.result()
        except (OSError, TimeoutError, asyncio.CancelledError, RuntimeError) as error:
            raise ConnectionResetError(f"the client has gone: {error}") from None

    def urgent(self, data: bytes) -> None:
        """Send at once, from any thread; lost when the client is far behind."""

        def put() -> None:
            if not self._writer.is_closing() and self._writer.transport.get_write_buffer_size() < BEHIND:
                self._writer.write(data)

        try:
            self._loop.call_soon_threadsafe(put)
        except RuntimeError:  # the loop is closing
            return

    async def _send(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise ConnectionResetError("it is closed")
        self._writer.write(data)
        try:
            await asyncio.wait_for(self._writer.drain(), SLOW_SECONDS)
        except TimeoutError:
            self._writer.transport.abort()
            raise
