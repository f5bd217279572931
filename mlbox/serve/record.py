"""The way of predictions out of the request path: a bounded buffer, and a thread that writes it as Arrow batches.

Adding never waits. The buffer is written once every interval, with what is in it by then; a normal stop writes
everything, a crash loses at most what the last interval brought. What does not fit is dropped, counted (``unrecorded``
of ``ml.endpoints``), and told when it begins.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from mlbox.base.errors import MlboxError, Unavailable
from mlbox.engine.catalog.tables import predictions
from mlbox.serve.log_parts import WRITTEN_AT, Count, Taken, chunk, halves, parts_of, traffic
from mlbox.serve.recorded import held as held_by
from mlbox.serve.rows import batches

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Answer
    from mlbox.serve.rows import Recorded

CHUNK = 20_000
"""Rows that are written at once."""

SMALL_CHUNK = 2_000
"""The same while nobody waits for them: a commit of more keeps the core for longer than the kernel's clock ticks."""

SHARE = 0.2
"""Of the interpreter's time, for making rows while requests are answered and nobody waits for the rows."""

_PAUSE_SECONDS = 0.01
"""Longest of the pauses in between."""
HELD = 256 << 20
"""Bytes of tensors that wait to be written; an entry beyond them is dropped, unless it is the only one."""

ATTEMPTS = 3
"""Times that a batch is tried before what is wrong with it is looked for."""

SEARCHES = 40
"""Parts of a batch that may fail while the entry is looked for that cannot be written; then the others go with it."""

Deliver = Callable[[list[predictions.Batch], list[predictions.TrafficRow], bool], None]
"""Takes rows and counts, and whether somebody waits for them."""


class Entry(msgspec.Struct, gc=False):
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
    written: Callable[[str | None], None] | None = None
    """Told when it is durable, or why it never will be."""
    held: int = 0
    """Bytes of its tensors."""

    @property
    def rows(self) -> int:
        """Rows that it makes in the log."""
        return self.request.rows if self.request is not None and self.answer is not None else 1


@dataclass(slots=True)
class Statistics:
    """What the recorder has done since the start."""

    written: int = 0
    dropped: int = 0
    flushes: int = 0
    """Times that the buffer was looked at."""
    last_error: str | None = None


