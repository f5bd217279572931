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

KINDS = 16
"""Schemas whose statements are kept."""


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


def append(cursor: DuckDBPyConnection, batch: Batch) -> None:
    """Add predictions."""
    _add_shapes(cursor, batch)
    with registered(cursor, "_predictions_batch", batch.rows.to_reader()):
        cursor.execute(_insertion(batch.json, "_predictions_batch"))


def _add_shapes(cursor: DuckDBPyConnection, batch: Batch) -> None:
    for shape, names in batch.shapes.items():
        cursor.execute(
            "INSERT INTO data._mlbox.prediction_shapes VALUES (?, ?) ON CONFLICT DO NOTHING", [shape, list(names)]
        )


def _insertion(json: bool, source: str) -> str:
    plain = "::JSON" if json else ""
    return (
        "INSERT INTO data._mlbox.predictions BY NAME "
        f"SELECT * REPLACE (inputs{plain}::VARIANT AS inputs, outputs{plain}::VARIANT AS outputs) FROM {source}"
    )


class _Source:
    """What a prepared statement reads: each time that it is executed, the rows of then (the Arrow PyCapsule
    interface)."""

    def __init__(self, schema: pyarrow.Schema) -> None:
        self._schema = schema
        self.pieces: Iterable[pyarrow.RecordBatch] = ()

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        import pyarrow

        reader = pyarrow.RecordBatchReader.from_batches(self._schema, iter(self.pieces))
        return reader.__arrow_c_stream__(requested_schema)


class Appender:
    """Adds predictions again and again on one cursor: a statement for each schema, planned once."""

    def __init__(self) -> None:
        self._sources: dict[tuple[pyarrow.Schema, bool], tuple[str, _Source]] = {}

    def append(self, cursor: DuckDBPyConnection, batch: Batch, rest: Callable[[], None]) -> None:
        """As :func:`append`. ``rest`` is called before every piece of the rows: what computes in one go keeps the only
        core from the requests for as long as the kernel's clock ticks, however nice it is."""
        _add_shapes(cursor, batch)
        statement, source = self._prepared(cursor, batch)
        rest()

        def pieces() -> Iterator[pyarrow.RecordBatch]:
            for piece in batch.rows.to_batches(max_chunksize=PIECE):
                rest()
                yield piece

        source.pieces = pieces()
        try:
            cursor.execute(f"EXECUTE {statement}")
        finally:
            source.pieces = ()

    def forget(self) -> None:
        """After a transaction that failed, and took with it what was prepared in it."""
        self._sources.clear()

    def _prepared(self, cursor: DuckDBPyConnection, batch: Batch) -> tuple[str, _Source]:
        key = (batch.rows.schema, batch.json)
        found = self._sources.get(key)
        if found is None:
            if len(self._sources) >= KINDS:
                self._sources.clear()
            number = len(self._sources)
            source = _Source(batch.rows.schema)
            cursor.register(f"_predictions_{number}", source)
            statement = f"_append_predictions_{number}"
            cursor.execute(f"PREPARE {statement} AS {_insertion(batch.json, f'_predictions_{number}')}")
            found = self._sources[key] = (statement, source)
        return found


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
