"""The local artifact store: bytes named by their SHA-256, written once and never changed.

Whoever is about to point at bytes that are here already claims them first, so that no sweep takes them away.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from mlbox.base.errors import Invalid, NotFound, SystemError
from mlbox.base.ids import new_id
from mlbox.engine.storage.claims import Claims, Kept
from mlbox.engine.storage.disk import disk_error
from mlbox.engine.storage.parts import Part, arrived

CHUNK = 1 << 20
"""Bytes that are read at once."""

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored bytes: SHA-256 as 64 hexadecimal digits, and their number."""

    digest: str
    size: int


def is_digest(text: str) -> bool:
    """Whether it is a SHA-256 in lower-case hexadecimal digits."""
    return bool(_DIGEST.match(text))


def check_digest(digest: str) -> str:
    """``digest`` if it is one."""
    if not is_digest(digest):
        raise Invalid(f"{digest!r} is not a SHA-256", hint="64 lower-case hexadecimal digits are needed")
    return digest


class ArtifactStore:
    """A folder ``<first two digits>/<digest>``; safe from many threads. One process sweeps, the owner of the home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.incoming = folder / "incoming"
        self._verified: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        """Bytes on their way; what lies there for long was broken off."""
        self.claims = Claims(folder / "claims")
        self.incoming.mkdir(parents=True, exist_ok=True)

    def writer(self) -> ArtifactWriter:
        """For bytes that arrive piece by piece; nothing is stored before its ``commit``."""
        return ArtifactWriter(self, self.incoming / new_id())

    def put_stream(self, stream: BinaryIO | Iterable[bytes], expected: str | None = None) -> Blob:
        """Store what ``stream`` gives (a file or chunks). ``Invalid`` when ``expected`` is not its hash."""
        with self.writer() as writer:
            for chunk in _chunks(stream):
                writer.write(chunk)
            return writer.commit(expected)

    def put_bytes(self, data: bytes) -> Blob:
        """Store ``data``."""
        return self.put_stream((data,))

    def put_path(self, path: Path) -> Blob:
        """Store a copy of the file at ``path``; ``NotFound`` when it cannot be read."""
        try:
            with path.open("rb") as stream:
                return self.put_stream(stream)
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise NotFound(f"{path} cannot be read: {error.strerror}") from None

    def part(self, key: str, offset: int) -> Part:
        """For bytes that arrive piece by piece from who may be cut off: what arrives is kept under ``key``."""
        return Part(self._part(key), offset)

    def arrived(self, key: str) -> int:
        """Bytes that are here of such a part."""
        return arrived(self._part(key))

    def adopt(self, part: Part, expected: str) -> Blob:
        """Store a part that is whole. ``Invalid`` when its hash is another: it is gone then."""
        blob = Blob(part.finish(expected), part.size)
        try:
            self._adopt(part.path, blob)
        except OSError as error:
            raise disk_error(error) from None
        return blob

    def has(self, digest: str) -> bool:
        """Whether these bytes are here."""
        return self.path(digest).is_file()

    def claim(self, digest: str) -> bool:
        """As :meth:`has`, and when they are here a sweep leaves them alone from now on, as if they had just come."""
        self.claims.touch(check_digest(digest))
        return self.has(digest)

    def all(self) -> Iterator[Kept]:
        """What is stored, in no order."""
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(OSError):
                status = path.stat()
                yield Kept(path.name, status.st_size, status.st_mtime)

    def path(self, digest: str) -> Path:
        """Where the bytes are, or would be; for readers that need a path. Not verified, never to be written."""
        check_digest(digest)
        return self._folder / digest[:2] / digest

    def size(self, digest: str) -> int:
        """Number of bytes; ``NotFound``."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            raise _missing(digest) from None

    def open(self, digest: str) -> BinaryIO:
        """A reader over bytes whose hash has been checked since they were last touched on disk.

        Raises ``NotFound``; ``SystemError`` when the file was changed behind our back.
        """
        path = self.path(digest)
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            raise _missing(digest) from None
        try:
            status = os.fstat(stream.fileno())
            mark = (status.st_mtime_ns, status.st_size)
            with self._lock:
                known = self._verified.get(digest) == mark
            if not known:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                    raise SystemError(
                        f"artifact {digest[:12]}… was changed on disk: its bytes do not match its hash",
                        hint=f"restore {digest[:2]}/{digest} in the folder artifacts, or log it again",
                        details={"digest": digest},
                    )
                stream.seek(0)
                with self._lock:
                    self._verified[digest] = mark
        except BaseException:
            stream.close()
            raise
        return stream

    def read(self, digest: str) -> bytes:
        """All bytes, checked; as :meth:`open`."""
        with self.open(digest) as stream:
            return stream.read()

    def delete(self, digest: str) -> bool:
        """Remove the bytes; whether they were here. The caller knows that nothing points at them."""
        with self._lock:
            self._verified.pop(digest, None)
        try:
            self.path(digest).unlink()
        except FileNotFoundError:
            return False
        return True

    def _part(self, key: str) -> Path:
        return self.incoming / f"{key}.part"

    def _adopt(self, incoming: Path, blob: Blob) -> None:
        """Give finished bytes their name; whoever comes second with the same bytes changes nothing."""
        target = self.path(blob.digest)
        if self._is_here(target, blob):
            self.claims.touch(blob.digest)
            if self._is_here(target, blob):  # no sweep was quicker
                incoming.unlink()
                return
        target.parent.mkdir(exist_ok=True)
        incoming.chmod(0o400)
        os.replace(incoming, target)
        _sync_folder(target.parent)

    @staticmethod
    def _is_here(target: Path, blob: Blob) -> bool:
        with suppress(FileNotFoundError):
            return target.stat().st_size == blob.size
        return False


class ArtifactWriter:
    """Bytes on their way into the store: hashed while they are written; left out they leave nothing behind."""

    def __init__(self, store: ArtifactStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._hash = hashlib.sha256()
        self._file = path.open("xb")
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Append; ``Unavailable`` when the disk is full."""
        try:
            self._file.write(chunk)
        except OSError as error:
            raise disk_error(error) from None
        self._hash.update(chunk)
        self.size += len(chunk)

    def commit(self, expected: str | None = None) -> Blob:
        """Make it durable under its hash. ``Invalid`` when ``expected`` is another: nothing is stored then."""
        blob = Blob(self._hash.hexdigest(), self.size)
        if expected is not None and expected != blob.digest:
            self.discard()
            raise Invalid(
                f"the bytes that arrived have the SHA-256 {blob.digest}, {expected} was announced",
                hint="send them again",
            )
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._store._adopt(self._path, blob)
        except OSError as error:
            self.discard()
            raise disk_error(error) from None
        return blob

    def discard(self) -> None:
        """Give up; harmless after a commit."""
        with suppress(OSError):
            self._file.close()
        with suppress(FileNotFoundError):
            self._path.unlink()

    def __enter__(self) -> ArtifactWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def _chunks(stream: BinaryIO | Iterable[bytes]) -> Iterable[bytes]:
    read = getattr(stream, "read", None)
    if read is None:
        return stream
    return iter(lambda: read(CHUNK), b"")


def _missing(digest: str) -> NotFound:
    return NotFound(f"there are no bytes with the SHA-256 {digest[:12]}…", details={"digest": digest})


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
