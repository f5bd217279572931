"""The ends of processes, told when they come rather than found at the next poll. Where the system cannot tell (it is
not Linux), polling finds them."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable


class Ends:
    """One thread that waits for all processes that it was told of."""

    def __init__(self) -> None:
        self._able = hasattr(select, "epoll") and hasattr(os, "pidfd_open")
        self._acts: dict[int, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._waiting: select.epoll | None = None

    def tell(self, pid: int, act: Callable[[], None]) -> None:
        """Call ``act`` once when the process ends; soon when it has ended. It must not raise, nor take long."""
        if not self._able:
            return
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            act()
            return
        except OSError:  # an old kernel, or no more handles
            return
        with self._lock:
            self._acts[handle] = act
            if self._waiting is None:
                self._waiting = select.epoll()
                threading.Thread(target=self._wait, args=(self._waiting,), name="run-ends", daemon=True).start()
            self._waiting.register(handle, select.EPOLLIN)

    def _wait(self, waiting: select.epoll) -> None:
        while True:
            for handle, _ in waiting.poll():
                waiting.unregister(handle)
                with self._lock:
                    act = self._acts.pop(handle)
                    os.close(handle)
                act()