class Recorder:
    """Buffers entries and counts; writes them every ``interval`` seconds.

    ``on_drop`` is told project, endpoint, and why, when an endpoint's rows begin to be dropped; again only after an
    interval in which none was.
    """

    def __init__(
        self,
        catalog: Catalog | None,
        interval: float,
        capacity: int,
        on_drop: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self._catalog = catalog
        self._interval = interval
        self._capacity = capacity
        self._on_drop = on_drop
        self._entries: deque[Recorded] = deque()
        self._counts: dict[tuple[str, str, int], Count] = {}
        self._rows = 0
        self._held = 0
        self._dropping: set[tuple[str, str]] = set()
        self._dropped_before: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._awaited = 0
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._shapes: set[str] = set()
        self._appenders = {awaited: predictions.Appender() for awaited in (False, True)}
        """Of the two threads that write."""
        self._promised = False
        """Whether somebody waits for an entry of the buffer."""
        self.statistics = Statistics()
        self.deliver: Deliver | None = None
        """Where rows and counts go instead of the catalog; raises when it cannot take them."""

    def start(self) -> None:
        """Start the thread that writes."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write everything and end the thread."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()

    def count(self, project: str, endpoint: str, at_us: int, failed: bool) -> None:
        """Count a request, whether or not its rows are kept."""
        with self._lock:
            counted = self._count(project, endpoint, at_us)
            counted.requests += 1
            counted.errors += failed
            if at_us > counted.last_us:
                counted.last_us = at_us

    def keep(self, entry: Recorded, *, counts: bool = False) -> None:
        """Put the rows of an entry into the buffer, or drop and count them when it is full; with ``counts`` the request
        itself too, as :meth:`count`."""
        rows = entry.rows
        held = 0
        if isinstance(entry, Entry):
            entry.held = held = held_by(entry.request, entry.answer)
        with self._lock:
            if counts:
                counted = self._count(entry.project, entry.endpoint, entry.at_us)
                counted.requests += 1
                if entry.error is not None:
                    counted.errors += 1
                if entry.at_us > counted.last_us:
                    counted.last_us = entry.at_us
            if self._rows + rows <= self._capacity and (self._held + held <= HELD or not self._held):
                self._rows += rows
                self._held += held
                self._entries.append(entry)
                if entry.written is not None:
                    self._promised = True
                if self._held > WRITTEN_AT:
                    self._wake.set()
                return
            begins = self._drop(entry)
        if entry.written is not None:
            entry.written("the buffer is full")
        if begins:
            self._tell(entry, "the buffer is full")

    def keep_durably(self, entry: Entry) -> asyncio.Future[MlboxError | None]:
        """As :meth:`keep`, and written at once, with what else there is; the result is why it was not."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[MlboxError | None] = loop.create_future()

        def settle(reason: str | None) -> None:
            if not done.done():
                hint = "the prediction was made, but the endpoint promises (durable = true) that each is recorded"
                done.set_result(None if reason is None else Unavailable(f"not recorded: {reason}", hint=hint))

        def tell(reason: str | None) -> None:
            with suppress(RuntimeError):  # the loop is closing
                loop.call_soon_threadsafe(settle, reason)

        entry.written = tell
        self.keep(entry, counts=True)
        self._wake.set()
        return done

    def flush(self) -> None:
        """Write what was added before the call; returns when it is durable, or given up and counted."""
        with self._lock:
            self._awaited += 1
        try:
            self._flush()
        finally:
            with self._lock:
                self._awaited -= 1

    def _flush(self) -> None:
        with self._flushing:
            with self._lock:
                entries, self._entries = self._entries, deque()
                counts, self._counts = self._counts, {}
                waited, self._promised = self._promised, False
            while entries or counts:
                taken = chunk(entries, CHUNK if self._hurries(waited) else SMALL_CHUNK)
                taken.counts, counts = counts, {}
                taken.waited = waited
                self._write_or_drop(taken)

    def _count(self, project: str, endpoint: str, at_us: int) -> Count:
        key = (project, endpoint, at_us // 60_000_000)
        counted = self._counts.get(key)
        if counted is None:
            counted = self._counts[key] = Count()
        return counted

    def _drop(self, entry: Recorded) -> bool:
        """Count the rows as lost; whether it is the first time after an interval without a loss."""
        self._count(entry.project, entry.endpoint, entry.at_us).unrecorded += entry.rows
        self.statistics.dropped += entry.rows
        key = (entry.project, entry.endpoint)
        begins = key not in self._dropping and key not in self._dropped_before
        self._dropping.add(key)
        return begins

    def _tell(self, entry: Recorded, reason: str) -> None:
        if self._on_drop is not None:
            self._on_drop(entry.project, entry.endpoint, reason)

    def _work(self) -> None:
        """Flushes begin an interval apart, however many requests come meanwhile; sooner where somebody waits for it."""
        due = time.monotonic() + self._interval
        while not self._stop.is_set():
            woken = self._wake.wait(max(0.0, due - time.monotonic()))
            if self._stop.is_set():
                return
            self._wake.clear()
            if not woken:
                due = time.monotonic() + self._interval
                with self._lock:
                    self._dropped_before, self._dropping = self._dropping, set()
            self._flush()
            self.statistics.flushes += 1

    def _hurries(self, waited: bool) -> bool:
        """Whether somebody waits for rows to be written, or the buffer fills."""
        fills = self._rows * 4 > self._capacity or self._held > WRITTEN_AT
        return waited or self._awaited > 0 or self._wake.is_set() or self._stop.is_set() or fills

    def _resting(self, waited: bool) -> Callable[[], None]:
        """For threads that make or write rows, called again and again: leave interpreter and core to the requests for
        the most part of the time, unless somebody waits for the rows or the buffer fills."""
        since: dict[int, float] = {}
        """Of each thread, whose clock is its own: DuckDB asks for rows from several."""

        def rest() -> None:
            thread, clock = threading.get_ident(), time.thread_time()
            worked = clock - since.setdefault(thread, clock)
            if worked < 0.0002:
                return
            if not self._hurries(waited):
                time.sleep(min(worked / SHARE - worked, _PAUSE_SECONDS))
            since[thread] = time.thread_time()

        return rest

    def _write_or_drop(self, taken: Taken) -> None:
        failed = self._tried(taken, ATTEMPTS)
        if failed is None or len(taken.entries) < 2:
            self._settle(taken, failed)
            return
        # It may be one request of one caller that cannot be written, and the others are not to be lost with it.
        counts, *waiting = parts_of(taken)
        failed = self._tried(counts)
        self._settle(counts, failed)
        left = SEARCHES if failed is None else 0
        while waiting:
            part = waiting.pop()
            failed = self._tried(part)
            if failed is not None and left and len(part.entries) > 1:
                left -= 1
                waiting += halves(part)
            else:
                self._settle(part, failed)

    def _tried(self, taken: Taken, times: int = 1) -> Exception | None:
        """Why it cannot be written, if it cannot."""
        failed: Exception | None = None
        for attempt in range(1, times + 1):
            try:
                self._write(taken)
                return None
            except Exception as error:  # whatever it is, the request path must go on
                failed = error
                for appender in self._appenders.values():
                    appender.forget()
                if attempt < times:
                    time.sleep(0.05 * attempt)
        return failed

    def _settle(self, taken: Taken, failed: Exception | None) -> None:
        """Tell who waits; what failed is counted as lost, and its counts are kept for the next time."""
        begun: list[Recorded] = []
        with self._lock:
            self._rows -= taken.rows
            self._held -= taken.held
            if failed is not None:
                self.statistics.last_error = str(failed)
                for (project, endpoint, minute), count in taken.counts.items():
                    self._count(project, endpoint, minute * 60_000_000).add(count)
                begun = [entry for entry in taken.entries if self._drop(entry)]
        for entry in taken.entries:
            if entry.written is not None:
                entry.written(None if failed is None else f"it cannot be written: {failed}")
        for entry in begun:
            self._tell(entry, f"they cannot be written: {failed}")

    def _write(self, taken: Taken) -> None:
        rows = list(batches(taken.entries, self._resting(taken.waited)))
        counts = [traffic(key, count) for key, count in taken.counts.items()]
        if self.deliver is not None:
            self.deliver(rows, counts, self._hurries(taken.waited))
        elif self._catalog is not None:
            self._store(self._catalog, rows, counts, taken.waited)
        self.statistics.written += taken.rows

    def _store(
        self, catalog: Catalog, rows: list[predictions.Batch], counts: list[predictions.TrafficRow], waited: bool
    ) -> None:
        """In one transaction. A shape that has been written stays, and is not written again."""
        known = self._shapes
        new = [
            replace(batch, shapes={key: names for key, names in batch.shapes.items() if key not in known})
            for batch in rows
        ]

        awaited = self._hurries(waited)

        def write(cursor: DuckDBPyConnection) -> None:
            rest = self._resting(waited)
            for batch in new:
                self._appenders[awaited].append(cursor, batch, rest)
            rest()
            predictions.count(cursor, counts)
            rest()

        catalog.write_data(write, behind=True, awaited=awaited)
        for batch in new:
            known.update(batch.shapes)


def microseconds() -> int:
    """Now, in microseconds since 1970."""
    return time.time_ns() // 1000
