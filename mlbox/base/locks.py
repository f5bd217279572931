"""One at a time for each object."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from mlbox.base import underway
from mlbox.base.names import Ref

_LOOK_SECONDS = 0.2
"""How often who waits looks whether he was cancelled."""


class Locks:
    """Locks by name of object; a thread may take one several times."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], threading.RLock] = {}

    @contextmanager
    def of(self, *refs: Ref) -> Iterator[None]:
        """Hold the locks of objects, whatever their version; raises ``Cancelled`` when that is asked for meanwhile.
        Several are taken in the order of their names, so that nobody waits in a circle."""
        with ExitStack() as held:
            for lock in self._of(refs):
                while not lock.acquire(timeout=_LOOK_SECONDS):
                    present = underway.current()
                    if present is not None:
                        present.check()
                held.callback(lock.release)
            yield

    def settle(self, project: str) -> None:
        """Wait for those who hold a lock of a project now."""
        for (owner, _), lock in list(self._locks.items()):
            if owner == project.lower():
                with lock:
                    pass

    def _of(self, refs: Iterable[Ref]) -> list[threading.RLock]:
        keys = sorted({(ref.project.lower(), ref.name.lower()) for ref in refs})
        return [self._locks.setdefault(key, threading.RLock()) for key in keys]
