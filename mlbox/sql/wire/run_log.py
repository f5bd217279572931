"""The log of a run, line by line, to the client that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlbox.base.events import Bus, Event

POLL_SECONDS = 0.2
CHUNK = 64 << 10


class RunLogs:
    """Follows the logs of the runs that a thread starts, and of their trials."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._tell = tell
        self._starter = threading.get_ident()
        self._lock = threading.Lock()
        self._places: dict[str, tuple[int, bytes]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def hear(self, event: Event) -> None:
        """Listener of the bus; events come in the thread that causes them."""
        if event.kind != "run.created":
            return
        run_id, parent = str(event.data.get("id")), event.data.get("parent_id")
        with self._lock:
            if parent not in self._places and threading.get_ident() != self._starter:
                return
            self._places[run_id] = (0, b"")
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="wire-log", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """Tell what is still to be told."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._look(last=True)

    def _follow(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._look(last=False)

    def _look(self, *, last: bool) -> None:
        with self._lock:
            places = list(self._places.items())
        for run_id, (offset, rest) in places:
            with suppress(OSError):  # there is no log yet
                with (self._folder / f"{run_id}.log").open("rb") as file:
                    file.seek(offset)
                    while chunk := file.read(CHUNK):
                        offset += len(chunk)
                        *lines, rest = (rest + chunk).split(b"\n")
                        for line in lines:
                            self._tell(line.decode("utf-8", "replace").rstrip("\r"))
            if last and rest:
                self._tell(rest.decode("utf-8", "replace"))
                rest = b""
            with self._lock:
                self._places[run_id] = (offset, rest)


@contextmanager
def following(bus: Bus, folder: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """For the time of a block, ``tell`` gets the lines that the runs started in it write."""
    logs = RunLogs(folder, tell)
    stop = bus.listen(logs.hear)
    try:
        yield
    finally:
        stop()
        logs.end()
