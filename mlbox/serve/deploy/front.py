"""What stands before the containers of an endpoint on a Docker engine: it holds the port, and hands each connection to
one that is ready.

It knows a name that stands for all containers, asks each by the protocol's own readiness, and keeps no state: a new
container is used once it is ready, one that drains is not used any more, one that has died is passed over. A connection
for which nobody is ready waits for a while.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

_log = logging.getLogger("mlbox.serve")
PROBE_SECONDS = 0.25
"""Between two looks at who is ready."""

PATIENCE_SECONDS = 30.0
"""For which a connection waits for somebody who is ready."""

_ANSWER_SECONDS = 2.0
_FLUSH_SECONDS = 0.01
_SAID = b'{"error":"no replica is ready"}'
_NOBODY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 5\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_SAID), _SAID)
)


class Front:
    """``start`` listens; ``stop`` ends with what is under way."""

    def __init__(self, names: Sequence[str], port: int, patience: float = PATIENCE_SECONDS) -> None:
        """``names`` resolve to the addresses of all containers, which listen at ``port``."""
        self._names = names
        self._port = port
        self._patience = patience
        self._ready: Sequence[str] = ()
        self._turn = 0
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port."""
        loop = asyncio.get_running_loop()
        self._looking = loop.create_task(self._look())
        self._server = await loop.create_server(lambda: _Caller(self), host, port, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._looking is not None:
            self._looking.cancel()
        if self._server is not None:
            self._server.close()

    async def connect(self, protocol: asyncio.Protocol) -> bool:
        """Connect to one that is ready, each in turn; whether there was one."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._patience
        while loop.time() < give_up:
            ready = self._ready
            for _ in ready:
                self._turn += 1
                address = ready[self._turn % len(ready)]
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        await loop.create_connection(lambda: protocol, address, self._port)
                    return True
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._changed.wait()
        return False

    async def _look(self) -> None:
        while True:
            known = await self._addresses()
            answers = await asyncio.gather(*(self._asks(address) for address in known))
            ready = [address for address, answer in zip(known, answers, strict=True) if answer]
            if ready != self._ready:
                _log.info("ready: %s", ", ".join(ready) or "nobody")
                self._ready = ready
                self._changed.set()
            await asyncio.sleep(PROBE_SECONDS)

    async def _addresses(self) -> list[str]:
        loop = asyncio.get_running_loop()
        found: set[str] = set()
        for name in self._names:
            with suppress(OSError):  # nobody is called so, for now
                entries = await loop.getaddrinfo(name, self._port, type=socket.SOCK_STREAM)
                found.update(str(entry[4][0]) for entry in entries)
        return sorted(found)

    async def _asks(self, address: str) -> bool:
        writer = None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(address, self._port)
                writer.write(b"GET /v2/health/ready HTTP/1.1\r\nhost: replica\r\nconnection: close\r\n\r\n")
                return (await reader.readline()).split(b" ")[1:2] == [b"200"]
        except (OSError, TimeoutError):
            return False
        finally:
            if writer is not None:
                writer.close()


def run(names: Sequence[str], replica_port: int, host: str, port: int) -> None:
    """Stand before replicas until a signal comes."""
    import uvloop

    async def work() -> None:
        front, told = Front(names, replica_port), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        print(f"before {', '.join(names)} at http://{host}:{await front.start(host, port)}", flush=True)
        await told.wait()
        await front.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


class _Side(asyncio.Protocol):
    """One end of a connection that is handed through."""

    def __init__(self) -> None:
        self.other: _Side | None = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """A replica has said all: what is on its way to the caller is sent, and both ends are closed."""
        return False

    def finish(self) -> None:
        """Nothing more is written, once what is on its way is sent."""
        if self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.finish)
            return
        # not write_eof: uvloop frees its request twice when a close follows (0.23), which ends the process
        with suppress(OSError), socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as same:
            same.shutdown(socket.SHUT_WR)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()
        self.other = None

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class _Caller(_Side):
    """A connection of a caller."""

    def __init__(self, front: Front) -> None:
        super().__init__()
        self._front = front
        self._task: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._task = asyncio.get_running_loop().create_task(self._join())

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self._early.append(data)  # one piece: then it waits until somebody is there
        if not self._over:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """What the replica has to say may still come."""
        self._over = True
        if self.other is not None:
            self.other.finish()
        return True

    async def _join(self) -> None:
        inner = _Side()
        if not await self._front.connect(inner):
            self.transport.write(_NOBODY)
            self.transport.close()
            return
        if self.transport.is_closing():
            inner.transport.close()
            return
        inner.other, self.other = self, inner
        for data in self._early:
            inner.transport.write(data)
        self._early.clear()
        if self._over:
            inner.finish()
        else:
            self.transport.resume_reading()
