"""Recorded requests as rows of the prediction log. Made by the thread that writes them, many requests at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pyarrow

    from mlbox.serve.codec import Request
    from mlbox.serve.record import Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encoder = msgspec.json.Encoder()


def table(entries: Iterable[Entry]) -> pyarrow.Table:
    """The Arrow table of at least one entry; ``inputs`` and ``outputs`` are JSON text."""
    import pyarrow as pa

    alike: dict[Any, list[Entry]] = {}
    for entry in entries:
        alike.setdefault(_kind(entry), []).append(entry)
    return pa.concat_tables([_answered(group) if kind else _failed(group) for kind, group in alike.items()])


def _kind(entry: Entry) -> tuple[Any, ...]:
    """What entries have in common that are made into rows together; empty: the request failed."""
    answer, request = entry.answer, entry.request
    if answer is None or request is None:
        return ()
    return (
        *(entry.project, entry.endpoint, answer.model, answer.version, entry.shadow),
        *(answer.seen.names, tuple(answer.outputs), tuple(_sent(request))),
    )


def _answered(entries: Sequence[Entry]) -> pyarrow.Table:
    """Rows of requests to one endpoint that one model has answered, with the same inputs by name."""
    import pyarrow as pa

    requests: list[Any] = [entry.request for entry in entries]
    answers: list[Any] = [entry.answer for entry in entries]
    sizes = [request.rows for request in requests]
    total = sum(sizes)
    first, answer = entries[0], answers[0]
    outputs = {
        name: _joined(each.outputs[name].tolist() for each in answers)
        for name in answer.outputs
        if name != "prediction"
    }
    inputs = {
        name: _joined(_list(request.columns[name.lower()].values) for request in requests)
        for name in _sent(requests[0])
    }
    return _table(
        project=_same(first.project, total),
        endpoint=_same(first.endpoint, total),
        model=_same(answer.model, total),
        model_version=pa.array([answer.version] * total, pa.int32()),
        request_id=_each([entry.request_id for entry in entries], sizes),
        ordinal=_joined(map(range, sizes)),
        row_id=_joined(row_ids(entry.request, entry.request_id) for entry in entries if entry.request),
        predicted_at=_each([entry.at_us for entry in entries], sizes),
        event_time=_joined(_times(entry) for entry in entries),
        latency_ms=_each([entry.latency_ms for entry in entries], sizes),
        status=_same("ok", total),
        error=pa.nulls(total, pa.string()),
        inputs=_objects(inputs, total),
        prediction=_joined(each.prediction.tolist() for each in answers),
        outputs=_objects(outputs, total),
        shadow=pa.array([first.shadow] * total),
        features=_features(answer.seen.names, [each.seen.values for each in answers], total),
    )


def _failed(entries: Sequence[Entry]) -> pyarrow.Table:
    """One row for each request that failed, with what is known of it."""
    import pyarrow as pa

    total = len(entries)
    single = [entry.request if entry.request is not None and entry.request.rows == 1 else None for entry in entries]
    return _table(
        project=[entry.project for entry in entries],
        endpoint=[entry.endpoint for entry in entries],
        model=pa.nulls(total, pa.string()),
        model_version=pa.nulls(total, pa.int32()),
        request_id=[entry.request_id for entry in entries],
        ordinal=[0] * total,
        row_id=[
            row_ids(request, entry.request_id)[0] if request is not None else None
            for entry, request in zip(entries, single, strict=True)
        ],
        predicted_at=[entry.at_us for entry in entries],
        event_time=[_times(entry)[0] for entry in entries],
        latency_ms=[entry.latency_ms for entry in entries],
        status=_same("error", total),
        error=[entry.error for entry in entries],
        inputs=[
            _objects({name: _list(request.columns[name.lower()].values) for name in _sent(request)}, 1)[0]
            if request is not None
            else None
            for request in single
        ],
        prediction=pa.nulls(total, pa.float64()),
        outputs=pa.nulls(total, pa.string()),
        shadow=[entry.shadow for entry in entries],
        features=pa.nulls(total, pa.map_(pa.string(), pa.float64())),
    )


def _table(**columns: Any) -> pyarrow.Table:
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
    return pa.table(
        {
            name: values
            if isinstance(values, pa.Array)
            else pa.array(values, types.get(name, pa.string()), from_pandas=name == "prediction")
            for name, values in columns.items()
        }
    )


def _same(value: str, total: int) -> pyarrow.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(value, pa.string()), total)


def _joined(lists: Iterable[Iterable[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def _each(values: list[Any], sizes: Sequence[int]) -> list[Any]:
    """Every request's value, once for each of its rows."""
    if len(values) == sum(sizes):
        return values
    return _joined([value] * size for value, size in zip(values, sizes, strict=True))


def _list(values: Any) -> list[Any]:
    found: list[Any] = values if values.__class__ is list else values.tolist()
    return found


def _features(names: tuple[str, ...], seen: Sequence[Any], total: int) -> pyarrow.MapArray:
    """What the model saw: of each request a matrix ``[n, k]``, or a list of k columns."""
    import numpy as np
    import pyarrow as pa

    width = len(names)
    if isinstance(seen[0], list):
        matrix = np.empty((total, width))
        for index in range(width):
            matrix[:, index] = _joined(columns[index] for columns in seen)  # None becomes NaN
    else:
        matrix = np.concatenate(seen)
    return pa.MapArray.from_arrays(
        pa.array(np.arange(0, total * width + 1, width, dtype=np.int32) if width else np.zeros(total + 1, np.int32)),
        pa.array(names, pa.string()).take(pa.array(np.tile(np.arange(width), total))),
        pa.array(matrix.ravel().astype(np.float64), from_pandas=True),
    )


def _times(entry: Entry) -> list[int]:
    request = entry.request
    if request is None or request.event_times is None:
        return [entry.at_us] * (request.rows if request is not None else 1)
    return [(time - _EPOCH) // _MICROSECOND for time in request.event_times]


def row_ids(request: Request, request_id: str) -> list[str]:
    """The caller's ids; else the request's id for one row, ``id/0``, ``id/1``, … for several."""
    if request.row_ids is not None:
        return request.row_ids
    if request.rows == 1:
        return [request_id]
    return [f"{request_id}/{index}" for index in range(request.rows)]


def _sent(request: Request) -> list[str]:
    """Names of what was sent; a matrix is left out, its values are the features."""
    return [column.name for column in request.columns.values() if column.width == 1]


def _objects(columns: dict[str, list[Any]], total: int) -> list[Any]:
    """A JSON object for each row."""
    if not columns:
        return [None] * total
    names = list(columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return _encoder.encode_lines(rows).decode().removesuffix("\n").split("\n")
