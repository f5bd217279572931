"""The view of feeds."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "feeds",
        "One row a feed: what brings rows to an endpoint besides HTTP, how far it is, and where the answers go.",
        """
        SELECT f.project, f.name, f.state, f.endpoint, f.kind, f.source, f."column", f.query, f.cron, f.every_seconds,
            f.timezone, CASE WHEN starts_with(f.target, 'table:') THEN substr(f.target, 7) ELSE f.target END AS target,
            f.options, p.lag, coalesce(c.events, 0)::BIGINT AS events, coalesce(c.results, 0)::BIGINT AS results,
            coalesce(c.refused, 0)::BIGINT AS refused, CASE WHEN f.state = 'active' THEN p.error END AS error,
            c.last_event_at, f.next_run, f.owner, f.created_at, f.comment
        FROM catalog.main.feeds f
        LEFT JOIN data._mlbox.stream_progress p ON p.set_id = f.id
        LEFT JOIN data._mlbox.feed_counts c ON c.feed_id = f.id
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("state", "VARCHAR", "active or suspended"),
            ViewColumn("endpoint", "VARCHAR", "The endpoint of the project that is asked"),
            ViewColumn("kind", "VARCHAR", "What brings the rows: stream, push, table or schedule"),
            ViewColumn("source", "VARCHAR", "The source, or the table, as project.name"),
            ViewColumn("column", "VARCHAR", "The column by which new rows of a table are told; NULL: by their place"),
            ViewColumn("query", "VARCHAR", "The query that chooses the rows by the clock"),
            ViewColumn("cron", "VARCHAR", "Cron expression"),
            ViewColumn("every_seconds", "DOUBLE", "Interval", "s"),
            ViewColumn("timezone", "VARCHAR", "Time zone of the cron expression"),
            ViewColumn("target", "VARCHAR", "Where the answers go: a table of the project, a stream, or a webhook"),
            ViewColumn("options", "VARCHAR", "Options, as JSON; secrets by their names"),
            ViewColumn("lag", "BIGINT", "Rows that wait; NULL where that is not known", "rows"),
            ViewColumn("events", "BIGINT", "Rows that were taken", "rows"),
            ViewColumn("results", "BIGINT", "Answers that were given", "rows"),
            ViewColumn("refused", "BIGINT", "Rows that were put to ml.dead_letters", "rows"),
            ViewColumn("error", "VARCHAR", "Why it does not go on just now; it is tried again"),
            ViewColumn("last_event_at", TIME, "When rows were answered last"),
            ViewColumn("next_run", TIME, "When the clock chooses rows again"),
            ViewColumn("owner", "VARCHAR", "With whose rights it works"),
            ViewColumn("created_at", TIME, "When it was created"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
        ),
    ),
)
