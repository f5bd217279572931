"""The way of predictions out of the request path: a bounded buffer, and a thread that writes it as Arrow batches.

Adding never waits. What does not fit is dropped and counted (``unrecorded`` of ``_mlbox.traffic``). A normal stop
writes everything; a crash loses at most what the last flush interval brought.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlbox.engine.catalog.tables import predictions
from mlbox.serve.rows import Block, block, table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Answer

CHUNK = 20_000
"""Rows that are written at once."""

ATTEMPTS = 3
"""Times that a batch is tried before it is given up and counted."""


@dataclass(slots=True)
class Entry:
    """A request that is recorded: with an answer, or with an error."""

    project: str
    endpoint: str
    request_id: str
    at_us: int
    """Microseconds since 1970."""
    latency_ms: float
    request: Request | None = None
    answer: Answer | None = None
    error: str | None = None
    shadow: bool = False

    @property
    def rows(self) -> int:
        """Rows that it makes in the log."""
        return self.request.rows if self.request is not None and self.answer is not None else 1


@dataclass(slots=True)
class _Count:
    requests: int = 0
    errors: int = 0
    unrecorded: int = 0
    last_us: int = 0


@dataclass(slots=True)
class Statistics:
    """What the recorder has done since the start."""

    written: int = 0
    dropped: int = 0
    waiting: int = 0
    last_error: str | None = None


@dataclass(slots=True)
class _Taken:
    entries: list[Entry | Block] = field(default_factory=list)
    counts: dict[tuple[str, str, int], _Count] = field(default_factory=dict)
    rows: int = 0


class Recorder:
    """Buffers entries and counts; writes them every ``interval`` seconds."""

    def __init__(
        self,
        catalog: Catalog,
        interval: float,
        capacity: int,
        on_drop: Callable[[int], None] | None = None,
    ) -> None:
        self._catalog = catalog
        self._interval = interval
        self._capacity = capacity
        self._on_drop = on_drop
        self._entries: deque[Entry | Block] = deque()
        self._counts: dict[tuple[str, str, int], _Count] = {}
        self._rows = 0
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None
        self.statistics = Statistics()

    def start(self) -> None:
        """Start the thread that writes."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write everything and end the thread."""
        self._stop = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()

    def count(self, entry: Entry, keep: bool) -> None:
        """Count a request, and keep its rows when ``keep``; a shadow's answer is kept but not counted."""
        key = (entry.project, entry.endpoint, entry.at_us // 60_000_000)
        with self._lock:
            counted = self._counts.get(key)
            if counted is None:
                counted = self._counts[key] = _Count()
            if not entry.shadow:
                counted.requests += 1
                counted.errors += entry.error is not None
                counted.last_us = max(counted.last_us, entry.at_us)
            if not keep:
                return
            rows = entry.rows
            if self._rows + rows > self._capacity:
                counted.unrecorded += rows
                self.statistics.dropped += rows
                return
            self._rows += rows
            # A single row is made plain here and now; a batch keeps few objects for many rows and can wait.
            self._entries.append(block(entry) if rows == 1 else entry)

    def flush(self) -> None:
        """Write what was added before the call; returns when it is durable, or given up and counted."""
        while self._flush_once():
            pass

    def _work(self) -> None:
        reported = 0
        while not self._stop:
            self._wake.wait(self._interval)
            self.flush()
            dropped = self.statistics.dropped
            if dropped > reported and self._on_drop is not None:
                self._on_drop(dropped - reported)
                reported = dropped

    def _take(self) -> _Taken:
        taken = _Taken()
        with self._lock:
            while self._entries and taken.rows < CHUNK:
                entry = self._entries.popleft()
                taken.entries.append(entry)
                taken.rows += entry.rows if isinstance(entry, Entry) else 1
            taken.counts, self._counts = self._counts, {}
            self.statistics.waiting = len(self._entries)
        return taken

    def _flush_once(self) -> bool:
        """Write one chunk; whether there may be more."""
        with self._flushing:
            taken = self._take()
            if not taken.entries and not taken.counts:
                return False
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._write(taken)
                    break
                except Exception as error:  # whatever it is, the request path must go on
                    self.statistics.last_error = str(error)
                    if attempt == ATTEMPTS:
                        self.statistics.dropped += taken.rows
                    else:
                        time.sleep(0.05 * attempt)
            with self._lock:
                self._rows -= taken.rows
                return bool(self._entries)

    def _write(self, taken: _Taken) -> None:
        blocks = (block(entry) if isinstance(entry, Entry) else entry for entry in taken.entries)
        rows = table(blocks) if taken.entries else None
        counts = [_traffic(key, count) for key, count in taken.counts.items()]

        def write(cursor: DuckDBPyConnection) -> None:
            if rows is not None:
                predictions.append(cursor, rows)
            predictions.count(cursor, counts)

        self._catalog.write_data(write)
        self.statistics.written += taken.rows


def _traffic(key: tuple[str, str, int], count: _Count) -> predictions.TrafficRow:
    project, endpoint, minute = key
    return predictions.TrafficRow(
        project,
        endpoint,
        datetime.fromtimestamp(minute * 60, UTC),
        count.requests,
        count.errors,
        count.unrecorded,
        datetime.fromtimestamp((count.last_us or minute * 60_000_000) / 1e6, UTC),
    )


def microseconds() -> int:
    """Now, in microseconds since 1970."""
    return time.time_ns() // 1000
