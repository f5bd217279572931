"""Arrow tables on their way into the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection


@contextmanager
def registered(
    cursor: DuckDBPyConnection, name: str, rows: pyarrow.Table | pyarrow.RecordBatchReader
) -> Iterator[None]:
    """During the block, statements of ``cursor`` know ``rows`` as the table ``name``; a reader is read once, and costs
    less."""
    cursor.register(name, rows)
    try:
        yield
    finally:
        with suppress(Exception):  # refused in a transaction that has failed, of which the caller must hear why
            cursor.unregister(name)
