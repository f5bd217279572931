"""SHA-256 of files: of small ones at once, of large ones while their rows are read."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from concurrent.futures import Future

CHUNK = 1 << 20
AT_ONCE = 4
"""Files that are hashed at the same time, at most."""


def digest(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Hashing:
    """A file that is being hashed beside its reading, or waits for it. It ends when nobody holds this any more."""

    def __init__(self, path: str) -> None:
        self._stopped = threading.Event()
        self._found: Future[str] = Future()
        _THREADS.take(_Job(path, self._stopped, self._found))

    def __del__(self) -> None:
        self._stopped.set()

    def result(self) -> dict[str, str]:
        """What a position says of it; waits. Raises ``OSError`` of reading."""
        return {"hash": self._found.result()}

    def stop(self) -> None:
        """Nobody wants it any more."""
        self._stopped.set()


class _Job:
    """What a thread knows of a file: not its :class:`Hashing`, so that this can go."""

    def __init__(self, path: str, stopped: threading.Event, found: Future[str]) -> None:
        self._path, self._stopped, self._found = path, stopped, found

    def run(self) -> None:
        """Whatever happens, who waits is told."""
        found = hashlib.sha256()
        try:
            if not self._stopped.is_set():
                with open(self._path, "rb") as file:
                    while not self._stopped.is_set() and (chunk := file.read(CHUNK)):
                        found.update(chunk)
        except BaseException as error:
            self._found.set_exception(error)
        else:
            self._found.set_result(found.hexdigest())


class _Threads:
    """Some daemons, which do not keep a server from stopping; without work there are none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: deque[_Job] = deque()
        self._running = 0

    def take(self, job: _Job) -> None:
        """Now, or when others are done."""
        with self._lock:
            self._jobs.append(job)
            if self._running == AT_ONCE:
                return
            self._running += 1
        try:
            threading.Thread(target=self._work, name="hash of source files", daemon=True).start()
        except BaseException:
            with self._lock:
                self._running -= 1
            raise

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._running -= 1
                    return
                job = self._jobs.popleft()
            job.run()


_THREADS = _Threads()
