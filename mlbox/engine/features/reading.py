"""Reads sources for feature sets: their columns, and their parts as rows that can be inserted."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.errors import Conflict, MlboxError
from mlbox.base.ids import new_id
from mlbox.base.names import Ref, literal
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.sources.base import (
    ARROW,
    ROW,
    SOURCES,
    BatchSource,
    Part,
    Position,
    Request,
    Rows,
    Source,
    StreamBatch,
    StreamSource,
)
from mlbox.engine.features.sourcing import Sources

if TYPE_CHECKING:
    import duckdb
    import pyarrow
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


@dataclass(frozen=True, slots=True)
class Streamed:
    """Rows of a part, and the cursor that reads them."""

    cursor: DuckDBPyConnection
    batches: pyarrow.RecordBatchReader


class SourceReader:
    """Opens sources with their secrets; callers bring the cursor of the transaction in which rows are inserted."""

    def __init__(self, catalog: Catalog, sources: Sources) -> None:
        self._catalog = catalog
        self._sources = sources

    def columns(self, ref: Ref) -> tuple[Source, list[tuple[str, str]] | None]:
        """The source and its columns as (name, DuckDB type): None for a stream, and while it has nothing."""
        source = self._sources.source(ref)
        plugin = SOURCES.get(source.type)
        if not plugin.capabilities.batch:
            return source, None
        with self.staging() as folder, self._catalog.session(source.project) as cursor:
            request = Request({}, False, lambda sql: cursor.execute(sql).fetchall(), folder)
            rows = _batch(plugin).shape(self._sources.opened(source), request)
            if rows is None:
                return source, None
            with opened(cursor, rows):
                return source, [(row[0], row[1]) for row in cursor.execute(f"DESCRIBE {rows.sql}").fetchall()]

    def source_of(self, feature_set: FeatureSet) -> Source:
        """The source of a set, ready to be read; ``Conflict`` when it was dropped or suspended."""
        found = self._sources.by_id(feature_set.source or "")
        if found is None:
            raise Conflict(
                f"the source of feature set {feature_set.name} was dropped",
                hint="CREATE OR REPLACE FEATURE SET … FROM another source, or add rows with INSERT INTO",
            )
        if found.suspended:
            raise Conflict(f"source {found.ref} is suspended", hint=f"ALTER SOURCE {found.ref} RESUME")
        return found

    def is_batch(self, source: Source) -> bool:
        """Whether it has rows that can be read now."""
        return SOURCES.get(source.type).capabilities.batch

    def is_pushed(self, source: Source) -> bool:
        """Whether its rows are brought by whoever has them."""
        return SOURCES.get(source.type).capabilities.push

    def pulls(self, feature_set: FeatureSet) -> bool:
        """Whether the set has a source that is read, and not one that is pushed into."""
        found = self._sources.by_id(feature_set.source or "")
        return found is not None and not SOURCES.get(found.type).capabilities.push

    def is_active(self, feature_set: FeatureSet) -> bool:
        """Whether the set's source is there to be read continuously."""
        found = self._sources.by_id(feature_set.source or "")
        return found is not None and not found.suspended and self.pulls(feature_set)

    def stream(self, source: Source, positions: Mapping[str, Position]) -> Generator[StreamBatch]:
        """Rows behind the positions as they come; see :class:`StreamSource`."""
        plugin: StreamSource = SOURCES.get(source.type)  # type: ignore[assignment]  # its capabilities say so
        return plugin.consume(self._sources.opened(source), positions)

    def parts(self, source: Source, request: Request) -> Iterable[Part]:
        """What is to be read; see :class:`BatchSource`."""
        return _batch(SOURCES.get(source.type)).read(self._sources.opened(source), request)

    @contextmanager
    def streamed(self, feature_set: FeatureSet, source: Source, rows: Rows, batch: int) -> Iterator[Streamed]:
        """Rows as they are read, on a cursor of their own: what is done with them may go on meanwhile."""
        with self._catalog.session(source.project) as cursor:
            if feature_set.timezone is not None:
                cursor.execute(f"SET SESSION TimeZone = {literal(feature_set.timezone)}")
            with opened(cursor, rows):
                text = f"SELECT * EXCLUDE ({ROW}) FROM (\n{rows.sql}\n)" if rows.numbered else rows.sql
                yield Streamed(cursor, cursor.sql(text).to_arrow_reader(batch))

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder for copies of files meanwhile."""
        folder = self._catalog.home.cache.resolve() / "sources" / new_id()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def named(error: duckdb.Error, part: Part | None) -> MlboxError:
    """An error of DuckDB that says in which part it came."""
    told: MlboxError = translate(error)
    if part is None or not part.name:
        return told
    copy = part.rows.copy if part.rows is not None else None
    message = told.message.replace(str(copy), part.name) if copy else told.message
    return type(told)(message if part.name in message else f"{part.name}: {message}", hint=told.hint)


def _batch(plugin: object) -> BatchSource:
    found: BatchSource = plugin  # type: ignore[assignment]  # its capabilities say so
    return found


@contextmanager
def opened(cursor: DuckDBPyConnection, rows: Rows) -> Iterator[None]:
    """The Arrow batches of ``rows``, if it has any, under the name by which its SQL reads them."""
    if rows.arrow is None:
        yield
        if rows.copy is not None:
            rows.copy.unlink(missing_ok=True)
        return
    reader = rows.arrow()
    cursor.register(ARROW, reader)
    try:
        yield
    finally:
        with suppress(Exception):  # in a transaction that has failed; its end takes the name away too
            cursor.unregister(ARROW)
        reader.close()
