"""Sets whose rows keep coming: who writes them, what comes by INSERT and push, and what is read of their streams."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.events import Bus
from mlbox.base.locks import Locks
from mlbox.base.names import Ref, quote
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.ingest import Ingest, Ingested, given_columns
from mlbox.engine.features.reading import SourceReader
from mlbox.engine.features.stores.online.base import OnlineStore
from mlbox.engine.features.streaming.consumer import Consumer
from mlbox.engine.features.streaming.online import OnlineWindows
from mlbox.engine.features.streaming.pushes import Pushes
from mlbox.engine.features.streaming.sweeper import Attention, Sweeper
from mlbox.engine.features.streaming.writer import Given, StreamWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlbox.engine.catalog.database import Catalog


class Streams:
    """Writers by version of a set. ``start`` reads streams until ``stop``; without it rows come when brought."""

    def __init__(
        self, catalog: Catalog, bus: Bus, directory: Directory, ingest: Ingest, reader: SourceReader, store: OnlineStore
    ) -> None:
        self._catalog = catalog
        self._bus = bus
        self._directory = directory
        self._ingest = ingest
        self._store = store
        self.reader = reader
        self.locks = Locks()
        self.pushes = Pushes(catalog, self.locks, self.writer)
        self.after: Callable[[FeatureSet], object] | None = None
        """Brings the online store after the rows of a set without windows."""
        self.place: Callable[[FeatureSet], None] = lambda feature_set: None
        """Writes the rows of a set to its location, when it is time."""
        self._writers: dict[str, StreamWriter] = {}
        self._consumers: dict[str, Consumer] = {}
        self._guard = threading.Lock()
        self._sweeper: Sweeper | None = None

    def writer(self, feature_set: FeatureSet) -> StreamWriter:
        """Who writes a version of a set; callers hold its lock."""
        with self._guard:
            found = self._writers.get(feature_set.id)
            if found is None:
                goes_online = feature_set.store != "offline" and not feature_set.online_by_hand
                online = self._windows(feature_set) if feature_set.windows else None
                found = StreamWriter(
                    self._catalog, self._ingest, feature_set, online if goes_online else None, self._follow
                )
                self._writers[feature_set.id] = found
            return found

    def _follow(self, feature_set: FeatureSet) -> None:
        if self.after is not None:
            self.after(feature_set)

    def insert(self, feature_set: FeatureSet, query: Query, columns: Sequence[str], project: str) -> Ingested:
        """Rows of the user's query; a wrong one refuses all, unless the set skips them."""
        plain = [name for name in feature_set.columns if name not in {window.name for window in feature_set.windows}]
        given = given_columns(feature_set, columns or plain, len(self._catalog.describe(project, query)), query)
        renamed = ", ".join(quote(name) for name in given)
        rows = self._catalog.query(project, Query(f"SELECT * FROM (\n{query.text}\n) AS _rows({renamed})"))
        writer = self.writer(feature_set)
        taken = writer.add(Given(rows, strict=not feature_set.skip_errors))
        writer.close()
        return Ingested(taken.added, 0, len(taken.refused), self._ingest.reached(feature_set), taken.late)

    def rebuild(self, feature_set: FeatureSet) -> int:
        """All online rows of a set with windows as of now; callers hold its lock."""
        cache = self.writer(feature_set).cache()
        assert cache is not None
        written = self._windows(feature_set).rebuild(cache)
        until, sequence = now(), self._ingest.reached(feature_set).sequence
        self._catalog.write(lambda cursor: table.set_online(cursor, feature_set.id, until, sequence))
        return written

    def _windows(self, feature_set: FeatureSet) -> OnlineWindows:
        return OnlineWindows(
            self._catalog, self._store, feature_set, lambda: self._ingest.reached(feature_set).sequence
        )

    def drain(self, feature_set: FeatureSet) -> Ingested:
        """What the stream of a set has now and was not read; callers hold its lock."""
        before = self._ingest.reached(feature_set)
        consumer = self._consumer()
        added, late, refused = consumer.drain(feature_set)
        after = self._ingest.reached(feature_set)
        self.writer(feature_set).close()
        return Ingested(added, 0, refused, after if after.sequence else before, late)

    def _consumer(self) -> Consumer:
        return Consumer(self._catalog, self._bus, self.reader, self.locks, self.writer, lambda: self._ingest.transforms)

    def forget(self, set_id: str) -> None:
        """The version is gone."""
        with self._guard:
            self._writers.pop(set_id, None)

    def start(self) -> None:
        """What only a server does: read streams, and keep windows online up with time."""
        attention = Attention(self._attend, lambda found: self.place(found))
        self._sweeper = Sweeper(self._directory.sets, self.locks, self.writer, attention)
        self._sweeper.start()

    def _attend(self, sets: Sequence[FeatureSet]) -> None:
        """A consumer for each set that reads a stream continuously, and for no other."""
        wanted = {found.id: found for found in sets if found.continuous and self.reader.is_active(found)}
        for set_id in [known for known in self._consumers if known not in wanted]:
            self._consumers.pop(set_id).stop()
        for set_id, found in wanted.items():
            present = self._consumers.get(set_id)
            if present is not None and present.follows(found):
                continue
            if present is not None:
                present.stop()
            consumer = self._consumer()
            self._consumers[set_id] = consumer
            consumer.start(found)

    def stop(self) -> None:
        """Let what is being written be written."""
        if self._sweeper is not None:
            self._sweeper.stop()
        for consumer in self._consumers.values():
            consumer.stop(wait=False)
        for consumer in self._consumers.values():
            consumer.stop()
        self._consumers.clear()
        self.pushes.stop()
        with self._guard:
            writers = list(self._writers.values())
        for writer in writers:
            with self.locks.of(Ref(writer.feature_set.project, writer.feature_set.name)):
                writer.close()
