"""Bytes as an answer: whole or a range of them (RFC 9110), streamed, so that a download can go on where it broke."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from litestar.response import Stream

from mlbox.base.errors import Invalid, MlboxError

CHUNK = 1 << 20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


class NoSuchRange(Invalid):
    """The range begins behind the end."""

    code = "no_such_range"
    http_status = 416


def wanted(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for all of it: without a range, or with one of another form, which
    may be ignored. Raises ``NoSuchRange``."""
    match = _RANGE.match(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        first, end = max(0, size - int(match[2])), size
    else:
        first, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
        if match[2] and int(match[2]) < first:
            return None
    if first >= size or first >= end:
        raise NoSuchRange(f"there are {size:,} bytes, none from {first:,} on", details={"size": size})
    return first, end


def answer(
    stream: BinaryIO, size: int, digest: str, sent: Mapping[str, str], media_type: str, headers: Mapping[str, str]
) -> Stream:
    """What a request with the headers ``sent`` gets of a file whose SHA-256 is ``digest``."""
    tag = f'"{digest}"'
    try:
        part = wanted(sent.get("range", ""), size) if sent.get("if-range", tag) == tag else None
    except MlboxError:
        stream.close()
        raise
    first, end = part or (0, size)
    told = {**headers, "ETag": tag, "Accept-Ranges": "bytes", "Content-Length": str(end - first)}
    if part is not None:
        told["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return Stream(
        _pieces(stream, first, end), media_type=media_type, headers=told, status_code=200 if part is None else 206
    )


def _pieces(stream: BinaryIO, first: int, end: int) -> Iterator[bytes]:
    with stream:
        stream.seek(first)
        left = end - first
        while left and (piece := stream.read(min(CHUNK, left))):
            left -= len(piece)
            yield piece
