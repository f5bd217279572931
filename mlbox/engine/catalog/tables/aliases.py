"""Aliases that are kept by the name of what they are of; those of models have a history and are in ``models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Table = Literal["function_aliases", "artifact_aliases"]


def point(cursor: DuckDBPyConnection, table: Table, place: tuple[str, str, str], version: int | None) -> None:
    """Point the alias at ``place`` (project, name, alias) at a version, or take it away."""
    if version is None:
        cursor.execute(
            f"DELETE FROM catalog.main.{table} WHERE project = ? AND name = lower(?) AND alias = ?", list(place)
        )
        return
    cursor.execute(f"INSERT OR REPLACE INTO catalog.main.{table} VALUES (?, lower(?), ?, ?)", [*place, version])
