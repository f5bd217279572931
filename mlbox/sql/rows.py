"""Rows of a query while it is computed, and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlbox.base.underway import current
from mlbox.engine.catalog.duckdb_errors import translate

if TYPE_CHECKING:
    import pyarrow

    from mlbox.base.command import Query

BATCH_ROWS = 8_192
"""Rows of a batch at most: what is held of a result that is streamed."""


class QueryRows:
    """``base.command.Rows`` over a DuckDB relation, up to ``limit`` rows. Closing it calls ``release``.

    The first batch is computed at once, so that what is wrong with the query is told before anything is delivered.
    """

    def __init__(self, relation: Any, query: Query, *, limit: int | None) -> None:
        relation, json_columns = _readable(relation)
        self._query = query
        self._limit = limit
        self._underway = current()
        self._open = True
        self.release: Callable[[], object] = lambda: None
        """Ends the transaction that the rows are read in."""
        self.truncated = False
        """Whether there were more than ``limit`` rows; known at the end."""
        self._reader = relation.to_arrow_reader(BATCH_ROWS)
        self._schema = _marked(self._reader.schema, json_columns)
        self._first = self._next()

    @property
    def schema(self) -> pyarrow.Schema:
        """Columns; text that is JSON is marked, so that renderers can show it as a value."""
        return self._schema

    def __iter__(self) -> Iterator[pyarrow.RecordBatch]:
        """Batch by batch, once; closes itself at the end."""
        try:
            yield from self._batches()
        finally:
            self.close()

    def _batches(self) -> Iterator[pyarrow.RecordBatch]:
        batch, self._first, count = self._first, None, 0
        while batch is not None:
            left = None if self._limit is None else self._limit - count
            if left is not None and batch.num_rows > left:
                self.truncated = True
                if left:
                    yield batch.slice(0, left)
                return
            count += batch.num_rows
            yield batch
            batch = self._next()

    def _next(self) -> pyarrow.RecordBatch | None:
        import pyarrow

        try:
            if self._underway is not None:
                self._underway.check()
            batch = next(self._reader, None)
        except (OSError, pyarrow.ArrowException) as error:  # so Arrow tells of DuckDB's errors
            if self._underway is not None:
                self._underway.check()
            raise _told(error, self._query) from None
        if batch is None:
            return None
        return pyarrow.RecordBatch.from_arrays(batch.columns, schema=self._schema)

    def close(self) -> None:
        """End the query and its transaction; harmless a second time."""
        if not self._open:
            return
        self._open = False
        self._first = None
        with suppress(Exception):
            self._reader.close()
        self.release()

    def table(self) -> pyarrow.Table:
        """All rows at once."""
        import pyarrow

        return pyarrow.Table.from_batches(list(self), schema=self._schema)


def whole_table(relation: Any) -> pyarrow.Table:
    """All rows of a relation, however many."""
    relation, json_columns = _readable(relation)
    table: pyarrow.Table = relation.to_arrow_table()
    return table.cast(_marked(table.schema, json_columns)) if json_columns else table


def _told(error: Exception, query: Query) -> Exception:
    """Interrupted, read-only and the like are for whoever holds the transaction."""
    import duckdb

    text = str(error)
    if "read-only" in text:
        return duckdb.TransactionException(text)
    return translate(error, query)


def _readable(relation: Any) -> tuple[Any, list[str]]:
    """The relation with VARIANT columns as JSON, and the names of its JSON columns."""
    variants = [n for n, t in zip(relation.columns, relation.types, strict=True) if "VARIANT" in str(t)]
    json_columns = [n for n, t in zip(relation.columns, relation.types, strict=True) if str(t) == "JSON"]
    if variants and len(set(map(str.lower, relation.columns))) == len(relation.columns):
        casts = ", ".join(f'"{name}"::JSON AS "{name}"' for name in (n.replace('"', '""') for n in variants))
        relation = relation.project(f"* REPLACE ({casts})")
        json_columns += variants
    return relation, json_columns


def _marked(schema: pyarrow.Schema, names: list[str]) -> pyarrow.Schema:
    for name in names:
        index = schema.get_field_index(name)
        if index >= 0:
            schema = schema.set(index, schema.field(index).with_metadata({b"mlbox:type": b"JSON"}))
    return schema
