"""Rows into the offline store: one transaction with the ledger and the statistics, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.base.names import literal, quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.catalog.tables import feature_checks
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.catalog.tables import sources as source_table
from mlbox.engine.catalog.tables.feature_checks import CheckRow
from mlbox.engine.catalog.tables.feature_sets import Reached
from mlbox.engine.features import row_statistics
from mlbox.engine.features.bundling import OneByOne
from mlbox.engine.features.definition import SEQUENCE, FeatureSet, moment, table_of, view_of
from mlbox.engine.features.inserting import WrongRow, insert_pieces
from mlbox.engine.features.loading import Changed, Load, Range, Wish, load_of_source, queried
from mlbox.engine.features.offline import table_sql, view_sql
from mlbox.engine.features.reading import SourceReader
from mlbox.engine.features.rules import count_checks, enforce
from mlbox.engine.features.sources.base import Rows
from mlbox.engine.features.transformed import Way
from mlbox.engine.features.transforming import NoTransforms, Transforms

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.features.spark.service import SparkQueries


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did, and how far the set is then."""

    added: int
    removed: int
    skipped: int
    reached: Reached
    late: int = 0
    checks: tuple[CheckRow, ...] = ()

    @property
    def watched(self) -> int:
        """Breaches of checks that refuse no row."""
        return sum(check.broken for check in self.checks if check.severity != "error")


@dataclass(frozen=True, slots=True)
class Body:
    """The query of a set, and what it reads where that is no table."""

    feature_set: FeatureSet
    rows: Rows | None = None


