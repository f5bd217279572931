"""Pieces of an ingest whose rows go through a function first: read on one cursor, inserted on another, by batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import mlbox.engine.features.checking as checking
from mlbox.base.names import quote
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.features.checking import Raw
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.evolution import adapted_sql
from mlbox.engine.features.loading import Piece, Range, check_span, raw_of, spanned
from mlbox.engine.features.reading import SourceReader
from mlbox.engine.features.sources.base import ARROW, Part, Rows, Source
from mlbox.engine.features.transforming import BATCH, Failed, Passage, Transform, needed_columns

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Way:
    """A set whose rows go through a function, and who reads its source."""

    reader: SourceReader
    feature_set: FeatureSet
    transform: Transform


def through(
    way: Way, cursor: DuckDBPyConnection, source: Source, parts: Iterable[Part], span: Range
) -> Iterator[Piece]:
    """What the function makes of the parts; of each part first its position, then rows batch by batch."""
    feature_set = way.feature_set
    label = str(feature_set.transform_ref)
    for part in parts:
        shown = f"{part.name or 'what the source gave'}, after {label}"
        yield Piece("", None, part, shown=shown)
        if part.rows is None:
            continue
        check_span(source, part, span)
        wanted = span if part.again else Range()
        passage = Passage(label, part.name, needed_columns(feature_set), feature_set.skip_errors)
        raw = replace(
            raw_of(feature_set, source, part, ""), keep=wanted.condition(quote(feature_set.axis)), shown=shown
        )
        with way.reader.streamed(feature_set, source, part.rows, BATCH) as read:
            for made in passage.results(way.transform, _told(read.batches, part)):
                refused = len(made.failed)
                if made.failed and feature_set.quarantine and raw.tell:
                    refused = checking.put_aside(cursor, feature_set, raw, [_refused(row) for row in made.failed])
                yield Piece("", None, part, more=True, rejected=refused if raw.tell else 0)
                for table in made.rows:
                    yield _piece(feature_set, table, part, raw, wanted)
                    raw = replace(raw, before=raw.before + table.num_rows)
            unread = checking.take_unread_lines(read.cursor) if feature_set.skip_errors else []
        if unread and raw.tell:
            if feature_set.quarantine:
                checking.put_aside(cursor, feature_set, raw, unread)
            yield Piece("", None, part, more=True, rejected=len(unread))


def _piece(feature_set: FeatureSet, table: pyarrow.Table, part: Part, raw: Raw, wanted: Range) -> Piece:
    body = f"SELECT * FROM {ARROW}"
    if feature_set.adapted:
        body = adapted_sql(feature_set, body, table.column_names)
    sql = spanned(replace(feature_set, body=body), wanted)
    return Piece(sql, Rows(f"SELECT * FROM {ARROW}", table.to_reader), part, replace(raw, body=body), more=True)


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
