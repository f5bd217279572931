"""Tombstones: projects that are dropped, while something of them is still to be removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Half:
    """A project that is dropped and not yet removed; ``drop_id`` None: nothing of it is to be kept."""

    name: str
    dropped_at: datetime
    dropped_by: str
    drop_id: str | None = None


def insert(cursor: DuckDBPyConnection, half: Half) -> None:
    """The project is gone from now on; one that is dropped again keeps its first tombstone."""
    cursor.execute(
        "INSERT INTO catalog.main.dropped_projects (name, dropped_at, dropped_by, drop_id) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        [half.name, half.dropped_at, half.dropped_by, half.drop_id],
    )


def get(cursor: DuckDBPyConnection, name: str) -> Half | None:
    """What is to be done with what is left of it; None: nothing is left."""
    query = "SELECT name, dropped_at, dropped_by, drop_id FROM catalog.main.dropped_projects WHERE name = ?"
    rows = cursor.execute(query, [name]).fetchall()
    return Half(*rows[0]) if rows else None


def names(cursor: DuckDBPyConnection) -> list[str]:
    """The projects of which something is left, by name."""
    return [row[0] for row in cursor.execute("SELECT name FROM catalog.main.dropped_projects ORDER BY name").fetchall()]


def exists(cursor: DuckDBPyConnection, name: str) -> bool:
    """Whether something is left of it."""
    return name in names(cursor)


def delete(cursor: DuckDBPyConnection, name: str) -> None:
    """Nothing is left."""
    cursor.execute("DELETE FROM catalog.main.dropped_projects WHERE name = ?", [name])
