"""Rows of sources, and how far feature sets have read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source; ``options`` is JSON that only the feature store reads."""

    project: str
    name: str
    id: str
    type: str
    stream: bool
    uri: str | None
    query: str | None
    options: str
    suspended: bool
    owner: str | None
    comment: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PositionRow:
    """How far a part was read (JSON), and the sequences that its rows have in the set; None when it gave none."""

    part: str
    position: str
    first_sequence: int | None
    last_sequence: int | None


_COLUMNS = "project, name, id, type, stream, uri, query, options, suspended, owner, comment, created_at"


def every(cursor: DuckDBPyConnection) -> list[SourceRow]:
    """All sources, by project and name."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.sources ORDER BY project, name").fetchall()
    return [SourceRow(*row) for row in rows]


def put(cursor: DuckDBPyConnection, row: SourceRow) -> None:
    """A new one, or what it is from now on."""
    cursor.execute("DELETE FROM catalog.main.sources WHERE id = ?", [row.id])
    marks = ", ".join("?" * 12)
    cursor.execute(f"INSERT INTO catalog.main.sources ({_COLUMNS}) VALUES ({marks})", list(astuple(row)))


def delete(cursor: DuckDBPyConnection, source_id: str) -> None:
    """Forget it; what came from it stays."""
    cursor.execute("DELETE FROM catalog.main.sources WHERE id = ?", [source_id])


def positions(cursor: DuckDBPyConnection, set_id: str) -> list[PositionRow]:
    """Of all parts that a version of a set has read, by part."""
    rows = cursor.execute(
        "SELECT part, position, first_sequence, last_sequence FROM data._mlbox.source_positions WHERE set_id = ? "
        "ORDER BY part",
        [set_id],
    ).fetchall()
    return [PositionRow(*row) for row in rows]


def put_positions(
    cursor: DuckDBPyConnection, project: str, set_id: str, ingest_id: str, rows: Iterable[PositionRow], at: datetime
) -> None:
    """In the transaction of the rows that were read."""
    latest = list({row.part: row for row in rows}.values())
    cursor.execute(
        """
        INSERT INTO data._mlbox.source_positions
        SELECT ?, ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::BIGINT[]), unnest(?::BIGINT[]), ?, ?
        ON CONFLICT (set_id, part) DO UPDATE SET position = excluded.position,
            first_sequence = excluded.first_sequence, last_sequence = excluded.last_sequence,
            ingest_id = excluded.ingest_id, read_at = excluded.read_at
        """,
        [
            *(project, set_id, [row.part for row in latest], [row.position for row in latest]),
            *([row.first_sequence for row in latest], [row.last_sequence for row in latest], ingest_id, at),
        ],
    )


def copy_positions(cursor: DuckDBPyConnection, from_id: str, to_id: str) -> None:
    """The next version of a set has read what the last one has."""
    cursor.execute(
        "INSERT INTO data._mlbox.source_positions SELECT project, ?, part, position, first_sequence, last_sequence, "
        "ingest_id, read_at FROM data._mlbox.source_positions WHERE set_id = ?",
        [to_id, from_id],
    )


def forget_positions(cursor: DuckDBPyConnection, set_id: str) -> None:
    """The set is read anew."""
    cursor.execute("DELETE FROM data._mlbox.source_positions WHERE set_id = ?", [set_id])