class Ingest:
    """Writes rows of sets; callers hold the set's lock."""

    def __init__(self, catalog: Catalog, reader: SourceReader) -> None:
        self.transforms: Transforms = NoTransforms()
        self.spark: SparkQueries | None = None
        self._catalog = catalog
        self._reader = reader
        self._reached: dict[str, Reached] = {}
        self.tell: Callable[[Sequence[CheckRow]], None] = lambda checks: None
        """Who hears of the checks of an ingest when it is durable."""

    def reached(self, feature_set: FeatureSet) -> Reached:
        """How far a set is; remembered, since nobody else writes the ledger."""
        known = self._reached.get(feature_set.id)
        if known is None:
            with self._catalog.read() as cursor:
                known = self._reached.setdefault(feature_set.id, table.reached(cursor, feature_set.id))
        return known

    def create(self, feature_set: FeatureSet, *, fill: bool) -> Ingested:
        """Make table, view and definition, and fill it, at once."""
        try:
            return self._create(feature_set, fill=fill, singly=False)
        except OneByOne:
            return self._create(feature_set, fill=fill, singly=True)

    def _create(self, feature_set: FeatureSet, *, fill: bool, singly: bool) -> Ingested:
        row = table.DefinitionRow(
            feature_set.project,
            feature_set.name,
            feature_set.version,
            feature_set.id,
            feature_set.to_text(),
            feature_set.created_at or now(),
        )
        source = self._reader.source_of(feature_set) if feature_set.source and fill else None
        done = Ingested(0, 0, 0, Reached())
        project = source.project if source else feature_set.project
        with self._body(feature_set, fill=fill) as body, self._transaction(project, feature_set) as cursor:
            cursor.execute(table_sql(feature_set))
            cursor.execute(view_sql(feature_set))
            table.insert_definition(cursor, row)
            keep_older(cursor, feature_set)
            if source is not None and self._reader.is_batch(source):
                done = self._read(cursor, feature_set, Range(), Wish(True, singly=singly))
            elif fill and feature_set.body is not None:
                piece = queried(cursor, body.feature_set, Range(), rows=body.rows)
                done = self._add(cursor, feature_set, Load([piece]))
        return self._remember(feature_set, done)

    def evolve(self, present: FeatureSet, following: FeatureSet, values: Mapping[str, str]) -> int:
        """The next version with the rows of the last one, and how far it had read; how many rows there are."""
        began, started = time.perf_counter(), now()
        row = table.DefinitionRow(
            following.project, following.name, following.version, following.id, following.to_text(), started
        )
        names = ", ".join(quote(name) for name in following.columns)
        select = ", ".join(values[name] for name in following.columns)
        with self._transaction(following.project, following) as cursor:
            before = table.reached(cursor, present.id)
            cursor.execute(table_sql(following))
            cursor.execute(view_sql(following))
            table.insert_definition(cursor, row)
            keep_older(cursor, following)
            cursor.execute(
                f"INSERT INTO {following.table} ({names}, {SEQUENCE}) SELECT {select}, {SEQUENCE} FROM {present.table}"
            )
            enforce(cursor, following, "TRUE")
            source_table.copy_positions(cursor, present.id, following.id)
            stamp = quote(following.timestamp)
            ((added, first, last),) = cursor.execute(
                f"SELECT count(*), min({stamp}), max({stamp}) FROM {following.table}"
            ).fetchall()
            ledger = table.IngestRow(
                id=new_id(),
                set_id=following.id,
                project=following.project,
                feature_set=following.name,
                version=following.version,
                added=added,
                removed=0,
                first_event=first,
                last_event=last,
                last_known=before.known,
                last_sequence=before.sequence,
                started_at=started,
                duration_ms=(time.perf_counter() - began) * 1000,
            )
            table.insert_ingest(cursor, ledger)
            if added:
                counted = row_statistics.of_rows(cursor, following, 0)
                table.insert_statistics(cursor, ledger.id, following.id, counted, now())
        self._reached[following.id] = Reached(before.known, before.sequence, 0)
        return int(added)

    def refresh(self, feature_set: FeatureSet, span: Range, *, replacing: bool) -> Ingested:
        """Rows of ``span``; with ``replacing`` what stands there goes first."""
        if feature_set.source is not None:
            return self._refresh_from_source(feature_set, span, replacing=replacing)
        gone = span.condition(quote(feature_set.axis)) if replacing else None
        with self._body(feature_set) as body, self._transaction(feature_set.project, feature_set) as cursor:
            piece = queried(cursor, body.feature_set, span, repeated=True, rows=body.rows)
            done = self._add(cursor, feature_set, Load([piece], gone))
        return self._remember(feature_set, done)

    @contextmanager
    def _body(self, feature_set: FeatureSet, *, fill: bool = True) -> Iterator[Body]:
        """What the query of a set reads: itself, or what another engine makes of it before the transaction begins."""
        if feature_set.engine == "duckdb" or not fill:
            yield Body(feature_set)
            return
        assert self.spark is not None
        with self.spark.body(feature_set) as rows:
            yield Body(replace(feature_set, body=rows.sql), rows)

    def _refresh_from_source(self, feature_set: FeatureSet, span: Range, *, replacing: bool) -> Ingested:
        """What the source has that was not read yet, whatever its time; of what was read, only what ``span`` asks."""
        source = self._reader.source_of(feature_set)
        wish = Wish(replacing and span == Range())
        while True:
            try:
                with self._transaction(source.project, feature_set) as cursor:
                    return self._remember(feature_set, self._read(cursor, feature_set, span, wish))
            except Changed:
                span, wish = Range(), replace(wish, anew=True)
            except OneByOne:
                wish = replace(wish, singly=True)

    def _read(self, cursor: DuckDBPyConnection, feature_set: FeatureSet, span: Range, wish: Wish) -> Ingested:
        with ExitStack() as stack:
            folder = stack.enter_context(self._reader.staging())
            way = None
            if feature_set.transform is not None:
                transform = stack.enter_context(self.transforms.open(feature_set))
                way = Way(self._reader, feature_set, transform)
            load = load_of_source(self._reader, cursor, feature_set, span, replace(wish, staging=folder, through=way))
            return self._add(cursor, feature_set, load)

    def insert(self, feature_set: FeatureSet, query: Query, columns: Sequence[str], project: str) -> Ingested:
        """Rows of the user's query, as seen in ``project``, by position; ``columns`` gives another order."""
        given = given_columns(feature_set, columns, len(self._catalog.describe(project, query)), query)
        renamed = f"SELECT * FROM (\n{query.text}\n) AS _rows({', '.join(quote(name) for name in given)})"
        named = {name.lower() for name in given}
        missing = [feature.name for feature in feature_set.features if feature.name.lower() not in named]
        nulls = "".join(f", NULL AS {quote(name)}" for name in missing)
        over = replace(feature_set, body=f"SELECT *{nulls} FROM ({renamed})")
        with self._transaction(project, feature_set) as cursor:
            done = self._add(cursor, feature_set, Load([queried(cursor, over, Range())]))
        return self._remember(feature_set, done)

    def remember(self, feature_set: FeatureSet, reached: Reached) -> None:
        """A stream's micro-batch was committed."""
        self._reached[feature_set.id] = reached

    def _remember(self, feature_set: FeatureSet, done: Ingested) -> Ingested:
        self._reached[feature_set.id] = done.reached
        self.tell(done.checks)
        return done

    def _add(self, cursor: DuckDBPyConnection, feature_set: FeatureSet, load: Load) -> Ingested:
        began, started = time.perf_counter(), now()
        before = table.reached(cursor, feature_set.id)
        target, timestamp, axis = feature_set.table, quote(feature_set.timestamp), quote(feature_set.axis)
        gone = load.gone
        removed: int = cursor.execute(f"DELETE FROM {target} WHERE {gone}").fetchall()[0][0] if gone else 0
        ingest = new_id()
        inserted = insert_pieces(cursor, feature_set, load, before.sequence, ingest)
        removed += inserted.removed
        new = f"{SEQUENCE} > {before.sequence}"
        skipped = inserted.rejected
        if feature_set.windows or not feature_set.skip_errors:  # else each piece was checked as it was taken
            skipped += enforce(cursor, feature_set, new, inserted.places)
        late = f"{axis} <= {moment(before.known)}" if before.known is not None and not gone else "FALSE"
        added, first, last, sequence, known, old = cursor.execute(
            f"SELECT count(*), min({timestamp}), max({timestamp}), coalesce(max({SEQUENCE}), {before.sequence}), "
            f"max({axis}), count(*) FILTER ({late}) FROM {target} WHERE {new}"
        ).fetchall()[0]
        if not added and not removed and not skipped:
            return Ingested(0, 0, skipped, before)
        sequence = max(sequence, inserted.last)
        if removed:
            sequence += 1
            known = cursor.execute(f"SELECT max({axis}) FROM {target}").fetchall()[0][0]
        elif before.known is not None:
            known = max(known or before.known, before.known)
        row = table.IngestRow(
            id=ingest,
            set_id=feature_set.id,
            project=feature_set.project,
            feature_set=feature_set.name,
            version=feature_set.version,
            added=added,
            removed=removed,
            first_event=first,
            last_event=last,
            last_known=known,
            last_sequence=sequence,
            started_at=started,
            duration_ms=(time.perf_counter() - began) * 1000,
            source=str(load.source.ref) if load.source else None,
            late=old,
            rejected=skipped,
        )
        table.insert_ingest(cursor, row)
        if added or removed:
            found = row_statistics.of_rows(cursor, feature_set, before.sequence)
            table.insert_statistics(cursor, row.id, feature_set.id, found, now())
        checks = count_checks(cursor, feature_set, row.id, new, started, enforced=True)
        feature_checks.insert(cursor, checks)
        reached = Reached(known, sequence, sequence if removed else before.removal)
        return Ingested(added, removed, skipped, reached, old, tuple(checks))

    @contextmanager
    def _transaction(self, project: str, feature_set: FeatureSet) -> Iterator[DuckDBPyConnection]:
        """A transaction on the data file in which names mean what they mean in the project, and times without a zone
        what the set says. A wrong row, which DuckDB does not name, is looked for when the transaction has ended."""
        import duckdb

        with self._catalog.session(project) as cursor:
            if feature_set.timezone is not None:
                cursor.execute(f"SET SESSION TimeZone = {literal(feature_set.timezone)}")
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except duckdb.Error as error:
                _rollback(cursor)
                raise translate(error) from None
            except WrongRow as wrong:
                _rollback(cursor)
                raise wrong.located(cursor) from None
            except BaseException:
                _rollback(cursor)
                raise


