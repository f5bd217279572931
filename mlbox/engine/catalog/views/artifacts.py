"""The view of artifacts."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

VIEWS = (
    View(
        "artifacts",
        "One row an artifact of a run.",
        "SELECT a.project, id, run_id, a.name, kind, a.version, coalesce(x.aliases, []::VARCHAR[]) AS aliases, "
        "coalesce(l.labels, '{}')::JSON::VARIANT AS labels, digest, size, media_type, file_name, metadata, created_at "
        "FROM catalog.main.artifacts a LEFT JOIN (SELECT project, name, version, list(alias ORDER BY alias) AS aliases "
        "FROM catalog.main.artifact_aliases GROUP BY ALL) x "
        "ON x.project = a.project AND x.name = lower(a.name) AND x.version = a.version "
        "LEFT JOIN catalog.main.artifact_labels l "
        "ON l.project = a.project AND l.name = lower(a.name) AND l.version = a.version "
        "WHERE NOT EXISTS (SELECT 1 FROM catalog.main.runs r WHERE r.id = run_id AND r.deleted_at IS NOT NULL)",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("id", "VARCHAR", "Identifier; its bytes are at /artifacts/<id>/content"),
            ViewColumn("run_id", "VARCHAR", "Run that logged it"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("kind", "VARCHAR", "file, folder, dataset, table, plot, model or document"),
            ViewColumn("version", "INTEGER", "Counts from 1 for each name; grows when the bytes differ"),
            ViewColumn("aliases", "VARCHAR[]", "Aliases that point at the version; 'name'@alias means it"),
            ViewColumn("labels", "VARIANT", "Labels of the version: ALTER ARTIFACT 'name' SET LABELS (..)"),
            ViewColumn("digest", "VARCHAR", "SHA-256 of the bytes"),
            ViewColumn("size", "BIGINT", "Number of bytes", "B"),
            ViewColumn("media_type", "VARCHAR", "Media type of the bytes"),
            ViewColumn("file_name", "VARCHAR", "Name to save them under"),
            ViewColumn("metadata", "VARIANT", "What is known of it: schema, statistics, signature"),
            ViewColumn("created_at", "TIMESTAMP WITH TIME ZONE", "When it was logged"),
        ),
    ),
)
