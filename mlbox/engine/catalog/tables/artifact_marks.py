"""Aliases and labels of versions of artifacts. A version may have several rows, one for each run that logged it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.engine.catalog.tables.aliases import point
from mlbox.engine.catalog.tables.dropped import Part

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES = ("artifact_aliases", "artifact_labels")
_LEFT = (
    "NOT EXISTS (SELECT 1 FROM catalog.main.artifacts a WHERE a.project = row.project "
    "AND lower(a.name) = row.name AND a.version = row.version"
)
"""The condition under which nothing is left of the version that a row of ``TABLES`` marks, without its end."""


def aliases(cursor: DuckDBPyConnection, project: str, name: str) -> dict[str, int]:
    """Aliases and the versions that they point at."""
    rows = cursor.execute(
        "SELECT alias, version FROM catalog.main.artifact_aliases WHERE project = ? AND name = lower(?) ORDER BY alias",
        [project, name],
    ).fetchall()
    return dict(rows)


def set_alias(cursor: DuckDBPyConnection, project: str, name: str, alias: str, version: int | None) -> None:
    """Point an alias at a version, or take it away."""
    point(cursor, "artifact_aliases", (project, name, alias), version)


def labels(cursor: DuckDBPyConnection, project: str, name: str, version: int) -> dict[str, Any]:
    """Labels of a version."""
    rows = cursor.execute(
        "SELECT labels FROM catalog.main.artifact_labels WHERE project = ? AND name = lower(?) AND version = ?",
        [project, name, version],
    ).fetchall()
    return dict(json.loads(rows[0][0])) if rows else {}


def set_labels(cursor: DuckDBPyConnection, project: str, name: str, version: int, found: Mapping[str, Any]) -> None:
    """All labels of a version; without any, no row."""
    if not found:
        cursor.execute(
            "DELETE FROM catalog.main.artifact_labels WHERE project = ? AND name = lower(?) AND version = ?",
            [project, name, version],
        )
        return
    cursor.execute(
        "INSERT OR REPLACE INTO catalog.main.artifact_labels VALUES (?, lower(?), ?, ?)",
        [project, name, version, json.dumps(dict(found), default=str, ensure_ascii=False, sort_keys=True)],
    )


def going(project: str, name: str, ids: Sequence[str]) -> list[Part]:
    """What marks versions of which nothing is left when these rows go."""
    condition = f"project = ? AND name = lower(?) AND {_LEFT} AND NOT list_contains(?::VARCHAR[], a.id))"
    return [Part(table, condition, [project, name, list(ids)]) for table in TABLES]


def aliases_going(cursor: DuckDBPyConnection, project: str, name: str, ids: Sequence[str]) -> list[str]:
    """Aliases that go when these rows do."""
    part = going(project, name, ids)[0]
    rows = cursor.execute(
        f"SELECT alias FROM catalog.main.{part.table} row WHERE {part.condition} ORDER BY alias", list(part.parameters)
    ).fetchall()
    return [row[0] for row in rows]


def forget(cursor: DuckDBPyConnection, projects: Iterable[str]) -> None:
    """Rows of artifacts have been deleted: marks of versions of which nothing is left go, or they would come to mean
    a later version of the same number."""
    for table in TABLES:
        cursor.execute(
            f"DELETE FROM catalog.main.{table} row WHERE list_contains(?::VARCHAR[], project) AND {_LEFT})",
            [sorted(set(projects))],
        )


def marked(cursor: DuckDBPyConnection, run_ids: Sequence[str]) -> list[str]:
    """``name@alias`` of versions that an alias points at and of which only these runs have rows that are shown."""
    rows = cursor.execute(
        "SELECT DISTINCT a.name || '@' || x.alias FROM catalog.main.artifact_aliases x "
        "JOIN catalog.main.artifacts a ON a.project = x.project AND lower(a.name) = x.name AND a.version = x.version "
        "WHERE list_contains($runs::VARCHAR[], a.run_id) AND NOT EXISTS (SELECT 1 FROM catalog.main.artifacts o "
        "LEFT JOIN catalog.main.runs r ON r.id = o.run_id WHERE o.project = x.project AND lower(o.name) = x.name "
        "AND o.version = x.version AND r.deleted_at IS NULL "
        "AND (o.run_id IS NULL OR NOT list_contains($runs::VARCHAR[], o.run_id))) ORDER BY ALL",
        {"runs": list(run_ids)},
    ).fetchall()
    return [row[0] for row in rows]
