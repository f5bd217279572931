"""The view of what mlbox has done, whoever asked for it."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

_TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "task_history",
        "One row a task, done or under way: a statement that changed something, an attempt of a run, a step of a "
        "workflow.",
        """
        SELECT project, 'statement' AS kind, statement AS name, nullif(object, '') AS object, id, 1 AS attempt,
            CASE outcome WHEN 'done' THEN 'completed' ELSE outcome END AS state, started_at,
            started_at + to_microseconds((duration_ms * 1000)::BIGINT) AS finished_at, duration_ms, caller, door, error
        FROM catalog.main.audit
        UNION ALL
        SELECT a.project, 'run', coalesce(r."function", ''), coalesce(r.name, r.id), r.id, a.attempt, a.state,
            a.started_at, a.finished_at, date_diff('microsecond', a.started_at, a.finished_at) / 1000.0::DOUBLE,
            NULL, NULL, a.error
        FROM catalog.main.run_attempts a JOIN catalog.main.runs r ON r.id = a.run_id
        UNION ALL
        SELECT project, 'run', coalesce("function", ''), coalesce(name, id), id, attempt, state, started_at,
            NULL, NULL, NULL, NULL, NULL
        FROM catalog.main.runs
        WHERE finished_at IS NULL AND state IN ('pending', 'preparing', 'running')
        UNION ALL
        SELECT s.project, 'step', s.workflow || '.' || s.step, s.run_id, s.workflow_run_id, 1, s.state, s.started_at,
            s.finished_at, date_diff('microsecond', s.started_at, s.finished_at) / 1000.0::DOUBLE, w.caller, w.door,
            s.error
        FROM catalog.main.steps s JOIN catalog.main.workflow_runs w ON w.id = s.workflow_run_id
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("kind", "VARCHAR", "statement, run or step"),
            ViewColumn("name", "VARCHAR", "Kind of statement, function, or workflow and step"),
            ViewColumn("object", "VARCHAR", "What the statement was about; name or id of the run"),
            ViewColumn("id", "VARCHAR", "Identifier: of the audit row, the run, or the run of the workflow"),
            ViewColumn("attempt", "INTEGER", "Attempt of the run; counts from 1"),
            ViewColumn("state", "VARCHAR", "completed, error, cancelled, interrupted, skipped, or not ended yet"),
            ViewColumn("started_at", _TIME, "When it began"),
            ViewColumn("finished_at", _TIME, "When it ended; NULL: it has not"),
            ViewColumn("duration_ms", "DOUBLE", "How long it took", "ms"),
            ViewColumn("caller", "VARCHAR", "Who asked, where it is known"),
            ViewColumn("door", "VARCHAR", "Through which door, where it is known"),
            ViewColumn("error", "VARCHAR", "What went wrong"),
        ),
        seen="task",
    ),
)
