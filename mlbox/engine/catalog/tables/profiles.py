"""Rows of profiles; what is a credential is encrypted before it comes here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """``shown`` is JSON of options that are no credentials, ``value`` encrypted JSON of all of them."""

    project: str
    name: str
    type: str
    shown: str
    value: bytes
    comment: str | None
    updated_at: Any
    updated_by: str | None


def names(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Of a project, by name."""
    rows = cursor.execute("SELECT name FROM catalog.main.profiles WHERE project = ? ORDER BY name", [project.lower()])
    return [row[0] for row in rows.fetchall()]


def get(cursor: DuckDBPyConnection, project: str, name: str) -> ProfileRow | None:
    """The profile, or None."""
    rows = cursor.execute(
        "SELECT project, name, type, shown, value, comment, updated_at, updated_by FROM catalog.main.profiles "
        "WHERE project = ? AND lower(name) = lower(?)",
        [project.lower(), name],
    ).fetchall()
    if not rows:
        return None
    owner, found, kind, shown, value, comment, updated_at, updated_by = rows[0]
    return ProfileRow(owner, found, kind, shown, bytes(value), comment, updated_at, updated_by)


def put(cursor: DuckDBPyConnection, row: ProfileRow) -> None:
    """Insert or replace."""
    delete(cursor, row.project, row.name)
    cursor.execute(
        "INSERT INTO catalog.main.profiles VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [row.project, row.name, row.type, row.shown, row.value, row.comment, row.updated_at, row.updated_by],
    )


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Forget it."""
    cursor.execute(
        "DELETE FROM catalog.main.profiles WHERE project = ? AND lower(name) = lower(?)", [project.lower(), name]
    )
