"""Predictions of a replica until the home has them: files in order, and a thread that hands them in, each once.

A file is ``<replica>.<number>``; the home takes a number of a replica only when it is above the last one, so that a
delivery whose answer was lost is harmless. What an earlier life of the container has left is handed in first.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.errors import MlboxError, Unavailable
from mlbox.base.ids import new_id
from mlbox.serve.deploy.delivery import encoded

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.predictions import Batch, TrafficRow

_log = logging.getLogger("mlbox.serve")
LARGEST = 1 << 30
"""Bytes that wait at most; what comes then is dropped and counted, as when the buffer in memory is full."""

_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts while the home is away."""

Send = Callable[[str, int, bytes], None]
"""Hands in a number of a replica; raises a transient error to be tried again, another when it will never be taken."""


class Spool:
    """``write`` returns when the predictions are on the disk of the replica."""

    def __init__(self, folder: Path, send: Send) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._send = send
        self._replica = new_id()
        self._number = 0
        self._size = sum(path.stat().st_size for path in self._waiting())
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="deliveries", daemon=True)

    def start(self) -> None:
        """Begin to hand in."""
        self._thread.start()

    def write(self, batches: Sequence[Batch], counts: Sequence[TrafficRow], awaited: bool = False) -> None:
        """Keep them until the home has them, whoever waits; ``Unavailable`` when too much does."""
        body = encoded(batches, counts)
        with self._lock:
            if self._size + len(body) > LARGEST:
                raise Unavailable(f"{self._size:,} bytes of predictions wait for the home")
            self._number += 1
            path = self._folder / f"{self._replica}.{self._number:012d}"
            temporary = path.with_suffix(".new")
            temporary.write_bytes(body)
            os.replace(temporary, path)
            self._size += len(body)
        self._wake.set()

    def stop(self, seconds: float) -> int:
        """Hand in what there is, for so long; how many deliveries are left."""
        self._stop.set()
        self._wake.set()
        self._thread.join(seconds)
        return len(self._waiting())

    def _waiting(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if path.suffix != ".new")

    def _work(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            for path in self._waiting():
                if not self._hand_in(path, failures):
                    failures += 1
                    break
                failures = 0
            else:
                if self._stop.is_set():
                    return
                self._wake.wait()
                continue
            self._stop.wait(_PAUSES[min(failures, len(_PAUSES)) - 1])
            if self._stop.is_set():
                threading.Event().wait(_PAUSES[0])

    def _hand_in(self, path: Path, failures: int) -> bool:
        """Whether the next one may be tried."""
        replica, _, number = path.name.partition(".")
        body = path.read_bytes()
        try:
            self._send(replica, int(number), body)
        except MlboxError as error:
            if error.transient:
                if not failures:
                    _log.warning("the home does not take predictions, they wait: %s", error.message)
                return False
            _log.error("the home refused predictions, they are lost: %s", error.message)
        path.unlink()
        with self._lock:
            self._size -= len(body)
        return True
