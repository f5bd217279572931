"""The online side of a set with windows over a stream: values as of now, not as of the last event.

A window loses rows while none comes. So a row is written when an event of its entity comes, and again when the first of
its windows loses a row; a sweep each second finds those. What is read is thus never older than that second. A row keeps
the times of its entity's latest event, from which its age (TTL) counts; the sequence is the time of writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.names import RESERVED_COLUMNS, quote
from mlbox.engine.features.asof import newest
from mlbox.engine.features.definition import FeatureSet, Online
from mlbox.engine.features.frames import EPOCH
from mlbox.engine.features.online import mark_of
from mlbox.engine.features.stores.online import columns as by_column
from mlbox.engine.features.stores.online import rows as by_row
from mlbox.engine.features.stores.online.base import Item, OnlineStore, Row
from mlbox.engine.features.stores.online.codec import Layout
from mlbox.engine.features.streaming.batch import arrow_of, entity_numbers, microseconds
from mlbox.engine.features.streaming.cache import WindowCache
from mlbox.engine.features.streaming.rows import NUMBER, values_at_sql

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

    from mlbox.engine.catalog.database import Catalog

    Integers = NDArray[np.int64]

KNOWN, EVENT = f"{RESERVED_COLUMNS}known", f"{RESERVED_COLUMNS}event"
TICK, PLACE = f"{RESERVED_COLUMNS}tick", f"{RESERVED_COLUMNS}place"


class OnlineWindows:
    """Writes the online rows of one version of a set. Callers hold the set's lock."""

    def __init__(
        self, catalog: Catalog, store: OnlineStore, feature_set: FeatureSet, sequence: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._set = feature_set
        self._sequence = sequence
        """The last sequence that the set has offline."""
        self._layout = Layout(feature_set.online_schema)
        self._names = [feature.name for feature in feature_set.features]
        self._windows = [self._names.index(window.name) for window in feature_set.windows]
        windows = set(self._windows)
        self._plain = [name for place, name in enumerate(self._names) if place not in windows]
        self._patches = all(self._layout.kinds[place] in "qd" for place in self._windows)
        self._clock = 0

    def _tick(self) -> int:
        """Now, later than ever before: it orders what is written for one event."""
        self._clock = max((now() - EPOCH) // timedelta(microseconds=1), self._clock + 1)
        return self._clock

    def follow(self, cache: WindowCache, parts: Sequence[pyarrow.Table]) -> None:
        """After new rows: their entities as of now."""
        import numpy as np
        import pyarrow

        wanted = [*dict.fromkeys([*self._set.entity_names, *self._set.times, *self._plain]), NUMBER]
        rows = pyarrow.concat_tables([part.select(wanted) for part in parts if len(part)])
        keys = entity_numbers(cache, rows, self._set.entity_names)
        axis, event = microseconds(rows.column(self._set.axis)), microseconds(rows.column(self._set.timestamp))
        order = np.lexsort((rows.column(NUMBER).to_numpy(), event, axis, keys))
        at = order[np.append(keys[order][1:] != keys[order][:-1], True)]
        is_newest = axis[at] >= cache.last[keys[at]]
        at, older = at[is_newest], keys[at[~is_newest]]
        if len(at):
            chosen = rows.select([*self._set.entity_names, *self._plain]).take(at)
            chosen = chosen.append_column(KNOWN, pyarrow.array(axis[at]))
            self._put(cache, keys[at], chosen.append_column(EVENT, pyarrow.array(event[at])))
        if len(older):
            self.renew(cache, older)

    def sweep(self, cache: WindowCache) -> int:
        """Entities of which a window has lost a row; how many there were."""
        import numpy as np

        due = np.flatnonzero(cache.expires <= (now() - EPOCH) // timedelta(microseconds=1))
        if len(due):
            self.renew(cache, due)
        return len(due)

    def renew(self, cache: WindowCache, keys: Integers) -> None:
        """Entities without a newer event: the windows alone."""
        entities = [cache.entities[key] for key in keys.tolist()]
        packed = [self._layout.keys.pack(entity) for entity in entities]
        raws = self._store.fetch(packed)
        there = [place for place, raw in enumerate(raws) if raw is not None]
        cache.expires[keys] = 2**62
        if not there:
            return
        keys, tick = keys[there], self._tick()
        windows = self._evaluate(cache, keys, tick)
        own = [raw for raw in raws if raw is not None]
        if self._patches:
            values = self._patched(own, windows, tick)
        else:
            values = self._repacked(own, windows, tick)
        names = [key for place, key in enumerate(packed) if raws[place] is not None and key is not None]
        self._store.put(self._set.id, [list(zip(names, values, strict=True))], mark=self._mark())

    def rebuild(self, cache: WindowCache) -> int:
        """All entities of the set as of now, in place of what is there."""
        with self._catalog.read() as cursor:
            found = cursor.sql(newest(self._set, "TRUE")).to_arrow_table()
        names = [*self._set.entity_names, KNOWN, EVENT, "_sequence", *self._names]
        rows = found.rename_columns(names).select([*self._set.entity_names, KNOWN, EVENT, *self._plain])
        keys = entity_numbers(cache, rows, self._set.entity_names)
        return self._put(cache, keys, rows, replace=True)

    def _put(self, cache: WindowCache, keys: Integers, rows: pyarrow.Table, *, replace: bool = False) -> int:
        """Entities, times and plain features, with the windows as of now beside them."""
        import pyarrow

        if not len(rows):
            return self._store.put(self._set.id, [], replace=replace, mark=self._mark())
        tick = self._tick()
        for place, values in zip(self._windows, self._evaluate(cache, keys, tick), strict=True):
            rows = rows.append_column(self._names[place], values)
        rows = rows.append_column(TICK, pyarrow.array([tick]).take(pyarrow.array([0] * len(rows), pyarrow.int64())))
        return self._store.put(self._set.id, self._packed(rows), replace=replace, mark=self._mark())

    def _mark(self) -> bytes:
        return mark_of(Online(now(), self._sequence()))

    def _packed(self, rows: pyarrow.Table) -> Iterator[Sequence[Item]]:
        kinds = {feature.name: feature.type for feature in self._set.features}
        typed = [f"CAST({quote(name)} AS {kinds[name]})" for name in self._names]
        chosen = by_column.expressions(self._layout, typed)
        head = [*(f"CAST({quote(name)} AS {kind})" for name, kind in self._set.entities), KNOWN, EVENT, TICK]
        texts = [*head, *(typed if chosen is None else chosen)]
        query = ", ".join(f"{text} AS _{number}" for number, text in enumerate(texts))
        count = len(self._set.entities)
        with self._catalog.read() as cursor:
            cursor.register("_rows", rows)
            try:
                found = cursor.sql(f"SELECT {query} FROM _rows").to_arrow_table()
            finally:
                cursor.unregister("_rows")
        for batch in found.to_batches(by_row.BATCH):
            if chosen is not None:
                yield by_column.packed(self._layout, batch, count)
                continue
            for row in zip(*[column.to_pylist() for column in batch.columns], strict=True):
                known, event, tick = row[count : count + 3]
                yield from by_row.packed(self._layout, [Row(row[:count], known, event, tick, row[count + 3 :])])

    def _patched(self, raws: Sequence[bytes], windows: Sequence[Any], tick: int) -> list[bytes]:
        """Values with other windows, all at once; ``codec`` has the layout."""
        import numpy as np

        start = self._layout.start
        size = 8 * (start + len(self._names))
        block = np.frombuffer(b"".join([raw[:size] for raw in raws]), "<i8").reshape(len(raws), -1).copy()
        block[:, 2] = tick
        for place, column in zip(self._windows, windows, strict=True):
            missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False))
            bit, word = np.int64(place % 64), 3 + place // 64
            block[:, word] = block[:, word] & ~(np.int64(1) << bit) | missing.astype(np.int64) << bit
            kind = "<f8" if self._layout.kinds[place] == "d" else "<i8"
            numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
            block[:, start + place] = np.ascontiguousarray(numbers, kind).view("<i8")
        whole = block.tobytes()
        return [whole[at * size : (at + 1) * size] + raw[size:] for at, raw in enumerate(raws)]

    def _repacked(self, raws: Sequence[bytes], windows: Sequence[Any], tick: int) -> list[bytes]:
        found = []
        for raw, *own in zip(raws, *[column.to_pylist() for column in windows], strict=True):
            row = self._layout.unpack((), raw)
            values = list(row.values)
            for place, value in zip(self._windows, own, strict=True):
                values[place] = value
            found.append(self._layout.pack(Row((), row.known_at, row.event_time, tick, tuple(values))))
        return found

    def _evaluate(self, cache: WindowCache, keys: Integers, tick: int) -> list[Any]:
        """Arrow columns by window, at ``tick`` or the latest event after it; when they change next is noted.

        By SQL where the cache cannot: for sketches, and entities whose order or size needs it.
        """
        import numpy as np
        import pyarrow

        times = np.maximum(tick, cache.last[keys])
        cache.note_expiry(keys, times)
        fine = cache.computable(keys, times)
        kinds = [self._layout.kinds[place] for place in self._windows]
        if fine.all():
            return [_as_kind(arrow_of(one), k) for one, k in zip(cache.evaluate(keys, times), kinds, strict=True)]
        asked = self._ask(cache, keys[~fine], times[~fine])
        if not fine.any():
            return [_as_kind(column, kind) for column, kind in zip(asked, kinds, strict=True)]
        there = [arrow_of(one) for one in cache.evaluate(keys[fine], times[fine])]
        order = pyarrow.array(np.argsort(np.concatenate([np.flatnonzero(fine), np.flatnonzero(~fine)])))
        mixed = []
        for one, other, kind in zip(there, asked, kinds, strict=True):
            mixed.append(pyarrow.concat_arrays([_as_kind(one, kind), _as_kind(other, kind)]).take(order))
        return mixed

    def _ask(self, cache: WindowCache, keys: Integers, times: Integers) -> list[Any]:
        import pyarrow

        entities = list(zip(*[cache.entities[key] for key in keys.tolist()], strict=True))
        columns = {f"_e{n}": pyarrow.array(list(values)) for n, values in enumerate(entities)}
        columns["_axis"] = pyarrow.array(times).cast(pyarrow.timestamp("us", tz="UTC"))
        columns[PLACE] = pyarrow.array(range(len(keys)), pyarrow.int64())
        names = ", ".join(
            f"CAST(_e{n} AS {kind}) AS {quote(name)}" for n, (name, kind) in enumerate(self._set.entities)
        )
        text = values_at_sql(self._set, f"(SELECT {names}, _axis, {PLACE} FROM _probes)", [PLACE])
        kinds = {feature.name: feature.type for feature in self._set.features}
        windows = ", ".join(f"CAST({quote(w.name)} AS {kinds[w.name]}) AS {quote(w.name)}" for w in self._set.windows)
        with self._catalog.read() as cursor:
            cursor.register("_probes", pyarrow.table(columns))
            try:
                found = cursor.sql(f"SELECT {windows} FROM ({text}) ORDER BY {PLACE}").to_arrow_table()
            finally:
                cursor.unregister("_probes")
        return [column.combine_chunks() for column in found.columns]


def _as_kind(column: Any, kind: str) -> Any:
    """Numbers as the store keeps them; everything else as it is."""
    import pyarrow

    if isinstance(column, pyarrow.ChunkedArray):
        column = pyarrow.concat_arrays(column.chunks) if column.num_chunks else pyarrow.array([], column.type)
    target = {"d": pyarrow.float64(), "q": pyarrow.int64()}.get(kind)
    return column if target is None or column.type == target else column.cast(target, safe=False)
