"""SHA-256 of files: of small ones at once, of large ones while their rows are read."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Future

CHUNK = 1 << 20


def digest(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Hashing:
    """A file that is being hashed in a thread of its own."""

    def __init__(self, path: str) -> None:
        self._stopped = threading.Event()
        self._found: Future[str] = Future()
        threading.Thread(target=self._hash, args=(path,), name="hash of a source file", daemon=True).start()

    def result(self) -> dict[str, str]:
        """What a position says of it; waits. Raises ``OSError`` of reading."""
        return {"hash": self._found.result()}

    def stop(self) -> None:
        """Nobody wants it any more."""
        self._stopped.set()

    def _hash(self, path: str) -> None:
        found = hashlib.sha256()
        try:
            with open(path, "rb") as file:
                while not self._stopped.is_set() and (chunk := file.read(CHUNK)):
                    found.update(chunk)
        except OSError as error:
            self._found.set_exception(error)
        else:
            self._found.set_result(found.hexdigest())
