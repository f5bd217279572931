"""How far the files of sets at locations of their own have followed, in the data file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.names import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def sequence(cursor: DuckDBPyConnection, set_id: str) -> int | None:
    """The last sequence that stands in files; -1: they are to be written anew; None: there are none."""
    rows = cursor.execute("SELECT sequence FROM data._mlbox.published WHERE set_id = ?", [set_id]).fetchall()
    return int(rows[0][0]) if rows else None


def put(cursor: DuckDBPyConnection, project: str, set_id: str, upto: int, at: datetime) -> None:
    """All rows up to a sequence stand in files."""
    cursor.execute(
        "INSERT INTO data._mlbox.published VALUES (?, ?, ?, ?) ON CONFLICT (set_id) DO UPDATE SET "
        "sequence = excluded.sequence, published_at = excluded.published_at",
        [project, set_id, upto, at],
    )


def mark(cursor: DuckDBPyConnection, set_ids: Iterable[str]) -> None:
    """Their files hold rows that have gone."""
    ids = ", ".join(literal(set_id) for set_id in set_ids)
    if ids:
        cursor.execute(f"UPDATE data._mlbox.published SET sequence = -1 WHERE set_id IN ({ids})")


def marked(cursor: DuckDBPyConnection, project: str, name: str) -> list[str]:
    """Ids of versions of a set whose files are to be written anew."""
    found = (
        "SELECT set_id FROM data._mlbox.published WHERE sequence < 0 AND set_id IN "
        "(SELECT id FROM data._mlbox.feature_definitions WHERE project = ? AND lower(name) = lower(?))"
    )
    return [row[0] for row in cursor.execute(found, [project, name]).fetchall()]
