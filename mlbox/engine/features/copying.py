"""Rows in a temporary table for the time of a piece, where each has its number for nothing.

``row_number() OVER ()`` keeps DuckDB from reading with more than one core; the rows of a table are numbered already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlbox.engine.features.sources.base import ROW

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def copied(cursor: DuckDBPyConnection, select: str) -> Iterator[str]:
    """A SELECT of the rows of ``select``, in their order and numbered, which can be read several times."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE _copied AS\n{select}")
    yield numbered(cursor, "temp._copied")
    cursor.execute("DROP TABLE temp._copied")


def numbered(cursor: DuckDBPyConnection, table: str) -> str:
    """A SELECT of a table that nothing was deleted from, with the number of each row as ``ROW``, from 1."""
    names = {str(row[0]).lower() for row in cursor.execute(f"DESCRIBE {table}").fetchall()}
    if "rowid" in names:  # a column of the user's
        return f"SELECT *, row_number() OVER () AS {ROW} FROM {table}"
    # Rows of a transaction that goes on are numbered from somewhere else.
    ((first, last, count),) = cursor.execute(f"SELECT min(rowid), max(rowid), count(*) FROM {table}").fetchall()
    number = f"rowid - {first} + 1" if count and last - first + 1 == count else "row_number() OVER ()"
    return f"SELECT *, {number} AS {ROW} FROM {table}"
