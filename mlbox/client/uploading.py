"""Large bodies, either way: sent and fetched in parts, so that a broken connection costs what was on its way."""

from __future__ import annotations

import hashlib
import io
import os
import time
from contextlib import suppress
from typing import Any, BinaryIO, Callable, Dict, Optional, Union

from mlbox.client.failures import MlboxClientError, Undelivered
from mlbox.client.transport import Refused, Response, Transport

Source = Union[bytes, str]
"""Bytes, or the path of a file."""

WHOLE = 1 << 20
"""Up to so many bytes a body is sent at once."""
CHUNK = 1 << 20
PATIENCE = 60.0
"""Seconds without progress after which an upload or download is given up."""
_PAUSE = 0.1


def size_of(source: Source) -> int:
    """Bytes of it."""
    return len(source) if isinstance(source, bytes) else os.path.getsize(source)


def put(transport: Transport, path: str, source: Source, patience: float = PATIENCE) -> Response:
    """Send to an address that takes parts (``Upload-Offset``); goes on where the server is after each interruption.

    Raises ``Undelivered`` after ``patience`` seconds without progress, ``Refused``.
    """
    headers = {"Content-Type": "application/octet-stream"}
    if size_of(source) <= WHOLE:
        return transport.request("PUT", path, _from(source, 0), headers, patience=patience)
    offset, deadline = _offset(transport, path, size_of(source)), time.monotonic() + patience
    again = False
    while True:
        transport.close()  # a kept connection would be tried twice from the same place
        try:
            return transport.request("PUT", path, _from(source, offset), {**headers, "Upload-Offset": str(offset)})
        except Refused as refused:
            known = (refused.error.get("details") or {}).get("offset")
            if refused.status == 409 and known is not None:
                reason: MlboxClientError = refused
            elif refused.status == 400 and offset and not again:
                again, offset = True, 0  # what was there before was not ours, and is gone
                continue
            else:
                raise
        except Undelivered as undelivered:
            reason, known = undelivered, None
        before = offset
        with suppress(MlboxClientError):
            offset = int(known) if known is not None else _offset(transport, path, size_of(source))
        if offset > before:
            deadline = time.monotonic() + patience
        elif time.monotonic() > deadline:
            raise reason
        else:
            time.sleep(_PAUSE)


def _offset(transport: Transport, path: str, size: int) -> int:
    """What the server has. A server that does not know of parts has nothing."""
    answer = transport.request("HEAD", path)
    return min(int(answer.headers.get("upload-offset") or 0), size)


def _from(source: Source, offset: int) -> Any:
    if isinstance(source, bytes):
        return source[offset:] if offset else source

    def opened() -> BinaryIO:
        file = open(source, "rb", buffering=CHUNK)
        file.seek(offset)
        return file

    return opened


def fetch(
    transport: Transport,
    path: str,
    target: str,
    headers: Optional[Dict[str, str]] = None,
    patience: float = PATIENCE,
    progress: Optional[Callable[[int], None]] = None,
) -> None:
    """Bring what stands at an address into a file, with little memory; goes on after an interruption, also of an
    earlier call. The file is there when it is whole, and its hash is the one that the server has told."""
    part = f"{target}.part"
    deadline = time.monotonic() + patience
    while True:
        have = os.path.getsize(part) if os.path.exists(part) else 0
        sent = {**(headers or {}), **({"Range": f"bytes={have}-"} if have else {})}
        try:
            with open(part, "ab") as file:
                told = transport.stream(path, sent, _into(file, have, progress))
        except Refused as refused:
            if refused.status != 416 or not have:
                raise
            os.remove(part)  # more than there is: of something else
            continue
        except Undelivered:
            if os.path.getsize(part) > have:
                deadline = time.monotonic() + patience
            elif time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
            continue
        break
    digest = told.get("etag", "").strip('"')
    if len(digest) == 64 and digest_of(part) != digest:
        os.remove(part)
        raise MlboxClientError(f"{path}: the bytes that arrived do not match their hash", "fetch them again")
    os.replace(part, target)


def _into(file: BinaryIO, have: int, progress: Optional[Callable[[int], None]]) -> Callable[[int, bytes], None]:
    """Takes pieces; an answer that is not a part (status 200) begins anew."""

    def take(status: int, piece: bytes) -> None:
        nonlocal have
        if status == 200 and have:
            file.seek(0)
            file.truncate()
            have = 0
        file.write(piece)
        if progress is not None:
            progress(len(piece))

    return take


def digest_of(source: Source) -> str:
    """SHA-256, hexadecimal."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    found = hashlib.sha256()
    with io.open(source, "rb", buffering=0) as file:
        for piece in iter(lambda: file.read(CHUNK), b""):
            found.update(piece)
    return found.hexdigest()
