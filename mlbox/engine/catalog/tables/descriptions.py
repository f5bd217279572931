"""Comment and owner of objects: what may change without a new version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlbox.base.names import Ref
from mlbox.base.suggest import no_such

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "project": ("projects", ("comment", "owner")),
    "function": ("functions", ("comment",)),
    "model": ("models", ("comment",)),
    "endpoint": ("endpoints", ("comment",)),
    "feed": ("feeds", ("comment", "owner")),
    "workflow": ("workflows", ("comment", "owner")),
    "schedule": ("schedules", ("comment", "owner")),
    "monitor": ("monitors", ("comment", "owner")),
    "alert": ("alerts", ("comment", "owner")),
}
"""By kind: its table, and the columns of it that ``ALTER kind name SET (..)`` changes."""


def _where(kind: str, ref: Ref) -> tuple[str, list[str]]:
    if kind == "project":
        return "lower(name) = lower(?)", [ref.name]
    alive = " AND dropped_at IS NULL" if kind == "function" else ""
    return f"project = ? AND lower(name) = lower(?){alive}", [ref.project, ref.name]


def require(cursor: DuckDBPyConnection, kind: str, ref: Ref) -> None:
    """Raise ``NotFound`` with the nearest names unless the object exists."""
    table = COLUMNS[kind][0]
    where, values = _where(kind, ref)
    if cursor.execute(f"SELECT 1 FROM catalog.main.{table} WHERE {where} LIMIT 1", values).fetchall():
        return
    scope, given = ("true", []) if kind == "project" else ("project = ?", [ref.project])
    rows = cursor.execute(f"SELECT DISTINCT name FROM catalog.main.{table} WHERE {scope}", given).fetchall()
    shown = ref.name if kind == "project" else str(ref)
    raise no_such(kind, ref, [row[0] for row in rows], shown)


def change(cursor: DuckDBPyConnection, kind: str, ref: Ref, changes: Mapping[str, str | None]) -> None:
    """Set columns of ``COLUMNS``; of a function those of all its versions."""
    require(cursor, kind, ref)
    table, columns = COLUMNS[kind]
    settings = ", ".join(f"{column} = ?" for column in columns if column in changes)
    where, values = _where(kind, ref)
    given = [changes[column] for column in columns if column in changes]
    cursor.execute(f"UPDATE catalog.main.{table} SET {settings} WHERE {where}", [*given, *values])
