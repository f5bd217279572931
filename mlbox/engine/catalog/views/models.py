"""Views of the model registry."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

_FIELDS = 'STRUCT("name" VARCHAR, "type" VARCHAR)[]'
_TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "models",
        "One row a model.",
        """
        SELECT m.project, m.name,
            (SELECT count(*) FROM catalog.main.model_versions v WHERE v.model_id = m.id) AS versions,
            (SELECT max(v.version) FROM catalog.main.model_versions v WHERE v.model_id = m.id) AS latest_version,
            coalesce(
                (SELECT map(list(a.alias ORDER BY a.alias), list(a.version ORDER BY a.alias))
                 FROM catalog.main.model_aliases a WHERE a.model_id = m.id),
                MAP {}::MAP(VARCHAR, INTEGER)
            ) AS aliases,
            m.comment, m.created_at
        FROM catalog.main.models m
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("versions", "BIGINT", "Number of its versions"),
            ViewColumn("latest_version", "INTEGER", "Its newest version; what the name without @ means"),
            ViewColumn("aliases", "MAP(VARCHAR, INTEGER)", "Aliases and the versions that they point at"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
            ViewColumn("created_at", _TIME, "When its first version was registered"),
        ),
    ),
    View(
        "model_versions",
        "One row a version of a model.",
        """
        SELECT v.project, m.name, v.version,
            coalesce(
                (SELECT list(a.alias ORDER BY a.alias) FROM catalog.main.model_aliases a
                 WHERE a.model_id = v.model_id AND a.version = v.version),
                []::VARCHAR[]
            ) AS aliases,
            v.run_id, v.artifact_id, v.digest, v.size, v.framework, v.inputs, v.outputs, v.features,
            v.feature_vector, v.metrics, v.feature_stats, v.created_at, v.comment
        FROM catalog.main.model_versions v JOIN catalog.main.models m ON m.id = v.model_id
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name of the model"),
            ViewColumn("version", "INTEGER", "Number of the version, from 1"),
            ViewColumn("aliases", "VARCHAR[]", "Aliases that point at it"),
            ViewColumn("run_id", "VARCHAR", "The run that made it"),
            ViewColumn("artifact_id", "VARCHAR", "The artifact of that run"),
            ViewColumn("digest", "VARCHAR", "SHA-256 of its bytes"),
            ViewColumn("size", "BIGINT", "Size of the file", "bytes"),
            ViewColumn("framework", "VARCHAR", "What runs it"),
            ViewColumn("inputs", _FIELDS, "What it takes"),
            ViewColumn("outputs", _FIELDS, "What it gives"),
            ViewColumn("features", "VARCHAR[]", "Names of its features, in order"),
            ViewColumn("feature_vector", "VARCHAR", "The feature vector that it was trained on"),
            ViewColumn("metrics", "MAP(VARCHAR, DOUBLE)", "Metrics of its training"),
            ViewColumn("feature_stats", "VARIANT", "Statistics of each feature in its training set"),
            ViewColumn("created_at", _TIME, "When it was registered"),
            ViewColumn("comment", "VARCHAR", "What is special about it"),
        ),
    ),
    View(
        "model_alias_moves",
        "One row a move of an alias: who promoted what, and when.",
        "SELECT project, name, alias, from_version, to_version, moved_at, moved_by FROM catalog.main.model_alias_moves",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name of the model"),
            ViewColumn("alias", "VARCHAR", "The alias"),
            ViewColumn("from_version", "INTEGER", "Where it pointed before; NULL when it is new"),
            ViewColumn("to_version", "INTEGER", "Where it points since; NULL when it was dropped"),
            ViewColumn("moved_at", _TIME, "When"),
            ViewColumn("moved_by", "VARCHAR", "By whom"),
        ),
    ),
)
