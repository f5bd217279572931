"""What is done around a request, whoever answers it: id, span, a line in the log, and pages of other origins."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.base.telemetry import FOLLOWED, REQUEST_ID, Followed, cleaned, request_id, tracer

if TYPE_CHECKING:
    from mlbox.base.settings import Settings

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Serve = Callable[[Scope, Mapping[bytes, bytes], Receive, Send], Awaitable[None]]

LOGGED = ("none", "failed", "all")
METHODS = b"GET, POST, OPTIONS"
TAKEN = (
    b"authorization, content-type, content-encoding, inference-header-content-length, x-request-id, "
    b"x-request-timeout-ms, traceparent, tracestate"
)
"""Headers that pages of other origins may send."""
SHOWN = b"x-request-id, inference-header-content-length, retry-after"
"""Headers of answers that these pages may read."""

_ID = REQUEST_ID.encode()
_QUIET = ("/health", "/metrics", "/v2/health/")
"""Paths that are asked all the time; no spans of them."""

_log = logging.getLogger("mlbox.requests")


class Edge:
    """``shared`` says which paths pages of the ``origins`` may use; the others are closed to them whatever is set."""

    def __init__(self, settings: Settings, shared: Callable[[str], bool] = lambda path: False) -> None:
        if settings.log_requests not in LOGGED:
            raise Invalid(f"log_requests = {settings.log_requests!r}", hint=f"one of {', '.join(LOGGED)}")
        self._origins = {each.strip().lower().rstrip("/") for each in settings.cors_origins.split(",") if each.strip()}
        for origin in self._origins - {"*"}:
            if "://" not in origin:
                raise Invalid(
                    f"cors_origins names {origin!r}, which is no origin", hint="https://app.example.com, or *"
                )
        self._seconds = b"%d" % settings.cors_seconds
        self._shared = shared
        self._logged = settings.log_requests
        self._always = settings.log_requests != "none" or tracer() is not None

    def concerns(self, path: str, headers: Mapping[bytes, bytes]) -> bool:
        """Whether there is something to do around a request; inference that asks for nothing goes the short way."""
        return self._always or _ID in headers or not path.startswith("/v2") or b"origin" in headers

    def lets_in(self, path: str, origin: bytes) -> bool:
        """Whether pages of an origin may use a path."""
        if not self._origins or not self._shared(path):
            return False
        return "*" in self._origins or origin.decode("latin-1").lower() in self._origins

    def is_preflight(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a browser asks if a page may send what it is about to send."""
        asks = scope["method"] == "OPTIONS" and b"access-control-request-method" in headers
        return asks and self.lets_in(scope["path"], headers.get(b"origin", b""))

    async def allow(self, send: Send) -> None:
        """The answer to that; whose page it is, the headers around it tell."""
        headers = [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", TAKEN),
            (b"access-control-max-age", self._seconds),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def around(
        self, serve: Serve, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Serve a request with all of it."""
        given = cleaned(headers.get(_ID, b"").decode("latin-1"))
        followed = scope[FOLLOWED] = Followed(given or new_id(), bool(given))
        request_id.set(followed.id)
        path, method, begun, status = scope["path"], scope["method"], perf_counter(), 500
        more = self._of_page(path, headers.get(b"origin"))

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [each for each in message["headers"] if each[0] != _ID]
                message = {**message, "headers": [*own, (_ID, followed.id.encode()), *more]}
            await send(message)

        active = None if path.startswith(_QUIET) else tracer()
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()} if active else {}
        with nullcontext() if active is None else active.served(f"{method} {_route(path)}", told) as made:
            try:
                await serve(scope, headers, receive, tell)
            finally:
                if made is not None:
                    _describe(made, method, path, status, followed.id)
                if self._logged == "all" or (self._logged == "failed" and status >= 400):
                    request_id.set(followed.id)
                    _tell(method, path, status, perf_counter() - begun)

    def _of_page(self, path: str, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        if origin is None or not self.lets_in(path, origin):
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", SHOWN),
            (b"vary", b"origin"),
        ]


def _tell(method: str, path: str, status: int, seconds: float) -> None:
    took = seconds * 1000
    fields = {"method": method, "path": path, "status": status, "duration_ms": round(took, 2)}
    _log.info("%s %s %d %.1f ms", method, path, status, took, extra={"fields": fields})


def _describe(made: Any, method: str, path: str, status: int, identity: str) -> None:
    """Attributes by the semantic conventions of HTTP."""
    made.set_attribute("http.request.method", method)
    made.set_attribute("url.path", path)
    made.set_attribute("http.response.status_code", status)
    made.set_attribute("mlbox.request_id", identity)


def _route(path: str) -> str:
    """The path as far as it is the same for many requests: names of spans are few."""
    parts = path.split("/")
    return path if path.startswith("/v2/models/") else "/".join(parts[:2])
