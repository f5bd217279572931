"""Files that users sent: kept for some days under ``uploads/`` of the home, to be read by statements."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mlbox.base.clock import now
from mlbox.base.errors import Conflict, Invalid, NotFound
from mlbox.base.ids import new_id
from mlbox.engine.storage.disk import disk_error
from mlbox.engine.storage.parts import Part, arrived

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_ID = re.compile(r"[0-9a-f]{32}\Z")
_LONGEST = 100


def safe_name(name: str) -> str:
    """A file name out of whatever a client calls its file; ``Invalid`` when nothing is left of it."""
    last = re.split(r"[/\\]", name)[-1]
    kept = _UNSAFE.sub("_", last).strip("._")
    if not re.search(r"[A-Za-z0-9]", kept):
        raise Invalid(
            f"{name!r} cannot be a file name", hint="letters, digits, dots, - and _; the ending tells the format"
        )
    stem, dot, ending = kept.rpartition(".")
    return kept if len(kept) <= _LONGEST else (stem or kept)[: _LONGEST - len(dot + ending)] + dot + ending


@dataclass(frozen=True, slots=True)
class Upload:
    """``digest`` is the SHA-256, ``size`` in bytes, ``path`` absolute; times are ISO 8601 in UTC."""

    id: str
    name: str
    path: str
    size: int
    digest: str
    uploaded_at: str
    expires_at: str


_ABOUT = frozenset({"about.json", "about.new"})


def _check_id(id: str) -> None:
    if not _ID.match(id):
        raise Invalid(f"{id!r} is not the id of an upload", hint="32 hexadecimal digits in lower case")


class Receiving:
    """A file on its way in."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.size = 0
        self._limit = limit
        self._hash = hashlib.sha256()
        self._file = path.open("xb")

    def write(self, data: bytes) -> None:
        """The next bytes; ``Invalid`` beyond the limit."""
        self.size += len(data)
        if self.size > self._limit:
            raise Invalid(
                f"the file is larger than {self._limit >> 20:,} MB",
                hint="raise the setting max_upload_mb, or put it where the server can read it",
            )
        self._hash.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise disk_error(error) from None

    def finish(self) -> str:
        """All is there; returns the digest."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Also of one that was not finished."""
        self._file.close()


class Uploads:
    """A folder an upload, with the file and what is known of it."""

    def __init__(self, folder: Path, *, max_bytes: int, keep: timedelta) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._keep = keep

    @contextmanager
    def receive(self, name: str, announced: int | None = None) -> Iterator[Receiving]:
        """Take a file in; it is there after :meth:`keep`, and leaves nothing behind when that is not reached."""
        if announced is not None and announced > self._max_bytes:
            raise Invalid(
                f"the file has {announced >> 20:,} MB, more than {self._max_bytes >> 20:,}",
                hint="raise the setting max_upload_mb, or put it where the server can read it",
            )
        safe = safe_name(name)
        folder = self._folder / new_id()
        folder.mkdir(parents=True, mode=0o700)
        receiving = Receiving(folder / safe, self._max_bytes)
        try:
            yield receiving
        finally:
            receiving.close()
            if not (folder / "about.json").is_file():
                shutil.rmtree(folder, ignore_errors=True)

    def part(self, id: str, name: str, offset: int) -> Part:
        """Take a file in by parts, under an id that its sender chooses (32 hexadecimal digits) and knows again."""
        if self.find(id) is not None:
            raise Conflict(f"upload {id} is whole already", hint="choose another id for another file")
        folder = self._folder / id
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        return Part(folder / safe_name(name), offset, self._max_bytes)

    def arrived(self, id: str) -> int:
        """Bytes that are here of an upload, whole or not."""
        _check_id(id)
        folder = self._folder / id
        return sum(arrived(path) for path in folder.iterdir() if path.name not in _ABOUT) if folder.is_dir() else 0

    def find(self, id: str) -> Upload | None:
        """A whole one."""
        _check_id(id)
        return self._read(self._folder / id)

    def keep_part(self, part: Part, name: str, expected: str | None) -> Upload:
        """Make a part an upload. ``Invalid`` when its hash is another: it is gone then."""
        return self._enter(part.path, name, part.size, part.finish(expected))

    def keep(self, receiving: Receiving, name: str) -> Upload:
        """Make what was received an upload."""
        return self._enter(receiving.path, name, receiving.size, receiving.finish())

    def _enter(self, path: Path, name: str, size: int, digest: str) -> Upload:
        at = now()
        folder = path.parent
        upload = Upload(
            id=folder.name,
            name=name,
            path=str(path.absolute()),
            size=size,
            digest=digest,
            uploaded_at=at.isoformat(),
            expires_at=(at + self._keep).isoformat(),
        )
        (folder / "about.new").write_text(json.dumps(asdict(upload)))
        os.replace(folder / "about.new", folder / "about.json")
        return upload

    def all(self) -> list[Upload]:
        """Those that are here, the newest first."""
        found = [self._read(entry) for entry in self._folder.iterdir()] if self._folder.is_dir() else []
        return sorted((one for one in found if one is not None), key=lambda one: one.id, reverse=True)

    def drop(self, id: str) -> None:
        """Take one away; ``NotFound``."""
        if not _ID.match(id) or not (self._folder / id).is_dir():
            raise NotFound(f"there is no upload {id}", hint="GET /files lists them")
        shutil.rmtree(self._folder / id, ignore_errors=True)

    def clean(self) -> int:
        """Take away what has expired, and what was left half by a process that died; returns how many."""
        if not self._folder.is_dir():
            return 0
        gone = 0
        for entry in self._folder.iterdir():
            upload = self._read(entry)
            if upload is None:
                expired = datetime.fromtimestamp(entry.stat().st_mtime, now().tzinfo) + self._keep < now()
            else:
                expired = datetime.fromisoformat(upload.expires_at) < now()
            if expired:
                shutil.rmtree(entry, ignore_errors=True)
                gone += 1
        return gone

    def _read(self, folder: Path) -> Upload | None:
        try:
            return Upload(**json.loads((folder / "about.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
