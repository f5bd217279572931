"""Reads the stream of a set: a batch is taken, committed with its offsets, and only then the next one is taken.

So a source is never read faster than rows become durable, and what was read and not committed is read again. Offsets
stand in the ledger of the set, not at the broker.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.errors import MlboxError
from mlbox.base.events import Bus, Event
from mlbox.base.locks import Locks
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import sources as source_table
from mlbox.engine.catalog.tables import streams as table
from mlbox.engine.catalog.tables.sources import PositionRow
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.reading import SourceReader
from mlbox.engine.features.sources.base import Source, StreamBatch
from mlbox.engine.features.streaming.batch import Refused
from mlbox.engine.features.streaming.rows import PART
from mlbox.engine.features.streaming.transformed import StreamTransform
from mlbox.engine.features.streaming.writer import Given, StreamWriter
from mlbox.engine.features.transforming import Transforms

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

log = logging.getLogger("mlbox")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a source that failed is tried again; doubled each time."""
LONGEST_STOP = 5.0
"""Seconds that the end of a server waits for a source."""
PATIENCE = 40
"""Empty batches after which a source that says there is more is believed no longer."""


class Consumer:
    """One set's stream. ``start`` reads until ``stop``, ``drain`` what is there now."""

    def __init__(
        self,
        catalog: Catalog,
        bus: Bus,
        reader: SourceReader,
        locks: Locks,
        writer: Callable[[FeatureSet], StreamWriter],
        transforms: Callable[[], Transforms],
    ) -> None:
        self._catalog = catalog
        self._transforms = transforms
        self._transform: StreamTransform | None = None
        self._bus = bus
        self._reader = reader
        self._locks = locks
        self._writer = writer
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._source: Source | None = None
        self._lag: int | None = None
        self._watermarks: dict[str, int] = {}
        self._next_watermarks: dict[str, int] = {}

    def start(self, feature_set: FeatureSet) -> None:
        """Read in a thread of its own."""
        self._source = self._reader.source_of(feature_set)
        name = f"stream-{feature_set.name}"
        self._thread = threading.Thread(target=self._work, args=(feature_set,), name=name, daemon=True)
        self._thread.start()

    def follows(self, feature_set: FeatureSet) -> bool:
        """Whether the source is still the one that it began with."""
        return self._source == self._reader.source_of(feature_set)

    def stop(self, *, wait: bool = True) -> None:
        """Returns when the batch under way is committed; of a source that does not answer, after a while."""
        self._stopping.set()
        if wait and self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(LONGEST_STOP)  # what it reads later is not taken

    def drain(self, feature_set: FeatureSet) -> tuple[int, int, int]:
        """Rows added, late and refused of what is there now."""
        self._source = self._reader.source_of(feature_set)
        added = late = refused = 0
        with closing(self._batches(feature_set)) as batches:
            empty = 0
            for batch in batches:
                if not len(batch.rows) and not batch.positions:
                    empty += 1
                    if not batch.lag or empty > PATIENCE:
                        break
                    continue
                empty = 0
                taken = self._commit(feature_set, batch)
                added, late, refused = added + taken[0], late + taken[1], refused + taken[2]
        return added, late, refused

    def _work(self, feature_set: FeatureSet) -> None:
        pause, told = FIRST_PAUSE, ""
        while not self._stopping.is_set():
            if not self._reader.is_active(feature_set):
                self._stopping.wait(FIRST_PAUSE)
                continue
            try:
                with closing(self._batches(feature_set)) as batches:
                    for batch in batches:
                        if told:
                            self._tell(feature_set, "source.recovered", "")
                        pause, told = FIRST_PAUSE, ""
                        if not self._take(feature_set, batch):
                            break
            except Exception as error:
                if self._stopping.is_set():
                    return
                message = _message(error)
                if not isinstance(error, (MlboxError, OSError)):
                    log.exception("reading the stream of feature set %s failed", feature_set.name)
                if message != told:
                    self._tell(feature_set, "source.failed", message)
                told = message
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _tell(self, feature_set: FeatureSet, kind: str, message: str) -> None:
        assert self._source is not None
        details = {"feature_set": feature_set.name, **({"error": message} if message else {})}
        self._bus.publish(Event(kind, self._source.project, self._source.name, details))
        self._progress(feature_set, message or None)

    def _progress(self, feature_set: FeatureSet, error: str | None) -> None:
        lag, at = self._lag, now()
        self._catalog.write_data(
            lambda cursor: table.put_progress(cursor, feature_set.project, feature_set.id, lag, error, at)
        )

    def _batches(self, feature_set: FeatureSet) -> Generator[StreamBatch]:
        assert self._source is not None
        with self._catalog.read() as cursor:
            known = source_table.positions(cursor, feature_set.id)
        positions: dict[str, Any] = {row.part: json.loads(row.position) for row in known}
        self._watermarks = {part: p["watermark"] for part, p in positions.items() if "watermark" in p}
        return self._reader.stream(self._source, positions)

    def _take(self, feature_set: FeatureSet, batch: StreamBatch) -> bool:
        """Whether it was taken; if not, nothing behind it may be."""
        with self._locks.of(Ref(feature_set.project, feature_set.name)):
            if self._stopping.is_set() or not self._reader.is_active(feature_set):
                return False
            if len(batch.rows) or batch.positions:
                self._commit(feature_set, batch)
            elif batch.lag != self._lag:
                self._lag = batch.lag
                self._progress(feature_set, None)
        return True

    def _commit(self, feature_set: FeatureSet, batch: StreamBatch) -> tuple[int, int, int]:
        assert self._source is not None
        parted = PART in batch.rows.column_names

        def also(cursor: DuckDBPyConnection, ingest_id: str, watermarks: Mapping[str, int]) -> None:
            read = []
            for part, position in batch.positions.items():
                kept = {**position, "watermark": watermarks[part]} if part in watermarks else position
                read.append(PositionRow(part, json.dumps(kept), None, None))
            source_table.put_positions(cursor, feature_set.project, feature_set.id, ingest_id, read, now())
            table.put_progress(cursor, feature_set.project, feature_set.id, batch.lag, None, now())
            self._next_watermarks = dict(watermarks)

        rows, refused = batch.rows, list[Refused]()
        if feature_set.transform is not None and len(rows):
            if self._transform is None:
                self._transform = StreamTransform(self._transforms(), feature_set, str(self._source.ref))
            rows, refused = self._transform.apply(rows)
        given = Given(
            rows,
            source=str(self._source.ref),
            also=also,
            watermarks=self._watermarks if parted else None,
            refused=refused,
        )
        taken = self._writer(feature_set).add(given)
        if parted:
            self._watermarks = self._next_watermarks
        self._lag = batch.lag
        return taken.added, taken.late, len(taken.refused)


def _message(error: Exception) -> str:
    """What is said of a source that cannot be read, with what to do about it."""
    return error.with_hint if isinstance(error, MlboxError) else f"{type(error).__name__}: {error}"
