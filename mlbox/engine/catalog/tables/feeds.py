"""Rows of feeds, and what stands beside their results in the data file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.names import JSON_COLUMN, Ref, quote

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    """A feed. ``kind`` is stream, push, table or schedule; ``state`` active or suspended."""

    project: str
    name: str
    id: str
    endpoint: str
    kind: str
    source_id: str | None = None
    source: str | None = None
    """The source or table, as ``project.name``."""
    column: str | None = None
    """By which new rows of a table are told; None: by their place."""
    query: str | None = None
    cron: str | None = None
    every_seconds: float | None = None
    timezone: str = "UTC"
    target: str | None = None
    """``table:name``, or the address of a stream or webhook."""
    options: str = "{}"
    """JSON that only feeds read."""
    state: str = "active"
    owner: str
    comment: str | None = None
    created_at: datetime
    next_run: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Events taken, results given, events refused."""

    events: int = 0
    results: int = 0
    refused: int = 0


_COLUMNS = ", ".join(quote(entry.name) for entry in fields(FeedRow))
_NAMED = "WHERE project = ? AND lower(name) = lower(?)"


def every(cursor: DuckDBPyConnection) -> list[FeedRow]:
    """All feeds, by project and name."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.feeds ORDER BY project, name").fetchall()
    return [_row(row) for row in rows]


def get(cursor: DuckDBPyConnection, project: str, name: str) -> FeedRow | None:
    """The feed of that name, case aside."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.feeds {_NAMED}", [project, name]).fetchall()
    return _row(rows[0]) if rows else None


