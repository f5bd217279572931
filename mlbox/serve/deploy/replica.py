"""What a replica answers: inference, for callers with the token of its deployment; and how it stands."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import MlboxError, NotFound, Unauthorized
from mlbox.serve.http import JSON, Receive, Scope, Send, failure, headers_of, reply
from mlbox.serve.listing import SEES

if TYPE_CHECKING:
    from mlbox.serve.asgi import InferenceApp

_HEALTH = "/v2/health/"


class ReplicaApp:
    """ASGI. ``callers`` is the SHA-256 of the callers' token. After ``drain`` it says that it is not ready, and goes
    on answering."""

    def __init__(self, inference: InferenceApp, callers: str) -> None:
        self._inference = inference
        self._callers = callers
        self._draining = False

    def drain(self) -> None:
        """Whoever sends requests here is to stop; connections are closed with the next answer."""
        self._draining = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._inference(scope, receive, send)
            return
        path = scope["path"]
        if self._draining and path == _HEALTH + "ready":
            await reply(send, (503, JSON, b'{"ready":false}'))
            return
        if self._draining and scope.get("http_version", "1.1").startswith("1"):
            send = _closing(send)
        inner = None if path.startswith("/v2") else self._inference.inner_path(path)
        try:
            if not path.startswith(_HEALTH):
                self._check(scope)
            if inner is None and path != "/v2" and not path.startswith("/v2/"):
                raise NotFound(f"a replica has no path {path}", hint="POST /v2/models/{endpoint}/infer")
        except MlboxError as error:
            await reply(send, failure(error))
            return
        await self._inference({**scope, "path": inner or path, SEES: _any}, receive, send)

    def _check(self, scope: Scope) -> None:
        given = headers_of(scope).get(b"authorization", b"").removeprefix(b"Bearer ").strip()
        if not hmac.compare_digest(hashlib.sha256(given).hexdigest(), self._callers):
            raise Unauthorized(
                "the token of this deployment is needed",
                hint="Authorization: Bearer, with the token that DEPLOY ENDPOINT told",
            )


def _any(project: str) -> bool:
    """Who has the token of the deployment may see what it holds."""
    return True


def _closing(send: Send) -> Send:
    """The same, with an answer that ends its connection."""

    async def closing(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return closing
