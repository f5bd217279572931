"""Rows of feature vectors."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def upsert(cursor: DuckDBPyConnection, project: str, name: str, definition: str, created_at: datetime) -> None:
    """Insert, or replace the definition."""
    cursor.execute(
        "INSERT INTO catalog.main.feature_vectors VALUES (?, ?, ?, ?) "
        "ON CONFLICT (project, name) DO UPDATE SET definition = excluded.definition",
        [project, name, definition, created_at],
    )


def names(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Vectors of a project, by name."""
    rows = cursor.execute(
        "SELECT name FROM catalog.main.feature_vectors WHERE project = ? ORDER BY name", [project]
    ).fetchall()
    return [row[0] for row in rows]


def every(cursor: DuckDBPyConnection) -> list[str]:
    """All definitions."""
    return [row[0] for row in cursor.execute("SELECT definition FROM catalog.main.feature_vectors").fetchall()]


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Delete a vector."""
    cursor.execute(
        "DELETE FROM catalog.main.feature_vectors WHERE project = ? AND lower(name) = lower(?)", [project, name]
    )
