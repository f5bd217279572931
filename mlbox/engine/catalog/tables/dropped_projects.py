"""Tombstones: projects that are dropped, while something of them is still to be removed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def insert(cursor: DuckDBPyConnection, name: str, dropped_at: datetime, dropped_by: str) -> None:
    """The project is gone from now on; one that is dropped again keeps its first tombstone."""
    cursor.execute(
        "INSERT INTO catalog.main.dropped_projects VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [name, dropped_at, dropped_by],
    )


def names(cursor: DuckDBPyConnection) -> list[str]:
    """The projects of which something is left, by name."""
    return [row[0] for row in cursor.execute("SELECT name FROM catalog.main.dropped_projects ORDER BY name").fetchall()]


def exists(cursor: DuckDBPyConnection, name: str) -> bool:
    """Whether something is left of it."""
    return name in names(cursor)


def delete(cursor: DuckDBPyConnection, name: str) -> None:
    """Nothing is left."""
    cursor.execute("DELETE FROM catalog.main.dropped_projects WHERE name = ?", [name])
