"""Rows checked one by one: each converted, and each wrong one with its number and its reason.

A set that leaves wrong rows out, or puts them aside (``ON ERROR QUARANTINE``), checks its rows so before it takes them.
The others are taken in bulk, and checked so only to tell which row has ended an ingest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.names import quote
from mlbox.engine.catalog.tables import refused_rows
from mlbox.engine.features.definition import SEQUENCE, FeatureSet
from mlbox.engine.features.streaming.rows import GIVEN, NUMBER, REASON, TEXT, prepare_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHECKED = "temp._checked"


@dataclass(frozen=True, slots=True)
class Raw:
    """Rows as they come: ``body`` gives them, ``keep`` is true for those that are wanted, ``part`` is of a source.

    Wrong rows are told of (``tell``) unless they were before.
    """

    body: str
    keep: str = "TRUE"
    part: str = ""
    source: str | None = None
    tell: bool = True
    shown: str = ""
    """What the rows are of, for people, where that is more than the part."""
    before: int = 0
    """Rows that came before in the same part."""


@dataclass(frozen=True, slots=True)
class _Names:
    """As much of a schema as is asked for."""

    names: list[str]


def _checked(cursor: DuckDBPyConnection, feature_set: FeatureSet, body: str) -> str:
    schema: Any = _Names([row[0] for row in cursor.execute(f"DESCRIBE {body}").fetchall()])
    return f"WITH {GIVEN} AS (\n{body}\n) {prepare_sql(feature_set, schema, feature_set.time_unit)}"


def first_wrong(cursor: DuckDBPyConnection, feature_set: FeatureSet, body: str) -> tuple[int, str] | None:
    """Number (from 1) and reason of the first wrong row; None when there is none."""
    checked = _checked(cursor, feature_set, body)
    rows = cursor.execute(
        f"SELECT {NUMBER} + 1, {REASON} FROM ({checked}) WHERE {REASON} IS NOT NULL ORDER BY {NUMBER} LIMIT 1"
    ).fetchall()
    return (rows[0][0], rows[0][1]) if rows else None


def take_good(
    cursor: DuckDBPyConnection, feature_set: FeatureSet, raw: Raw, sequence: int, *, lines: bool
) -> tuple[int, int]:
    """Insert the good rows behind ``sequence`` and put the wrong ones aside: how many of each.

    With ``lines`` lines of CSV that DuckDB could not read are wrong ones too.
    """
    names = ", ".join(quote(name) for name in feature_set.columns)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {CHECKED} AS {_checked(cursor, feature_set, raw.body)}")
    cursor.execute(
        f"INSERT INTO {feature_set.table} ({names}, {SEQUENCE}) SELECT {names}, {sequence} + row_number() OVER () "
        f"FROM {CHECKED} WHERE {REASON} IS NULL AND ({raw.keep})"
    )
    ((count, wrong),) = cursor.execute(
        f"SELECT count(*) FILTER ({REASON} IS NULL AND ({raw.keep})), count({REASON}) FROM {CHECKED}"
    ).fetchall()
    if raw.tell and feature_set.quarantine and wrong:
        select = f"SELECT {REASON}, {TEXT}, {NUMBER} + {raw.before + 1} FROM {CHECKED} WHERE {REASON} IS NOT NULL"
        refused_rows.insert(cursor, feature_set, raw.source, raw.part, select)
    cursor.execute(f"DROP TABLE {CHECKED}")
    if lines:
        unread = take_unread_lines(cursor)
        if raw.tell and feature_set.quarantine:
            put_aside(cursor, feature_set, raw, unread)
        wrong += len(unread)
    return count, wrong if raw.tell else 0


Refused = tuple[str, str | None, int]
"""Why a row is refused, the row as text, its number in its part."""


def put_aside(cursor: DuckDBPyConnection, feature_set: FeatureSet, raw: Raw, rows: Sequence[Refused]) -> None:
    """Rows that were refused before they could be checked."""
    import pyarrow

    if not rows:
        return
    reasons, texts, numbers = zip(*rows, strict=True)
    table = pyarrow.table({"reason": reasons, "text": pyarrow.array(texts, pyarrow.string()), "number": numbers})
    cursor.register("_refused", table)
    try:
        select = "SELECT reason, text, number FROM _refused"
        refused_rows.insert(cursor, feature_set, raw.source, raw.part, select)
    finally:
        cursor.unregister("_refused")


def take_unread_lines(cursor: DuckDBPyConnection) -> list[Refused]:
    """Lines of CSV that DuckDB could not read on this cursor; they are forgotten then."""
    if not _has_rejects(cursor):
        return []
    found: list[Refused] = cursor.execute(
        "SELECT string_agg(error_message, '; '), any_value(csv_line), line FROM reject_errors GROUP BY line"
    ).fetchall()
    cursor.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
    return found


def _has_rejects(cursor: DuckDBPyConnection) -> bool:
    return bool(cursor.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchall())
