"""Generations of endpoints that no request asks any more go, with their memory and the processes of their code.

They end with the last who holds them. A request that has failed leaves frames and exceptions that hold each other, and
what it has asked; Python finds these when much else has been made, which on a server that nobody asks is never.
"""

from __future__ import annotations

import gc
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbox.serve.endpoint import Runtime

SECONDS = 1.0
"""Between two looks, and before the first collection: until then most is gone by itself."""

LONGEST_SECONDS = 300.0
"""Between two collections, while a request that is under way, such as a long stream, holds what is left."""

_lock = threading.Lock()
_retired: list[_Retired] = []


@dataclass(slots=True)
class _Retired:
    runtime: weakref.ref[Runtime]
    due: float
    """When a collection is worth its pause, by the monotonic clock."""
    pause: float = SECONDS

    def is_due(self, now: float) -> bool:
        """Whether it is, and if so when the next one will be."""
        if now < self.due:
            return False
        self.pause = min(self.pause * 2, LONGEST_SECONDS)
        self.due = now + self.pause
        return True


def retire(runtime: Runtime | None) -> None:
    """Another one has taken its place, or none; it goes when the requests under way have ended."""
    if runtime is None:
        return
    with _lock:
        _retired.append(_Retired(weakref.ref(runtime), time.monotonic() + SECONDS))
        if len(_retired) == 1:
            threading.Thread(target=_look, name="retired endpoints", daemon=True).start()


def _look() -> None:
    while True:
        time.sleep(SECONDS)
        now = time.monotonic()
        with _lock:
            _retired[:] = [each for each in _retired if each.runtime() is not None]
            if not _retired:
                return
            due = [each for each in _retired if each.is_due(now)]
        if due:
            gc.collect()
