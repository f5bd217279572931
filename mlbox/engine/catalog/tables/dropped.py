"""What was dropped and can still be restored: a tombstone each, and the rows that went with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.ids import new_id
from mlbox.base.names import literal, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAMED = {
    "workflow": "workflows",
    "schedule": "schedules",
    "monitor": "monitors",
    "alert": "alerts",
    "endpoint": "endpoints",
    "feed": "feeds",
    "feature set": "feature_sets",
    "feature vector": "feature_vectors",
    "source": "sources",
    "collection": "collections",
}
"""Kinds of which an object is one row of a table, and its name the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """``object`` is the id of a run, model, collection or feature set, the time of the drop of a function, else the
    name; ``version`` None: all of it."""

    id: str = field(default_factory=new_id)
    project: str
    kind: str
    name: str
    version: str | None = None
    object: str
    dropped_at: datetime = field(default_factory=now)
    dropped_by: str


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a table of the catalog for which ``condition`` holds."""

    table: str
    condition: str
    parameters: Sequence[Any]


_COLUMNS = tuple(entry.name for entry in fields(Tombstone))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM catalog.main.dropped"


def bury(cursor: DuckDBPyConnection, tombstone: Tombstone, parts: Iterable[Part] = ()) -> None:
    """Note a drop and keep the rows; whoever drops deletes them in the same transaction."""
    marks = ", ".join("?" for _ in _COLUMNS)
    values = [getattr(tombstone, name) for name in _COLUMNS]
    cursor.execute(f"INSERT INTO catalog.main.dropped ({', '.join(_COLUMNS)}) VALUES ({marks})", values)
    for part in parts:
        cursor.execute(
            "INSERT INTO catalog.main.dropped_rows SELECT ?, ?, ?, row::VARIANT "
            f"FROM (SELECT row FROM catalog.main.{part.table} row WHERE {part.condition})",
            [tombstone.project, tombstone.id, part.table, *part.parameters],
        )


def bury_named(
    cursor: DuckDBPyConnection, kind: str, project: str, name: str, by: str, object: str | None = None
) -> None:
    """Note the drop of an object of ``NAMED``."""
    tombstone = Tombstone(project=project, kind=kind, name=name, object=object or name, dropped_by=by)
    bury(cursor, tombstone, [Part(NAMED[kind], "project = ? AND lower(name) = lower(?)", [project, name])])


def find(
    cursor: DuckDBPyConnection, project: str, kind: str, name: str | None = None, version: str | None = None
) -> list[Tombstone]:
    """Tombstones of a kind, the newest first; of one name, and of one version of it, when these are given."""
    return _select(
        cursor,
        "project = ? AND kind = ? AND (?::VARCHAR IS NULL OR lower(name) = lower(?)) "
        "AND (?::VARCHAR IS NULL OR version = ?)",
        [project, kind, name, name, version, version],
    )


def of_kind(cursor: DuckDBPyConnection, kind: str, project: str | None = None) -> list[Tombstone]:
    """All of a kind, of one project or of all, the newest first."""
    return _select(cursor, "kind = ? AND (?::VARCHAR IS NULL OR project = ?)", [kind, project, project])


def expired(cursor: DuckDBPyConnection, before: datetime) -> list[Tombstone]:
    """Those that are older, the newest first."""
    return _select(cursor, "dropped_at < ?", [before])


def of_object(cursor: DuckDBPyConnection, kind: str, object: str) -> list[Tombstone]:
    """Those of one object by its id."""
    return _select(cursor, "kind = ? AND object = ?", [kind, object])


def _select(cursor: DuckDBPyConnection, condition: str, parameters: list[Any]) -> list[Tombstone]:
    rows = cursor.execute(f"{_SELECT} WHERE {condition} ORDER BY dropped_at DESC, id DESC", parameters).fetchall()
    return [Tombstone(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def taken(cursor: DuckDBPyConnection, table: str, project: str, name: str) -> bool:
    """Whether there is an object of that name now."""
    found = cursor.execute(
        f"SELECT 1 FROM catalog.main.{table} WHERE project = ? AND lower(name) = lower(?)", [project, name]
    ).fetchall()
    return bool(found)


def kept(cursor: DuckDBPyConnection, tombstone: Tombstone, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of the rows of a table that are kept, as text."""
    chosen = ", ".join(f"variant_extract(body, {literal(column)})::VARCHAR" for column in columns)
    return cursor.execute(
        f"SELECT {chosen} FROM catalog.main.dropped_rows WHERE drop_id = ? AND of_table = ?", [tombstone.id, table]
    ).fetchall()


def kept_ids(cursor: DuckDBPyConnection, table: str) -> set[str]:
    """Ids of all rows of a table that are kept, of whatever drop."""
    rows = cursor.execute(
        "SELECT variant_extract(body, 'id')::VARCHAR FROM catalog.main.dropped_rows WHERE of_table = ?", [table]
    ).fetchall()
    return {row[0] for row in rows}


def put_back(cursor: DuckDBPyConnection, tombstone: Tombstone, tables: Iterable[str]) -> None:
    """The kept rows of these tables; a column that came later gets its default, or NULL."""
    for table in tables:
        columns = cursor.execute(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = 'catalog' AND schema_name = 'main' AND table_name = ? ORDER BY column_index",
            [table],
        ).fetchall()
        values = ", ".join(f"CAST(variant_extract(body, {literal(name)}) AS {kind})" for name, kind in columns)
        cursor.execute(
            f"INSERT INTO catalog.main.{table} ({', '.join(quote(name) for name, _ in columns)}) "
            # materialized, or DuckDB casts rows of other tables on its way to these
            "WITH found AS MATERIALIZED "
            "(SELECT body FROM catalog.main.dropped_rows WHERE drop_id = ? AND of_table = ?) "
            f"SELECT {values} FROM found",
            [tombstone.id, table],
        )


def forget(cursor: DuckDBPyConnection, tombstone: Tombstone) -> None:
    """It is restored, or gone for good."""
    cursor.execute("DELETE FROM catalog.main.dropped_rows WHERE drop_id = ?", [tombstone.id])
    cursor.execute("DELETE FROM catalog.main.dropped WHERE id = ?", [tombstone.id])
