"""Views of workflows, their runs and steps, and of schedules."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

_TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "workflows",
        "One row a workflow.",
        "SELECT project, name, steps, definition, created_at FROM catalog.main.workflows",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("steps", "VARCHAR[]", "Names of the steps in the order in which they may run"),
            ViewColumn("definition", "VARCHAR", "The statement that made it"),
            ViewColumn("created_at", _TIME, "When it was made or replaced"),
        ),
    ),
    View(
        "workflow_runs",
        "One row a run of a workflow.",
        "SELECT project, id, workflow, state, started_at, finished_at, "
        "epoch_us(finished_at - started_at) / 1000.0 AS duration_ms, reason, parameters "
        "FROM catalog.main.workflow_runs",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("id", "VARCHAR", "Identifier"),
            ViewColumn("workflow", "VARCHAR", "Workflow"),
            ViewColumn("state", "VARCHAR", "running, completed, error, cancelled or interrupted"),
            ViewColumn("started_at", _TIME, "When it began"),
            ViewColumn("finished_at", _TIME, "When it ended"),
            ViewColumn("duration_ms", "DOUBLE", "How long it took", "ms"),
            ViewColumn("reason", "VARCHAR", "Why it did not complete"),
            ViewColumn("parameters", "VARIANT", "Parameters that it was given"),
        ),
    ),
    View(
        "steps",
        "One row a step of a run of a workflow.",
        "SELECT project, workflow_run_id, workflow, step, state, run_id, statement, message, facts, started_at, "
        "finished_at, error FROM catalog.main.steps",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("workflow_run_id", "VARCHAR", "Run of the workflow"),
            ViewColumn("workflow", "VARCHAR", "Workflow"),
            ViewColumn("step", "VARCHAR", "Name of the step"),
            ViewColumn("state", "VARCHAR", "pending, running, completed, skipped or error"),
            ViewColumn("run_id", "VARCHAR", "The run that the step started, if it did"),
            ViewColumn("statement", "VARCHAR", "What the step does, as written"),
            ViewColumn("message", "VARCHAR", "What it said, or why it was skipped"),
            ViewColumn("facts", "VARIANT", "Named values that later conditions may use"),
            ViewColumn("started_at", _TIME, "When it began"),
            ViewColumn("finished_at", _TIME, "When it ended"),
            ViewColumn("error", "VARCHAR", "Why it failed"),
        ),
    ),
    View(
        "schedules",
        "One row a schedule.",
        "SELECT project, name, cron, every_seconds, timezone, statement, state, next_run, last_run, last_error "
        "FROM catalog.main.schedules",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("cron", "VARCHAR", "Cron expression, when it has one"),
            ViewColumn("every_seconds", "DOUBLE", "Interval, when it has one", "s"),
            ViewColumn("timezone", "VARCHAR", "Time zone in which the cron expression is read"),
            ViewColumn("statement", "VARCHAR", "What is run"),
            ViewColumn("state", "VARCHAR", "active or suspended"),
            ViewColumn("next_run", _TIME, "When it fires next"),
            ViewColumn("last_run", _TIME, "When it fired last"),
            ViewColumn("last_error", "VARCHAR", "Why the last one failed; empty when it did not"),
        ),
    ),
)
