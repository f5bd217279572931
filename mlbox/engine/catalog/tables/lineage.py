"""Edges of lineage: what was made from what."""

from __future__ import annotations

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


def record(cursor: DuckDBPyConnection, edge: Edge) -> None:
    """Add an edge; the same edge again changes nothing."""
    cursor.execute(
        "INSERT OR IGNORE INTO catalog.main.lineage VALUES (?, ?, ?, ?, ?, ?, ?)",
        [edge.project, edge.from_kind, edge.from_ref, edge.to_kind, edge.to_ref, edge.recorded_at, edge.detail],
    )
