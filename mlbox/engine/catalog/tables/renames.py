"""Another name for an object: its row, the rows that know it by name, lineage and tombstones, in one transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.names import Ref, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Renamed:
    """How a kind is renamed: its table, and the columns of others that follow, (table, column)."""

    table: str
    followers: tuple[tuple[str, str], ...] = ()
    column: str = "name"


KINDS = {
    "alert": Renamed(
        "alerts", (("alert_evaluations", "alert"), ("alert_activations", "alert"), ("notifications", "alert"))
    ),
    "monitor": Renamed("monitors", (("monitor_windows", "monitor"), ("drift", "monitor"))),
    "model": Renamed("models", (("model_alias_moves", "name"),)),
    "function": Renamed("functions", (("function_aliases", "name"), ("runs", "function"))),
}
_TEXTS = (
    ("workflow", "workflows", "definition"),
    ("schedule", "schedules", "statement"),
    ("alert", "alerts", "condition || chr(10) || actions"),
    ("endpoint", "endpoints", "parts"),
    ("collection", "collections", "definition"),
)
"""Where statements and references are kept as text: (kind, table, expression)."""


def kept_under(cursor: DuckDBPyConnection, kind: str, ref: Ref) -> list[str]:
    """Tables that have rows of this name: of an object, or what an earlier one of the name has left."""
    known = KINDS[kind]
    found = []
    for table, column in ((known.table, known.column), *known.followers):
        rows = cursor.execute(
            f"SELECT 1 FROM catalog.main.{table} WHERE project = ? AND lower({quote(column)}) = lower(?) LIMIT 1",
            [ref.project, ref.name],
        ).fetchall()
        found += [table] if rows else []
    return found


def mentions(cursor: DuckDBPyConnection, kind: str, name: str) -> list[str]:
    """Objects whose text names ``name``, which nobody can change for their owners; not those of ``kind`` itself. Views
    can name models only."""
    pattern = rf"(^|[^A-Za-z0-9_]){re.escape(name)}($|[^A-Za-z0-9_])"
    found = []
    for other, table, text in _TEXTS:
        if other != kind:
            rows = cursor.execute(
                f"SELECT project || '.' || name FROM catalog.main.{table} "
                f"WHERE regexp_matches({text}, ?, 'i') ORDER BY ALL",
                [pattern],
            ).fetchall()
            found += [f"{other} {row[0]}" for row in rows]
    if kind != "model":
        return found
    views = cursor.execute(
        "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE database_name = 'data' AND NOT internal "
        "AND regexp_matches(sql, ?, 'i') ORDER BY ALL",
        [pattern],
    ).fetchall()
    return [*found, *(f"view {row[0]}" for row in views)]


def rename(cursor: DuckDBPyConnection, kind: str, ref: Ref, name: str) -> None:
    """Give it the name; the caller has looked that it is free."""
    known = KINDS[kind]
    for table, column in ((known.table, known.column), *known.followers):
        given = name.lower() if table == "function_aliases" else name
        cursor.execute(
            f"UPDATE catalog.main.{table} SET {quote(column)} = ? "
            f"WHERE project = ? AND lower({quote(column)}) = lower(?)",
            [given, ref.project, ref.name],
        )
    cursor.execute(
        "UPDATE catalog.main.dropped SET name = ? WHERE project = ? AND kind = ? AND lower(name) = lower(?)",
        [name, ref.project, kind, ref.name],
    )
    if kind in ("alert", "monitor"):
        _define(cursor, kind, ref, name)
    _lineage(cursor, kind, ref, name)


def _define(cursor: DuckDBPyConnection, kind: str, ref: Ref, name: str) -> None:
    """The statements that would make them again."""
    head = f"CREATE {kind.upper()} "
    cursor.execute(
        f"UPDATE catalog.main.{KINDS[kind].table} SET definition = ? || substr(definition, length(?) + 1) "
        "WHERE project = ? AND name = ? AND starts_with(definition, ?)",
        [head + quote(name), head + quote(ref.name), ref.project, name, head + quote(ref.name)],
    )
    if kind == "monitor":
        place = f" ON MONITOR {quote(ref.project)}.{quote(ref.name)} "
        cursor.execute(
            "UPDATE catalog.main.alerts SET on_name = ?, definition = replace(definition, ?, ?) "
            "WHERE on_kind = 'monitor' AND on_project = ? AND lower(on_name) = lower(?)",
            [name, place, f" ON MONITOR {quote(ref.project)}.{quote(name)} ", ref.project, ref.name],
        )


def _lineage(cursor: DuckDBPyConnection, kind: str, ref: Ref, name: str) -> None:
    """Edges of the object and of its versions; one that is there already under the new name stays as it is."""
    old, new = f"{ref.project}.{ref.name}", f"{ref.project}.{name}"
    for table, columns in (
        ("lineage", ("recorded_at", "detail")),
        ("column_lineage", ("from_column", "to_column", "recorded_at", "detail")),
    ):
        for side in ("from", "to"):
            mine = f"{side}_kind = ? AND ({side}_ref = ? OR starts_with({side}_ref, ? || '@'))"
            refs = ", ".join(
                f"? || substr({each}_ref, length(?) + 1)" if each == side else f"{each}_ref" for each in ("from", "to")
            )
            cursor.execute(
                f"INSERT OR IGNORE INTO catalog.main.{table} (project, from_kind, to_kind, from_ref, to_ref, "
                f"{', '.join(columns)}) SELECT project, from_kind, to_kind, {refs}, {', '.join(columns)} "
                f"FROM catalog.main.{table} WHERE {mine}",
                [new, old, kind, old, old],
            )
            cursor.execute(f"DELETE FROM catalog.main.{table} WHERE {mine}", [kind, old, old])
