"""How many rows of an ingest break each check of their set, in the data file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A check in one ingest; ``broken`` of an error are rows that were put aside."""

    ingest_id: str
    set_id: str
    project: str
    feature_set: str
    version: int
    column_name: str
    condition: str
    severity: str
    broken: int
    rows: int
    checked_at: datetime


def insert(cursor: DuckDBPyConnection, rows: Sequence[CheckRow]) -> None:
    """In the transaction of the rows."""
    marks = ", ".join("?" * 11)
    for row in rows:
        cursor.execute(f"INSERT INTO data._mlbox.feature_checks VALUES ({marks})", list(astuple(row)))


def put_aside(cursor: DuckDBPyConnection, set_id: str, since: datetime) -> dict[str, int]:
    """Rows that were put aside from ``since`` on, by reason."""
    found = cursor.execute(
        "SELECT reason, count(*) FROM data._mlbox.dead_letters WHERE set_id = ? AND refused_at >= ? GROUP BY 1",
        [set_id, since],
    ).fetchall()
    return dict(found)
