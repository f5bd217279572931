"""Rows of the audit and of the events that are kept."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.events import Event
from mlbox.base.ids import new_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A statement that changed something, or tried to."""

    id: str
    started_at: Any
    caller: str
    door: str
    project: str
    statement: str
    object: str
    outcome: str
    error: str | None
    duration_ms: float


def insert(cursor: DuckDBPyConnection, row: AuditRow) -> None:
    """Add a row."""
    cursor.execute("INSERT INTO catalog.main.audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", list(astuple(row)))


def insert_event(cursor: DuckDBPyConnection, event: Event) -> None:
    """Add an event."""
    cursor.execute(
        "INSERT INTO catalog.main.events VALUES (?, ?, ?, ?, ?, ?::JSON::VARIANT)",
        [new_id(), event.at, event.kind, event.project, event.object, json.dumps(dict(event.data), default=str)],
    )
