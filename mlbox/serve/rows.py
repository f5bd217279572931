"""Recorded requests as rows of the prediction log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pyarrow

    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Seen
    from mlbox.serve.record import Entry

_encoder = msgspec.json.Encoder()


class _Builder:
    """Columns of the log as they grow."""

    def __init__(self) -> None:
        self.plain: dict[str, list[Any]] = {
            name: []
            for name in (
                "project",
                "endpoint",
                "model",
                "model_version",
                "request_id",
                "ordinal",
                "row_id",
                "predicted_at",
                "event_time",
                "latency_ms",
                "status",
                "error",
                "inputs",
                "prediction",
                "outputs",
                "shadow",
            )
        }
        self.offsets: list[int | None] = [0]
        self.names: list[str] = []
        self.values: list[Any] = []

    def add(self, entry: Entry) -> None:
        """The rows of an entry."""
        answer, request = entry.answer, entry.request
        if answer is None or request is None:
            self._failed(entry)
            return
        rows = request.rows
        plain = self.plain
        self._same(entry, rows)
        plain["model"].extend([answer.model] * rows)
        plain["model_version"].extend([answer.version] * rows)
        plain["row_id"].extend(row_ids(request, entry.request_id))
        plain["event_time"].extend(request.event_times or [entry.at_us] * rows)
        plain["inputs"].extend(_objects(_input_columns(request), rows))
        plain["prediction"].extend(answer.prediction.tolist())
        outputs = {name: array.tolist() for name, array in answer.outputs.items() if name != "prediction"}
        plain["outputs"].extend(_objects(outputs, rows))
        self._features(answer.seen, rows)

    def _failed(self, entry: Entry) -> None:
        request = entry.request
        self._same(entry, 1)
        for name in ("model", "model_version", "prediction", "outputs"):
            self.plain[name].append(None)
        one = request is not None and request.rows == 1
        self.plain["row_id"].extend(row_ids(request, entry.request_id) if one and request else [None])
        self.plain["event_time"].append(
            request.event_times[0] if request is not None and request.event_times else entry.at_us
        )
        self.plain["inputs"].extend(_objects(_input_columns(request), 1) if one and request else [None])
        self.offsets.insert(-1, None)  # a NULL map: the end stays where it was

    def _same(self, entry: Entry, rows: int) -> None:
        plain = self.plain
        for name, value in (
            ("project", entry.project),
            ("endpoint", entry.endpoint),
            ("request_id", entry.request_id),
            ("predicted_at", entry.at_us),
            ("latency_ms", entry.latency_ms),
            ("status", "error" if entry.error else "ok"),
            ("error", entry.error),
            ("shadow", entry.shadow),
        ):
            plain[name].extend([value] * rows)
        plain["ordinal"].extend(range(rows))

    def _features(self, seen: Seen, rows: int) -> None:
        import numpy as np

        width = len(seen.names)
        if isinstance(seen.values, list):
            matrix = np.empty((rows, width))
            for index, values in enumerate(seen.values):
                matrix[:, index] = values  # None becomes NaN
        else:
            matrix = seen.values.astype(np.float64)
        self.names.extend(seen.names * rows)
        self.values.append(matrix.ravel())
        last = self.offsets[-1] or 0
        self.offsets.extend(range(last + width, last + width * rows + 1, width) if width else [last] * rows)

    def table(self) -> pyarrow.Table:
        """The Arrow table; ``inputs`` and ``outputs`` are JSON text."""
        import numpy as np
        import pyarrow as pa

        values = np.concatenate(self.values) if self.values else np.empty(0)
        features = pa.MapArray.from_arrays(
            pa.array(self.offsets, pa.int32()),
            pa.array(self.names, pa.string()),
            pa.array(values, pa.float64(), from_pandas=True),
        )
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
        columns = {
            name: pa.array(values, types.get(name, pa.string()), from_pandas=name == "prediction")
            for name, values in self.plain.items()
        }
        return pa.table({**columns, "features": features})


def table(entries: Sequence[Entry]) -> pyarrow.Table:
    """The rows of all entries."""
    builder = _Builder()
    for entry in entries:
        builder.add(entry)
    return builder.table()


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
        column.name: column.values if isinstance(column.values, list) else column.values.tolist()
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
