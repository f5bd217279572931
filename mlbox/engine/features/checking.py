"""Rows checked before they are taken: each wrong one is told of with its number and its reason.

A set that leaves wrong rows out, or puts them aside (``ON ERROR QUARANTINE``), takes all rows in bulk, the wrong ones
marked by a negative sequence. Only where there are such is anything done row by row: they are looked at once more for
their text and their reason, and go. Other sets check rows so only to tell which row has ended an ingest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.names import literal, quote
from mlbox.engine.catalog.tables import refused_rows
from mlbox.engine.features.copying import copied
from mlbox.engine.features.definition import SEQUENCE, FeatureSet
from mlbox.engine.features.sources.base import ROW
from mlbox.engine.features.streaming.rows import (
    GIVEN,
    NUMBER,
    REASON,
    TEXT,
    checked_sql,
    prepare_sql,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Raw:
    """Rows as they come: ``body`` gives them, ``keep`` is true for those that are wanted, ``part`` is of a source.

    Wrong rows are told of (``tell``) unless they were before; with ``repeated`` some may have been. ``again`` gives the
    same rows a second time; without it ``body`` is kept meanwhile.
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
    repeated: bool = False
    again: str | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns that rows come with, and the SQL of a row's number (from 1)."""

    names: list[str]
    number: str


def _columns(cursor: DuckDBPyConnection, body: str) -> _Columns:
    names = [row[0] for row in cursor.execute(f"DESCRIBE {body}").fetchall()]
    return _Columns([name for name in names if name != ROW], ROW if ROW in names else "row_number() OVER ()")


def first_wrong(cursor: DuckDBPyConnection, feature_set: FeatureSet, body: str) -> tuple[int, str] | None:
    """Number (from 1) and reason of the first wrong row; None when there is none."""
    checked = prepare_sql(feature_set, _columns(cursor, body), feature_set.time_unit)
    rows = cursor.execute(
        f"WITH {GIVEN} AS (\n{body}\n) SELECT {NUMBER} + 1, {REASON} FROM ({checked}) WHERE {REASON} IS NOT NULL "
        f"ORDER BY {NUMBER} LIMIT 1"
    ).fetchall()
    return (rows[0][0], rows[0][1]) if rows else None


def take_good(
    cursor: DuckDBPyConnection, feature_set: FeatureSet, raw: Raw, sequence: int, *, lines: bool
) -> tuple[int, int]:
    """Insert the good rows behind ``sequence`` and put the wrong ones aside: the last sequence, and how many of those.

    A row's sequence follows from its number, so that those of wrong rows stay free. With ``lines`` lines of CSV that
    DuckDB could not read are wrong ones too.
    """
    with _readable_twice(cursor, raw) as (body, again):
        columns = _columns(cursor, body)
        names = ", ".join(quote(name) for name in feature_set.columns)
        checked = checked_sql(feature_set, columns, feature_set.time_unit, f"{columns.number} AS {NUMBER}")
        # All rows are taken at once: DuckDB has no way back into the middle of a transaction.
        cursor.execute(
            f"INSERT INTO {feature_set.table} ({names}, {SEQUENCE}) WITH {GIVEN} AS (\n{body}\n) SELECT {names}, "
            f"CASE WHEN {REASON} IS NULL THEN {sequence} + {NUMBER} ELSE -{NUMBER} END "
            f"FROM ({checked}) WHERE {_wanted(raw)}"
        )
        ((wrong, last, last_wrong),) = cursor.execute(
            f"SELECT count(*) FILTER ({SEQUENCE} < 0), max({SEQUENCE}), -min({SEQUENCE}) FROM {feature_set.table} "
            f"WHERE {SEQUENCE} > {sequence} OR {SEQUENCE} < 0"
        ).fetchall()
        last = max(last or 0, sequence + max(last_wrong or 0, 0), sequence)
        if wrong:
            if raw.tell:
                marked = f"(SELECT -{SEQUENCE} AS {NUMBER} FROM {feature_set.table} WHERE {SEQUENCE} < 0)"
                numbered = f"(SELECT *, {columns.number} AS {NUMBER} FROM (\n{again}\n))"
                select = f"SELECT * FROM {numbered} SEMI JOIN {marked} USING ({NUMBER})"
                wrong = _put_aside(cursor, feature_set, raw, columns, select) if feature_set.quarantine else wrong
            cursor.execute(f"DELETE FROM {feature_set.table} WHERE {SEQUENCE} < 0")
    if lines:
        unread = take_unread_lines(cursor)
        if raw.tell and feature_set.quarantine:
            put_aside(cursor, feature_set, raw, unread)
        wrong += len(unread)
    return last, wrong if raw.tell else 0


