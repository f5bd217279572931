"""Another name for an object: its row, the rows that know it by name, lineage and tombstones, in one transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.clock import now
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
    "workflow": Renamed("workflows", (("workflow_runs", "workflow"), ("steps", "workflow"))),
    "endpoint": Renamed("endpoints", (("feeds", "endpoint"),)),
}
_TEXTS = (
    ("workflow", "workflows", "definition"),
    ("schedule", "schedules", "statement"),
    ("alert", "alerts", "condition || chr(10) || actions"),
    ("endpoint", "endpoints", "parts"),
    ("collection", "collections", "definition"),
    ("feed", "feeds", "coalesce(query, '')"),
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


def mentions(cursor: DuckDBPyConnection, kind: str, name: str, project: str | None = None) -> list[str]:
    """Objects whose text names ``name``, which nobody can change for their owners; not those of ``kind`` itself, or
    not the object itself where its ``project`` is told. Views can name models only."""
    pattern = rf"(^|[^A-Za-z0-9_]){re.escape(name)}($|[^A-Za-z0-9_])"
    found = []
    for other, table, text in _TEXTS:
        if other != kind or project is not None:
            rows = cursor.execute(
                f"SELECT project || '.' || name FROM catalog.main.{table} "
                f"WHERE regexp_matches({text}, ?, 'i') AND NOT (? AND project = ? AND lower(name) = lower(?)) "
                "ORDER BY ALL",
                [pattern, other == kind, project or "", name],
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
    if kind == "endpoint":
        _watched(cursor, ref, name)
    _lineage(cursor, kind, ref, name)
    if kind == "endpoint":
        _lineage(cursor, "prediction log", ref, name)


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


def _watched(cursor: DuckDBPyConnection, ref: Ref, name: str) -> None:
    """The monitors of an endpoint; and its rows of the data file, which follow in a transaction of their own."""
    cursor.execute(
        "UPDATE catalog.main.drift SET target = ? FROM catalog.main.monitors m WHERE drift.project = m.project "
        "AND lower(drift.monitor) = lower(m.name) AND m.target_kind = 'endpoint' AND m.target_project = ? "
        "AND lower(m.target) = lower(?)",
        [name, ref.project, ref.name],
    )
    places = [
        (f" ON ENDPOINT {there}{quote(ref.name)} ", f" ON ENDPOINT {there}{quote(name)} ")
        for there in ("", f"{quote(ref.project)}.")
    ]
    cursor.execute(
        "UPDATE catalog.main.monitors SET target = ?, definition = replace(replace(definition, ?, ?), ?, ?) "
        "WHERE target_kind = 'endpoint' AND target_project = ? AND lower(target) = lower(?)",
        [name, *places[0], *places[1], ref.project, ref.name],
    )
    cursor.execute(
        "INSERT INTO catalog.main.endpoint_renames VALUES (?, ?, ?, ?)", [ref.project, ref.name, name, now()]
    )


def unfinished(cursor: DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Endpoints that were renamed (project, old and new name) whose rows in the data file have yet to follow."""
    return cursor.execute(
        "SELECT project, old_name, new_name FROM catalog.main.endpoint_renames ORDER BY renamed_at"
    ).fetchall()


def finish(cursor: DuckDBPyConnection, project: str, old: str) -> None:
    """They have followed."""
    cursor.execute("DELETE FROM catalog.main.endpoint_renames WHERE project = ? AND old_name = ?", [project, old])


def has_traffic(cursor: DuckDBPyConnection, ref: Ref) -> bool:
    """Whether the data file has records of an endpoint of that name."""
    found = "SELECT 1 FROM data._mlbox.traffic WHERE project = ? AND lower(endpoint) = lower(?) LIMIT 1"
    return bool(cursor.execute(found, [ref.project, ref.name]).fetchall())


def move_predictions(cursor: DuckDBPyConnection, project: str, old: str, new: str) -> None:
    """Predictions and counts of an endpoint under its new name; once more changes nothing. Counts are added to those
    of a minute in which there was a request under the new name already."""
    of_old = "project = ? AND lower(endpoint) = lower(?)"
    cursor.execute(f"UPDATE data._mlbox.predictions SET endpoint = ? WHERE {of_old}", [new, project, old])
    cursor.execute(
        "INSERT INTO data._mlbox.traffic (project, endpoint, minute, requests, errors, unrecorded, last_request) "
        "SELECT project, ?, minute, sum(requests), sum(errors), sum(unrecorded), max(last_request) "
        f"FROM data._mlbox.traffic WHERE {of_old} AND endpoint <> ? GROUP BY ALL "
        "ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors, "
        "unrecorded = unrecorded + excluded.unrecorded, last_request = greatest(last_request, excluded.last_request)",
        [new, project, old, new],
    )
    cursor.execute(f"DELETE FROM data._mlbox.traffic WHERE {of_old} AND endpoint <> ?", [project, old, new])


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
