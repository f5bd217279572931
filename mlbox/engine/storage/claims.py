"""Who may delete stored bytes, and when: the agreement of those who point at bytes with the sweep.

Bytes without anything in the catalog that points at them may be on their way into it. So a sweep leaves alone what is
young, and what was claimed lately by somebody who found it there already. A claim is a file: a server that is killed
between the bytes and the row that names them, and started again, still knows it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlbox.base.errors import Conflict


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes as a listing of the store tells them; ``at`` is when they came, in seconds since 1970."""

    digest: str
    size: int
    at: float


class Claims:
    """The claims on a store, in a folder of their own. Safe in threads; only the owner of the home sweeps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._holders = 0
        folder.mkdir(parents=True, exist_ok=True)

    def touch(self, digest: str) -> None:
        """The bytes count as young from now on. Whoever does this looks afterwards whether they are there."""
        with self._lock:
            (self._folder / digest).touch()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nothing is swept meanwhile: for whoever copies what the catalog points at."""
        with self._lock:
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1

    def is_claimed(self, digest: str, since: float) -> bool:
        """Whether somebody has claimed the bytes since then."""
        with suppress(FileNotFoundError):
            return (self._folder / digest).stat().st_mtime >= since
        return False

    def sweep(self, digest: str, before: float, delete: Callable[[str], bool]) -> bool:
        """Delete bytes unless they were claimed since ``before``; whether they went. ``Conflict`` while held."""
        with self._lock:
            if self._holders:
                raise Conflict("the artifacts are being copied", hint="collect the garbage when that is done")
            if self.is_claimed(digest, before):
                return False
            gone = delete(digest)
            (self._folder / digest).unlink(missing_ok=True)
            return gone

    def expire(self, before: float) -> None:
        """Forget claims that are older; bytes that they were on are pointed at, or garbage."""
        for path in list(self._folder.iterdir()):
            with self._lock, suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
