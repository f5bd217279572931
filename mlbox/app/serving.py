"""An application behind a port, served by granian in a thread of its own."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Conflict, Invalid, MlboxError, Unavailable

if TYPE_CHECKING:
    from mlbox.api.guard import App


START_SECONDS = 60
"""For which a busy machine may take to begin to listen."""

STOP_SECONDS = 10.0


def choose_port(host: str, port: int) -> int:
    """``port`` if it is free, a free one for 0; raises ``Conflict`` when it is in use."""
    if not 0 <= port <= 65_535:
        raise Invalid(f"port {port} does not exist", hint="ports go from 1 to 65535; 0 chooses a free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise Conflict(
                f"port {port} of {host} cannot be used: {error.strerror}",
                hint=f"choose another with --port {port + 1 if port else 7070}, or --port 0 for any free one",
            ) from None
        return int(probe.getsockname()[1])


class Serving:
    """One listening port, or a socket that listens already. ``start()`` returns when requests are answered; then
    ``stop()``, once."""

    def __init__(self, host: str, port: int, build: Callable[[], App], listening: socket.socket | None = None) -> None:
        self.host = host
        self.port = port
        self._build = build
        self._listening = listening
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failed: MlboxError | None = None

    def start(self) -> None:
        """Listen on a thread. ``Unavailable`` when the port does not answer."""
        name = f"http-{self.port}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise Unavailable(f"the HTTP server did not start within {START_SECONDS} seconds")
        if self._failed is not None:
            raise self._failed
        if self._listening is None:
            self._await_answer()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Stop listening; requests under way are finished, within so many seconds."""
        if self._loop is not None and self._server is not None:
            self._loop.call_soon_threadsafe(self._server.stop)
        if self._thread is not None:
            self._thread.join(timeout=seconds)

    def _run(self) -> None:
        import uvloop

        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except MlboxError as error:  # whoever waits for the start is told
            self._failed = error
            self._ready.set()

    async def _serve(self) -> None:
        from granian.constants import Interfaces
        from granian.server.embed import Server

        self._loop = asyncio.get_running_loop()
        self._server = Server(
            self._build(),
            address=self.host,
            port=self.port,
            interface=Interfaces.ASGINL,
            log_enabled=False,
            websockets=False,
            backlog=1024,
        )
        if self._listening is not None:
            _use(self._server, self._listening)
        _spare_the_long_lived()
        self._loop.call_later(0.02, self._ready.set)
        await self._server.serve()

    def _await_answer(self) -> None:
        """Until the port answers: the server accepts before it tells."""
        for _ in range(200):
            try:
                with socket.create_connection((self.host, self.port), timeout=1):
                    return
            except OSError:
                threading.Event().wait(0.02)
        raise Unavailable(f"the HTTP server does not answer on {self.host}:{self.port}")


def _use(server: Any, listening: socket.socket) -> None:
    """Let granian accept at this socket; it would make one of its own."""
    from granian import _granian

    holder: Any = _granian.SocketHolder

    def given() -> None:
        server._ssp = None
        server._shd = holder(listening.fileno(), False, 1024)
        server._sfd = listening.fileno()

    server._init_shared_socket = given


def _spare_the_long_lived() -> None:
    """What is there now stays: a full collection over it in the midst of requests takes a tenth of their time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
