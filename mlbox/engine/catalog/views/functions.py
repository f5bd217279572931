"""The view of functions."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

_SHAPE = (
    '[{"name":"VARCHAR","doc":"VARCHAR","accepts_any":"BOOLEAN",'
    '"parameters":[{"name":"VARCHAR","annotation":"VARCHAR","default":"VARCHAR"}]}]'
)
_PARAMETER = (
    "p.name || coalesce(': ' || p.annotation, '') "
    "|| coalesce(CASE WHEN p.annotation IS NULL THEN '=' ELSE ' = ' END || p.\"default\", '')"
)
_SIGNATURES = (
    f"coalesce(list_transform(from_json(definition::JSON->'$.signatures', '{_SHAPE}'), "
    f"lambda h: h.name || '(' || array_to_string(list_concat(list_transform(h.parameters, lambda p: {_PARAMETER}), "
    "CASE WHEN h.accepts_any THEN ['**more'] ELSE [] END), ', ') || ')' || coalesce(': ' || h.doc, '')), [])"
)
"""``["train(ctx, lr: float = 0.1, n=3, **more): Fit it."]``, as runs.source.HandlerInfo.signature says it."""

VIEWS = (
    View(
        "functions",
        "One row a version of a function.",
        "SELECT project, name, version, version = max(version) OVER (PARTITION BY project, lower(name)) AS latest, "
        "coalesce((SELECT list(a.alias ORDER BY a.alias) FROM catalog.main.function_aliases a "
        "WHERE a.project = f.project AND a.name = lower(f.name) AND a.version = f.version), []::VARCHAR[]) AS aliases, "
        f"source, file, handler, handlers, {_SIGNATURES} AS signatures, runtime, requirements, digest, "
        "created_at, comment "
        "FROM catalog.main.functions f WHERE dropped_at IS NULL",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("version", "INTEGER", "Counts from 1; grows when the files or the settings change"),
            ViewColumn("latest", "BOOLEAN", "Whether RUN without a version takes this one"),
            ViewColumn("aliases", "VARCHAR[]", "Aliases that point at it; RUN f@alias takes it"),
            ViewColumn("source", "VARCHAR", "Where it was read from, as it was written"),
            ViewColumn("file", "VARCHAR", "File with the handlers"),
            ViewColumn("handler", "VARCHAR", "What RUN calls unless told otherwise; NULL: the file is a script"),
            ViewColumn("handlers", "VARCHAR[]", "All handlers of the file"),
            ViewColumn("signatures", "VARCHAR[]", "What each handler takes, and its docstring"),
            ViewColumn("runtime", "VARCHAR", "Executor that runs it unless told otherwise"),
            ViewColumn("requirements", "VARCHAR[]", "Packages that it needs"),
            ViewColumn("digest", "VARCHAR", "SHA-256 over names and bytes of its files"),
            ViewColumn("created_at", "TIMESTAMP WITH TIME ZONE", "When this version was made"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
        ),
    ),
)
