"""Pieces of an ingest whose rows go through a function first: read on one cursor, inserted on another, by batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlbox.engine.features.checking as checking
from mlbox.base.names import literal, quote
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.features.checking import Raw
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.evolution import adapted_sql
from mlbox.engine.features.loading import Piece, Range, check_span, raw_of, spanned
from mlbox.engine.features.reading import SourceReader
from mlbox.engine.features.sources.base import ARROW, Part, Rows, Source
from mlbox.engine.features.streaming.rows import typed_columns
from mlbox.engine.features.transforming import BATCH, Failed, Passage, Transform, needed_columns

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Way:
    """A set whose rows go through a function, and who reads its source; see :class:`~..loading.Through`."""

    reader: SourceReader
    feature_set: FeatureSet
    transform: Transform

    def pieces(self, cursor: DuckDBPyConnection, source: Source, parts: Iterable[Part], span: Range) -> Iterator[Piece]:
        """Of each part first its position, then rows batch by batch."""
        feature_set = self.feature_set
        for part in parts:
            shown = f"{part.name or 'what the source gave'}, after {feature_set.transform_ref}"
            yield Piece("", None, part, shown=shown)
            if part.rows is None:
                continue
            check_span(source, part, span)
            wanted = span if part.again else Range()
            raw = raw_of(feature_set, source, part, "")
            raw = replace(raw, keep=wanted.condition(quote(feature_set.axis)), shown=shown)
            for made in self._batches(cursor, source, part, raw):
                yield Piece("", None, part, more=True, rejected=made.rejected)
                for table in made.tables:
                    yield _piece(feature_set, table, part, raw, wanted)
                    raw = replace(raw, before=raw.before + table.num_rows)

    def kept(self, cursor: DuckDBPyConnection, source: Source, part: Part, folder: Path) -> tuple[str, int]:
        """As Parquet, a file a batch: batches may differ in their types."""
        from pyarrow import parquet

        folder.mkdir(parents=True)
        raw = raw_of(self.feature_set, source, part, "")
        rejected, files = 0, list[Path]()
        for made in self._batches(cursor, source, part, raw):
            rejected += made.rejected
            for table in made.tables:
                files.append(folder / f"{len(files)}.parquet")
                parquet.write_table(table, files[-1])
        if not files:
            nulls = ", ".join(
                f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in typed_columns(self.feature_set)
            )
            return f"SELECT {nulls} WHERE FALSE", rejected
        names = ", ".join(literal(str(file)) for file in files)
        return f"SELECT * FROM read_parquet([{names}], union_by_name = TRUE)", rejected

    def _batches(self, cursor: DuckDBPyConnection, source: Source, part: Part, raw: Raw) -> Iterator[_Made]:
        """What the function gives; rows that it fails at, and lines that could not be read, are put aside."""
        feature_set, lenient = self.feature_set, self.feature_set.skip_errors
        assert part.rows is not None
        passage = Passage(str(feature_set.transform_ref), part.name, needed_columns(feature_set), lenient)
        with self.reader.streamed(feature_set, source, part.rows, BATCH) as read:
            for made in passage.results(self.transform, _told(read.batches, part)):
                yield _Made(made.rows, _aside(cursor, feature_set, raw, [_refused(row) for row in made.failed]))
            unread = checking.take_unread_lines(read.cursor) if lenient else []
        yield _Made([], _aside(cursor, feature_set, raw, unread))


@dataclass(frozen=True, slots=True)
class _Made:
    """Rows of the function, and how many were put aside on the way to them."""

    tables: list[pyarrow.Table]
    rejected: int


def _aside(cursor: DuckDBPyConnection, feature_set: FeatureSet, raw: Raw, rows: list[checking.Refused]) -> int:
    """How many of the rows count as rejected."""
    if not raw.tell:
        return 0
    return checking.put_aside(cursor, feature_set, raw, rows) if feature_set.quarantine else len(rows)


def _piece(feature_set: FeatureSet, table: pyarrow.Table, part: Part, raw: Raw, wanted: Range) -> Piece:
    body = f"SELECT * FROM {ARROW}"
    if feature_set.adapted:
        body = adapted_sql(feature_set, body, table.column_names)
    sql = spanned(replace(feature_set, body=body), wanted)
    rows = Rows(f"SELECT * FROM {ARROW}", lambda: _emptied(table))
    return Piece(sql, rows, part, replace(raw, body=body), more=True)


def _emptied(table: pyarrow.Table) -> pyarrow.RecordBatchReader:
    """A reader that holds nothing once it is read: DuckDB keeps it until the transaction ends."""
    import pyarrow

    batches = table.to_batches()

    def taken() -> Iterator[pyarrow.RecordBatch]:
        while batches:
            yield batches.pop(0)

    return pyarrow.RecordBatchReader.from_batches(table.schema, taken())


def _told(batches: pyarrow.RecordBatchReader, part: Part) -> Iterator[pyarrow.RecordBatch]:
    """Errors of reading say of which part they are."""
    import duckdb

    try:
        yield from batches
    except (duckdb.Error, OSError) as error:  # Arrow wraps what DuckDB raises while it streams
        told = translate(error if isinstance(error, duckdb.Error) else duckdb.Error(str(error)))
        message = told.message if not part.name or part.name in told.message else f"{part.name}: {told.message}"
        raise type(told)(message, hint=told.hint) from None


def _refused(row: Failed) -> checking.Refused:
    values: dict[str, Any] = row.row.to_pylist()[0]
    return row.reason, json.dumps(values, default=str), row.number
