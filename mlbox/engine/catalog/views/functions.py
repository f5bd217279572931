"""The view of functions."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

VIEWS = (
    View(
        "functions",
        "One row a version of a function.",
        "SELECT project, name, version, version = max(version) OVER (PARTITION BY project, lower(name)) AS latest, "
        "coalesce((SELECT list(a.alias ORDER BY a.alias) FROM catalog.main.function_aliases a "
        "WHERE a.project = f.project AND a.name = lower(f.name) AND a.version = f.version), []::VARCHAR[]) AS aliases, "
        "source, file, handler, handlers, runtime, requirements, digest, created_at, comment "
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
            ViewColumn("runtime", "VARCHAR", "Executor that runs it unless told otherwise"),
            ViewColumn("requirements", "VARCHAR[]", "Packages that it needs"),
            ViewColumn("digest", "VARCHAR", "SHA-256 over names and bytes of its files"),
            ViewColumn("created_at", "TIMESTAMP WITH TIME ZONE", "When this version was made"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
        ),
    ),
)
