"""Keeps foreign pages out: any web page can send requests to a local port (CSRF, DNS rebinding).

Checked before anything else: ``Host`` must be ours, ``Origin`` (which browsers send) must be ours, a body must say that
it is not a form (a form needs no preflight), and the token is demanded where one is set.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from mlbox.api.edge import Edge, Receive, Scope, Send
from mlbox.base import defects
from mlbox.base.command import OWNER
from mlbox.base.errors import Forbidden, MlboxError, Unauthorized
from mlbox.serve.http import failure

App = Callable[[Scope, Receive, Send], Awaitable[None]]

Identify = Callable[[str, str], str]
"""From a user's name, which may be empty, and a secret to the user; raises an error of ours."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
OPEN_PATHS = ("/health", "/v2/health/live", "/v2/health/ready")
OWN_TOKENS = ("/run-api/", "/replica-api/")
"""Paths whose calls carry the token of a run or of a deployment."""
PROTOCOL = "/v2"
"""Under which the Open Inference Protocol is spoken."""
USER = "mlbox.user"
"""Where the scope says who is asking."""
HEADERS = "mlbox.headers"
"""Where the scope has the headers by name."""


def told_to(scope: Mapping[str, Any], error: MlboxError) -> MlboxError:
    """The error as whoever sent the request is told of it. Who is not asked for a token of ours is a stranger where
    others may call, else the owner."""
    path = str(scope.get("path", ""))
    stranger = path in OPEN_PATHS or path.startswith(OWN_TOKENS)
    return error.public if stranger else defects.told_to(scope.get(USER, OWNER), error)


async def send_error(send: Send, error: MlboxError, path: str = "") -> None:
    """The one envelope; under ``/v2`` that of the inference protocol, whose clients read ``error`` as a text."""
    headers = [(b"content-type", b"application/json")]
    body = json.dumps({"error": error.to_dict()}).encode()
    if path == PROTOCOL or path.startswith(f"{PROTOCOL}/"):
        _, headers, body = failure(error)
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    if error.http_status == Unauthorized.http_status:
        headers.append((b"www-authenticate", b'Basic realm="mlbox", charset="UTF-8"'))
    if error.http_status == 405 and path.startswith("/features/"):
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def credentials(header: str) -> tuple[str, str]:
    """User and secret of an ``Authorization`` header: ``Bearer``, or ``Basic``, which browsers ask their user for."""
    kind, _, text = header.partition(" ")
    if kind.lower() != "basic":
        return "", header.removeprefix("Bearer ").strip()
    with suppress(ValueError):
        user, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
        return user, secret
    return "", ""


def host_of(value: str) -> str:
    """The host of a ``Host`` header or of an origin, without port."""
    text = value.rpartition("://")[2].strip().lower()
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0]


class Guard:
    """ASGI middleware around everything."""

    def __init__(
        self, app: App, *, hosts: Iterable[str], identify: Identify | None = None, edge: Edge | None = None
    ) -> None:
        self._app = app
        self._edge = edge
        self._hosts = LOOPBACK | {host.strip().lower() for host in hosts if host.strip()}
        self._identify = identify
        self._knows = lru_cache(maxsize=64)(self._is_known)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, or answer 401 or 403; a coroutine of its own would cost every request."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        headers = dict(scope["headers"])  # servers give the names in lower case
        if self._edge is not None and self._edge.concerns(scope["path"], headers):
            return self._edge.around(self._serve, scope, headers, receive, send)
        return self._serve(scope, headers, receive, send)

    def _serve(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> Awaitable[None]:
        try:
            self._check_place(scope["path"], headers)
            if self._edge is not None and self._edge.is_preflight(scope, headers):
                return self._edge.allow(send)
            user = self._check(scope, headers)
        except MlboxError as error:
            return send_error(send, error, scope["path"])
        if user is not None:
            scope[USER] = user
        scope[HEADERS] = headers
        return self._app(scope, receive, send)

    def _check_place(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Raise ``Forbidden`` for a name that is not ours, and for pages of others."""
        host = headers.get(b"host", b"")
        if not self._knows(host):
            raise Forbidden(
                f"this server does not answer to the host name {host.decode('latin-1')!r}",
                hint="add the name to the setting allowed_hosts if it is yours",
            )
        origin = headers.get(b"origin")
        ours = origin is None or self._is_ours(origin.decode("latin-1"), host.decode("latin-1"))
        if origin is not None and not ours and not (self._edge is not None and self._edge.lets_in(path, origin)):
            raise Forbidden(
                f"pages of {origin.decode('latin-1')} may not use this server",
                hint="call it from a program, or add the host to the setting allowed_hosts; "
                "cors_origins lets pages use endpoints and online features",
            )

    def _check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str | None:
        """Who asks, ``None`` where nobody is asked who he is; raises ``Forbidden`` or ``Unauthorized``."""
        origin = headers.get(b"origin")
        if scope["method"] == "POST":  # the others are not sent for a foreign page without asking first
            kind = headers.get(b"content-type", b"")
            if _is_form(kind) or (origin is not None and not kind):
                raise Forbidden(
                    f"a body of type {kind.decode('latin-1') or 'none'} is refused",
                    hint="send Content-Type: application/json",
                )
        path: str = scope["path"]
        if self._identify is None or path in OPEN_PATHS or path.startswith(OWN_TOKENS):
            return None
        authorization = headers.get(b"authorization")
        return self._identify(*(credentials(authorization.decode("latin-1")) if authorization else ("", "")))

    def _is_known(self, host: bytes) -> bool:
        return host_of(host.decode("latin-1")) in self._hosts

    def _is_ours(self, origin: str, host: str) -> bool:
        return host_of(origin) in self._hosts and origin.rpartition("://")[2].lower() == host.lower()


@lru_cache(maxsize=64)
def _is_form(kind: bytes) -> bool:
    return kind.decode("latin-1").partition(";")[0].strip().lower() in FORM_TYPES
