"""Bodies, responses and errors on the ASGI interface."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from mlbox.base.errors import Invalid, MlboxError, TooLarge, Unavailable
from mlbox.serve import codec, media

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
RequestHeaders = Mapping[bytes, bytes]
Headers = list[tuple[bytes, bytes]]
Response = tuple[int, Headers, bytes]
"""Status, headers but for the length, body."""

JSON: Headers = [(b"content-type", b"application/json")]
SVG: Headers = [(b"content-type", b"image/svg+xml"), (b"content-security-policy", b"default-src 'none'")]
BINARY = (b"content-type", b"application/octet-stream")


class NotAllowed(Invalid):
    """The path is right, the method is not."""

    code = "method_not_allowed"
    http_status = 405


class TooSlow(Invalid):
    """The body did not come in time."""

    code = "request_timeout"
    http_status = 408


class Gone(Invalid):
    """The caller does not take his answer any more."""

    code = "caller_gone"


class BrokenBody(Invalid):
    """The body ended before its end: the caller went away, or what he sends is not what HTTP calls chunks."""

    code = "broken_body"

    @classmethod
    def off(cls) -> BrokenBody:
        """The error."""
        return cls(
            "the body broke off, or is not in chunks as its headers say",
            hint="a chunk is its size in hexadecimal digits, a line end, so many bytes, a line end; the last one is 0",
        )


class Overloaded(Unavailable):
    """More requests wait than the endpoint takes; ``details`` may say when to come again (``retry_after`` in s)."""

    code = "overloaded"


class DeadlineExceeded(Unavailable):
    """The answer would come too late."""

    code = "deadline_exceeded"


async def read_body(headers: RequestHeaders, receive: Receive, limit: int) -> bytes:
    """The whole body; raises ``TooLarge`` before it is in memory when its length is announced, ``BrokenBody``."""
    check_length(headers, limit)
    message = await receive()
    body = whole_body(message, headers, limit)
    return await rest_of_body(message, headers, receive, limit) if body is None else body


def check_length(headers: RequestHeaders, limit: int) -> None:
    """Raise ``TooLarge`` when more is announced."""
    if _announced(headers) > limit:
        raise TooLarge.than(limit)


def whole_body(message: Mapping[str, Any], headers: RequestHeaders, limit: int) -> bytes | None:
    """The body when the first message has all of it; the end of a body whose length is known is not waited for, since
    that is another turn of the server's threads."""
    if message["type"] == "http.disconnect":
        raise BrokenBody.off()
    body: bytes = message.get("body", b"")
    if message.get("more_body") and b"%d" % len(body) != headers.get(b"content-length"):
        return None
    if len(body) > limit:
        raise TooLarge.than(limit)
    return body


async def rest_of_body(message: Mapping[str, Any], headers: RequestHeaders, receive: Receive, limit: int) -> bytes:
    """The body whose first message this is."""
    length = _announced(headers)
    parts: list[bytes] = [message.get("body", b"")]
    size = len(parts[0])
    while message.get("more_body") and size != length:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BrokenBody.off()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise TooLarge.than(limit)
    return b"".join(parts)


def _announced(headers: RequestHeaders) -> int:
    """The length that the caller announces for the body; -1 when he does not."""
    told = headers.get(b"content-length", b"")
    return int(told) if told.isdigit() else -1


PACKED = 4096
"""Bytes from which on a response is compressed for a caller who takes that."""

HEADERS = "mlbox.headers"
"""Where a scope may have the headers by name already."""


def headers_of(scope: Scope) -> RequestHeaders:
    """Headers by name; ASGI has the names in lower case."""
    found: RequestHeaders = scope.get(HEADERS) or dict(scope["headers"])
    return found


async def reply(send: Send, response: Response) -> None:
    """Send a response."""
    status, headers, body = response
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def failure(error: MlboxError, request_id: str = "") -> Response:
    """The protocol wants ``error`` to be a text; code and hint stand beside it. Who asks an endpoint may be anybody."""
    error = error.public
    body: dict[str, Any] = {"error": error.message, "code": error.code}
    if error.hint:
        body["hint"] = error.hint
    headers = list(JSON)
    if request_id:
        printable = "".join(each for each in request_id[:200] if " " <= each <= "~")
        headers.append((b"x-request-id", printable.encode()))
    if error.http_status == 405:
        headers.append((b"allow", b"POST" if "POST" in error.message else b"GET, HEAD"))
    if error.transient:
        headers.append((b"retry-after", b"%d" % (error.details or {}).get("retry_after", 1)))
    return error.http_status, headers, codec.to_json(body)


def packed(response: Response, headers: RequestHeaders) -> Response:
    """With gzip or deflate, where the caller takes it."""
    encoding = media.answer_encoding(headers.get(b"accept-encoding", b""))
    if not encoding:
        return response
    machine = zlib.compressobj(1, zlib.DEFLATED, 31 if encoding == b"gzip" else 15)
    status, head, body = response
    more = [(b"content-encoding", encoding), (b"vary", b"accept-encoding")]
    return status, [*head, *more], machine.compress(body) + machine.flush()


async def lifespan(receive: Receive, send: Send) -> None:
    """Answer the server's lifespan messages; starting and stopping is the application's."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
