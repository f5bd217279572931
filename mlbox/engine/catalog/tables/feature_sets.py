"""Rows of feature sets and vectors, and what stands beside the features in the data file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    """A version of a set; ``definition`` is JSON that only the feature store reads."""

    project: str
    name: str
    version: int
    id: str
    definition: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class IngestRow:
    """One ingest: rows added and removed, event times of the added ones, and how far the set then reached.

    A sequence is given to every row, and one more to an ingest that removes rows, so that followers notice it.
    ``late`` rows were known before the set's newest row was; ``rejected`` ones broke a rule and were left out.
    """

    id: str
    set_id: str
    project: str
    feature_set: str
    version: int
    added: int
    removed: int
    first_event: datetime | None
    last_event: datetime | None
    last_known: datetime | None
    last_sequence: int
    started_at: datetime
    duration_ms: float
    source: str | None = None
    late: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a set has got: latest known-at time, last sequence given, and the last one given by a removal of rows."""

    known: datetime | None = None
    sequence: int = 0
    removal: int = 0


@dataclass(frozen=True, slots=True)
class StatisticsRow:
    """Statistics of a column in one ingest; ``present`` are the rows with a value."""

    column: str
    present: int
    min: float
    mean: float
    max: float
    quantiles: list[float]
    top: list[str]


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """A column's rows of an ingest; numbers rest on its finite values, and are None where there are none."""

    column_name: str
    row_count: int
    nulls: int
    distinct_count: int
    min: float | None = None
    mean: float | None = None
    max: float | None = None
    stddev: float | None = None
    quantiles: list[float] | None = None
    histogram_edges: list[float] | None = None
    histogram_counts: list[int] | None = None
    top: list[str] | None = None


def insert_definition(cursor: DuckDBPyConnection, row: DefinitionRow) -> None:
    """Into the data file, beside the rows."""
    cursor.execute("INSERT INTO data._mlbox.feature_definitions VALUES (?, ?, ?, ?, ?, ?)", list(astuple(row)))


def replace_definition(cursor: DuckDBPyConnection, set_id: str, definition: str) -> None:
    """In the data file; the version stays."""
    cursor.execute("UPDATE data._mlbox.feature_definitions SET definition = ? WHERE id = ?", [definition, set_id])


def newest_definitions(cursor: DuckDBPyConnection) -> list[DefinitionRow]:
    """The latest version of each set in the data file."""
    rows = cursor.execute(
        "SELECT project, name, version, id, definition, created_at FROM data._mlbox.feature_definitions "
        "QUALIFY version = max(version) OVER (PARTITION BY project, name)"
    ).fetchall()
    return [DefinitionRow(*row) for row in rows]


def versions(cursor: DuckDBPyConnection, project: str, name: str) -> list[tuple[int, str]]:
    """(version, id) of all versions of a set."""
    return cursor.execute(
        "SELECT version, id FROM data._mlbox.feature_definitions WHERE project = ? AND lower(name) = lower(?)",
        [project, name],
    ).fetchall()


def definition_of(cursor: DuckDBPyConnection, set_id: str) -> str:
    """The definition of a version."""
    rows = cursor.execute("SELECT definition FROM data._mlbox.feature_definitions WHERE id = ?", [set_id]).fetchall()
    return str(rows[0][0])


