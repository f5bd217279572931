"""Rows of workflows, of their runs and of the runs' steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import NotFound
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """A workflow: ``definition`` is what the user wrote, ``plan`` its steps as JSON."""

    project: str
    name: str
    steps: list[str]
    definition: str
    plan: str
    owner: str
    comment: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WorkflowRunRow:
    """A run of a workflow."""

    project: str
    id: str
    workflow: str
    state: str
    started_at: datetime
    finished_at: datetime | None = None
    reason: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    caller: str = "local"
    door: str = "sql"


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of a run; ``run_id`` is the run that it started, if it did."""

    project: str
    workflow_run_id: str
    workflow: str
    ordinal: int
    step: str
    state: str
    statement: str
    run_id: str | None = None
    message: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None


_COLUMNS = ", ".join(entry.name for entry in fields(WorkflowRow))


def names(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Workflows of a project, by name."""
    rows = cursor.execute("SELECT name FROM catalog.main.workflows WHERE project = ? ORDER BY name", [project])
    return [row[0] for row in rows.fetchall()]


def get(cursor: DuckDBPyConnection, project: str, name: str) -> WorkflowRow | None:
    """A workflow; case does not count."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM catalog.main.workflows WHERE project = ? AND lower(name) = lower(?)", [project, name]
    ).fetchall()
    return WorkflowRow(*rows[0]) if rows else None


def require(cursor: DuckDBPyConnection, project: str, name: str) -> WorkflowRow:
    """A workflow; raises ``NotFound`` with the nearest names."""
    row = get(cursor, project, name)
    if row is None:
        hint = did_you_mean(name, names(cursor, project), kind="workflow")
        details = {"kind": "workflow", "name": name}
        raise NotFound(f"there is no workflow {project}.{name}", hint=hint, details=details)
    return row


def put(cursor: DuckDBPyConnection, row: WorkflowRow) -> None:
    """Insert, or replace the one of that name."""
    cursor.execute(
        "DELETE FROM catalog.main.workflows WHERE project = ? AND lower(name) = lower(?) AND name <> ?",
        [row.project, row.name, row.name],
    )
    cursor.execute(
        f"INSERT OR REPLACE INTO catalog.main.workflows ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [row.project, row.name, row.steps, row.definition, row.plan, row.owner, row.comment, row.created_at],
    )


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Delete the definition; its runs stay."""
    cursor.execute("DELETE FROM catalog.main.workflows WHERE project = ? AND lower(name) = lower(?)", [project, name])


def put_run(cursor: DuckDBPyConnection, row: WorkflowRunRow) -> None:
    """Insert a run, or bring it up to date."""
    cursor.execute(
        """
        INSERT OR REPLACE INTO catalog.main.workflow_runs
            (project, id, workflow, state, started_at, finished_at, reason, parameters, caller, door)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?::JSON::VARIANT, ?, ?)
        """,
        [
            row.project,
            row.id,
            row.workflow,
            row.state,
            row.started_at,
            row.finished_at,
            row.reason,
            _json(row.parameters),
            row.caller,
            row.door,
        ],
    )


def put_step(cursor: DuckDBPyConnection, row: StepRow) -> None:
    """Insert a step, or bring it up to date."""
    cursor.execute(
        """
        INSERT OR REPLACE INTO catalog.main.steps
            (project, workflow_run_id, workflow, ordinal, step, state, statement, run_id, message, facts,
             started_at, finished_at, error)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?::JSON::VARIANT, ?, ?, ?)
        """,
        [
            row.project,
            row.workflow_run_id,
            row.workflow,
            row.ordinal,
            row.step,
            row.state,
            row.statement,
            row.run_id,
            row.message,
            _json(row.facts),
            row.started_at,
            row.finished_at,
            row.error,
        ],
    )


def going(cursor: DuckDBPyConnection, project: str, name: str) -> list[str]:
    """Ids of runs of a workflow that have not ended."""
    rows = cursor.execute(
        "SELECT id FROM catalog.main.workflow_runs WHERE project = ? AND lower(workflow) = lower(?) "
        "AND state IN ('pending', 'running') ORDER BY id",
        [project, name],
    ).fetchall()
    return [row[0] for row in rows]


def rewrite(cursor: DuckDBPyConnection, project: str, name: str, definition: str, plan: str) -> None:
    """Another text of the same definition."""
    cursor.execute(
        "UPDATE catalog.main.workflows SET definition = ?, plan = ? WHERE project = ? AND lower(name) = lower(?)",
        [definition, plan, project, name],
    )


def interrupt(cursor: DuckDBPyConnection, at: datetime) -> list[tuple[str, str]]:
    """Mark what a stopped server left unfinished; the runs as (project, id)."""
    found = cursor.execute(
        "SELECT project, id FROM catalog.main.workflow_runs WHERE state IN ('pending', 'running')"
    ).fetchall()
    reason = "the server stopped while it ran"
    cursor.execute(
        "UPDATE catalog.main.steps SET state = 'error', error = ?, finished_at = ? WHERE state = 'running'",
        [f"interrupted: {reason}", at],
    )
    cursor.execute(
        "UPDATE catalog.main.steps SET state = 'skipped', message = ? WHERE state = 'pending'",
        ["not started: the workflow was interrupted"],
    )
    cursor.execute(
        "UPDATE catalog.main.workflow_runs SET state = 'interrupted', reason = ?, finished_at = ? "
        "WHERE state IN ('pending', 'running')",
        [reason, at],
    )
    return [(row[0], row[1]) for row in found]


def _json(values: Mapping[str, Any]) -> str:
    """JSON text; what JSON cannot say (not a number, infinity) is null."""
    return json.dumps(_plain(dict(values)), default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
