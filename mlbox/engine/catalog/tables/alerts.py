"""Rows of alerts, of their conditions' truth, of their activations and notifications."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import NotFound
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """An alert; ``actions`` is JSON text, ``state`` ok, pending or raised."""

    project: str
    name: str
    on_kind: str | None
    on_project: str | None
    on_name: str | None
    condition: str
    for_seconds: float | None
    every_seconds: float | None
    cooldown_seconds: float | None
    severity: str
    actions: str
    state: str
    suspended: bool
    last_raised: datetime | None
    activations: int
    definition: str
    owner: str
    comment: str | None
    created_at: datetime
    next_run: datetime | None


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """Truth of a condition over a window; ``None`` when it was not known."""

    window_start: datetime
    window_end: datetime
    truth: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRow:
    """An alert was raised by a window. ``outcome`` is empty while its actions run."""

    project: str
    alert: str
    id: str
    raised_at: datetime
    window_start: datetime
    window_end: datetime
    reason: str
    facts: Mapping[str, Any]
    actions: list[str]
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRow:
    """Somebody was told, or could not be."""

    project: str
    alert: str
    activation_id: str
    ordinal: int
    url: str
    sent_at: datetime
    status: str
    error: str | None


_NAMES = tuple(entry.name for entry in fields(AlertRow))
_COLUMNS = ", ".join(_NAMES)
_NAMED = "WHERE project = ? AND lower(name) = lower(?)"
_KEPT = 1000


def every(cursor: DuckDBPyConnection) -> list[AlertRow]:
    """All alerts of all projects."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.alerts ORDER BY project, name").fetchall()
    return [_row(row) for row in rows]


def of_monitor(cursor: DuckDBPyConnection, project: str, monitor: str) -> list[AlertRow]:
    """The alerts on a monitor that are not suspended."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM catalog.main.alerts WHERE on_kind = 'monitor' AND on_project = ? "
        "AND lower(on_name) = lower(?) AND NOT suspended ORDER BY project, name",
        [project, monitor],
    ).fetchall()
    return [_row(row) for row in rows]


def on(cursor: DuckDBPyConnection, project: str, monitor: str) -> list[AlertRow]:
    """All alerts on a monitor, suspended or not."""
    return [
        row
        for row in every(cursor)
        if row.on_kind == "monitor" and (row.on_project, (row.on_name or "").lower()) == (project, monitor.lower())
    ]


def get(cursor: DuckDBPyConnection, project: str, name: str) -> AlertRow | None:
    """An alert; case does not count."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.alerts {_NAMED}", [project, name]).fetchall()
    return _row(rows[0]) if rows else None


def require(cursor: DuckDBPyConnection, project: str, name: str) -> AlertRow:
    """An alert; raises ``NotFound`` with the nearest names."""
    row = get(cursor, project, name)
    if row is None:
        known = [entry.name for entry in every(cursor) if entry.project == project]
        raise NotFound(f"there is no alert {project}.{name}", hint=did_you_mean(name, known, kind="alert"))
    return row


