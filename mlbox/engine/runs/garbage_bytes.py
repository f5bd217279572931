"""Bytes of the artifact store to which nothing points any more: mark from the catalog, sweep the store.

What is young stays: it may be on its way into the catalog. So does all that came since the oldest run began that has
not ended, since what a run has sent may be named only when the server is there again. A crash in the middle leaves
fewer bytes to collect, and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.counted import counted
from mlbox.base.errors import MlboxError
from mlbox.engine.catalog.tables import references
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs.executors.base import Waste
from mlbox.engine.storage.artifacts import ArtifactStore
from mlbox.engine.storage.claims import Kept
from mlbox.engine.storage.remote import RemoteStore

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.database import Catalog

YOUNG_SECONDS = 3600.0
"""The least age of bytes that may go, whatever the setting says."""
DAY = 86_400.0


class GarbageBytes:
    """Finds and removes it."""

    def __init__(self, catalog: Catalog, artifacts: ArtifactStore, settings: Settings) -> None:
        self._catalog = catalog
        self._artifacts = artifacts
        self._settings = settings

    def waste(self, active: Iterable[RunRow]) -> Iterator[Waste]:
        """One entry for all bytes, one for what broken uploads have left, one for old copies of remote bytes. A store
        that is away keeps what it has."""
        before = self._before(active)
        with suppress(MlboxError):
            yield from self._bytes(before)
        yield from self._unfinished(before)
        with suppress(MlboxError):
            yield from self._copies()

    def _before(self, active: Iterable[RunRow]) -> float:
        """What came later is young."""
        moment = time.time() - max(self._settings.gc_artifact_days * DAY, YOUNG_SECONDS)
        return min([moment, *(row.created_at.timestamp() for row in active)])

    def _bytes(self, before: float) -> Iterator[Waste]:
        count, found = 0, []
        for kept in self._artifacts.all():
            count += 1
            if kept.at < before and not self._artifacts.claims.is_claimed(kept.digest, before):
                found.append(kept)
        found = self._unused(found)
        if not found:
            return
        others = self._artifacts.sharers() if isinstance(self._artifacts, RemoteStore) else []
        if others:
            told = f"stay, since another home keeps its artifacts there too: {', '.join(others[:3])}"
            why = f"nothing of this home points at them; they {told}; delete its mark there if it is gone"
            yield Waste("shared bytes", f"{len(found):,} of {count:,} objects", why, 0, _nothing)
            return

        def remove() -> None:
            # what points at bytes is looked up anew: a plan may be old when it is carried out
            for kept in self._unused(found):
                self._artifacts.claims.sweep(kept.digest, before, self._artifacts.delete)
            self._artifacts.claims.expire(before)

        size = sum(kept.size for kept in found)
        yield Waste("artifact bytes", f"{len(found):,} of {count:,} objects", "nothing points at them", size, remove)

    def _unused(self, found: list[Kept]) -> list[Kept]:
        with self._catalog.read() as cursor:
            used = references.digests(cursor)
        return [kept for kept in found if kept.digest not in used]

    def _unfinished(self, before: float) -> Iterator[Waste]:
        left = {path: size for path, at, size in _files(self._artifacts.incoming) if at < before}
        if left:
            why = "the process that sent them is not there any more"
            name = f"{len(left):,} broken off"
            yield Waste("uploads", name, why, sum(left.values()), lambda: _delete(left))

    def _copies(self) -> Iterator[Waste]:
        """Of a remote store: what was not read or written here for long; it can be fetched again."""
        if not isinstance(self._artifacts, RemoteStore):
            return
        before = time.time() - self._settings.gc_cache_days * DAY
        there = {kept.digest: kept.size for kept in self._artifacts.all()}
        old = {
            self._artifacts.copy(kept.digest): kept.size
            for kept in self._artifacts.copies()
            if kept.at < before and there.get(kept.digest) == kept.size
        }
        if old:
            why = f"not used for {self._settings.gc_cache_days} days; they can be fetched again"
            yield Waste("copies of artifacts", counted(len(old), "file"), why, sum(old.values()), lambda: _delete(old))


def _files(folder: Path) -> Iterator[tuple[Path, float, int]]:
    """Path, time of the last write in seconds since 1970, and size."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            status = path.stat()
            yield path, status.st_mtime, status.st_size


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _nothing() -> None:
    pass
