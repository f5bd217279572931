"""Pools that are shared by all who serve the same code, and end when nobody does."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Unavailable
from mlbox.serve.python.pool import Pool, Size, Tell

if TYPE_CHECKING:
    from mlbox.serve.python.launch import Launch, Places


class Lease:
    """The right to ask a pool. The pool ends some time after the last lease of it is gone: whoever answers a request
    holds one, so that nothing ends under a request."""

    def __init__(self, pool: Pool, about: Mapping[str, Any]) -> None:
        self.pool = pool
        self.about = about


class Pools:
    """All pools of a house, by what they were started from."""

    def __init__(self, places: Places, tell: Tell) -> None:
        self.places = places
        self._tell = tell
        self._lock = threading.Lock()
        self._known: dict[tuple[str, Size], tuple[Pool, int]] = {}
        self._given_back: SimpleQueue[tuple[str, Size] | None] = SimpleQueue()
        self._janitor: threading.Thread | None = None
        self._closed = False

    def lease(self, launch: Launch, size: Size) -> Lease:
        """A lease of a pool whose code is loaded. Raises an ``MlboxError`` when that fails."""
        key = (launch.key, size)
        with self._lock:
            if self._closed:
                raise Unavailable("the server is stopping")
            if self._janitor is None:
                self._janitor = threading.Thread(target=self._tidy, name="serving-janitor", daemon=True)
                self._janitor.start()
            pool, users = self._known.get(key) or (Pool(launch, size, self.places, self._tell), 0)
            self._known[key] = (pool, users + 1)
        try:
            lease = Lease(pool, pool.start())
        except BaseException:
            self._given_back.put(key)
            raise
        # a finalizer can run anywhere, even inside our own lock: it may do nothing but tell
        weakref.finalize(lease, self._given_back.put, key).atexit = False
        return lease

    def processes(self) -> dict[str, list[int]]:
        """Numbers of the processes, by the name of what they run."""
        with self._lock:
            pools = [pool for pool, _ in self._known.values()]
        return {pool.launch.name: pool.pids() for pool in pools}

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            self._closed = True
            pools = [pool for pool, _ in self._known.values()]
            self._known.clear()
            janitor = self._janitor
        stopping = [threading.Thread(target=pool.stop, daemon=True) for pool in pools]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        if janitor is not None:
            self._given_back.put(None)
            janitor.join(5)

    def _tidy(self) -> None:
        while (key := self._given_back.get()) is not None:
            with self._lock:
                pool, users = self._known.get(key, (None, 0))
                if pool is None:
                    continue
                if users > 1:
                    self._known[key] = (pool, users - 1)
                    continue
                del self._known[key]
            pool.stop()
