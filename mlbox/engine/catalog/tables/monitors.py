"""Rows of monitors and of the windows that they have computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.errors import NotFound
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRow:
    """A monitor. ``metric_options``, ``options`` and ``baseline`` (a profile, when it is frozen) are JSON text."""

    project: str
    name: str
    target_kind: str
    target_project: str
    target: str
    target_version: str | None
    metrics: list[str]
    metric_options: str
    window_seconds: float
    every_seconds: float | None
    segment_by: list[str]
    labels: str | None
    baseline: str | None
    options: str
    definition: str
    state: str
    owner: str
    comment: str | None
    created_at: datetime
    next_run: datetime | None


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A computed window: how many rows and labels it had then."""

    window_start: datetime
    window_end: datetime
    n: int
    labels: int


_NAMES = tuple(entry.name for entry in fields(MonitorRow))
_COLUMNS = ", ".join(_NAMES)
_NAMED = "WHERE project = ? AND lower(name) = lower(?)"
_OF = "WHERE project = ? AND monitor = ?"


def every(cursor: DuckDBPyConnection) -> list[MonitorRow]:
    """All monitors of all projects."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.monitors ORDER BY project, name").fetchall()
    return [MonitorRow(**dict(zip(_NAMES, row, strict=True))) for row in rows]


def watching(cursor: DuckDBPyConnection, kind: str, project: str, name: str) -> list[MonitorRow]:
    """Monitors of all projects on an object of that kind (``endpoint``); case does not count."""
    return [
        row
        for row in every(cursor)
        if (row.target_kind, row.target_project, row.target.lower()) == (kind, project, name.lower())
    ]


def get(cursor: DuckDBPyConnection, project: str, name: str) -> MonitorRow | None:
    """A monitor; case does not count."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.monitors {_NAMED}", [project, name]).fetchall()
    return MonitorRow(**dict(zip(_NAMES, rows[0], strict=True))) if rows else None


def require(cursor: DuckDBPyConnection, project: str, name: str) -> MonitorRow:
    """A monitor; raises ``NotFound`` with the nearest names."""
    row = get(cursor, project, name)
    if row is None:
        known = [entry.name for entry in every(cursor) if entry.project == project]
        hint = did_you_mean(name, known, kind="monitor")
        details = {"kind": "monitor", "name": name}
        raise NotFound(f"there is no monitor {project}.{name}", hint=hint, details=details)
    return row


def put(cursor: DuckDBPyConnection, row: MonitorRow) -> None:
    """Insert, or replace the one of that name; what the old one had computed is forgotten."""
    delete(cursor, row.project, row.name)
    marks = ", ".join("?" * len(_NAMES))
    values = [getattr(row, name) for name in _NAMES]
    cursor.execute(f"INSERT INTO catalog.main.monitors ({_COLUMNS}) VALUES ({marks})", values)


def set_state(cursor: DuckDBPyConnection, project: str, name: str, state: str, next_run: datetime | None) -> None:
    """Suspend or resume."""
    cursor.execute(
        f"UPDATE catalog.main.monitors SET state = ?, next_run = ? {_NAMED}", [state, next_run, project, name]
    )


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Delete the monitor and its list of windows; its results stay."""
    cursor.execute(
        "DELETE FROM catalog.main.monitor_windows WHERE project = ? AND lower(monitor) = lower(?)", [project, name]
    )
    cursor.execute(f"DELETE FROM catalog.main.monitors {_NAMED}", [project, name])


def windows(cursor: DuckDBPyConnection, project: str, monitor: str) -> dict[datetime, WindowRow]:
    """The computed windows by their start."""
    rows = cursor.execute(
        f"SELECT window_start, window_end, n, labels FROM catalog.main.monitor_windows {_OF}", [project, monitor]
    ).fetchall()
    return {row[0]: WindowRow(*row) for row in rows}


def put_windows(
    cursor: DuckDBPyConnection, project: str, monitor: str, rows: Iterable[WindowRow], at: datetime
) -> None:
    """Remember what windows were computed from."""
    for row in rows:
        cursor.execute(
            "INSERT OR REPLACE INTO catalog.main.monitor_windows VALUES (?, ?, ?, ?, ?, ?, ?)",
            [project, monitor, row.window_start, row.window_end, row.n, row.labels, at],
        )