def without_wrong(cursor: DuckDBPyConnection, feature_set: FeatureSet, raw: Raw, number: int) -> tuple[str, int]:
    """A SELECT of the good rows as they came, out of a table that the session keeps, and how many others there were.

    It is for windows, which must see no wrong row, and read rows that are not wanted themselves. ``number`` is another
    one for each piece of an ingest.
    """
    columns = _columns(cursor, raw.body)
    kept, refused = f"_kept_{number}", f"_refused_{number}"
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {kept} AS SELECT *, {columns.number} AS {NUMBER} FROM (\n{raw.body}\n)"
    )
    checked = checked_sql(feature_set, columns, feature_set.time_unit, NUMBER)
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {refused} AS WITH {GIVEN} AS (FROM temp.{kept}) "
        f"SELECT {NUMBER}, ({_wanted(raw)}) AS wanted FROM ({checked}) WHERE {REASON} IS NOT NULL"
    )
    ((wrong,),) = cursor.execute(f"SELECT count(*) FILTER (wanted) FROM temp.{refused}").fetchall()
    if wrong and raw.tell and feature_set.quarantine:
        select = f"SELECT * FROM temp.{kept} SEMI JOIN (FROM temp.{refused} WHERE wanted) USING ({NUMBER})"
        wrong = _put_aside(cursor, feature_set, raw, columns, select)
    # Not by a condition of the SELECT: others would be looked at before it, and might not convert.
    cursor.execute(f"DELETE FROM temp.{kept} WHERE {NUMBER} IN (SELECT {NUMBER} FROM temp.{refused})")
    return f"SELECT * EXCLUDE ({NUMBER}) FROM temp.{kept}", wrong if raw.tell else 0


def _wanted(raw: Raw) -> str:
    """A row without a time lies in no span, and is told of all the same."""
    return "TRUE" if raw.keep == "TRUE" else f"coalesce({raw.keep}, TRUE)"


@contextmanager
def _readable_twice(cursor: DuckDBPyConnection, raw: Raw) -> Iterator[tuple[str, str]]:
    """Two SELECTs of the same rows; a query that may give others the second time is asked once."""
    if raw.again is not None:
        yield raw.body, raw.again
        return
    with copied(cursor, raw.body) as select:
        yield select, select


def _put_aside(cursor: DuckDBPyConnection, feature_set: FeatureSet, raw: Raw, columns: _Columns, select: str) -> int:
    """Rows that ``select`` gives as they came, with their numbers: those that were not put aside before."""
    fields = ", ".join(f"{literal(name)}: {quote(name)}" for name in columns.names)
    more = f"{NUMBER}, to_json({{{fields}}})::VARCHAR AS {TEXT}"
    checked = checked_sql(feature_set, columns, feature_set.time_unit, more)
    refused = f"WITH {GIVEN} AS (\n{select}\n) SELECT {REASON}, {TEXT}, {NUMBER} + {raw.before} FROM ({checked})"
    return refused_rows.insert(cursor, feature_set, raw.source, raw.part, refused, repeated=raw.repeated)


Refused = tuple[str, str | None, int]
"""Why a row is refused, the row as text, its number in its part."""


def put_aside(cursor: DuckDBPyConnection, feature_set: FeatureSet, raw: Raw, rows: Sequence[Refused]) -> int:
    """Rows that were refused before they could be checked; how many are new."""
    import pyarrow

    if not rows:
        return 0
    reasons, texts, numbers = zip(*rows, strict=True)
    table = pyarrow.table({"reason": reasons, "text": pyarrow.array(texts, pyarrow.string()), "number": numbers})
    cursor.register("_refused", table)
    try:
        select = "SELECT reason, text, number FROM _refused"
        return refused_rows.insert(cursor, feature_set, raw.source, raw.part, select, repeated=raw.repeated)
    finally:
        cursor.unregister("_refused")


def take_unread_lines(cursor: DuckDBPyConnection) -> list[Refused]:
    """Lines of CSV that DuckDB could not read on this cursor; they are forgotten then."""
    if not cursor.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchall():
        return []
    found: list[Refused] = cursor.execute(
        "SELECT string_agg(error_message, '; '), any_value(csv_line), line FROM reject_errors GROUP BY line"
    ).fetchall()
    cursor.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
    return found
