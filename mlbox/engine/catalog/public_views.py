"""Makes the public views at each open, so that they always fit this version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.engine.catalog.views.base import all_views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


def create(catalog: Catalog) -> None:
    """Create or replace every view of ``ml``; nothing is written when they are as they should be."""
    views = all_views()
    present = {
        row["view_name"]: row["comment"]
        for row in catalog.rows(
            "SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'catalog' AND schema_name = 'ml'"
        )
    }
    stale = [view for view in views if present.get(view.name) != view.fingerprint]
    gone = set(present) - {view.name for view in views}
    if not stale and not gone:
        return

    def make(cursor: DuckDBPyConnection) -> None:
        for name in gone:
            cursor.execute(f"DROP VIEW catalog.ml.{name}")
        for view in stale:
            cursor.execute(view.create)
            cursor.execute(f"COMMENT ON VIEW catalog.ml.{view.name} IS '{view.fingerprint}'")

    catalog.write(make)
