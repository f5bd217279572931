"""Which processors a run may be on. Linux; elsewhere nothing is limited."""

from __future__ import annotations

import math
import os
import threading
from contextlib import suppress


class Processors:
    """Gives each run those that the fewest others were given."""

    def __init__(self) -> None:
        self._given: dict[int, frozenset[int]] = {}
        self._lock = threading.Lock()

    def give(self, pid: int, cpu: float) -> None:
        """Keep process ``pid``, and all that it starts, on ``cpu`` processors (rounded up)."""
        if not hasattr(os, "sched_setaffinity"):
            return
        with self._lock:
            self._given = {known: given for known, given in self._given.items() if _lives(known)}
            allowed = os.sched_getaffinity(0)
            burden = {number: sum(number in given for given in self._given.values()) for number in allowed}
            wanted = frozenset(sorted(allowed, key=lambda number: (burden[number], number))[: math.ceil(cpu)])
            self._given[pid] = wanted
        with suppress(OSError):  # it has ended already
            os.sched_setaffinity(pid, wanted)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
