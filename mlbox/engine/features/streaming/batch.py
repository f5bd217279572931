"""A micro-batch: rows as they came, and what becomes of them before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.names import quote
from mlbox.engine.features.definition import SEQUENCE, FeatureSet
from mlbox.engine.features.streaming.cache import Fresh, WindowCache, columns_of
from mlbox.engine.features.streaming.ranges import Found, Values
from mlbox.engine.features.streaming.rows import (
    GIVEN,
    JSON,
    NUMBER,
    PART,
    REASON,
    SINCE,
    TEXT,
    prepare_sql,
    recompute_sql,
    typed_columns,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is not taken: its place among those given, why, and how it looked."""

    place: int
    reason: str
    text: str | None


@dataclass(slots=True)
class Prepared:
    """Rows of the set, in their order (``rows``: ``NUMBER`` and the columns), and those that are none."""

    rows: pyarrow.Table
    times: Integers
    refused: list[Refused]
    late: int
    watermarks: dict[str, int]
    """By part, the latest time so far; see ``prepare``."""

    @property
    def latest(self) -> int | None:
        """Of all rows, in microseconds."""
        return int(self.times.max()) if len(self.times) else None


def prepare(
    cursor: DuckDBPyConnection, feature_set: FeatureSet, given: pyarrow.Table, watermarks: Mapping[str, int]
) -> Prepared:
    """Convert and check. ``watermarks`` are the latest times so far, in microseconds, by part of the stream.

    A row is late when its time is before the latest of the rows before it in its part (column ``PART``; without it all
    are of one), and refused when it is so by more than the lateness that the set allows. So it depends neither on how
    the rows are cut into micro-batches nor on which partition is read first.
    """
    import pyarrow.compute as pc

    cursor.register(GIVEN, given)
    try:
        found = cursor.sql(prepare_sql(feature_set, given.schema, feature_set.time_unit)).to_arrow_table()
    finally:
        cursor.unregister(GIVEN)
    wrong = pc.is_valid(found.column(REASON))
    refused = [
        Refused(row[NUMBER], row[REASON], row[TEXT])
        for row in found.filter(wrong).select([NUMBER, REASON, TEXT]).to_pylist()
    ]
    rows = found.filter(pc.invert(wrong)).drop_columns([REASON, TEXT])
    times = microseconds(rows.column(feature_set.axis))
    behind, after = _behind(given, rows, times, watermarks)
    late = behind > 0
    if feature_set.lateness is not None:
        gone = behind > round(feature_set.lateness * 1_000_000)
        if gone.any():
            places = rows.column(NUMBER).to_numpy()[gone].tolist()
            apart = (behind[gone] / 1e6).tolist()
            for place, text, seconds in zip(places, _texts(given, places), apart, strict=True):
                told = f"later than allowed: {seconds:,.0f} s behind, {feature_set.lateness:,.0f} s are allowed"
                refused.append(Refused(place, told, text))
            rows, times, late = rows.filter(~gone), times[~gone], late[~gone]
    return Prepared(rows, times, refused, int(late.sum()), after)


def _behind(
    given: pyarrow.Table, rows: pyarrow.Table, times: Integers, watermarks: Mapping[str, int]
) -> tuple[Integers, dict[str, int]]:
    """How far each row is behind the latest before it in its part (not: 0), and the latest times afterwards."""
    import numpy as np

    after = dict(watermarks)
    behind = np.zeros(len(times), dtype=np.int64)
    if PART in given.column_names:
        codes, parts = _codes(given.column(PART).take(rows.column(NUMBER)))
    else:
        codes, parts = np.zeros(len(times), dtype=np.int64), [""]
    for code, part in enumerate(parts):
        own = np.flatnonzero(codes == code)
        if len(own):
            first = watermarks.get(part, int(times[own[0]]))
            latest = np.maximum.accumulate(np.concatenate([[first], times[own]]))
            behind[own] = np.maximum(latest[:-1] - times[own], 0)
            after[part] = int(latest[-1])
    return behind, after


def _texts(given: pyarrow.Table, places: list[int]) -> list[str]:
    import json

    rows = given.take(places).to_pylist()
    return [row[JSON] if JSON in row else json.dumps(row, default=str) for row in rows]


