"""Which projects there are, as this process has seen: what every run, statement and endpoint asks first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from mlbox.engine.catalog.tables import projects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class KnownProjects:
    """A project that was there is there until it is dropped, so that the catalog is asked once. Safe in threads."""

    def __init__(self, read: Callable[[], AbstractContextManager[DuckDBPyConnection]]) -> None:
        self._read = read
        self._names: set[str] = set()
        self._dropped = 0
        self._lock = threading.Lock()

    def require(self, name: str) -> None:
        """Raise ``NotFound`` with the nearest names unless the project exists."""
        with self._lock:
            if name in self._names:
                return
            dropped = self._dropped
        with self._read() as cursor:
            projects.require(cursor, name)
        with self._lock:
            if dropped == self._dropped:  # what was read before a project was dropped says nothing
                self._names.add(name)

    def forget(self, name: str) -> None:
        """The project was dropped; called when that is durable."""
        with self._lock:
            self._dropped += 1
            self._names.discard(name)
