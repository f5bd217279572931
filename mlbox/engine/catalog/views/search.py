"""Views of the search."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "collections",
        "One row a collection of texts or vectors that ml.search looks through.",
        """
        SELECT project, name, documents, rows, dimensions, embedder, definition::JSON->>'metric' AS metric, indexed,
               definition::JSON->>'text' AS text_column, definition::JSON->>'vector' AS vector_column,
               definition::JSON->>'body' AS definition, refreshed_at, created_at,
               definition::JSON->>'comment' AS comment
        FROM catalog.main.collections
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("documents", "BIGINT", "Rows of its query at the last refresh", "rows"),
            ViewColumn("rows", "BIGINT", "Pieces that are searched; more than documents where texts are split", "rows"),
            ViewColumn("dimensions", "INTEGER", "Numbers in a vector; NULL where only text is searched"),
            ViewColumn("embedder", "VARCHAR", "What made the vectors, with its version"),
            ViewColumn("metric", "VARCHAR", "cosine, l2 or dot"),
            ViewColumn("indexed", "BOOLEAN", "Whether vectors are found by an index, and not by looking at all"),
            ViewColumn("text_column", "VARCHAR", "Column that is searched by words"),
            ViewColumn("vector_column", "VARCHAR", "Column of the query that gives the vectors"),
            ViewColumn("definition", "VARCHAR", "Its query"),
            ViewColumn("refreshed_at", TIME, "End of the last refresh"),
            ViewColumn("created_at", TIME, "When it was created"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
        ),
    ),
)
