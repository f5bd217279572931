"""The PostgreSQL server: its socket, its loop, its threads and its connections."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from mlbox.base.errors import Conflict, Invalid, Unavailable
from mlbox.sql.wire.connection import Connection
from mlbox.sql.wire.context import WireContext
from mlbox.sql.wire.errors import TooManyConnections, error_response
from mlbox.sql.wire.startup import CancelKey, Startup

log = logging.getLogger("mlbox")
STOP_SECONDS = 5.0
"""So long the end of the server waits for statements that it has cancelled."""


def bind(host: str, port: int, *, or_free: bool = False) -> socket.socket:
    """A listening socket; with ``or_free`` any free port when ``port`` is taken. Raises ``Conflict``."""
    if not 0 <= port <= 65_535:
        raise Invalid(f"port {port} does not exist", hint="ports go from 1 to 65535; 0 chooses a free one, -1 none")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(512)
    except OSError as error:
        made.close()
        if or_free and port:
            return bind(host, 0)
        raise Conflict(
            f"port {port} of {host} cannot be used for the PostgreSQL protocol: {error.strerror}",
            hint=f"choose another with --pg-port {port + 1 if port else 7071}, 0 for any free one, or -1 for none",
        ) from None
    return made


def pg_address(host: str, port: int, project: str = "mlbox") -> str:
    """The address as libpq's clients take it."""
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"postgresql://mlbox@{name}:{port}/{project}"


def tls_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """TLS with the files of the settings; None without them. Raises ``Invalid``."""
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise Invalid(
            f"the certificate {certificate} cannot be used: {error}",
            hint="pg_certificate and pg_key are PEM files; the key without a password",
        ) from None
    return context


class WireServer:
    """Listens on a thread of its own; ``start`` then ``stop``."""

    def __init__(self, context: WireContext) -> None:
        self._context = context
        self._tls = tls_context(context.settings.pg_certificate, context.settings.pg_key)
        self._pool = ThreadPoolExecutor(context.settings.pg_connections + 4, thread_name_prefix="wire")
        self._connections: dict[CancelKey, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self.port = 0

    def start(self, listening: socket.socket) -> None:
        """Serve a socket; returns when clients are answered."""
        self.port = int(listening.getsockname()[1])
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listening)), name="wire", daemon=True)
        self._thread.start()
        if not self._ready.wait(15):
            raise Unavailable("the PostgreSQL server did not start within 15 seconds")

    def stop(self) -> None:
        """Drop all connections; what they had not committed is undone."""
        if self._loop is None or self._ending is None or self._thread is None:
            return
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(STOP_SECONDS + 5)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._loop = None

    async def _serve(self, listening: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        server = await asyncio.start_server(self._accept, sock=listening)
        self._ready.set()
        await self._ending.wait()
        server.close()
        for connection in self._connections.values():
            connection.interrupt()
            if connection.conversation is not None and connection.conversation.underway is None:
                await connection.refuse(Unavailable("terminating connection: the server stops"))
            connection.abort()
        for task in self._tasks:
            if not task.done():
                task.get_loop().call_later(STOP_SECONDS, task.cancel)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=STOP_SECONDS)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._converse(reader, writer)
        except Exception:
            log.exception("defect in a connection of the PostgreSQL protocol")
        finally:
            self._tasks.discard(task)
            with suppress(OSError, RuntimeError):
                writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        key = CancelKey(next(self._numbers) & 0x7FFFFFFF, secrets.randbits(32))
        connection = Connection(self._context, reader, writer)
        if len(self._connections) >= self._context.settings.pg_connections:
            writer.write(error_response(TooManyConnections("too many connections", hint="pg_connections"), "FATAL"))
            return
        self._connections[key] = connection
        try:
            if await connection.greet(Startup(reader, writer, self._tls), key, self._pool):
                await connection.talk(self._pool)
            elif connection.cancels is not None and connection.cancels in self._connections:
                self._connections[connection.cancels].interrupt()
        finally:
            del self._connections[key]
