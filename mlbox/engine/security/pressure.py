"""Ends members' statements when the memory of the process grows too much while they run.

DuckDB's memory limit does not hold for what one function call makes. So the size of the process is looked at ten times
a second while members' SQL runs, and all of it is interrupted once it has grown by more than the setting allows.
Between two looks, and inside one call, it can still grow: this bounds accidents, not attacks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlbox.base.errors import Conflict, Where

SECONDS = 0.1
PAGE = 4096
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


class Pressure:
    """Watches from the first statement to the end of the last."""

    def __init__(self, most_mb: int, measure: Callable[[], int] = resident_bytes) -> None:
        self._most = most_mb << 20
        self._measure = measure
        self._lock = threading.Lock()
        self._running: dict[object, Callable[[], None]] = {}
        self._before = 0
        self._over: set[object] = set()

    @contextmanager
    def watching(self, interrupt: Callable[[], None]) -> Iterator[Callable[[], bool]]:
        """Have ``interrupt`` called when memory grows too much during the block; gives a test of whether it was."""
        key = object()
        with self._lock:
            first = not self._running
            self._running[key] = interrupt
            if first:
                self._before = self._measure()
                threading.Thread(target=self._watch, name="memory-watch", daemon=True).start()
        try:
            yield lambda: key in self._over
        finally:
            with self._lock:
                del self._running[key]
                self._over.discard(key)

    def error(self, where: Where | None = None) -> Conflict:
        """What a statement is told that was stopped."""
        return Conflict(
            f"stopped: memory grew by more than {self._most >> 20:,} MB while members' statements ran",
            hint="ask for less at once; the setting member_memory_mb is the limit",
            where=where,
        )

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(SECONDS):
            with self._lock:
                if not self._running:
                    return
                if self._measure() - self._before <= self._most:
                    continue
                for key, interrupt in self._running.items():
                    self._over.add(key)
                    with suppress(Exception):
                        interrupt()
