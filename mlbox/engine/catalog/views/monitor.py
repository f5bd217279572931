"""Views of monitors, drift, alerts and what they did."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

_TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "monitors",
        "One row a monitor.",
        """
        SELECT m.project, m.name, m.target_kind,
            CASE WHEN m.target_project = m.project THEN '' ELSE m.target_project || '.' END || m.target
                || coalesce('@' || m.target_version, '') AS target,
            m.metrics, m.window_seconds, m.every_seconds, m.definition, m.state,
            (SELECT max(w.window_end) FROM catalog.main.monitor_windows w
             WHERE w.project = m.project AND w.monitor = m.name) AS last_window_end,
            m.created_at
        FROM catalog.main.monitors m
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("target_kind", "VARCHAR", "What is watched: endpoint, model, feature set or table"),
            ViewColumn("target", "VARCHAR", "Its name"),
            ViewColumn("metrics", "VARCHAR[]", "Metrics that are computed"),
            ViewColumn("window_seconds", "DOUBLE", "Length of a window", "s"),
            ViewColumn("every_seconds", "DOUBLE", "How often it refreshes itself", "s"),
            ViewColumn("definition", "VARCHAR", "The statement that makes it"),
            ViewColumn("state", "VARCHAR", "active or suspended"),
            ViewColumn("last_window_end", _TIME, "End of the latest window that is computed"),
            ViewColumn("created_at", _TIME, "When it was made or replaced"),
        ),
    ),
    View(
        "drift",
        "One row a value of a metric over a window.",
        """
        SELECT project, monitor, target, window_start, window_end, nullif(segment, '') AS segment, metric,
            nullif(feature, '') AS feature, value, n, computed_at
        FROM catalog.main.drift
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("monitor", "VARCHAR", "Monitor"),
            ViewColumn("target", "VARCHAR", "What it watches"),
            ViewColumn("window_start", _TIME, "Start of the window in event time, inclusive"),
            ViewColumn("window_end", _TIME, "End of the window in event time, exclusive"),
            ViewColumn("segment", "VARCHAR", "Part of the rows (country=DE); NULL for all of them"),
            ViewColumn("metric", "VARCHAR", "Metric"),
            ViewColumn("feature", "VARCHAR", "Feature; NULL for a metric of the whole window"),
            ViewColumn("value", "DOUBLE", "Value of the metric"),
            ViewColumn("n", "BIGINT", "Rows that it was computed from", "rows"),
            ViewColumn("computed_at", _TIME, "When it was computed"),
        ),
    ),
    View(
        "alerts",
        "One row an alert.",
        """
        SELECT project, name, on_kind,
            CASE WHEN on_project = project THEN '' ELSE on_project || '.' END || on_name AS on_name, condition,
            severity, CASE WHEN suspended THEN 'suspended' ELSE state END AS state, last_raised, activations, definition
        FROM catalog.main.alerts
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("on_kind", "VARCHAR", "What it watches; NULL when its condition is a query"),
            ViewColumn("on_name", "VARCHAR", "Name of what it watches"),
            ViewColumn("condition", "VARCHAR", "The condition"),
            ViewColumn("severity", "VARCHAR", "How bad it is"),
            ViewColumn(
                "state", "VARCHAR", "ok, pending (true, not long enough yet or cooling down), raised or suspended"
            ),
            ViewColumn("last_raised", _TIME, "When it was raised last"),
            ViewColumn("activations", "BIGINT", "How often it was raised"),
            ViewColumn("definition", "VARCHAR", "The statement that makes it"),
        ),
    ),
    View(
        "alert_activations",
        "One row a time that an alert was raised.",
        """
        SELECT project, alert, id, raised_at, window_end, reason, facts, actions, outcome
        FROM catalog.main.alert_activations
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("alert", "VARCHAR", "Alert"),
            ViewColumn("id", "VARCHAR", "Identifier"),
            ViewColumn("raised_at", _TIME, "When it was raised"),
            ViewColumn("window_end", _TIME, "End of the window that raised it, in event time"),
            ViewColumn("reason", "VARCHAR", "Which values made the condition true"),
            ViewColumn("facts", "VARIANT", "All that the condition could see"),
            ViewColumn("actions", "VARCHAR[]", "What it set off"),
            ViewColumn("outcome", "VARCHAR", "How the actions ended; NULL while they run"),
        ),
    ),
    View(
        "notifications",
        "One row a notification.",
        "SELECT project, alert, url, sent_at, status, error FROM catalog.main.notifications",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("alert", "VARCHAR", "Alert"),
            ViewColumn("url", "VARCHAR", "Who was told"),
            ViewColumn("sent_at", _TIME, "When"),
            ViewColumn("status", "VARCHAR", "sent or error"),
            ViewColumn("error", "VARCHAR", "Why it could not be sent"),
        ),
    ),
)
