"""Feature sets that were dropped: their rows stay in the data file, under names that nobody else can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.names import quote
from mlbox.engine.catalog.tables import feature_sets

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version of a dropped set; ``key`` is the id of the set's newest version."""

    key: str
    version: int
    id: str
    definition: str

    def table(self, project: str) -> str:
        """Where its rows are, as SQL."""
        return f"data._sets.{quote(_hidden(project, self.key, self.version))}"


def bury(cursor: DuckDBPyConnection, project: str, name: str, key: str) -> None:
    """Hide all versions of a set. Its ledger, positions and statistics stay, which know it by id."""
    for version, _ in feature_sets.versions(cursor, project, name):
        _move(cursor, _named(project, name, version), _hidden(project, key, version))
    cursor.execute(
        "INSERT INTO data._mlbox.dropped_definitions BY NAME SELECT *, ? AS drop_key "
        "FROM data._mlbox.feature_definitions WHERE project = ? AND lower(name) = lower(?)",
        [key, project, name],
    )
    cursor.execute(
        "DELETE FROM data._mlbox.feature_definitions WHERE project = ? AND lower(name) = lower(?)", [project, name]
    )


def versions(cursor: DuckDBPyConnection, project: str, key: str | None = None) -> list[KeptVersion]:
    """Of one dropped set or of all of a project, the oldest first."""
    rows = cursor.execute(
        "SELECT drop_key, version, id, definition FROM data._mlbox.dropped_definitions "
        "WHERE project = ? AND (?::VARCHAR IS NULL OR drop_key = ?) ORDER BY drop_key, version",
        [project, key, key],
    ).fetchall()
    return [KeptVersion(*row) for row in rows]


def revive(cursor: DuckDBPyConnection, project: str, name: str, key: str) -> None:
    """Back under the name that it had, which is free."""
    for kept in versions(cursor, project, key):
        _move(cursor, _hidden(project, key, kept.version), _named(project, name, kept.version))
    cursor.execute(
        "INSERT INTO data._mlbox.feature_definitions BY NAME SELECT * EXCLUDE (drop_key) "
        "FROM data._mlbox.dropped_definitions WHERE project = ? AND drop_key = ?",
        [project, key],
    )
    cursor.execute("DELETE FROM data._mlbox.dropped_definitions WHERE project = ? AND drop_key = ?", [project, key])


def purge(cursor: DuckDBPyConnection, project: str, key: str) -> None:
    """Delete rows, ledger and statistics."""
    kept = versions(cursor, project, key)
    for version in kept:
        cursor.execute(f"DROP TABLE IF EXISTS {version.table(project)}")
    feature_sets.delete_records(cursor, [version.id for version in kept])
    cursor.execute("DELETE FROM data._mlbox.dropped_definitions WHERE project = ? AND drop_key = ?", [project, key])


def _named(project: str, name: str, version: int) -> str:
    return f"{project}.{name}@{version}"


def _hidden(project: str, key: str, version: int) -> str:
    """No set can be called so: names have no ``@``."""
    return f"{project}.@{key}@{version}"


def _move(cursor: DuckDBPyConnection, old: str, new: str) -> None:
    cursor.execute(f"ALTER TABLE data._sets.{quote(old)} RENAME TO {quote(new)}")
