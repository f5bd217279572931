"""The view of what was dropped."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

_DROPPED = """
SELECT project, kind, name, version, CASE WHEN kind = 'run' THEN object END AS run_id, dropped_at,
    nullif(dropped_by, '') AS dropped_by
FROM catalog.main.dropped
UNION ALL
SELECT r.project, 'run', coalesce(r.name, r.id), NULL, r.id, r.deleted_at, NULL
FROM catalog.main.runs r
WHERE r.deleted_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM catalog.main.dropped d WHERE d.kind = 'run' AND d.object IN (r.id, r.parent_id))
"""

VIEWS = (
    View(
        "dropped",
        "One row an object that was dropped and that RESTORE brings back, until the garbage is collected.",
        _DROPPED,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("kind", "VARCHAR", "run, function, model, artifact, endpoint, workflow .."),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("version", "VARCHAR", "The version that was dropped; NULL: all of it"),
            ViewColumn("run_id", "VARCHAR", "Identifier of a run; for an artifact NULL"),
            ViewColumn("dropped_at", "TIMESTAMP WITH TIME ZONE", "When; it goes gc_dropped_days later"),
            ViewColumn("dropped_by", "VARCHAR", "By whom; NULL: not known"),
        ),
    ),
)
