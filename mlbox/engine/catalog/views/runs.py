"""Views of runs, their parameters and their metrics."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

_RUNS = """
SELECT project, id, name, experiment, "function", function_version, handler, state, parent_id, attempt, runtime,
       params, metrics, labels, reason, error_type, error, traceback, progress,
       created_at, started_at, finished_at, duration_ms, best_trial, note
FROM catalog.main.runs WHERE deleted_at IS NULL
"""
"""Columns as they are: DuckDB reads a single metric or parameter only where nothing beside it is computed."""

_CAST = "cast what you compare or compute with: "

_LOGS = """
SELECT project, run_id, unnest(range(1, len(lines) + 1)) AS line, unnest(lines) AS text, endpoint, feature_set
FROM (
    SELECT project, id AS run_id, _ml_log_lines(id) AS lines, NULL AS endpoint, NULL AS feature_set
    FROM catalog.main.runs WHERE deleted_at IS NULL
    UNION ALL
    SELECT project, NULL, _ml_log_lines(md5('endpoint ' || lower(project || '.' || name))), name, NULL
    FROM catalog.main.endpoints
    UNION ALL
    SELECT project, NULL, _ml_log_lines(md5('feature set ' || lower(project || '.' || name))), NULL, name
    FROM catalog.main.feature_sets WHERE definition::JSON->>'transform' IS NOT NULL
)
"""

_SHOWN = "WHERE NOT EXISTS (SELECT 1 FROM catalog.main.runs r WHERE r.id = run_id AND r.deleted_at IS NOT NULL)"
"""Not of dropped runs, which are few: a search that begins with them costs nothing."""

VIEWS = (
    View(
        "runs",
        "One row a run; a sweep and each of its trials are runs.",
        _RUNS,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("id", "VARCHAR", "Identifier; a prefix of 8 digits is enough in statements"),
            ViewColumn("name", "VARCHAR", "Name given with AS; NULL: none"),
            ViewColumn("experiment", "VARCHAR", "Experiment that an MLflow client has put it into; NULL: none"),
            ViewColumn("function", "VARCHAR", "Function; NULL: a script of its own that only logs here"),
            ViewColumn("function_version", "INTEGER", "Version of the function"),
            ViewColumn("handler", "VARCHAR", "Handler that was called; NULL: the file ran as a script"),
            ViewColumn("state", "VARCHAR", "pending, preparing, running, completed, error, cancelled or interrupted"),
            ViewColumn("parent_id", "VARCHAR", "The sweep that a trial belongs to"),
            ViewColumn("attempt", "INTEGER", "Counts from 1; more after retries"),
            ViewColumn("runtime", "VARCHAR", "Executor; external: a script of its own"),
            ViewColumn("params", "VARIANT", f"Parameters: given, and logged; {_CAST}params.lr::DOUBLE < 0.1"),
            ViewColumn("metrics", "VARIANT", f"Latest value of each metric; numbers. {_CAST}metrics.auc::DOUBLE > 0.9"),
            ViewColumn("labels", "VARIANT", "Labels: given, and logged as tags"),
            ViewColumn("reason", "VARCHAR", "One sentence on why it is in this state"),
            ViewColumn("error_type", "VARCHAR", "Class of the error"),
            ViewColumn("error", "VARCHAR", "Message of the error"),
            ViewColumn("traceback", "VARCHAR", "Frames of the user's own code"),
            ViewColumn("progress", "DOUBLE", "As the code reports it, 0 to 1"),
            ViewColumn("created_at", "TIMESTAMP WITH TIME ZONE", "When it was asked for"),
            ViewColumn("started_at", "TIMESTAMP WITH TIME ZONE", "When its process began; of the last attempt"),
            ViewColumn("finished_at", "TIMESTAMP WITH TIME ZONE", "When it ended"),
            ViewColumn("duration_ms", "DOUBLE", "From its start to its end", "ms"),
            ViewColumn("best_trial", "VARCHAR", "The best run of a sweep"),
            ViewColumn("note", "VARCHAR", "What somebody wrote about it; ALTER RUN changes it"),
        ),
        texts={name: f"{name}_json" for name in ("params", "metrics", "labels")},
    ),
    View(
        "params",
        "One row a parameter of a run.",
        f"SELECT project, run_id, name, value, number FROM catalog.main.params {_SHOWN}",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("run_id", "VARCHAR", "Run"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("value", "VARCHAR", "Value as text; lists and objects as JSON"),
            ViewColumn("number", "DOUBLE", "Value if it is a number"),
        ),
    ),
    View(
        "metrics",
        "One row a logged point of a metric.",
        f"SELECT project, run_id, name, step, value, logged_at FROM catalog.main.metrics {_SHOWN}",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("run_id", "VARCHAR", "Run"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("step", "BIGINT", "Step; NULL when none was given"),
            ViewColumn("value", "DOUBLE", "Value"),
            ViewColumn("logged_at", "TIMESTAMP WITH TIME ZONE", "When the run logged it"),
        ),
    ),
    View(
        "logs",
        "One row a line of the log of a run, or of user code behind an endpoint or a feature set; name it, each log is "
        "a file that is read when it is asked for.",
        _LOGS,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("run_id", "VARCHAR", "Run; NULL for the log of an endpoint or a feature set"),
            ViewColumn("line", "BIGINT", "Number of the line, from 1"),
            ViewColumn("text", "VARCHAR", "The line as it was written"),
            ViewColumn("endpoint", "VARCHAR", "Endpoint whose code wrote it; NULL for other logs"),
            ViewColumn("feature_set", "VARCHAR", "Feature set whose TRANSFORM wrote it; NULL for other logs"),
        ),
    ),
)
