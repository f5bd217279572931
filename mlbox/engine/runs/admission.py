"""Who may run now: local runs take a slot each; who finds none waits, in order of arrival."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from mlbox.engine.runs.watches import Watch

_LOOK_SECONDS = 0.1


class Slots:
    """``capacity`` slots, first come, first served."""

    def __init__(self, capacity: int) -> None:
        self._capacity = max(1, capacity)
        self._holders: set[str] = set()
        self._queue: deque[str] = deque()
        self._changed = threading.Condition()

    def enter(self, watch: Watch, tell: Callable[[str], None]) -> None:
        """Wait for a slot and take it. ``tell`` hears why it waits, whenever that changes.

        Raises ``Cancelled`` or ``Leaving``; the slot is not taken then.
        """
        said = ""
        with self._changed:
            self._queue.append(watch.run_id)
        try:
            while True:
                with self._changed:
                    if self._queue[0] == watch.run_id and len(self._holders) < self._capacity:
                        self._holders.add(watch.run_id)
                        return
                    used, ahead = len(self._holders), self._queue.index(watch.run_id)
                watch.check()
                before = f", {ahead} before it" if ahead else ""
                reason = f"waiting for a slot ({used} of {self._capacity} in use{before})"
                if reason != said:
                    tell(reason)
                    said = reason
                with self._changed:
                    self._changed.wait(_LOOK_SECONDS)
        finally:
            with self._changed:
                self._queue.remove(watch.run_id)
                self._changed.notify_all()

    def take(self, run_id: str) -> None:
        """A slot for a run that runs already, even beyond the capacity."""
        with self._changed:
            self._holders.add(run_id)

    def leave(self, run_id: str) -> None:
        """Give the slot back; harmless without one."""
        with self._changed:
            self._holders.discard(run_id)
            self._changed.notify_all()

    @property
    def used(self) -> int:
        """Slots in use."""
        with self._changed:
            return len(self._holders)
