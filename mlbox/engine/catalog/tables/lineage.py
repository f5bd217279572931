"""Edges of lineage: what was made from what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Edge:
    """``to`` was made from ``from``; references are ``project.name@version`` or ids."""

    project: str
    from_kind: str
    from_ref: str
    to_kind: str
    to_ref: str
    recorded_at: datetime
    detail: str | None = None


def record(cursor: DuckDBPyConnection, edge: Edge, *, new: bool = False) -> None:
    """Add an edge; the same edge again changes nothing. ``new``: there cannot be such an edge yet, which need not be
    looked for then."""
    cursor.execute(
        f"INSERT {'' if new else 'OR IGNORE'} INTO catalog.main.lineage VALUES (?, ?, ?, ?, ?, ?, ?)",
        [edge.project, edge.from_kind, edge.from_ref, edge.to_kind, edge.to_ref, edge.recorded_at, edge.detail],
    )


def record_all(cursor: DuckDBPyConnection, edges: Iterable[Edge]) -> None:
    """Add edges."""
    for edge in edges:
        record(cursor, edge)


def artifact_ref(run_id: str, name: str) -> str:
    """How lineage names an artifact: of which run, and its name."""
    return f"{run_id}/{name}"


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """Column ``to_column`` of ``to`` was made from a column of ``from``; references as in :class:`Edge`."""

    project: str
    from_kind: str
    from_ref: str
    from_column: str
    to_kind: str
    to_ref: str
    to_column: str
    recorded_at: datetime
    detail: str | None = None


def record_columns(cursor: DuckDBPyConnection, edges: Iterable[ColumnEdge]) -> None:
    """Add edges; the same ones again change nothing."""
    rows = [
        (e.project, e.from_kind, e.from_ref, e.from_column, e.to_kind, e.to_ref, e.to_column, e.recorded_at, e.detail)
        for e in edges
    ]
    if rows:
        cursor.executemany("INSERT OR IGNORE INTO catalog.main.column_lineage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
