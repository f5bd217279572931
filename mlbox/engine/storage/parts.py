"""Files that arrive in parts, from senders who may be cut off and come again.

What has arrived stays on disk under a key until the last byte is there and the hash is right, over a dropped
connection as over a server that was killed. Whoever comes last owns the part: a connection that hangs loses it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mlbox.base.errors import Conflict, Invalid
from mlbox.engine.storage.disk import disk_error, is_full

CHUNK = 1 << 20
_owners: dict[Path, Part] = {}
_guard = threading.Lock()


def arrived(path: Path) -> int:
    """Bytes of a part that are here."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


class Part:
    """A part that is being written. ``close`` keeps what there is, ``discard`` does not; use it in a ``with``."""

    def __init__(self, path: Path, offset: int, limit: int | None = None) -> None:
        """``Conflict`` unless ``offset`` is what has arrived; its details tell the right one."""
        self._path = path
        self._limit = limit
        self._lost = False
        self._writing = threading.Lock()
        with _guard:
            before = _owners.get(path)
            if before is not None:
                with before._writing:
                    before._lost = True
            self.size = arrived(path)
            if offset == self.size:
                _owners[path] = self
        if offset != self.size:
            raise Conflict(
                f"{self.size:,} bytes have arrived, and these begin at {offset:,}",
                hint="go on at the offset of the details",
                details={"offset": self.size},
            )
        try:
            self._hash = hashlib.sha256()
            for piece in _pieces(path):
                self._hash.update(piece)
            self._file: BinaryIO = path.open("ab", buffering=0)
        except OSError as error:
            raise disk_error(error) from None

    def write(self, data: bytes) -> None:
        """The next bytes. ``Unavailable`` when the disk is full (then nothing is kept, so that there is room again),
        ``Conflict`` when another connection has taken over, ``Invalid`` beyond the limit."""
        with self._writing:
            if self._lost:
                raise Conflict("another connection goes on with this upload", details={"offset": arrived(self._path)})
            if self._limit is not None and self.size + len(data) > self._limit:
                self._remove()
                raise Invalid(
                    f"the file is larger than {self._limit >> 20:,} MB",
                    hint="raise the setting max_upload_mb, or put it where the server can read it",
                )
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                if is_full(error):
                    self._remove()
                raise disk_error(error) from None
            self._hash.update(data)
            self.size += len(data)

    def finish(self, expected: str | None = None) -> str:
        """All is there; the digest. ``Invalid`` when another was announced: nothing is kept then."""
        digest = self._hash.hexdigest()
        with self._writing:
            if self._lost:
                raise Conflict("another connection goes on with this upload", details={"offset": arrived(self._path)})
            if expected is not None and expected != digest:
                self._remove()
                raise Invalid(
                    f"the bytes that arrived have the SHA-256 {digest}, {expected} was announced",
                    hint="send them again",
                )
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise disk_error(error) from None
        self.close()
        return digest

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def close(self) -> None:
        """Keep what has arrived."""
        with suppress(OSError):
            self._file.close()
        with _guard:
            if _owners.get(self._path) is self:
                del _owners[self._path]

    def _remove(self) -> None:
        self._lost = True
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        while piece := file.read(CHUNK):
            yield piece
