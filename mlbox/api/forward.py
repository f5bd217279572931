"""Hands a request on to the server behind a worker, as it is, and its answer back, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlbox.api.edge import Receive, Scope, Send
from mlbox.api.guard import send_error
from mlbox.base.errors import Unavailable
from mlbox.serve.http import BrokenBody

if TYPE_CHECKING:
    import httpx

_OF_A_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"te", b"trailer", b"upgrade")
)
"""Headers that concern one connection only (RFC 9110, 7.6.1)."""


class Forward:
    """ASGI. ``url`` is the server's own address; its client is made on the event loop that first needs it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        import httpx

        if self._http is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=20)
            self._http = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=10), limits=limits, trust_env=False)
        body = _Body(receive)
        headers = [(name, value) for name, value in scope["headers"] if name not in _OF_A_CONNECTION]
        names = {name for name, _ in scope["headers"]}
        content = body.parts() if names & {b"content-length", b"transfer-encoding"} else None
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        url = httpx.URL(self._url).copy_with(raw_path=target)
        request = httpx.Request(scope["method"], url, headers=headers, content=content)
        work = asyncio.ensure_future(self._pass_on(request, send))
        if content is None:
            body.done.set()
        watch = asyncio.ensure_future(body.disconnected())
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, watch):
                if not task.done():
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
        if body.broken and work.cancelled():
            await send_error(send, BrokenBody.off(), scope["path"])
        work.cancelled() or work.result()

    async def _pass_on(self, request: httpx.Request, send: Send) -> None:
        import httpx

        assert self._http is not None
        begun = False
        try:
            response = await self._http.send(request, stream=True)
            try:
                headers = [(name.lower(), value) for name, value in response.headers.raw]
                kept = [(name, value) for name, value in headers if name not in _OF_A_CONNECTION]
                begun = True
                await send({"type": "http.response.start", "status": response.status_code, "headers": kept})
                async for part in response.aiter_raw():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            if begun:
                raise  # the caller sees a broken answer, as it is
            told = Unavailable("the server behind this worker does not answer", hint=f"try again: {error!r}")
            await send_error(send, told)


class _Body:
    """The body of a request, and then the news that the caller has gone."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.done = asyncio.Event()
        self.broken = False

    async def parts(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message: dict[str, Any] = await self._receive()
            if message["type"] == "http.disconnect":
                self.broken = True
                raise asyncio.CancelledError
            more = bool(message.get("more_body"))
            if part := message.get("body"):
                yield part
        self.done.set()

    async def disconnected(self) -> None:
        await self.done.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