def microseconds(column: Any) -> Integers:
    """Instants of an Arrow column as int64, in UTC."""
    import numpy as np
    import pyarrow

    whole = column.combine_chunks() if isinstance(column, pyarrow.ChunkedArray) else column
    if isinstance(whole, pyarrow.ChunkedArray):
        whole = pyarrow.concat_arrays(whole.chunks) if whole.num_chunks else pyarrow.array([], whole.type)
    kind = pyarrow.timestamp("us", tz="UTC")
    return np.asarray(whole.cast(kind).cast(pyarrow.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def entity_numbers(cache: WindowCache, rows: pyarrow.Table, names: list[str]) -> Integers:
    """The number of each row's entities."""
    import numpy as np

    coded = [_codes(rows.column(name)) for name in names]
    whole = coded[0][0]
    for codes, values in coded[1:]:
        whole = whole * max(len(values), 1) + codes
    if len(coded) == 1:
        entities = [(value,) for value in coded[0][1]]
        return cache.number(entities)[whole] if len(whole) else whole
    _, first, back = np.unique(whole, return_index=True, return_inverse=True)
    entities = [tuple(values[codes[at]] for codes, values in coded) for at in first.tolist()]
    return cache.number(entities)[back] if len(whole) else whole


def _codes(column: Any) -> tuple[Integers, list[Any]]:
    import numpy as np
    import pyarrow

    encoded = column.dictionary_encode().combine_chunks()
    if isinstance(encoded, pyarrow.ChunkedArray):
        if encoded.num_chunks == 0:
            return np.empty(0, dtype=np.int64), []
        encoded = encoded.chunk(0)
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64), encoded.dictionary.to_pylist()


def fresh_rows(feature_set: FeatureSet, cache: WindowCache, rows: pyarrow.Table, keys: Integers) -> Fresh:
    """What the cache is to know of rows."""
    columns = {}
    for name in columns_of(feature_set):
        own = next(n for n in rows.column_names if n.lower() == name.lower())
        columns[name] = _values(rows.column(own), cache.vectorised)
    return Fresh(keys, microseconds(rows.column(feature_set.axis)), columns)


def _values(column: Any, numbers: bool) -> Values:
    import numpy as np
    import pyarrow
    import pyarrow.compute as pc

    valid = None
    if column.null_count:
        valid = np.asarray(pc.is_valid(column).to_numpy())
    integer = pyarrow.types.is_integer(column.type)
    kind = np.int64 if integer else np.float64
    if not numbers or not (integer or pyarrow.types.is_floating(column.type)):
        return Values(np.zeros(len(column), dtype=np.int64), valid)
    filled = pc.fill_null(column, 0).cast(pyarrow.int64() if integer else pyarrow.float64())
    return Values(np.asarray(filled.to_numpy(), dtype=kind), valid)


@dataclass(frozen=True, slots=True)
class Computed:
    """New rows with their values (and ``_n``), and rows of the table that they change (with their sequence)."""

    new: list[pyarrow.Table]
    changed: pyarrow.Table | None


def compute(cursor: DuckDBPyConnection, feature_set: FeatureSet, cache: WindowCache, prepared: Prepared) -> Computed:
    """The values of all windows at the new rows; the cache then knows these."""
    keys = entity_numbers(cache, prepared.rows, feature_set.entity_names)
    fresh = fresh_rows(feature_set, cache, prepared.rows, keys)
    fine = cache.in_order(fresh)[keys]
    cache.add(fresh)
    new: list[pyarrow.Table] = []
    changed = None
    if fine.any():
        some = prepared.rows.filter(fine) if not fine.all() else prepared.rows
        found = cache.evaluate(keys[fine], fresh.times[fine])
        for window, values in zip(feature_set.windows, found, strict=True):
            some = some.append_column(window.name, arrow_of(values))
        new.append(some)
    if not fine.all():
        whole = _recomputed(cursor, feature_set, prepared.rows.filter(~fine))
        import pyarrow.compute as pc

        is_new = pc.is_valid(whole.column(NUMBER))
        new.append(whole.filter(is_new).drop_columns([SEQUENCE]))
        old = whole.filter(pc.invert(is_new)).drop_columns([NUMBER])
        changed = old if len(old) else None
    return Computed(new, changed)


def _recomputed(cursor: DuckDBPyConnection, feature_set: FeatureSet, rows: pyarrow.Table) -> pyarrow.Table:
    names = ", ".join(quote(name) for name in feature_set.entity_names)
    since = f"(SELECT {names}, min({quote(feature_set.axis)}) AS {SINCE} FROM _fresh GROUP BY ALL)"
    cursor.register("_fresh", rows)
    try:
        return cursor.sql(recompute_sql(feature_set, "_fresh", since)).to_arrow_table()
    finally:
        cursor.unregister("_fresh")


def arrow_of(found: Found) -> Any:
    """A column with its NULLs."""
    import pyarrow

    return pyarrow.array(found.numbers, mask=~found.valid)


def load_cache(cursor: DuckDBPyConnection, feature_set: FeatureSet, since: int | None) -> WindowCache:
    """What stands in the table, from ``since`` (microseconds) on."""
    cache = WindowCache(feature_set)
    inputs = {name.lower() for name in (*feature_set.entity_names, feature_set.axis, *columns_of(feature_set))}
    names = ", ".join(quote(name) for name, _ in typed_columns(feature_set) if name.lower() in inputs)
    condition = ""
    if since is not None:
        condition = f" WHERE {quote(feature_set.axis)} >= make_timestamptz({since})"
        cache.since = since
    reader = cursor.sql(f"SELECT {names} FROM {feature_set.table}{condition}").to_arrow_table()
    keys = entity_numbers(cache, reader, feature_set.entity_names)
    cache.add(fresh_rows(feature_set, cache, reader, keys))
    return cache
