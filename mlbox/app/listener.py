"""The HTTP server, in the owner's process: in the foreground for ``mlbox up``, in a thread for a one-shot command.

A one-shot command listens only when a run must call home.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Conflict, Invalid, Unavailable

if TYPE_CHECKING:
    from mlbox.app.house import House

log = logging.getLogger("mlbox")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


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


class Listener:
    """Serves the house over HTTP."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lock = threading.Lock()
        self._url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()

    def url(self) -> str:
        """Where the house can be called; starts listening in a thread when nobody has yet."""
        with self._lock:
            if not self._url:
                self.start_thread("127.0.0.1", 0)
            return self._url

    def start_thread(self, host: str, port: int) -> None:
        """Listen on a thread; returns when requests are answered."""
        self._prepare(host, port)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="http", daemon=True)
        self._thread.start()
        self._await_ready()

    def _prepare(self, host: str, port: int) -> None:
        settings = self._house.settings
        if host not in LOOPBACK and not settings.token:
            raise Invalid(
                f"listening on {host} lets others in, and no token is set",
                hint="set MLBOX_TOKEN (callers send it as Authorization: Bearer …), or listen on 127.0.0.1",
            )
        self._host, self._port = host, choose_port(host, port)
        self._url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{self._port}"
        self._house.home.write_server(self._url, port=self._port)

    async def _serve(self) -> None:
        from granian.constants import Interfaces
        from granian.server.embed import Server

        from mlbox.api.application import build
        from mlbox.ui.assets import static_app

        self._loop = asyncio.get_running_loop()
        application = build(self._house.api_context(), static_app)
        self._server = Server(
            application,
            address=self._host,
            port=self._port,
            interface=Interfaces.ASGINL,
            log_enabled=False,
            websockets=False,
            backlog=1024,
        )
        self._loop.call_later(0.02, self._ready.set)
        await self._server.serve()

    def _await_ready(self) -> None:
        """Until the port answers: the server accepts before it tells."""
        if not self._ready.wait(15):
            raise Unavailable("the HTTP server did not start within 15 seconds")
        for _ in range(200):
            try:
                with socket.create_connection((self._host, self._port), timeout=1):
                    return
            except OSError:
                threading.Event().wait(0.02)
        raise Unavailable(f"the HTTP server does not answer on {self._host}:{self._port}")

    def stop(self) -> None:
        """Stop listening; requests under way are finished."""
        if self._loop is not None and self._server is not None:
            self._loop.call_soon_threadsafe(self._server.stop)
        if self._thread is not None:
            self._thread.join(timeout=10)
        self._url = ""
