"""The prediction log and the traffic counts, in the data file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.engine.catalog.incoming import registered

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection


PIECE = 128
"""Rows that are written without a rest: less than a millisecond of work."""


@dataclass(frozen=True, slots=True)
class TrafficRow:
    """Requests of an endpoint in a minute: all, those answered with an error, and rows that the log has lost."""

    project: str
    endpoint: str
    minute: datetime
    requests: int
    errors: int
    unrecorded: int
    last_request: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for the log: columns as in the table; ``inputs`` and ``outputs`` as JSON text, or as structs."""

    rows: pyarrow.Table
    shapes: Mapping[str, Sequence[str]]
    """Names of what the models saw, by the key in the column ``shape``."""
    json: bool


def append(cursor: DuckDBPyConnection, batch: Batch, rest: Callable[[], None] | None = None) -> None:
    """Add predictions. ``rest`` is called before every piece of them: what computes in one go keeps the only core from
    the requests for as long as the kernel's clock ticks, however nice it is."""
    for shape, names in batch.shapes.items():
        cursor.execute(
            "INSERT INTO data._mlbox.prediction_shapes VALUES (?, ?) ON CONFLICT DO NOTHING", [shape, list(names)]
        )
    plain = "::JSON" if batch.json else ""
    rows = batch.rows.to_reader() if rest is None else _in_pieces(batch.rows, rest)
    with registered(cursor, "_predictions_batch", rows):
        cursor.execute(
            "INSERT INTO data._mlbox.predictions BY NAME "
            f"SELECT * REPLACE (inputs{plain}::VARIANT AS inputs, outputs{plain}::VARIANT AS outputs) "
            "FROM _predictions_batch"
        )


def _in_pieces(rows: pyarrow.Table, rest: Callable[[], None]) -> pyarrow.RecordBatchReader:
    import pyarrow

    def pieces() -> Iterator[pyarrow.RecordBatch]:
        for piece in rows.to_batches(max_chunksize=PIECE):
            rest()
            yield piece

    return pyarrow.RecordBatchReader.from_batches(rows.schema, pieces())


def count(cursor: DuckDBPyConnection, rows: Iterable[TrafficRow]) -> None:
    """Add to the counts of each minute."""
    for row in rows:
        added = [row.requests, row.errors, row.unrecorded, row.last_request]
        place = [row.project, row.endpoint, row.minute]
        changed = cursor.execute(  # most often there is the minute already, and an upsert costs twice as much
            "UPDATE data._mlbox.traffic SET requests = requests + ?, errors = errors + ?, unrecorded = unrecorded + ?, "
            "last_request = greatest(last_request, ?) WHERE project = ? AND endpoint = ? AND minute = ?",
            [*added, *place],
        ).fetchone()
        if not changed or not changed[0]:
            cursor.execute("INSERT INTO data._mlbox.traffic VALUES (?, ?, ?, ?, ?, ?, ?)", [*place, *added])


def last(
    cursor: DuckDBPyConnection, project: str, endpoint: str, before: datetime, most: int
) -> list[tuple[str | None, Mapping[str, float | None] | None]]:
    """What was sent (JSON) and what the model saw of the newest rows that were answered and recorded before a moment.
    The minutes in which there was traffic tell how little of the log is to be read."""
    since = cursor.execute(
        "SELECT min(minute) FROM (SELECT minute FROM data._mlbox.traffic WHERE project = ? AND endpoint = ? "
        "AND requests > errors AND minute < ? ORDER BY minute DESC LIMIT ?)",
        [project, endpoint, before, most],
    ).fetchall()[0][0]
    if since is None:
        return []
    found = cursor.execute(
        "SELECT inputs::JSON::VARCHAR, features FROM catalog.ml.predictions WHERE project = ? AND endpoint = ? "
        "AND predicted_at BETWEEN ? AND ? AND status = 'ok' AND NOT shadow ORDER BY predicted_at DESC LIMIT ?",
        [project, endpoint, since, before, most],
    )
    return [(inputs, features) for inputs, features in found.fetchall()]
