"""The prediction log and the traffic counts, in the data file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.engine.catalog.incoming import registered

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection


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
    for shape, names in batch.shapes.items():
        cursor.execute(
            "INSERT INTO data._mlbox.prediction_shapes VALUES (?, ?) ON CONFLICT DO NOTHING", [shape, list(names)]
        )
    plain = "::JSON" if batch.json else ""
    with registered(cursor, "_predictions_batch", batch.rows):
        cursor.execute(
            "INSERT INTO data._mlbox.predictions BY NAME "
            f"SELECT * REPLACE (inputs{plain}::VARIANT AS inputs, outputs{plain}::VARIANT AS outputs) "
            "FROM _predictions_batch"
        )


def count(cursor: DuckDBPyConnection, rows: Iterable[TrafficRow]) -> None:
    """Add to the counts of each minute."""
    for row in rows:
        cursor.execute(
            "INSERT INTO data._mlbox.traffic VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (project, endpoint, minute) DO UPDATE SET requests = traffic.requests + excluded.requests, "
            "errors = traffic.errors + excluded.errors, unrecorded = traffic.unrecorded + excluded.unrecorded, "
            "last_request = greatest(traffic.last_request, excluded.last_request)",
            [row.project, row.endpoint, row.minute, row.requests, row.errors, row.unrecorded, row.last_request],
        )
