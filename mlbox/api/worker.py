"""What a worker answers: inference of the endpoints that it has. All else it hands on to the server."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mlbox.api.edge import Edge, Receive, Scope, Send
from mlbox.api.guard import HEADERS, App, Guard, send_error
from mlbox.base.errors import MlboxError
from mlbox.serve.addresses import inner_path
from mlbox.serve.workers.cells import ACCESS, Cells

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.serve.workers.station import Station

MODELS = "/v2/models/"
MOST = 4096
"""Callers and endpoints that a worker remembers."""

May = Callable[[str, str], float]
"""From an Authorization header and a path to the seconds for which that is allowed; raises an error of ours."""


class Permits:
    """Who may use which endpoint, as the server has said; asked again when members or tokens change."""

    def __init__(self, cells: Cells, may: May) -> None:
        self._cells = cells
        self._may = may
        self._seen = 0
        self._known: dict[tuple[bytes, str], float] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="permits")

    def knows(self, authorization: bytes, name: str) -> bool:
        """Whether it was allowed lately."""
        if self._cells[ACCESS] != self._seen:
            self._known.clear()
            self._seen = self._cells[ACCESS]
        until = self._known.get((authorization, name))
        return until is not None and (until == math.inf or until > time.monotonic())

    async def check(self, authorization: bytes, name: str) -> None:
        """Ask the server; raises what it says."""
        seen = self._cells[ACCESS]
        ask = asyncio.get_running_loop().run_in_executor
        seconds = await ask(self._threads, self._may, authorization.decode("latin-1"), MODELS + name)
        if len(self._known) >= MOST:
            self._known.clear()
        if seen == self._seen:
            self._known[authorization, name] = time.monotonic() + seconds


class WorkerApp:
    """ASGI."""

    def __init__(self, station: Station, inference: App, forward: App, permits: Permits, settings: Settings) -> None:
        self._station = station
        self._inference = inference
        self._forward = forward
        self._permits = permits
        hosts = [settings.host, *settings.allowed_hosts.split(",")]
        self._guarded = Guard(self._answer, hosts=hosts, edge=Edge(settings, lambda path: path.startswith(MODELS)))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request; a coroutine of its own would cost every request."""
        if scope["type"] != "http":
            return _nothing()
        path: str = scope["path"]
        if not path.startswith(MODELS):
            inner = inner_path(self._station.directory, path)
            if inner is not None:
                path = inner
                scope = {**scope, "path": inner}
        if path.startswith(MODELS) and self._station.finds(path[len(MODELS) :].partition("/")[0]) is not None:
            return self._guarded(scope, receive, send)
        return self._forward(scope, receive, send)

    def _answer(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        name = scope["path"][len(MODELS) :].partition("/")[0]
        authorization = scope[HEADERS].get(b"authorization", b"")
        if self._permits.knows(authorization, name):
            return self._inference(scope, receive, send)
        return self._answer_new(authorization, name, scope, receive, send)

    async def _answer_new(self, authorization: bytes, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A caller who is not known yet."""
        try:
            await self._permits.check(authorization, name)
        except MlboxError as error:
            await send_error(send, error, scope["path"])
            return
        await self._inference(scope, receive, send)


async def _nothing() -> None:
    """What is no request."""
