"""Rows of an ingest that were refused and put aside, beside those of streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.engine.catalog.tables.streams import Owner, trim_dead_letters

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def insert(
    cursor: DuckDBPyConnection, owner: Owner, source: str | None, part: str, select: str, *, repeated: bool = False
) -> int:
    """What ``select`` gives: reason, row as text, its number in the part; the newest are kept. How many there are.

    With ``repeated`` a row that lies there already, from the same part, is left out.
    """
    fresh = (
        'WHERE NOT EXISTS (SELECT 1 FROM data._mlbox.dead_letters d WHERE d.set_id = ? AND d."row" = r.text '
        "AND d.part IS NOT DISTINCT FROM nullif(?, ''))"
    )
    ((count,),) = cursor.execute(
        'INSERT INTO data._mlbox.dead_letters (project, feature_set, set_id, source, reason, "row", refused_at, part, '
        f"number) SELECT ?, ?, ?, ?, r.reason, r.text, ?, nullif(?, ''), r.number "
        f"FROM ({select}) r(reason, text, number) {fresh if repeated else ''}",
        [owner.project, owner.name, owner.id, source, now(), part, *([owner.id, part] if repeated else [])],
    ).fetchall()
    trim_dead_letters(cursor, owner.id)
    return int(count)
