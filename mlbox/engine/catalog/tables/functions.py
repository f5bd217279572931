"""Rows of functions: one a version; a dropped one stays for the runs that it made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.engine.catalog.tables.aliases import point

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """A version of a function.

    ``digest`` is that of the user's files, ``code`` that of the stored zip of them. ``definition`` holds what nobody
    filters on: image, resources, environment, retries, backoff and time-out in seconds, python, signatures, options.
    """

    project: str
    name: str
    version: int
    source: str
    file: str
    handler: str | None
    handlers: tuple[str, ...]
    runtime: str
    requirements: tuple[str, ...]
    digest: str
    code: str
    definition: Mapping[str, Any]
    comment: str | None
    created_at: datetime


_COLUMNS = tuple(field.name for field in fields(FunctionRow))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM catalog.main.functions"


def _row(values: tuple[Any, ...]) -> FunctionRow:
    known = dict(zip(_COLUMNS, values, strict=True))
    known["handlers"] = tuple(known["handlers"])
    known["requirements"] = tuple(known["requirements"])
    known["definition"] = json.loads(known["definition"])
    return FunctionRow(**known)


def insert(cursor: DuckDBPyConnection, row: FunctionRow) -> None:
    """Add a version."""
    values = [getattr(row, name) for name in _COLUMNS]
    values[_COLUMNS.index("handlers")] = list(row.handlers)
    values[_COLUMNS.index("requirements")] = list(row.requirements)
    values[_COLUMNS.index("definition")] = json.dumps(dict(row.definition))
    marks = ", ".join("?" for _ in _COLUMNS)
    cursor.execute(f"INSERT INTO catalog.main.functions ({', '.join(_COLUMNS)}) VALUES ({marks})", values)


def get(cursor: DuckDBPyConnection, project: str, name: str, version: int | None = None) -> FunctionRow | None:
    """A version, or the latest; names without regard to case. Dropped ones are not found."""
    rows = cursor.execute(
        f"{_SELECT} WHERE project = ? AND lower(name) = lower(?) AND dropped_at IS NULL "
        "AND (?::INTEGER IS NULL OR version = ?) ORDER BY version DESC LIMIT 1",
        [project, name, version, version],
    ).fetchall()
    return _row(rows[0]) if rows else None


def get_kept(cursor: DuckDBPyConnection, project: str, name: str, version: int) -> FunctionRow | None:
    """A version, dropped or not: what a run was made of."""
    rows = cursor.execute(
        f"{_SELECT} WHERE project = ? AND lower(name) = lower(?) AND version = ?", [project, name, version]
    ).fetchall()
    return _row(rows[0]) if rows else None


def next_version(cursor: DuckDBPyConnection, project: str, name: str) -> int:
    """The number of the next version; numbers of dropped ones are not given again."""
    found = cursor.execute(
        "SELECT coalesce(max(version), 0) + 1 FROM catalog.main.functions WHERE project = ? AND lower(name) = lower(?)",
        [project, name],
    ).fetchall()
    return int(found[0][0])


def versions(cursor: DuckDBPyConnection, project: str, name: str) -> list[int]:
    """Numbers of the versions that are not dropped."""
    rows = cursor.execute(
        "SELECT version FROM catalog.main.functions WHERE project = ? AND lower(name) = lower(?) "
        "AND dropped_at IS NULL ORDER BY version",
        [project, name],
    ).fetchall()
    return [row[0] for row in rows]


def aliases(cursor: DuckDBPyConnection, project: str, name: str) -> dict[str, int]:
    """Aliases and the versions that they point at, of versions that are not dropped."""
    rows = cursor.execute(
        "SELECT a.alias, a.version FROM catalog.main.function_aliases a JOIN catalog.main.functions f "
        "ON f.project = a.project AND lower(f.name) = a.name AND f.version = a.version "
        "WHERE a.project = ? AND a.name = lower(?) AND f.dropped_at IS NULL ORDER BY a.alias",
        [project, name],
    ).fetchall()
    return dict(rows)


def set_alias(cursor: DuckDBPyConnection, project: str, name: str, alias: str, version: int | None) -> None:
    """Point an alias at a version, or take it away."""
    point(cursor, "function_aliases", (project, name, alias), version)


def names(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Names of the project's functions."""
    rows = cursor.execute(
        "SELECT DISTINCT name FROM catalog.main.functions WHERE project = ? AND dropped_at IS NULL ORDER BY name",
        [project],
    ).fetchall()
    return [row[0] for row in rows]


def restore(cursor: DuckDBPyConnection, project: str, name: str, dropped_at: datetime) -> int:
    """Show the versions again that were hidden at that moment; how many."""
    done = cursor.execute(
        "UPDATE catalog.main.functions SET dropped_at = NULL "
        "WHERE project = ? AND lower(name) = lower(?) AND dropped_at = ?",
        [project, name, dropped_at],
    ).fetchall()
    return int(done[0][0])


def unneeded(cursor: DuckDBPyConnection, before: datetime) -> list[tuple[str, str, int]]:
    """(project, name, version) of versions that were dropped before, that RESTORE cannot bring back any more, and of
    which no run was made. Others may still name them in their texts."""
    return cursor.execute(
        "SELECT project, name, version FROM catalog.main.functions f WHERE dropped_at < ? AND code <> '' "
        "AND NOT EXISTS (SELECT 1 FROM catalog.main.runs r WHERE r.project = f.project "
        "AND lower(r.function) = lower(f.name) AND r.function_version = f.version) "
        "AND NOT EXISTS (SELECT 1 FROM catalog.main.dropped d WHERE d.kind = 'function' AND d.project = f.project "
        "AND lower(d.name) = lower(f.name) AND d.dropped_at = f.dropped_at) ORDER BY ALL",
        [before],
    ).fetchall()


def purge(cursor: DuckDBPyConnection, project: str, name: str, version: int) -> None:
    """Let go of the code of a dropped version. The row stays, so that its number is not given again."""
    cursor.execute(
        "UPDATE catalog.main.functions SET code = '' WHERE project = ? AND name = ? AND version = ? "
        "AND dropped_at IS NOT NULL",
        [project, name, version],
    )


def drop(cursor: DuckDBPyConnection, project: str, name: str, version: int | None, dropped_at: datetime) -> int:
    """Hide one version or all; how many."""
    done = cursor.execute(
        "UPDATE catalog.main.functions SET dropped_at = ? WHERE project = ? AND lower(name) = lower(?) "
        "AND dropped_at IS NULL AND (?::INTEGER IS NULL OR version = ?)",
        [dropped_at, project, name, version, version],
    ).fetchall()
    return int(done[0][0])
