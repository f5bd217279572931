"""Bodies, responses and errors on the ASGI interface."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlbox.base.errors import Internal, Invalid, MlboxError
from mlbox.serve import codec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Headers = [(b"content-type", b"application/json")]
BINARY = (b"content-type", b"application/octet-stream")

_log = logging.getLogger("mlbox.serve")


class TooLarge(Invalid):
    """The body is larger than the limit."""

    code = "too_large"
    http_status = 413


class NotAllowed(Invalid):
    """The path is right, the method is not."""

    code = "method_not_allowed"
    http_status = 405


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body; raises ``TooLarge`` before it is in memory when its length is announced."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("the caller went away")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"the body is larger than {limit:,} bytes",
        hint="send the rows in several requests, or raise the setting max_request_mb",
    )


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Headers by name; ASGI has the names in lower case."""
    return dict(scope["headers"])


def defect() -> MlboxError:
    """For an exception that nobody expected: logged here, its insides are not shown."""
    _log.exception("inference")
    return Internal("the request met a defect of mlbox", hint="the server's log has the details")


async def reply(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def fail(send: Send, error: MlboxError) -> None:
    """The protocol wants ``error`` to be a text; code and hint stand beside it."""
    body: dict[str, Any] = {"error": error.message, "code": error.code}
    if error.hint:
        body["hint"] = error.hint
    headers = list(JSON)
    if error.http_status == 405:
        headers.append((b"allow", b"POST" if "POST" in error.message else b"GET, HEAD"))
    if error.transient:
        headers.append((b"retry-after", b"1"))
    await reply(send, error.http_status, codec.to_json(body), headers)


async def lifespan(receive: Receive, send: Send) -> None:
    """Answer the server's lifespan messages; starting and stopping is the application's."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
