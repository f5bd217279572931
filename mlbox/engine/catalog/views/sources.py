"""Views of sources and of what feature sets have read of them."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "sources",
        "One row a source of rows.",
        """
        SELECT project, name, type, CASE WHEN stream THEN 'stream' ELSE 'batch' END AS mode, uri, query, options,
               CASE WHEN suspended THEN 'suspended' ELSE 'active' END AS state,
               coalesce((SELECT list(f.project || '.' || f.name ORDER BY f.project, f.name)
                         FROM catalog.main.feature_sets f WHERE f.definition::JSON->>'source' = s.id), [])
                   AS feature_sets,
               w.lag, w.error, owner, created_at, comment,
               coalesce((SELECT list(d.project || '.' || d.name ORDER BY d.project, d.name)
                         FROM catalog.main.feeds d WHERE d.source_id = s.id), []) AS feeds
        FROM catalog.main.sources s LEFT JOIN (
            SELECT f.definition::JSON->>'source' AS source, max(p.lag) AS lag, max(p.error) AS error
            FROM data._mlbox.stream_progress p JOIN catalog.main.feature_sets f ON f.id = p.set_id GROUP BY ALL
        ) w ON w.source = s.id
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("type", "VARCHAR", "csv, parquet, query, ..."),
            ViewColumn("mode", "VARCHAR", "batch: rows that stand somewhere; stream: rows that keep coming"),
            ViewColumn("uri", "VARCHAR", "Where the rows are"),
            ViewColumn("query", "VARCHAR", "The query that gives them"),
            ViewColumn("options", "VARCHAR", "Options, as JSON; secrets by their names"),
            ViewColumn("state", "VARCHAR", "active or suspended"),
            ViewColumn("feature_sets", "VARCHAR[]", "Feature sets that read it"),
            ViewColumn("lag", "BIGINT", "Of a stream: rows that the set furthest behind has not read yet", "rows"),
            ViewColumn("error", "VARCHAR", "Why its stream is not read just now"),
            ViewColumn("owner", "VARCHAR", "Who answers for it"),
            ViewColumn("created_at", TIME, "When it was created"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
            ViewColumn("feeds", "VARCHAR[]", "Feeds that bring its rows to endpoints"),
        ),
    ),
    View(
        "source_positions",
        "One row a part of a source (a file, a partition) that a feature set has read.",
        """
        SELECT p.project, s.name AS feature_set, s.version, o.project || '.' || o.name AS source, p.part, p.position,
               CASE WHEN p.last_sequence >= p.first_sequence THEN p.last_sequence - p.first_sequence + 1 END AS rows,
               p.ingest_id, p.read_at
        FROM data._mlbox.source_positions p JOIN catalog.main.feature_sets s ON s.id = p.set_id
        LEFT JOIN catalog.main.sources o ON o.id = s.definition::JSON->>'source'
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("feature_set", "VARCHAR", "Feature set"),
            ViewColumn("version", "INTEGER", "Version of the set"),
            ViewColumn("source", "VARCHAR", "The source, as project.name"),
            ViewColumn("part", "VARCHAR", "File or partition; empty for a source that is read as a whole"),
            ViewColumn("position", "VARCHAR", "How far it was read, as JSON: size and hash, watermark or offset"),
            ViewColumn("rows", "BIGINT", "Rows that it gave, bad ones included; NULL when it gave none", "rows"),
            ViewColumn("ingest_id", "VARCHAR", "The ingest that read it last"),
            ViewColumn("read_at", TIME, "When it was read last"),
        ),
    ),
    View(
        "dead_letters",
        "One row a row that was refused: by a feature set (of a stream or push, or by ON ERROR QUARANTINE) or a feed; "
        "the newest 100,000 of each.",
        """
        SELECT d.project, d.feature_set, d.source, d.reason, d."row", d.refused_at, d.part, d.number,
            coalesce(f.name, d.feed) AS feed
        FROM data._mlbox.dead_letters d LEFT JOIN catalog.main.feeds f ON f.id = d.set_id
        WHERE d.set_id NOT IN (SELECT id FROM data._mlbox.dropped_definitions)
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("feature_set", "VARCHAR", "Feature set that refused it; NULL where a feed did"),
            ViewColumn("source", "VARCHAR", "The source that it came from, as project.name; NULL for a push"),
            ViewColumn("reason", "VARCHAR", "What is wrong with it"),
            ViewColumn("row", "VARCHAR", "The row as it came, as JSON; of a line of CSV that cannot be read, the line"),
            ViewColumn("refused_at", TIME, "When it was refused"),
            ViewColumn("part", "VARCHAR", "File or part of the source in which it stood"),
            ViewColumn("number", "BIGINT", "Its place in the part: of a CSV line that cannot be read the line"),
            ViewColumn("feed", "VARCHAR", "Feed that had no answer for it"),
        ),
    ),
)
