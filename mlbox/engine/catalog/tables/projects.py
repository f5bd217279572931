"""Rows of projects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import NotFound
from mlbox.base.names import quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import dumps, feature_sets, run_memory

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CONTENTS = (
    *("functions", "runs", "models", "sources", "feature_sets", "feature_vectors", "collections", "endpoints"),
    *("feeds", "workflows", "schedules", "monitors", "alerts", "secrets", "profiles"),
)
"""Tables of the catalog that tell whether a project holds something."""
_ALIVE = {"functions": " AND dropped_at IS NULL", "runs": " AND deleted_at IS NULL"}
"""What is dropped is nothing."""


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project."""

    name: str
    comment: str | None
    owner: str | None
    created_at: datetime
    source: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def names(cursor: DuckDBPyConnection) -> list[str]:
    """All projects, by name."""
    return [row[0] for row in cursor.execute("SELECT name FROM catalog.main.projects ORDER BY name").fetchall()]


def exists(cursor: DuckDBPyConnection, name: str) -> bool:
    """Whether there is such a project."""
    found = cursor.execute("SELECT 1 FROM catalog.main.projects WHERE name = ?", [name.lower()]).fetchall()
    return bool(found)


def get(cursor: DuckDBPyConnection, name: str) -> ProjectRow:
    """The project; ``NotFound``."""
    require(cursor, name)
    rows = cursor.execute(
        "SELECT name, comment, owner, created_at, source, options::JSON::VARCHAR FROM catalog.main.projects "
        "WHERE name = ?",
        [name.lower()],
    ).fetchall()
    found, comment, owner, created_at, source, options = rows[0]
    return ProjectRow(found, comment, owner, created_at, source, json.loads(options or "{}"))


def require(cursor: DuckDBPyConnection, name: str) -> None:
    """Raise ``NotFound`` with the nearest names unless the project exists."""
    if exists(cursor, name):
        return
    hint = did_you_mean(name, names(cursor)) or ""
    raise NotFound(
        f"there is no project {name!r}",
        hint=f"{hint}{'; or ' if hint else ''}make it with: CREATE PROJECT {name}",
        details={"kind": "project", "name": name},
    )


def upsert(cursor: DuckDBPyConnection, row: ProjectRow) -> None:
    """Insert, or replace all but the time of creation."""
    cursor.execute(
        """
        INSERT INTO catalog.main.projects (name, comment, owner, source, options, created_at)
        VALUES (?, ?, ?, ?, ?::JSON::VARIANT, ?)
        ON CONFLICT (name) DO UPDATE SET comment = excluded.comment, owner = excluded.owner,
            source = excluded.source, options = excluded.options
        """,
        [row.name, row.comment, row.owner, row.source, json.dumps(dict(row.options), default=str), row.created_at],
    )


def delete_row(cursor: DuckDBPyConnection, name: str) -> None:
    """The project itself: from now on nobody finds it."""
    cursor.execute("DELETE FROM catalog.main.projects WHERE name = ?", [name])


def delete_rows(cursor: DuckDBPyConnection, name: str) -> None:
    """Every row of other tables of the catalog that belongs to the project; what was done (``audit``) stays, and
    earlier projects of this name that can be restored."""
    run_memory.changed()
    for table in dumps.of_projects(cursor, "catalog"):
        if table != "audit":
            others = " AND kind <> 'project'" if table == "dropped" else ""
            cursor.execute(f"DELETE FROM catalog.main.{quote(table)} WHERE project = ?{others}", [name])


def contents(cursor: DuckDBPyConnection, name: str) -> dict[str, int]:
    """How many objects of each kind a project holds; kinds without any are left out."""
    parts = [
        f"SELECT '{table}', count(*) FROM catalog.main.{table} WHERE project = $name{_ALIVE.get(table, '')}"
        for table in CONTENTS
    ]
    parts.append(
        "SELECT 'tables_and_views', count(*) FROM information_schema.tables "
        "WHERE table_catalog = 'data' AND table_schema = $name AND table_name NOT IN "
        "(SELECT name FROM catalog.main.feature_sets WHERE project = $name UNION ALL "
        "SELECT name || '@' || version FROM data._mlbox.feature_definitions WHERE project = $name)"
    )
    rows = cursor.execute(" UNION ALL ".join(parts), {"name": name}).fetchall()
    return {table: count for table, count in rows if count}


def delete_data(cursor: DuckDBPyConnection, name: str) -> None:
    """All of the project in the data file: its schema, the hidden tables of its feature sets with their definitions,
    ledger and statistics, its predictions."""
    cursor.execute(f"DROP SCHEMA IF EXISTS data.{quote(name)} CASCADE")
    hidden = cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'data' AND schema_name = '_sets' "
        "AND starts_with(table_name, ?)",
        [f"{name}."],
    ).fetchall()
    for (table,) in hidden:
        cursor.execute(f"DROP TABLE data._sets.{quote(table)}")
    feature_sets.delete_definitions(cursor, name)
    for table in dumps.of_projects(cursor, "data"):
        cursor.execute(f"DELETE FROM data._mlbox.{quote(table)} WHERE project = ?", [name])
