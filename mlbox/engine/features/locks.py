"""One writer at a time for each feature set."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from mlbox.base.names import Ref


class Locks:
    """Locks by name of set; a thread may take one several times."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], threading.RLock] = {}

    def of(self, ref: Ref) -> AbstractContextManager[object]:
        """The lock of a set."""
        return self._locks.setdefault((ref.project.lower(), ref.name.lower()), threading.RLock())

    def settle(self, project: str) -> None:
        """Wait for those who write into sets of a project now."""
        for (owner, _), lock in list(self._locks.items()):
            if owner == project.lower():
                with lock:
                    pass
