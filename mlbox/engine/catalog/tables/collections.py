"""Rows of collections."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A collection. ``definition`` is JSON that only the search reads; ``id`` names its table of vectors, whose
    version ``table_version`` is what readers see."""

    project: str
    name: str
    id: str
    definition: str
    table_version: int
    documents: int
    rows: int
    dimensions: int | None
    embedder: str | None
    indexed: bool
    refreshed_at: datetime
    created_at: datetime


def upsert(cursor: DuckDBPyConnection, row: CollectionRow) -> None:
    """Insert, or replace all but the time of creation."""
    cursor.execute(
        """
        INSERT INTO catalog.main.collections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (project, name) DO UPDATE SET id = excluded.id, definition = excluded.definition,
            table_version = excluded.table_version, documents = excluded.documents, rows = excluded.rows,
            dimensions = excluded.dimensions, embedder = excluded.embedder, indexed = excluded.indexed,
            refreshed_at = excluded.refreshed_at
        """,
        list(astuple(row)),
    )


def every(cursor: DuckDBPyConnection) -> list[CollectionRow]:
    """All of all projects."""
    return [CollectionRow(*row) for row in cursor.execute("SELECT * FROM catalog.main.collections").fetchall()]


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Delete one."""
    cursor.execute("DELETE FROM catalog.main.collections WHERE project = ? AND name = ?", [project, name])
