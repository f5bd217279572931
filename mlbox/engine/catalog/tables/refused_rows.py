"""Rows of an ingest that were refused and put aside, beside those of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.engine.catalog.tables.streams import Owner, trim_dead_letters

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def insert(cursor: DuckDBPyConnection, owner: Owner, source: str | None, part: str, select: str) -> None:
    """What ``select`` gives: reason, row as text, its number in the part; the newest are kept."""
    cursor.execute(
        'INSERT INTO data._mlbox.dead_letters (project, feature_set, set_id, source, reason, "row", refused_at, part, '
        f"number) SELECT ?, ?, ?, ?, r.reason, r.text, ?, nullif(?, ''), r.number "
        f"FROM ({select}) r(reason, text, number)",
        [owner.project, owner.name, owner.id, source, now(), part],
    )
    trim_dead_letters(cursor, owner.id)
