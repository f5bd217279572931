"""Rows of schedules."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.errors import NotFound
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule: one of ``cron`` and ``every_seconds`` is given; ``state`` is active or suspended."""

    project: str
    name: str
    cron: str | None
    every_seconds: float | None
    timezone: str
    statement: str
    state: str
    owner: str
    comment: str | None
    created_at: datetime
    next_run: datetime | None = None
    last_run: datetime | None = None
    last_error: str | None = None


_COLUMNS = ", ".join(entry.name for entry in fields(ScheduleRow))
_NAMED = "WHERE project = ? AND lower(name) = lower(?)"


def every(cursor: DuckDBPyConnection) -> list[ScheduleRow]:
    """All schedules of all projects."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.schedules ORDER BY project, name").fetchall()
    return [ScheduleRow(*row) for row in rows]


def get(cursor: DuckDBPyConnection, project: str, name: str) -> ScheduleRow | None:
    """A schedule; case does not count."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.schedules {_NAMED}", [project, name]).fetchall()
    return ScheduleRow(*rows[0]) if rows else None


def require(cursor: DuckDBPyConnection, project: str, name: str) -> ScheduleRow:
    """A schedule; raises ``NotFound`` with the nearest names."""
    row = get(cursor, project, name)
    if row is None:
        known = [entry.name for entry in every(cursor) if entry.project == project]
        raise NotFound(f"there is no schedule {project}.{name}", hint=did_you_mean(name, known, kind="schedule"))
    return row


def put(cursor: DuckDBPyConnection, row: ScheduleRow) -> None:
    """Insert, or replace the one of that name."""
    cursor.execute(f"DELETE FROM catalog.main.schedules {_NAMED} AND name <> ?", [row.project, row.name, row.name])
    marks = ", ".join("?" * len(fields(ScheduleRow)))
    cursor.execute(f"INSERT OR REPLACE INTO catalog.main.schedules ({_COLUMNS}) VALUES ({marks})", list(astuple(row)))


def set_state(cursor: DuckDBPyConnection, project: str, name: str, state: str, next_run: datetime | None) -> None:
    """Suspend or resume."""
    cursor.execute(
        f"UPDATE catalog.main.schedules SET state = ?, next_run = ? {_NAMED}", [state, next_run, project, name]
    )


def set_fired(
    cursor: DuckDBPyConnection, project: str, name: str, last_run: datetime, next_run: datetime | None
) -> None:
    """It fires now, and next at ``next_run``."""
    cursor.execute(
        f"UPDATE catalog.main.schedules SET last_run = ?, next_run = ? {_NAMED}", [last_run, next_run, project, name]
    )


def set_error(cursor: DuckDBPyConnection, project: str, name: str, error: str | None) -> None:
    """How the last firing ended."""
    cursor.execute(f"UPDATE catalog.main.schedules SET last_error = ? {_NAMED}", [error, project, name])


def rename(cursor: DuckDBPyConnection, project: str, name: str, new_name: str) -> None:
    """Give it another name."""
    row = require(cursor, project, name)
    delete(cursor, project, name)
    put(cursor, ScheduleRow(row.project, new_name, *astuple(row)[2:]))


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Delete it."""
    cursor.execute(f"DELETE FROM catalog.main.schedules {_NAMED}", [project, name])
