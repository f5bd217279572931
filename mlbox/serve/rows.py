"""Recorded requests as rows of the prediction log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pyarrow

    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Seen
    from mlbox.serve.record import Entry

CELLS = (
    *("project", "endpoint", "model", "model_version", "request_id", "ordinal", "row_id", "predicted_at"),
    *("event_time", "latency_ms", "status", "error", "inputs", "prediction", "outputs", "shadow"),
)
"""Columns of the log without the features, in the order of a row's cells."""

Block = tuple[list[tuple[Any, ...]], tuple[str, ...], Any]
"""Rows as cells, names of the features, and their values as an array ``[rows, names]`` (``None`` for a failure)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encoder = msgspec.json.Encoder()


def block(entry: Entry) -> Block:
    """The rows of an entry: plain values only, so that what waits in the buffer is no work for the collector."""
    answer, request = entry.answer, entry.request
    if answer is None or request is None:
        return [_failed(entry)], (), None
    rows = request.rows
    head = (entry.project, entry.endpoint, answer.model, answer.version, entry.request_id)
    predictions = answer.prediction.tolist()
    inputs = _objects(_input_columns(request), rows)
    outputs = _objects({name: array.tolist() for name, array in answer.outputs.items() if name != "prediction"}, rows)
    ids = row_ids(request, entry.request_id)
    times = _times(request, entry.at_us)
    cells = [
        (
            *head,
            index,
            ids[index],
            entry.at_us,
            times[index],
            entry.latency_ms,
            "ok",
            None,
            inputs[index],
            predictions[index],
            outputs[index],
            entry.shadow,
        )
        for index in range(rows)
    ]
    return cells, answer.seen.names, _matrix(answer.seen, rows)


def _failed(entry: Entry) -> tuple[Any, ...]:
    """One row for a request that failed, with what is known of it."""
    request = entry.request
    single = request if request is not None and request.rows == 1 else None
    return (
        *(entry.project, entry.endpoint, None, None, entry.request_id, 0),
        row_ids(single, entry.request_id)[0] if single else None,
        entry.at_us,
        _times(request, entry.at_us)[0] if request else entry.at_us,
        *(entry.latency_ms, "error", entry.error),
        _objects(_input_columns(single), 1)[0] if single else None,
        *(None, None, entry.shadow),
    )


def table(blocks: Iterable[Block]) -> pyarrow.Table:
    """The Arrow table of at least one block; ``inputs`` and ``outputs`` are JSON text."""
    import pyarrow as pa

    blocks = list(blocks)
    time = pa.timestamp("us", tz="UTC")
    types = {
        "model_version": pa.int32(),
        "ordinal": pa.int32(),
        "predicted_at": time,
        "event_time": time,
        "latency_ms": pa.float64(),
        "prediction": pa.float64(),
        "shadow": pa.bool_(),
    }
    columns = zip(*(cells for rows, _, _ in blocks for cells in rows), strict=True)
    arrays = {
        name: pa.array(values, types.get(name, pa.string()), from_pandas=name == "prediction")
        for name, values in zip(CELLS, columns, strict=True)
    }
    return pa.table({**arrays, "features": _features(blocks)})


def _features(blocks: Sequence[Block]) -> pyarrow.MapArray:
    import numpy as np
    import pyarrow as pa

    offsets: list[int | None] = []
    position = 0
    values: list[Any] = [np.empty(0)]
    segments: list[list[Any]] = []  # runs of rows with the same names
    for rows, names, matrix in blocks:
        if matrix is None:
            offsets.extend([None] * len(rows))
            continue
        width = len(names)
        for _ in rows:
            offsets.append(position)
            position += width
        values.append(matrix.ravel())
        if segments and segments[-1][0] is names:
            segments[-1][1] += len(rows)
        else:
            segments.append([names, len(rows)])
    offsets.append(position)
    keys = [pa.array(names, pa.string()).take(np.tile(np.arange(len(names)), count)) for names, count in segments]
    return pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32()),
        pa.concat_arrays([pa.array([], pa.string()), *keys]),
        pa.array(np.concatenate(values).astype(np.float64), from_pandas=True),
    )


def _matrix(seen: Seen, rows: int) -> Any:
    if not isinstance(seen.values, list):
        return seen.values
    import numpy as np

    matrix = np.empty((rows, len(seen.names)))
    for index, values in enumerate(seen.values):
        matrix[:, index] = values  # None becomes NaN
    return matrix


def _times(request: Request, at_us: int) -> list[int]:
    if request.event_times is None:
        return [at_us] * request.rows
    return [(time - _EPOCH) // _MICROSECOND for time in request.event_times]


def row_ids(request: Request, request_id: str) -> list[str]:
    """The caller's ids; else the request's id for one row, ``id/0``, ``id/1``, … for several."""
    if request.row_ids is not None:
        return request.row_ids
    if request.rows == 1:
        return [request_id]
    return [f"{request_id}/{index}" for index in range(request.rows)]


def _input_columns(request: Request) -> dict[str, Any]:
    """What was sent by name; a matrix is left out, its values are the features."""
    return {
        column.name: column.values if column.values.__class__ is list else column.values.tolist()
        for column in request.columns.values()
        if column.width == 1
    }


def _objects(columns: dict[str, Any], rows: int) -> list[str | None]:
    """A JSON object for each row."""
    if not columns:
        return [None] * rows
    if rows == 1:
        return [_encoder.encode({name: values[0] for name, values in columns.items()}).decode()]
    names = list(columns)
    return [
        _encoder.encode(dict(zip(names, values, strict=True))).decode()
        for values in zip(*columns.values(), strict=True)
    ]
