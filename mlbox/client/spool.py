"""What has not been acknowledged by the server yet, on disk: batches of events and blobs, in the order of their making.

A file is complete or not there at all. The sender removes it once the server has it; what a run leaves behind, the
server reads with :func:`read_batches` and :func:`read_blobs`. Repeating a batch or a blob is harmless.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Union

    Folder = Union[str, os.PathLike[str]]
    Event = Dict[str, Any]

_BATCH = ".batch.json"


class Batch:
    """A batch as it lies in the spool."""

    __slots__ = ("batch", "events", "path")

    def __init__(self, batch: str, events: List[Event], path: str) -> None:
        self.batch = batch
        self.events = events
        self.path = path


class Blob:
    """Bytes whose SHA-256 is ``digest``."""

    __slots__ = ("digest", "path")

    def __init__(self, digest: str, path: str) -> None:
        self.digest = digest
        self.path = path


class Spool:
    """The writing side, of one process."""

    def __init__(self, folder: Folder) -> None:
        self.folder = os.fspath(folder)
        self._count = 0

    def write(self, batch: str, payload: bytes) -> str:
        """Keep the JSON body of a batch; returns its file."""
        self._count += 1
        # names sort by time, then by the order within one process
        name = f"{time.time_ns():020d}-{os.getpid()}-{self._count:08d}-{batch}{_BATCH}"
        return _write(os.path.join(self.folder, name), payload)

    def keep_blob(self, digest: str, source: Union[bytes, str]) -> str:
        """Keep the bytes, or a copy of the file ``source``."""
        target = os.path.join(self.folder, "blobs", digest)
        if os.path.exists(target):
            return target
        if isinstance(source, bytes):
            return _write(target, source)
        import shutil

        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target + ".new")
        os.replace(target + ".new", target)
        return target


def read_batches(folder: Folder) -> Iterator[Batch]:
    """Leftover batches, oldest first. ``folder`` is the spool, or the run folder that holds it. Deliver the blobs
    of :func:`read_blobs` first, then accept each batch under its own id, then remove its ``path``."""
    import json

    place = _spool_of(folder)
    for name in sorted(_names(place)):
        if not name.endswith(_BATCH):
            continue
        path = os.path.join(place, name)
        try:
            with open(path, encoding="utf-8") as file:
                body = json.load(file)
            yield Batch(str(body["batch"]), list(body["events"]), path)
        except (OSError, ValueError, KeyError, TypeError):
            continue


def read_blobs(folder: Folder) -> Iterator[Blob]:
    """Leftover blobs; the digest is a claim to be checked."""
    place = os.path.join(_spool_of(folder), "blobs")
    for name in sorted(_names(place)):
        if not name.endswith(".new"):
            yield Blob(name, os.path.join(place, name))


def discard(path: str) -> None:
    """Take a delivered file away; harmless when it has gone."""
    try:
        os.remove(path)
    except FileNotFoundError:
        pass


def _spool_of(folder: Folder) -> str:
    inner = os.path.join(os.fspath(folder), "spool")
    return inner if os.path.isdir(inner) else os.fspath(folder)


def _names(folder: str) -> List[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _write(path: str, data: bytes) -> str:
    temporary = path + ".new"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
    os.replace(temporary, path)
    return path
