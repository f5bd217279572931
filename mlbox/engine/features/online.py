"""From the offline to the online store, and reading it back for a vector."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.features.asof import newest
from mlbox.engine.features.definition import SEQUENCE, FeatureSet, VectorFeature, moment
from mlbox.engine.features.stores.online.base import OnlineStore, Row
from mlbox.engine.features.stores.online.keys import microseconds
from mlbox.base.names import quote

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class Materializer:
    """Moves the newest rows of sets into the online store, from where it stopped last time."""

    def __init__(self, catalog: Catalog, store: OnlineStore) -> None:
        self._catalog = catalog
        self._store = store
        self._reached: dict[str, tuple[datetime | None, int]] = {}
        self._lock = threading.Lock()

    def load(self, set_id: str, until: datetime | None, sequence: int | None) -> None:
        """Where a set stands, as the catalog knows it."""
        with self._lock:
            self._reached[set_id] = (until, sequence or 0)

    def until(self, set_id: str) -> datetime | None:
        """The time up to which a set is online."""
        return self._reached.get(set_id, (None, 0))[0]

    def run(self, feature_set: FeatureSet, end: datetime | None = None) -> int:
        """Rows known before ``end`` (now, without it) that came since the last time; returns how many were written.

        The catalog learns of it after the store has it: a repeat after a crash changes nothing.
        """
        end = end or now()
        until, sequence = self._reached.get(feature_set.id, (None, 0))
        axis = quote(feature_set.axis)
        condition = f"{axis} < {moment(end)}"
        if until is not None:
            condition += f" AND ({axis} >= {moment(until)} OR {SEQUENCE} > {sequence})"
        with self._catalog.read() as cursor:
            found = cursor.execute(newest(feature_set, condition)).fetchall()
            _, last = table.reached(cursor, feature_set.id)
        count = len(feature_set.entities)
        rows = (Row(row[:count], row[count], row[count + 1], row[count + 2], row[count + 3 :]) for row in found)
        written = self._store.put_many(feature_set.online_schema, rows)
        moved = max(end, until) if until else end
        # A late row may lie beyond ``end``; it is looked at again when ``end`` passes it.
        self._catalog.write(lambda cursor: table.set_online(cursor, feature_set.id, moved, last))
        self.load(feature_set.id, moved, last)
        return written

    def forget(self, set_id: str) -> None:
        """The set was dropped."""
        self._store.drop(set_id)
        with self._lock:
            self._reached.pop(set_id, None)


class OnlineReader:
    """Features of a vector by entity values; built once, then every read asks the store.

    ``entities`` are the columns that a caller must give, ``features`` what it gets, in the order of the vector.
    """

    def __init__(
        self, store: OnlineStore, wanted: Sequence[tuple[FeatureSet, Sequence[VectorFeature]]], order: Sequence[str]
    ) -> None:
        self._store = store
        self._parts = [
            (
                feature_set,
                feature_set.online_schema,
                None if feature_set.ttl is None else round(feature_set.ttl * 1_000_000),
                [
                    (feature.name, [own.name for own in feature_set.features].index(feature.feature))
                    for feature in features
                ],
            )
            for feature_set, features in wanted
        ]
        self.entities = list(dict.fromkeys(name for feature_set, _ in wanted for name in feature_set.entity_names))
        self.entity_types = {name: kind for feature_set, _ in wanted for name, kind in feature_set.entities}
        self.features = list(order)

    def read(
        self, columns: Mapping[str, Sequence[Any]], at: Sequence[datetime | None] | None = None
    ) -> dict[str, list[Any]]:
        """Values by feature, one a row of ``columns``; None where there is none, or it is older than the TTL at ``at``.

        ``at`` are the rows' instants; without them it is now.
        """
        rows = len(next(iter(columns.values()))) if columns else 0
        instants = _instants(at, rows)
        found: dict[str, list[Any]] = {}
        for feature_set, schema, ttl, positions in self._parts:
            keys = list(zip(*(columns[name] for name in feature_set.entity_names), strict=True))
            got = [
                None if row is None or (ttl is not None and instant - row.known_at > ttl) else row.values
                for row, instant in zip(self._store.get_many(schema, keys), instants, strict=True)
            ]
            for name, position in positions:
                found[name] = [None if values is None else values[position] for values in got]
        return found


def _instants(at: Sequence[datetime | None] | None, rows: int) -> list[int]:
    current = microseconds(datetime.now(UTC))
    if at is None:
        return [current] * rows
    if len(at) != rows:
        raise Invalid(f"{len(at)} times were given for {rows} rows")
    return [current if instant is None else microseconds(instant) for instant in at]