def keep_older(cursor: DuckDBPyConnection, feature_set: FeatureSet) -> None:
    """Older versions stay readable: ``"name@1"``."""
    for version, _ in table.versions(cursor, feature_set.project, feature_set.name):
        if version < feature_set.version:
            older = table_of(feature_set.project, feature_set.name, version)
            view = view_of(feature_set.project, feature_set.name, version)
            cursor.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * EXCLUDE ({SEQUENCE}) FROM {older}")


def _rollback(cursor: DuckDBPyConnection) -> None:
    with suppress(Exception):
        cursor.execute("ROLLBACK")


def given_columns(feature_set: FeatureSet, columns: Sequence[str], count: int, query: Query) -> list[str]:
    """The columns that an INSERT gives, checked."""
    known = {name.lower(): name for name in feature_set.columns}
    for name in columns:
        if name.lower() not in known:
            raise Invalid(
                f"feature set {feature_set.name} has no column {name!r}", hint=did_you_mean(name, feature_set.columns)
            )
    given = [known[name.lower()] for name in columns] or feature_set.columns
    if len(given) != count:
        raise Invalid(
            f"{len(given)} columns are expected, the rows have {count}",
            hint=f"in this order: {', '.join(given)}",
            where=query.where(0),
        )
    missing = [name for name in (*feature_set.entity_names, *feature_set.times) if name not in given]
    if missing:
        raise Invalid(f"the rows have no {missing[0]!r}", hint=f"every row needs {', '.join(missing)}")
    return given
