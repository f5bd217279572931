"""Types and packings of bodies: which are taken, and in which an answer goes out."""

from __future__ import annotations

import zlib
from functools import lru_cache

from mlbox.base.errors import Invalid, TooLarge

ARROW = b"application/vnd.apache.arrow.stream"
_TAKEN = (b"", b"application/json", b"application/octet-stream")


class UnsupportedMediaType(Invalid):
    """The body is of a type, or packed in a way, that is not understood."""

    code = "unsupported_media_type"
    http_status = 415


@lru_cache(maxsize=64)
def is_arrow(content_type: bytes) -> bool:
    """Whether the body is an Arrow stream, else it is JSON, with binary tensors behind it or without; raises
    ``UnsupportedMediaType``."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == ARROW:
        return True
    if kind not in _TAKEN and not kind.endswith(b"+json"):
        raise UnsupportedMediaType(
            f"a body of type {kind.decode('latin-1')} is not understood",
            hint=f"application/json, application/octet-stream with binary tensors, or {ARROW.decode()}",
        )
    return False


def unpacked(body: bytes, content_encoding: bytes | None, limit: int) -> bytes:
    """The body as it was before it was packed; raises ``Invalid`` when it is not what its header says, or larger than
    ``limit`` bytes, and ``UnsupportedMediaType``."""
    if not content_encoding:
        return body
    encoding = content_encoding.decode("latin-1").strip().lower()
    return body if encoding == "identity" else inflate(body, encoding, limit)


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """A body that was sent with gzip or deflate, bounded by ``limit`` bytes. A gzip body may have several members."""
    if encoding not in ("gzip", "deflate"):
        raise UnsupportedMediaType(f"Content-Encoding {encoding!r} is not understood", hint="gzip or deflate")
    parts: list[bytes] = []
    left, rest = limit, body
    while True:
        machine = zlib.decompressobj(31 if encoding == "gzip" else 15)
        try:
            part = machine.decompress(rest, left + 1)
        except zlib.error:
            raise Invalid(f"the body is not valid {encoding}") from None
        left -= len(part)
        if left < 0:
            raise TooLarge.than(limit, "unpacked body")
        if not machine.eof:
            raise Invalid(f"the {encoding} body ends too early")
        parts.append(part)
        rest = machine.unused_data
        if not rest:
            return b"".join(parts)
        if encoding == "deflate":
            raise Invalid(f"{len(rest)} bytes follow the end of the deflate body")


@lru_cache(maxsize=64)
def answer_encoding(accept: bytes) -> bytes:
    """gzip or deflate, as ``Accept-Encoding`` prefers (RFC 9110, 12.5.3); empty: as it is."""
    weights: dict[bytes, float] = {}
    for entry in accept.lower().split(b","):
        name, _, rest = entry.partition(b";")
        try:
            weights[name.strip()] = float(rest.partition(b"=")[2] or 1)
        except ValueError:
            weights[name.strip()] = 0.0
    others = weights.get(b"*", 0.0)
    found = max((b"gzip", b"deflate"), key=lambda name: weights.get(name, others))
    return found if weights.get(found, others) > 0 else b""