def names_of(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Names of the views of a project's sets; those of older versions with ``@version``."""
    rows = cursor.execute(
        "SELECT name FROM catalog.main.feature_sets WHERE project = $1 UNION ALL "
        "SELECT name || '@' || version FROM data._mlbox.feature_definitions WHERE project = $1 ORDER BY ALL",
        [project],
    ).fetchall()
    return [row[0] for row in rows]


def ids_of(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Ids of all versions of all sets of a project."""
    rows = cursor.execute("SELECT id FROM data._mlbox.feature_definitions WHERE project = ?", [project]).fetchall()
    return [row[0] for row in rows]


def delete_definitions(cursor: DuckDBPyConnection, project: str) -> None:
    """Of all sets of a project, those that were dropped too, with their ledger and statistics."""
    for table in ("feature_definitions", "dropped_definitions"):
        found = cursor.execute(f"SELECT id FROM data._mlbox.{table} WHERE project = ?", [project]).fetchall()
        delete_records(cursor, [row[0] for row in found])
        cursor.execute(f"DELETE FROM data._mlbox.{table} WHERE project = ?", [project])


_BY_SET = (
    *("feature_stats", "ingests", "source_positions", "dead_letters", "push_keys", "stream_progress"),
    *("feature_checks", "published"),
)
"""Tables that know a version by its id."""


def delete_records(cursor: DuckDBPyConnection, set_ids: Sequence[str]) -> None:
    """Ledger, statistics and positions of versions."""
    for table in _BY_SET:
        cursor.execute(f"DELETE FROM data._mlbox.{table} WHERE list_contains(?::VARCHAR[], set_id)", [list(set_ids)])


def upsert(cursor: DuckDBPyConnection, row: DefinitionRow, online_until: datetime | None, online_sequence: int) -> None:
    """Into the catalog, with how far the version is online; it takes the place of an older version."""
    cursor.execute(
        """
        INSERT INTO catalog.main.feature_sets
            (project, name, version, id, definition, created_at, online_until, online_sequence)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (project, name) DO UPDATE SET version = excluded.version, id = excluded.id,
            definition = excluded.definition, online_until = excluded.online_until,
            online_sequence = excluded.online_sequence
        """,
        [*astuple(row), online_until, online_sequence],
    )


def every(cursor: DuckDBPyConnection) -> list[tuple[str, datetime | None, int | None]]:
    """(definition, online_until, online_sequence) of each set of the catalog; (None, 0) before it is online."""
    return cursor.execute("SELECT definition, online_until, online_sequence FROM catalog.main.feature_sets").fetchall()


def set_online(cursor: DuckDBPyConnection, set_id: str, until: datetime, sequence: int) -> None:
    """How far the online store of a set has got."""
    cursor.execute(
        "UPDATE catalog.main.feature_sets SET online_until = ?, online_sequence = ? WHERE id = ?",
        [until, sequence, set_id],
    )


def online_until(cursor: DuckDBPyConnection, set_id: str) -> datetime | None:
    """How far the online store of a set had got; None before it is online."""
    rows = cursor.execute("SELECT online_until FROM catalog.main.feature_sets WHERE id = ?", [set_id]).fetchall()
    return rows[0][0] if rows else None


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """From the catalog."""
    cursor.execute(
        "DELETE FROM catalog.main.feature_sets WHERE project = ? AND lower(name) = lower(?)", [project, name]
    )


def insert_ingest(cursor: DuckDBPyConnection, row: IngestRow) -> None:
    """Into the ledger."""
    marks = ", ".join("?" * 16)
    cursor.execute(f"INSERT INTO data._mlbox.ingests VALUES ({marks})", list(astuple(row)))


def extend_ingest(cursor: DuckDBPyConnection, row: IngestRow) -> None:
    """More of an ingest that goes on."""
    cursor.execute(
        "UPDATE data._mlbox.ingests SET added = ?, first_event = ?, last_event = ?, last_known = ?, last_sequence = ?, "
        "duration_ms = ?, late = ?, rejected = ? WHERE id = ?",
        [
            *(row.added, row.first_event, row.last_event, row.last_known, row.last_sequence),
            *(row.duration_ms, row.late, row.rejected, row.id),
        ],
    )


def insert_statistics(
    cursor: DuckDBPyConnection, ingest_id: str, set_id: str, rows: Sequence[ColumnStatistics], at: datetime
) -> None:
    """Of the columns that an ingest has added to."""
    cursor.executemany(
        "INSERT INTO data._mlbox.feature_stats VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [[ingest_id, set_id, *astuple(row), at] for row in rows],
    )


def statistics_of(cursor: DuckDBPyConnection, set_id: str) -> list[StatisticsRow]:
    """Of all columns and ingests of a version of a set."""
    rows = cursor.execute(
        "SELECT column_name, row_count - nulls, min, mean, max, quantiles, top FROM data._mlbox.feature_stats "
        "WHERE set_id = ? ORDER BY computed_at",
        [set_id],
    ).fetchall()
    return [StatisticsRow(*row) for row in rows]


def reached(cursor: DuckDBPyConnection, set_id: str) -> Reached:
    """How far a set has got, from its ledger."""
    rows = cursor.execute(
        """
        SELECT arg_max_null(last_known, last_sequence), coalesce(max(last_sequence), 0),
               coalesce(max(last_sequence) FILTER (removed > 0), 0)
        FROM data._mlbox.ingests WHERE set_id = ?
        """,
        [set_id],
    ).fetchall()
    return Reached(*rows[0])
