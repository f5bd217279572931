"""Views of projects, lineage, audit and events."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

VIEWS = (
    View(
        "projects",
        "One row a project.",
        "SELECT name, comment, owner, created_at, options FROM catalog.main.projects",
        (
            ViewColumn("name", "VARCHAR", "Name; also the schema of its tables"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
            ViewColumn("owner", "VARCHAR", "Who answers for it"),
            ViewColumn("created_at", "TIMESTAMP WITH TIME ZONE", "When it was made"),
            ViewColumn("options", "VARIANT", "Options of its WITH clause"),
        ),
        seen="name",
    ),
    View(
        "lineage",
        "One row an edge: `to` was made from `from`.",
        "SELECT project, from_kind, from_ref, to_kind, to_ref, recorded_at, detail FROM catalog.main.lineage",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("from_kind", "VARCHAR", "Kind of the source: table, feature set, feature vector, run, …"),
            ViewColumn("from_ref", "VARCHAR", "Reference of the source"),
            ViewColumn("to_kind", "VARCHAR", "Kind of what was made"),
            ViewColumn("to_ref", "VARCHAR", "Reference of what was made"),
            ViewColumn("recorded_at", "TIMESTAMP WITH TIME ZONE", "When it was recorded"),
            ViewColumn("detail", "VARCHAR", "How it was used"),
        ),
    ),
    View(
        "column_lineage",
        "One row a column that was made from a column: features from tables, files and sets, vectors from sets, models "
        "from vectors. What a query computes in a way that cannot be traced has no rows.",
        "SELECT project, from_kind, from_ref, from_column, to_kind, to_ref, to_column, recorded_at, detail "
        "FROM catalog.main.column_lineage",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("from_kind", "VARCHAR", "Kind of the source: table, file, feature set, feature vector"),
            ViewColumn("from_ref", "VARCHAR", "Reference of the source"),
            ViewColumn("from_column", "VARCHAR", "Column of the source"),
            ViewColumn("to_kind", "VARCHAR", "Kind of what was made: feature set, feature vector, model"),
            ViewColumn("to_ref", "VARCHAR", "Reference of what was made"),
            ViewColumn("to_column", "VARCHAR", "Column, feature or input that was made"),
            ViewColumn("recorded_at", "TIMESTAMP WITH TIME ZONE", "When it was recorded"),
            ViewColumn("detail", "VARCHAR", "How it was used"),
        ),
    ),
    View(
        "audit",
        "One row a statement that changed something, whoever sent it.",
        "SELECT project, started_at, caller, door, statement, object, outcome, error, duration_ms "
        "FROM catalog.main.audit",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("started_at", "TIMESTAMP WITH TIME ZONE", "When it began"),
            ViewColumn("caller", "VARCHAR", "Who asked"),
            ViewColumn("door", "VARCHAR", "Through which door: sql, http, cli, scheduler, alert, workflow"),
            ViewColumn("statement", "VARCHAR", "Kind of statement"),
            ViewColumn("object", "VARCHAR", "What it was about"),
            ViewColumn("outcome", "VARCHAR", "done or error"),
            ViewColumn("error", "VARCHAR", "Message of the error"),
            ViewColumn("duration_ms", "DOUBLE", "How long it took", "ms"),
        ),
        seen="audit",
    ),
    View(
        "events",
        "One row an event that is worth keeping (progress of runs is not).",
        "SELECT project, happened_at, kind, object, data FROM catalog.main.events",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("happened_at", "TIMESTAMP WITH TIME ZONE", "When it happened"),
            ViewColumn("kind", "VARCHAR", "What happened, as noun.verb"),
            ViewColumn("object", "VARCHAR", "To what"),
            ViewColumn("data", "VARIANT", "Details"),
        ),
    ),
)
