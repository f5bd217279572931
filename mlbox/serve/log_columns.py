"""Columns of the prediction log as Arrow has them, of arrays and lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pyarrow

_encoder = msgspec.json.Encoder()


def table(total: int, **columns: Any) -> pyarrow.Table:
    """A text stands for all rows, as a dictionary of one entry does."""
    import pyarrow as pa

    time = pa.timestamp("us", tz="UTC")
    types = {
        "ordinal": pa.int32(),
        "predicted_at": time,
        "event_time": time,
        "latency_ms": pa.float64(),
        "prediction": pa.float64(),
        "shadow": pa.bool_(),
    }

    def column(name: str, values: Any) -> pyarrow.Array:
        if isinstance(values, pa.Array):
            return values
        if isinstance(values, str):
            return pa.repeat(pa.scalar(values, pa.string()), total)
        return pa.array(values, types.get(name, pa.string()), from_pandas=name == "prediction")

    return pa.table({name: column(name, columns[name]) for name in sorted(columns)})


def join(values: Sequence[Any]) -> Any:
    """Arrays (or lists) of all requests as one."""
    import numpy as np

    if isinstance(values[0], list):
        return chained(map(listed, values))
    return np.concatenate(values)


def structs(columns: dict[str, Any], total: int) -> pyarrow.Array:
    """A struct for each row, in 64 bits, so that a value is shown as JSON would show it."""
    import numpy as np
    import pyarrow as pa

    if not columns:
        return pa.nulls(total, pa.string())
    fields = []
    for values in columns.values():
        if isinstance(values, np.ndarray) and values.ndim > 1:
            fields.append(_lists(values.reshape(total, -1)))
            continue
        if isinstance(values, np.ndarray) and values.dtype.kind == "f":
            values = values.astype(np.float64)
        fields.append(pa.array(values.tolist() if _is_text(values) else values, from_pandas=True))
    return pa.StructArray.from_arrays(fields, list(columns))


def _is_text(values: Any) -> bool:
    return getattr(getattr(values, "dtype", None), "kind", "") == "O"


def _lists(matrix: Any) -> pyarrow.Array:
    import numpy as np
    import pyarrow as pa

    if matrix.dtype.kind == "f":
        matrix = matrix.astype(np.float64)
    flat = matrix.ravel()
    return pa.FixedSizeListArray.from_arrays(
        pa.array(flat.tolist() if _is_text(flat) else flat, from_pandas=True), matrix.shape[1]
    )


def seen_lists(width: int, seen: Sequence[Any], total: int) -> pyarrow.Array:
    """What the model saw: of each request a matrix ``[n, k]``, or a list of k columns."""
    import numpy as np
    import pyarrow as pa

    if isinstance(seen[0], list):
        matrix = np.empty((total, width))
        for index in range(width):
            matrix[:, index] = chained(columns[index] for columns in seen)  # None becomes NaN
    else:
        matrix = np.concatenate(seen)
    offsets = np.arange(0, total * width + 1, width, dtype=np.int32) if width else np.zeros(total + 1, np.int32)
    numbers = pa.array(matrix.ravel().astype(np.float64), from_pandas=True)
    return pa.ListArray.from_arrays(pa.array(offsets), numbers)


def chained(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """One after the other."""
    return list(chain.from_iterable(lists))


def listed(values: Any) -> list[Any]:
    """An array as a list."""
    found: list[Any] = values if values.__class__ is list else values.tolist()
    return found


def json_lines(columns: dict[str, Any], total: int) -> pyarrow.Array:
    """A JSON object for each row."""
    import pyarrow as pa

    if not columns:
        return pa.nulls(total, pa.string())
    lists = [listed(values) for values in columns.values()]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]
    return pa.array(_encoder.encode_lines(rows).decode().removesuffix("\n").split("\n"), pa.string())
