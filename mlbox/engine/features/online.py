"""From the offline to the online store.

What is online of a set are the newest rows of its entities among those known before ``until``. Runs move ``until``
forward; late rows, and rows taken away by a FULL or ranged refresh, are followed as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.names import quote
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.features.asof import newest
from mlbox.engine.features.definition import SEQUENCE, FeatureSet, Online, moment
from mlbox.engine.features.stores.online import columns, rows
from mlbox.engine.features.stores.online.base import Item, OnlineStore, Row
from mlbox.engine.features.stores.online.codec import Layout

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


class Materializer:
    """Moves the newest rows of sets into the online store, from where it stopped last time; callers hold the lock."""

    def __init__(self, catalog: Catalog, store: OnlineStore, reached: Callable[[FeatureSet], table.Reached]) -> None:
        self._catalog = catalog
        self._store = store
        self._reached = reached
        self._online: dict[str, Online] = {}
        self._lock = threading.Lock()

    def load(self, set_id: str, online: Online) -> None:
        """Where a set stands, as the catalog knows it."""
        with self._lock:
            self._online[set_id] = online

    def state(self, set_id: str) -> Online:
        """Where a set stands."""
        return self._online.get(set_id, Online())

    def run(self, feature_set: FeatureSet, end: datetime | None = None) -> int:
        """Rows known before ``end`` (now, without it) that came since the last time; returns how many were written.

        An ``end`` before the one of the last time takes nothing back. The catalog learns of it after the store has
        it: a repeat after a crash changes nothing.
        """
        before = self.state(feature_set.id)
        after, written = self._move(feature_set, before, end or now())
        if after == before:
            return 0
        if after.until is not None:
            until, sequence = after.until, after.sequence
            self._catalog.write(lambda cursor: table.set_online(cursor, feature_set.id, until, sequence))
        self.load(feature_set.id, after)
        return written

    def _move(self, feature_set: FeatureSet, before: Online, end: datetime) -> tuple[Online, int]:
        reached = self._reached(feature_set)  # before the rows are read: what comes meanwhile is looked at again
        until = max(end, before.until) if before.until is not None else end
        axis, limit = quote(feature_set.axis), moment(until)
        replace = before.until is not None and reached.removal > before.sequence
        condition = f"{axis} < {limit}"
        if before.until is not None and not replace:
            fresh = f"{axis} >= {moment(before.until)}"
            if reached.sequence > before.sequence:  # without late rows the range alone can skip blocks
                fresh = f"({fresh} OR {SEQUENCE} > {before.sequence})"
            elif until == before.until:
                return before, 0
            condition = f"{fresh} AND {condition}"
        with self._catalog.read() as cursor:
            written = self._store.put(feature_set.id, _packed(cursor, feature_set, condition), replace=replace)
        return Online(until, reached.sequence), written

    def forget(self, set_id: str) -> None:
        """The set was dropped."""
        self._store.drop(set_id)
        with self._lock:
            self._online.pop(set_id, None)


def _packed(cursor: DuckDBPyConnection, feature_set: FeatureSet, condition: str) -> Iterator[Sequence[Item]]:
    """The newest rows as keys and values, a column at a time where the types allow it."""
    layout, entities = Layout(feature_set.online_schema), len(feature_set.entities)
    chosen = columns.expressions(layout, [quote(feature.name) for feature in feature_set.features])
    query = newest(feature_set, condition, chosen)
    if chosen is None:
        yield from rows.packed(layout, _rows(cursor.execute(query), entities))
        return
    for batch in cursor.sql(query).to_arrow_reader(rows.BATCH):
        yield columns.packed(layout, batch, entities)


def _rows(cursor: DuckDBPyConnection, entities: int) -> Iterator[Row]:
    while True:
        found: list[tuple[Any, ...]] = cursor.fetchmany(rows.BATCH)
        for row in found:
            known_at, event_time, sequence = row[entities : entities + 3]
            yield Row(row[:entities], known_at, event_time, sequence, row[entities + 3 :])
        if len(found) < rows.BATCH:
            return
