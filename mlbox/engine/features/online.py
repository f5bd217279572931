"""From the offline to the online store.

What is online of a set are the newest rows of its entities among those known before ``until``. Runs move ``until``
forward; late rows, and rows taken away by a FULL or ranged refresh, are followed as well.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.errors import Unavailable
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

_log = logging.getLogger("mlbox")


class Materializer:
    """Moves the newest rows of sets into the online store, from where it stopped last time; callers hold the lock.

    How far a set is online stands in the store, beside the rows: a store that has lost them, or another one, says so
    and is filled anew.
    """

    def __init__(self, catalog: Catalog, store: OnlineStore, reached: Callable[[FeatureSet], table.Reached]) -> None:
        self._catalog = catalog
        self._store = store
        self._reached = reached

    def state(self, set_id: str) -> Online:
        """Where a set stands; raises ``Unavailable`` while the store cannot be asked."""
        mark = self._store.mark(set_id)
        return Online() if mark is None else _read_mark(mark)

    def known_state(self, set_id: str) -> Online:
        """Where a set stands; not online at all while the store cannot be asked."""
        try:
            return self.state(set_id)
        except Unavailable:
            return Online()

    def behind(self, feature_set: FeatureSet) -> bool:
        """Whether something is offline that was not moved yet."""
        return self._reached(feature_set).sequence > self.state(feature_set.id).sequence

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
        return written

    def _move(self, feature_set: FeatureSet, before: Online, end: datetime) -> tuple[Online, int]:
        reached = self._reached(feature_set)  # before the rows are read: what comes meanwhile is looked at again
        until = max(end, before.until) if before.until is not None else end
        axis, limit = quote(feature_set.axis), moment(until)
        replace = before.until is None or reached.removal > before.sequence
        condition = f"{axis} < {limit}"
        if before.until is not None and not replace:
            fresh = f"{axis} >= {moment(before.until)}"
            if reached.sequence > before.sequence:  # without late rows the range alone can skip blocks
                fresh = f"({fresh} OR {SEQUENCE} > {before.sequence})"
            elif until == before.until:
                return before, 0
            condition = f"{fresh} AND {condition}"
        after = Online(until, reached.sequence)
        with self._catalog.read() as cursor:
            batches = _packed(cursor, feature_set, condition)
            written = self._store.put(feature_set.id, batches, replace=replace, mark=mark_of(after))
        return after, written

    def forget(self, set_id: str) -> None:
        """The set was dropped; a store that is away keeps rows that nobody asks for."""
        try:
            self._store.drop(set_id)
        except Unavailable as error:
            _log.warning("online rows of the dropped version %s stay: %s", set_id, error.message)


def mark_of(online: Online) -> bytes:
    """How far a set is online, as a store keeps it."""
    until = online.until.isoformat() if online.until else None
    return json.dumps([until, online.sequence]).encode()


def _read_mark(raw: bytes) -> Online:
    until, sequence = json.loads(raw)
    return Online(datetime.fromisoformat(until) if until else None, sequence)


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