def put(cursor: DuckDBPyConnection, row: AlertRow) -> None:
    """Insert, or replace the one of that name; the truth of the old condition is forgotten."""
    delete(cursor, row.project, row.name)
    marks = ", ".join("?" * len(_NAMES))
    values = [getattr(row, name) for name in _NAMES]
    cursor.execute(f"INSERT INTO catalog.main.alerts ({_COLUMNS}) VALUES ({marks})", values)


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Delete the alert; its activations stay."""
    cursor.execute(
        "DELETE FROM catalog.main.alert_evaluations WHERE project = ? AND lower(alert) = lower(?)", [project, name]
    )
    cursor.execute(f"DELETE FROM catalog.main.alerts {_NAMED}", [project, name])


def set_suspended(
    cursor: DuckDBPyConnection, project: str, name: str, suspended: bool, next_run: datetime | None
) -> None:
    """Suspend or resume."""
    cursor.execute(
        f"UPDATE catalog.main.alerts SET suspended = ?, next_run = ? {_NAMED}", [suspended, next_run, project, name]
    )


def set_next_run(cursor: DuckDBPyConnection, project: str, name: str, next_run: datetime) -> None:
    """When it is looked at next."""
    cursor.execute(f"UPDATE catalog.main.alerts SET next_run = ? {_NAMED}", [next_run, project, name])


def set_state(cursor: DuckDBPyConnection, row: AlertRow, state: str, raised: int, at: datetime) -> None:
    """The state that follows from its evaluations, and how often it was raised now."""
    cursor.execute(
        "UPDATE catalog.main.alerts SET state = ?, activations = activations + ?, "
        f"last_raised = CASE WHEN ? > 0 THEN ? ELSE last_raised END {_NAMED}",
        [state, raised, raised, at, row.project, row.name],
    )


def put_evaluations(cursor: DuckDBPyConnection, row: AlertRow, found: Iterable[EvaluationRow]) -> list[EvaluationRow]:
    """Add to what is known of the condition's truth; all of it, in order of time (the latest 1,000 windows)."""
    for entry in found:
        cursor.execute(
            "INSERT OR REPLACE INTO catalog.main.alert_evaluations VALUES (?, ?, ?, ?, ?)",
            [row.project, row.name, entry.window_start, entry.window_end, entry.truth],
        )
    rows = cursor.execute(
        "SELECT window_start, window_end, truth FROM catalog.main.alert_evaluations "
        "WHERE project = ? AND alert = ? ORDER BY window_end DESC LIMIT ?",
        [row.project, row.name, _KEPT],
    ).fetchall()
    if len(rows) == _KEPT:
        cursor.execute(
            "DELETE FROM catalog.main.alert_evaluations WHERE project = ? AND alert = ? AND window_end < ?",
            [row.project, row.name, rows[-1][1]],
        )
    return [EvaluationRow(*entry) for entry in reversed(rows)]


def activated(cursor: DuckDBPyConnection, row: AlertRow) -> list[datetime]:
    """Ends of the windows that have raised this alert since it was created."""
    rows = cursor.execute(
        "SELECT window_end FROM catalog.main.alert_activations WHERE project = ? AND alert = ? AND raised_at >= ?",
        [row.project, row.name, row.created_at],
    ).fetchall()
    return [entry[0] for entry in rows]


def insert_activation(cursor: DuckDBPyConnection, row: ActivationRow) -> None:
    """Add an activation."""
    cursor.execute(
        "INSERT INTO catalog.main.alert_activations VALUES (?, ?, ?, ?, ?, ?, ?, ?::JSON::VARIANT, ?, ?)",
        [
            *(row.project, row.alert, row.id, row.raised_at, row.window_start, row.window_end, row.reason),
            *(json.dumps(dict(row.facts), default=str), row.actions, row.outcome),
        ],
    )


def set_outcome(cursor: DuckDBPyConnection, activation: str, outcome: str) -> None:
    """How the actions ended."""
    cursor.execute("UPDATE catalog.main.alert_activations SET outcome = ? WHERE id = ?", [outcome, activation])


def interrupt(cursor: DuckDBPyConnection) -> int:
    """Mark activations whose actions a stopped server left undone; how many there were."""
    rows = cursor.execute(
        "UPDATE catalog.main.alert_activations SET outcome = ? WHERE outcome IS NULL RETURNING id",
        ["interrupted: the server stopped before the actions ended"],
    ).fetchall()
    return len(rows)


def insert_notification(cursor: DuckDBPyConnection, row: NotificationRow) -> None:
    """Add a notification; once for each activation and place."""
    cursor.execute(
        "INSERT OR REPLACE INTO catalog.main.notifications VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(row.project, row.alert, row.activation_id, row.ordinal),
            *(row.url, row.sent_at, row.status, row.error),
        ],
    )


def _row(values: tuple[Any, ...]) -> AlertRow:
    return AlertRow(**dict(zip(_NAMES, values, strict=True)))
