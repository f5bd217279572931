"""Rows of collections."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.names import quote

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


def every(cursor: DuckDBPyConnection, place: str = "catalog.main.collections") -> list[CollectionRow]:
    """All of all projects, or those that a table (SQL) keeps of a dropped one."""
    names = ", ".join(quote(field.name) for field in fields(CollectionRow))
    return [CollectionRow(*row) for row in cursor.execute(f"SELECT {names} FROM {place}").fetchall()]


def change(cursor: DuckDBPyConnection, place: str, row: CollectionRow) -> None:
    """What a collection that a table (SQL) keeps of a dropped project has now."""
    cursor.execute(
        f"UPDATE {place} SET id = ?, table_version = ?, documents = ?, rows = ?, indexed = ? WHERE name = ?",
        [row.id, row.table_version, row.documents, row.rows, row.indexed, row.name],
    )


def embedding_with(
    cursor: DuckDBPyConnection, kind: str, project: str, name: str
) -> list[tuple[CollectionRow, str | None]]:
    """Collections of all projects whose vectors a model or function (``kind``) makes; the version that they name."""
    found: list[tuple[CollectionRow, str | None]] = []
    for row in every(cursor):
        body = json.loads(row.definition)
        embed = body.get("embed")
        if embed and body.get("embed_kind", "model") == kind:
            owner, called, version = embed
            if (owner.lower(), called.lower()) == (project.lower(), name.lower()):
                found.append((row, version))
    return found


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Delete one."""
    cursor.execute("DELETE FROM catalog.main.collections WHERE project = ? AND name = ?", [project, name])
