"""What the catalog points at in the artifact store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.engine.catalog.tables import kept_projects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

POINTING = (("artifacts", "digest"), ("model_versions", "digest"), ("functions", "code"))
"""Tables and their columns that hold the SHA-256 of stored bytes; what can be restored counts as what is there."""


def digests(cursor: DuckDBPyConnection) -> set[str]:
    """SHA-256 of all bytes that something points at."""
    parts = [f"SELECT {column} FROM catalog.main.{table}" for table, column in POINTING]
    parts += [
        f"SELECT variant_extract(body, '{column}')::VARCHAR FROM catalog.main.dropped_rows WHERE of_table = '{table}'"
        for table, column in POINTING
    ]
    for table, column in POINTING:
        parts += [f"SELECT {column} FROM {place}" for place in kept_projects.places(cursor, table)]
    rows = cursor.execute(" UNION ".join(parts)).fetchall()
    return {row[0] for row in rows}
