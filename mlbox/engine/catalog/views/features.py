"""Views of the feature store."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "feature_sets",
        "One row a feature set, at its current version.",
        """
        SELECT s.project, s.name, s.version,
               list_transform(from_json(s.definition::JSON->'entities', '[["VARCHAR"]]'), lambda e: e[1]) AS entities,
               s.definition::JSON->>'timestamp' AS "timestamp", s.definition::JSON->>'known_at' AS known_at,
               s.definition::JSON->>'store' AS store, (s.definition::JSON->>'ttl')::DOUBLE AS ttl_seconds,
               coalesce(i.rows, 0) AS rows, i.first_event, i.last_event, i.last_refresh, s.online_until,
               s.definition::JSON->>'body' AS definition, s.created_at, s.definition::JSON->>'comment' AS comment,
               (SELECT o.project || '.' || o.name FROM catalog.main.sources o
                WHERE o.id = s.definition::JSON->>'source') AS source,
               s.definition::JSON->>'refresh' AS refresh, s.definition::JSON->>'owner' AS owner,
               coalesce(from_json(s.definition::JSON->'tags', '["VARCHAR"]'), []) AS tags,
               CASE WHEN (s.definition::JSON->>'quarantine')::BOOLEAN THEN 'quarantine'
                    WHEN (s.definition::JSON->>'skip_errors')::BOOLEAN THEN 'skip' ELSE 'fail' END AS on_error,
               (s.definition::JSON->'transform'->>0) || '.' || (s.definition::JSON->'transform'->>1) || '@'
                   || (s.definition::JSON->'transform'->>2) AS transform,
               coalesce(s.definition::JSON->>'engine', 'duckdb') AS engine,
               s.definition::JSON->>'location' AS location,
               s.definition::JSON->>'location_profile' AS location_profile,
               CASE WHEN s.definition::JSON->>'location' IS NOT NULL
                    THEN coalesce(s.definition::JSON->>'location_format', 'parquet') END AS location_format,
               coalesce(from_json(s.definition::JSON->'partition_by', '["VARCHAR"]'), []) AS partition_by
        FROM catalog.main.feature_sets s LEFT JOIN (
            SELECT set_id, (sum(added) - sum(removed))::BIGINT AS rows, min(first_event) AS first_event,
                   max(last_event) AS last_event, max(started_at) AS last_refresh
            FROM data._mlbox.ingests GROUP BY set_id
        ) i ON i.set_id = s.id
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("version", "INTEGER", "Version; CREATE OR REPLACE makes a new one"),
            ViewColumn("entities", "VARCHAR[]", "Columns of the entities"),
            ViewColumn("timestamp", "VARCHAR", "Column of the event time"),
            ViewColumn("known_at", "VARCHAR", "Column of the time from which a row may be used"),
            ViewColumn("store", "VARCHAR", "offline, online or both"),
            ViewColumn("ttl_seconds", "DOUBLE", "Age beyond which a value is not used", "s"),
            ViewColumn("rows", "BIGINT", "Rows stored offline", "rows"),
            ViewColumn("first_event", TIME, "Earliest event time"),
            ViewColumn("last_event", TIME, "Latest event time"),
            ViewColumn("last_refresh", TIME, "Start of the last ingest"),
            ViewColumn("online_until", TIME, "Time up to which rows are in the online store"),
            ViewColumn("definition", "VARCHAR", "The query of the set"),
            ViewColumn("created_at", TIME, "When it was created"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
            ViewColumn("source", "VARCHAR", "The source that it reads, as project.name"),
            ViewColumn("refresh", "VARCHAR", "When its schedule (refresh_ and its name) refreshes it"),
            ViewColumn("owner", "VARCHAR", "Who answers for it"),
            ViewColumn("tags", "VARCHAR[]", "What one finds it by"),
            ViewColumn("on_error", "VARCHAR", "What a wrong row does: fail, skip, or quarantine (ml.dead_letters)"),
            ViewColumn("transform", "VARCHAR", "The function that its rows go through, as project.name@version"),
            ViewColumn("engine", "VARCHAR", "Who computes its query: duckdb or spark"),
            ViewColumn("location", "VARCHAR", "Folder or URL where its rows also lie"),
            ViewColumn("location_profile", "VARCHAR", "Profile by which that place is asked; NULL: the server's own"),
            ViewColumn("location_format", "VARCHAR", "In which form: parquet or delta"),
            ViewColumn("partition_by", "VARCHAR[]", "Columns by which these are laid apart"),
        ),
    ),
    View(
        "features",
        "One row a column of a feature set.",
        """
        SELECT project, feature_set, f.name AS name, f.type AS type, 'feature' AS role, f.aggregate AS aggregate,
               f.description AS description
        FROM (
            SELECT project, name AS feature_set, unnest(from_json(definition::JSON->'features',
                '[{"name": "VARCHAR", "type": "VARCHAR", "aggregate": "VARCHAR", "description": "VARCHAR"}]')) AS f
            FROM catalog.main.feature_sets
        )
        UNION ALL
        SELECT project, feature_set, name, 'TIMESTAMP WITH TIME ZONE', role, NULL, NULL
        FROM (
            SELECT project, name AS feature_set, definition::JSON->>role AS name, role
            FROM catalog.main.feature_sets, (VALUES ('timestamp'), ('known_at')) AS roles(role)
        ) WHERE name IS NOT NULL
        UNION ALL
        SELECT project, feature_set, e[1], e[2], 'entity', NULL, NULL
        FROM (
            SELECT project, name AS feature_set,
                   unnest(from_json(definition::JSON->'entities', '[["VARCHAR"]]')) AS e FROM catalog.main.feature_sets
        )
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("feature_set", "VARCHAR", "Feature set"),
            ViewColumn("name", "VARCHAR", "Column"),
            ViewColumn("type", "VARCHAR", "DuckDB type"),
            ViewColumn("role", "VARCHAR", "entity, timestamp, known_at or feature"),
            ViewColumn("aggregate", "VARCHAR", "Its window aggregate, where it is one"),
            ViewColumn("description", "VARCHAR", "What it means"),
        ),
    ),
    View(
        "feature_vectors",
        "One row a feature vector.",
        """
        SELECT project, name,
               list_transform(from_json(definition::JSON->'features',
                   '[{"feature_set": "VARCHAR", "feature": "VARCHAR", "name": "VARCHAR"}]'),
                   lambda f: f.feature_set || '.' || f.feature
                       || CASE WHEN f.name = f.feature THEN '' ELSE ' AS ' || f.name END) AS features,
               (definition::JSON->'label'->>'feature_set') || '.' || (definition::JSON->'label'->>'feature') AS label,
               definition, created_at
        FROM catalog.main.feature_vectors
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("features", "VARCHAR[]", "Features as set.feature, with AS where they are renamed"),
            ViewColumn("label", "VARCHAR", "What is to be predicted, as set.feature"),
            ViewColumn("definition", "VARCHAR", "As JSON"),
            ViewColumn("created_at", TIME, "When it was created"),
        ),
    ),
    View(
        "feature_stats",
        "One row a column of a feature set: statistics of its last ingest.",
        """
        SELECT s.project, s.name AS feature_set, s.version, t.column_name, t.row_count, t.nulls, t.distinct_count,
               t.min, t.mean, t.max, t.stddev, t.quantiles, t.histogram_edges, t.histogram_counts, t.top, t.computed_at
        FROM catalog.main.feature_sets s JOIN (
            SELECT * FROM data._mlbox.feature_stats
            QUALIFY computed_at = max(computed_at) OVER (PARTITION BY set_id, column_name)
        ) t ON t.set_id = s.id
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("feature_set", "VARCHAR", "Feature set"),
            ViewColumn("version", "INTEGER", "Version of the set"),
            ViewColumn("column_name", "VARCHAR", "Column"),
            ViewColumn("row_count", "BIGINT", "Rows of the ingest", "rows"),
            ViewColumn("nulls", "BIGINT", "Rows without a value", "rows"),
            ViewColumn("distinct_count", "BIGINT", "Distinct values, approximately (HyperLogLog)"),
            ViewColumn("min", "DOUBLE", "Smallest value"),
            ViewColumn("mean", "DOUBLE", "Mean"),
            ViewColumn("max", "DOUBLE", "Largest value"),
            ViewColumn("stddev", "DOUBLE", "Sample standard deviation"),
            ViewColumn(
                "quantiles",
                "DOUBLE[]",
                "At 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99; exact for integers within 1,024 of each "
                "other; else from a thousand bins, or where one of these holds more than 0.5 % of the rows by t-digest "
                "(of 100,000 rows, chosen by hash, where there are more than 200,000)",
            ),
            ViewColumn("histogram_edges", "DOUBLE[]", "21 edges of 20 bins of equal width from min to max"),
            ViewColumn("histogram_counts", "BIGINT[]", "Rows in each bin", "rows"),
            ViewColumn("top", "VARCHAR[]", "Most frequent values of a text column, approximately"),
            ViewColumn("computed_at", TIME, "When they were computed"),
        ),
    ),
    View(
        "feature_checks",
        "One row a check of a feature set in each ingest: how many rows break it.",
        """
        SELECT project, feature_set, version, ingest_id, column_name, condition, severity, broken, rows, checked_at
        FROM data._mlbox.feature_checks
        WHERE set_id NOT IN (SELECT id FROM data._mlbox.dropped_definitions)
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("feature_set", "VARCHAR", "Feature set"),
            ViewColumn("version", "INTEGER", "Version of the set"),
            ViewColumn("ingest_id", "VARCHAR", "Ingest (ml.ingests)"),
            ViewColumn("column_name", "VARCHAR", "Column that declares it"),
            ViewColumn("condition", "VARCHAR", "The check"),
            ViewColumn("severity", "VARCHAR", "info or warn: rows are taken; error: they were put aside"),
            ViewColumn("broken", "BIGINT", "Rows for which it is false", "rows"),
            ViewColumn("rows", "BIGINT", "Rows that the ingest has taken", "rows"),
            ViewColumn("checked_at", TIME, "When they were counted"),
        ),
    ),
    View(
        "erasures",
        "One row an entity that was deleted (DELETE ENTITY); its values are not kept.",
        """
        SELECT id, project, feature_set, entities, digest, requested_by, requested_at, offline_rows, refused_rows,
               predictions, online_rows, completed_at, documents, coalesce(feed_rows, 0) AS feed_rows
        FROM data._mlbox.erasures
        """,
        (
            ViewColumn("id", "VARCHAR", "Id"),
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("feature_set", "VARCHAR", "Feature set; NULL where it was the whole project"),
            ViewColumn("entities", "VARCHAR[]", "Columns of the entity"),
            ViewColumn("digest", "VARCHAR", "HMAC-SHA256 of its values with the key of the home"),
            ViewColumn("requested_by", "VARCHAR", "User"),
            ViewColumn("requested_at", TIME, "When it was asked for"),
            ViewColumn("offline_rows", "BIGINT", "Rows deleted offline, in all versions", "rows"),
            ViewColumn("refused_rows", "BIGINT", "Rows that sets and feeds had refused (ml.dead_letters)", "rows"),
            ViewColumn("predictions", "BIGINT", "Predictions deleted", "rows"),
            ViewColumn("online_rows", "BIGINT", "Rows deleted online; NULL until then", "rows"),
            ViewColumn("completed_at", TIME, "When the online store had followed; NULL until then"),
            ViewColumn("documents", "BIGINT", "Documents of collections deleted", "documents"),
            ViewColumn(
                "feed_rows", "BIGINT", "Rows of feeds: that waited, and of the tables with their answers", "rows"
            ),
        ),
    ),
    View(
        "ingests",
        "One row an ingest into a feature set.",
        """
        SELECT project, feature_set, version, id, added AS rows, first_event AS from_time, last_event AS to_time,
               started_at, duration_ms, source, removed, coalesce(late, 0) AS late, coalesce(rejected, 0) AS rejected
        FROM data._mlbox.ingests
        WHERE set_id NOT IN (SELECT id FROM data._mlbox.dropped_definitions)
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("feature_set", "VARCHAR", "Feature set"),
            ViewColumn("version", "INTEGER", "Version of the set"),
            ViewColumn("id", "VARCHAR", "Identifier"),
            ViewColumn("rows", "BIGINT", "Rows added", "rows"),
            ViewColumn("from_time", TIME, "Earliest event time of the added rows"),
            ViewColumn("to_time", TIME, "Latest event time of the added rows"),
            ViewColumn("started_at", TIME, "Start"),
            ViewColumn("duration_ms", "DOUBLE", "Duration", "ms"),
            ViewColumn("source", "VARCHAR", "The source that was read, as project.name"),
            ViewColumn("removed", "BIGINT", "Rows that were taken away, for new ones in their place", "rows"),
            ViewColumn("late", "BIGINT", "Added rows that are not newer than the newest one that was there", "rows"),
            ViewColumn("rejected", "BIGINT", "Rows that broke a rule and were left out", "rows"),
        ),
    ),
)
