"""Rows of secrets; the values are encrypted before they come here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def names(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Of a project, by name."""
    rows = cursor.execute("SELECT name FROM catalog.main.secrets WHERE project = ? ORDER BY name", [project])
    return [row[0] for row in rows.fetchall()]


def get(cursor: DuckDBPyConnection, project: str, name: str) -> bytes | None:
    """The encrypted value."""
    rows = cursor.execute(
        "SELECT value FROM catalog.main.secrets WHERE project = ? AND lower(name) = lower(?)", [project, name]
    ).fetchall()
    return bytes(rows[0][0]) if rows else None


def put(cursor: DuckDBPyConnection, project: str, name: str, value: bytes, at: Any, by: str) -> None:
    """Insert or replace."""
    delete(cursor, project, name)
    cursor.execute("INSERT INTO catalog.main.secrets VALUES (?, ?, ?, ?, ?)", [project, name, value, at, by])


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Forget it."""
    cursor.execute("DELETE FROM catalog.main.secrets WHERE project = ? AND lower(name) = lower(?)", [project, name])