def of_endpoint(cursor: DuckDBPyConnection, project: str, endpoint: str) -> list[FeedRow]:
    """Feeds that ask an endpoint, by name."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM catalog.main.feeds WHERE project = ? AND lower(endpoint) = lower(?) ORDER BY name",
        [project, endpoint],
    ).fetchall()
    return [_row(row) for row in rows]


def put(cursor: DuckDBPyConnection, row: FeedRow) -> None:
    """Insert, or replace the one of that name."""
    delete(cursor, row.project, row.name)
    marks = ", ".join("?" * len(fields(FeedRow)))
    cursor.execute(f"INSERT INTO catalog.main.feeds ({_COLUMNS}) VALUES ({marks})", list(astuple(row)))


def delete(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    """Delete it; what stands in the data file is deleted by :func:`delete_data`."""
    cursor.execute(f"DELETE FROM catalog.main.feeds {_NAMED}", [project, name])


def set_state(cursor: DuckDBPyConnection, feed_id: str, state: str, next_run: datetime | None) -> None:
    """Suspend or resume."""
    cursor.execute("UPDATE catalog.main.feeds SET state = ?, next_run = ? WHERE id = ?", [state, next_run, feed_id])


def set_next(cursor: DuckDBPyConnection, feed_id: str, next_run: datetime | None) -> None:
    """When it chooses rows again."""
    cursor.execute("UPDATE catalog.main.feeds SET next_run = ? WHERE id = ?", [next_run, feed_id])


def rename(cursor: DuckDBPyConnection, row: FeedRow, name: str) -> None:
    """Give it another name; its dead letters follow by id."""
    cursor.execute("UPDATE catalog.main.feeds SET name = ? WHERE id = ?", [name, row.id])


def delete_data(cursor: DuckDBPyConnection, feed_id: str) -> None:
    """How far it has read, what waits for it, and its counts; dead letters stay."""
    for table, column in (
        *(("inbox", "feed_id"), ("feed_counts", "feed_id")),
        *(("source_positions", "set_id"), ("stream_progress", "set_id"), ("push_keys", "set_id")),
    ):
        cursor.execute(f"DELETE FROM data._mlbox.{table} WHERE {column} = ?", [feed_id])


def begin(cursor: DuckDBPyConnection, row: FeedRow) -> None:
    """It has done nothing yet; from now on something of it stands in the data file."""
    cursor.execute(
        "INSERT OR IGNORE INTO data._mlbox.feed_counts VALUES (?, ?, 0, 0, 0, NULL)",
        [row.project, row.id],
    )


def known_data(cursor: DuckDBPyConnection) -> set[str]:
    """Ids of feeds of which something stands in the data file."""
    return {row[0] for row in cursor.execute("SELECT feed_id FROM data._mlbox.feed_counts").fetchall()}


def append(cursor: DuckDBPyConnection, project: str, feed_id: str, rows: pyarrow.Table, at: datetime) -> None:
    """Rows (columns by name, or one column ``JSON_COLUMN``) behind those that wait."""
    text = quote(JSON_COLUMN) if JSON_COLUMN in rows.column_names else "to_json(_mlbox_brought)::VARCHAR"
    cursor.register("_mlbox_brought", rows)
    try:
        cursor.execute(
            "INSERT INTO data._mlbox.inbox SELECT ?, ?, nextval('data._mlbox.inbox_numbers'), "
            f"coalesce({text}, 'null'), ? FROM _mlbox_brought",
            [project, feed_id, at],
        )
    finally:
        cursor.unregister("_mlbox_brought")


def waiting(cursor: DuckDBPyConnection, feed_id: str) -> int:
    """How many rows wait."""
    (found,) = cursor.execute("SELECT count(*) FROM data._mlbox.inbox WHERE feed_id = ?", [feed_id]).fetchall()[0]
    return int(found)


def next_of(cursor: DuckDBPyConnection, feed_id: str, behind: int, most: int) -> list[tuple[int, str]]:
    """(number, row) of those that have waited longest."""
    return cursor.execute(
        'SELECT number, "row" FROM data._mlbox.inbox WHERE feed_id = ? AND number > ? ORDER BY number LIMIT ?',
        [feed_id, behind, most],
    ).fetchall()


def remove(cursor: DuckDBPyConnection, feed_id: str, upto: int) -> None:
    """They have their answers."""
    cursor.execute("DELETE FROM data._mlbox.inbox WHERE feed_id = ? AND number <= ?", [feed_id, upto])


def count(cursor: DuckDBPyConnection, row: FeedRow, counts: Counts, at: datetime) -> None:
    """Add to what it has done."""
    cursor.execute(
        "INSERT INTO data._mlbox.feed_counts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (feed_id) DO UPDATE SET "
        "events = events + excluded.events, results = results + excluded.results, "
        "refused = refused + excluded.refused, last_event_at = excluded.last_event_at",
        [row.project, row.id, counts.events, counts.results, counts.refused, at],
    )


def insert_dead_letters(
    cursor: DuckDBPyConnection, row: FeedRow, rows: Sequence[tuple[str, str]], at: datetime
) -> None:
    """(reason, event as text) of events that have no answer."""
    reasons, texts = [reason for reason, _ in rows], [text for _, text in rows]
    cursor.execute(
        'INSERT INTO data._mlbox.dead_letters (project, set_id, feed, source, reason, "row", refused_at) '
        "SELECT ?, ?, ?, ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), ?",
        [row.project, row.id, row.name, row.source, reasons, texts, at],
    )


def columns_of(cursor: DuckDBPyConnection, project: str, name: str) -> list[tuple[str, str]]:
    """Columns of a table that is there, with their types; much faster than :func:`table_shape`."""
    rows = cursor.execute(f"DESCRIBE data.{quote(project)}.{quote(name)}").fetchall()
    return [(row[0], row[1]) for row in rows]


def table_shape(cursor: DuckDBPyConnection, project: str, name: str) -> tuple[str | None, list[tuple[str, str]]]:
    """The comment of a table, and its columns with their types; no columns: there is no such table."""
    found = cursor.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = 'data' AND schema_name = ? "
        "AND lower(table_name) = lower(?)",
        [project, name],
    ).fetchall()
    if not found:
        return None, []
    columns = cursor.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'data' AND schema_name = ? "
        "AND lower(table_name) = lower(?) ORDER BY column_index",
        [project, name],
    ).fetchall()
    return found[0][0], [(column, kind) for column, kind in columns]


def view_columns(cursor: DuckDBPyConnection, project: str, name: str) -> list[tuple[str, str]]:
    """The columns of a view with their types; none: there is no such view."""
    found: list[tuple[str, str]] = cursor.execute(
        "SELECT column_name, c.data_type FROM duckdb_columns() c "
        "JOIN duckdb_views() v USING (database_name, schema_name) "
        "WHERE database_name = 'data' AND schema_name = ? AND c.table_name = v.view_name "
        "AND lower(v.view_name) = lower(?) ORDER BY column_index",
        [project, name],
    ).fetchall()
    return found


def has_rules(cursor: DuckDBPyConnection, project: str, name: str) -> bool:
    """Whether a table may refuse rows."""
    found = cursor.execute(
        "SELECT 1 FROM duckdb_constraints() WHERE database_name = 'data' AND schema_name = ? "
        "AND lower(table_name) = lower(?) LIMIT 1",
        [project, name],
    ).fetchall()
    return bool(found)


def exceeds(cursor: DuckDBPyConnection, ref: Ref, column: str, most: int) -> bool:
    """Whether a column of a table has whole numbers beyond ``most``, above or below zero."""
    found = cursor.execute(
        f"SELECT 1 FROM data.{quote(ref.project)}.{quote(ref.name)} "
        f"WHERE {quote(column)} NOT BETWEEN -{most} AND {most} LIMIT 1"
    ).fetchall()
    return bool(found)


def table_names(cursor: DuckDBPyConnection, project: str) -> Iterable[str]:
    """Tables of a project."""
    rows = cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'data' AND schema_name = ? ORDER BY ALL",
        [project],
    ).fetchall()
    return [row[0] for row in rows]


def _row(row: Sequence[object]) -> FeedRow:
    names = (entry.name for entry in fields(FeedRow))
    return FeedRow(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]  # columns in this order
