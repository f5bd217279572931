"""Rows into bytes a column at a time: what moves millions of rows into a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.engine.features.stores.online.base import Item
from mlbox.engine.features.stores.online.codec import Layout
from mlbox.engine.features.stores.online.rows import check

if TYPE_CHECKING:
    import numpy
    import pyarrow

_TAKEN = {
    "q": "CAST({} AS BIGINT)",
    "b": "CAST(CAST({} AS BOOLEAN) AS BIGINT)",
    "d": "CAST({} AS DOUBLE)",
    "t": "epoch_us(CAST({} AS TIMESTAMPTZ))",
    "n": "epoch_us(CAST({} AS TIMESTAMP))",
    "y": "epoch_us(CAST({} AS TIMESTAMP))",
    "s": "CAST({} AS VARCHAR)",
}
"""How DuckDB gives a column of a kind (see ``codec.kind_of``); what is kept as JSON has none."""


def expressions(layout: Layout, columns: Sequence[str]) -> list[str] | None:
    """What to select of the features (SQL) for :func:`packed`; None when one of them goes by rows only."""
    if any(kind not in _TAKEN for kind in layout.kinds):
        return None
    return [_TAKEN[kind].format(column) for kind, column in zip(layout.kinds, columns, strict=True)]


def packed(layout: Layout, batch: pyarrow.RecordBatch, entities: int) -> list[Item]:
    """Keys and values of a batch: entities, known-at, event time (µs), sequence, features as ``expressions`` says."""
    columns: list[Any] = batch.columns
    values = _values(layout, columns[entities : entities + 3], columns[entities + 3 :], batch.num_rows)
    return list(zip(_keys(layout, columns[:entities]), values, strict=True))


def _keys(layout: Layout, columns: Sequence[pyarrow.Array]) -> list[bytes]:
    import numpy as np
    import pyarrow as pa

    first = columns[0]
    if len(columns) == 1 and pa.types.is_integer(first.type) and not first.null_count and first.type != pa.uint64():
        numbers = first.cast(pa.int64()).to_numpy()
        keys = np.empty((len(numbers), 25), np.uint8)
        keys[:, :16] = np.frombuffer(layout.keys.prefix, np.uint8)
        keys[:, 16] = 0x20
        keys[:, 17:] = (numbers ^ np.int64(-(2**63))).astype(">i8").view(np.uint8).reshape(-1, 8)
        return _rows(keys)
    lists = [column.to_pylist() for column in columns]
    if len(lists) == 1:
        return [check(layout.keys.pack_one(value)) for value in lists[0]]
    return [check(layout.keys.pack(values)) for values in zip(*lists, strict=True)]


def _values(layout: Layout, head: Sequence[Any], features: Sequence[Any], rows: int) -> list[bytes]:
    import numpy as np

    start = layout.start
    block = np.zeros((rows, start + len(features)), "<i8")
    for index, column in enumerate(head):
        block[:, index] = column.to_numpy(zero_copy_only=False)
    ends = np.zeros(rows, np.int64)
    texts: list[list[bytes]] = []
    for index, (kind, column) in enumerate(zip(layout.kinds, features, strict=True)):
        missing = column.is_null().to_numpy(zero_copy_only=False)
        block[:, 3 + index // 64] |= missing.astype(np.int64) << np.int64(index % 64)
        if kind == "s":
            raws = [b"" if text is None else text.encode() for text in column.to_pylist()]
            texts.append(raws)
            sizes = np.fromiter(map(len, raws), np.int64, rows)
            block[:, start + index] = (ends << 32 | sizes) * ~missing
            ends += sizes
            continue
        numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
        block[:, start + index] = np.ascontiguousarray(numbers, "<f8").view("<i8") if kind == "d" else numbers
    fixed = _rows(block.view(np.uint8).reshape(rows, -1))
    if not texts:
        return fixed
    return [row + b"".join(parts) for row, parts in zip(fixed, zip(*texts, strict=True), strict=True)]


def _rows(block: numpy.ndarray) -> list[bytes]:
    """The rows of bytes ``[n, size]``."""
    raw, size = block.tobytes(), block.shape[1]
    return [raw[place : place + size] for place in range(0, len(raw), size)]
