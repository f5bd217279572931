"""Texts of errors in histories: what DuckDB or a user's code says of a row may have the values of the row in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.names import literal
from mlbox.engine.catalog.tables import kept_projects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_INSTEAD = r"\1***\2"
_TEXTS = {
    "audit": ("error",),
    "runs": ("error", "reason", "traceback"),
    "run_attempts": ("error", "reason"),
    "workflow_runs": ("reason",),
    "steps": ("error", "message"),
    "schedules": ("last_error",),
    "notifications": ("error",),
    "alert_activations": ("reason",),
}
"""Columns of tables of the catalog. Those of the data file: ``_mlbox.stream_progress.error``."""


def redact(cursor: DuckDBPyConnection, project: str, values: Sequence[Any]) -> None:
    """Take values of an entity out of the texts of a project in the catalog, of dropped ones of its name too: of those
    texts that have all of them, as words."""
    for table, columns in _TEXTS.items():
        of = f"project = {literal(project)}"
        if table == "audit":  # by whom who stood in another project
            of = f"({of} OR starts_with(object, {literal(project + '.')}))"
        for column in columns:
            _replace(cursor, f"catalog.main.{table}", column, of, values)
            for place in kept_projects.places(cursor, table):
                _replace(cursor, place, column, of, values)
    told = "data::JSON::VARCHAR"
    cursor.execute(
        f"UPDATE catalog.main.events SET data = CAST({_without(told, values)} AS JSON)::VARIANT "
        f"WHERE project = {literal(project)} AND json_exists(data::JSON, '$.error') AND {_has(told, values)}"
    )


def redact_streams(cursor: DuckDBPyConnection, project: str, values: Sequence[Any]) -> None:
    """The same in the data file."""
    _replace(cursor, "data._mlbox.stream_progress", "error", f"project = {literal(project)}", values)


def _replace(cursor: DuckDBPyConnection, place: str, column: str, of: str, values: Sequence[Any]) -> None:
    cursor.execute(f"UPDATE {place} SET {column} = {_without(column, values)} WHERE {of} AND {_has(column, values)}")


def _pattern(value: Any) -> str:
    return rf"(^|[^\pL\pN_]){re.escape(str(value))}([^\pL\pN_]|$)"


def _has(text: str, values: Sequence[Any]) -> str:
    return " AND ".join(f"regexp_matches({text}, {literal(_pattern(value))})" for value in values)


def _without(text: str, values: Sequence[Any]) -> str:
    for value in values:
        for _ in range(2):  # neighbours share the sign between them
            text = f"regexp_replace({text}, {literal(_pattern(value))}, {literal(_INSTEAD)}, 'g')"
    return text
