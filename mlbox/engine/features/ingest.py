"""Rows into the offline store: one transaction with the ledger and the statistics, or nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.base.names import quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.catalog.tables.feature_sets import Reached
from mlbox.engine.features import statistics
from mlbox.engine.features.aggregates import longest
from mlbox.engine.features.definition import SEQUENCE, FeatureSet, interval, moment
from mlbox.engine.features.frames import AXIS
from mlbox.engine.features.offline import rows_sql, table_sql, view_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


@dataclass(frozen=True, slots=True)
class Range:
    """Times on the set's axis: after ``after`` (exclusive), from ``start`` (inclusive), before ``end`` (exclusive)."""

    after: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None

    def condition(self, axis: str) -> str:
        """As SQL."""
        parts = []
        if self.after is not None:
            parts.append(f"{axis} > {moment(self.after)}")
        if self.start is not None:
            parts.append(f"{axis} >= {moment(self.start)}")
        if self.end is not None:
            parts.append(f"{axis} < {moment(self.end)}")
        return " AND ".join(parts) or "TRUE"

    def reach(self, seconds: float) -> str:
        """What windows of ``seconds`` must read for it."""
        first = max((value for value in (self.after, self.start) if value is not None), default=None)
        parts = [f"{AXIS} >= {moment(first)} - {interval(seconds)}"] if first is not None else []
        if self.end is not None:
            parts.append(f"{AXIS} < {moment(self.end)}")
        return " AND ".join(parts) or "TRUE"


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did, and how far the set is then."""

    added: int
    removed: int
    skipped: int
    reached: Reached


class Ingest:
    """Writes rows of sets; callers hold the set's lock."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._reached: dict[str, Reached] = {}

    def reached(self, feature_set: FeatureSet) -> Reached:
        """How far a set is; remembered, since nobody else writes the ledger."""
        known = self._reached.get(feature_set.id)
        if known is None:
            with self._catalog.read() as cursor:
                known = self._reached.setdefault(feature_set.id, table.reached(cursor, feature_set.id))
        return known

    def create(self, feature_set: FeatureSet, *, fill: bool) -> Ingested:
        """Make table, view and definition, and fill it, at once."""
        row = table.DefinitionRow(
            feature_set.project,
            feature_set.name,
            feature_set.version,
            feature_set.id,
            feature_set.to_text(),
            feature_set.created_at or now(),
        )
        done = Ingested(0, 0, 0, Reached())
        with self._transaction(feature_set.project) as cursor:
            cursor.execute(table_sql(feature_set))
            cursor.execute(view_sql(feature_set))
            table.insert_definition(cursor, row)
            if fill and feature_set.body is not None:
                done = self._add(cursor, feature_set, rows_sql(feature_set, "TRUE", "TRUE"), None)
        return self._remember(feature_set, done)

    def refresh(self, feature_set: FeatureSet, span: Range, *, replacing: bool) -> Ingested:
        """Rows of ``span``; with ``replacing`` what stands there goes first."""
        read, keep = span.reach(longest(feature_set.windows)), span.condition(AXIS)
        if not feature_set.skip_errors and keep != "TRUE":  # rows without a time lie in no range, and are errors
            read, keep = (f"({condition} OR {AXIS} IS NULL)" for condition in (read, keep))
        gone = span.condition(quote(feature_set.axis)) if replacing else None
        with self._transaction(feature_set.project) as cursor:
            done = self._add(cursor, feature_set, rows_sql(feature_set, read, keep), gone)
        return self._remember(feature_set, done)

    def insert(self, feature_set: FeatureSet, query: Query, columns: Sequence[str], project: str) -> Ingested:
        """Rows of the user's query, as seen in ``project``, by position; ``columns`` gives another order."""
        given = _given(feature_set, columns, len(self._catalog.describe(project, query)), query)
        renamed = f"SELECT * FROM (\n{query.text}\n) AS _rows({', '.join(quote(name) for name in given)})"
        named = {name.lower() for name in given}
        missing = [feature.name for feature in feature_set.features if feature.name.lower() not in named]
        nulls = "".join(f", NULL AS {quote(name)}" for name in missing)
        source = replace(feature_set, body=f"SELECT *{nulls} FROM ({renamed})")
        with self._transaction(project) as cursor:
            done = self._add(cursor, feature_set, rows_sql(source, "TRUE", "TRUE"), None)
        return self._remember(feature_set, done)

    def _remember(self, feature_set: FeatureSet, done: Ingested) -> Ingested:
        self._reached[feature_set.id] = done.reached
        return done

    def _add(self, cursor: DuckDBPyConnection, feature_set: FeatureSet, rows: str, gone: str | None) -> Ingested:
        began, started = time.perf_counter(), now()
        before = table.reached(cursor, feature_set.id)
        target, timestamp, axis = feature_set.table, quote(feature_set.timestamp), quote(feature_set.axis)
        removed: int = cursor.execute(f"DELETE FROM {target} WHERE {gone}").fetchall()[0][0] if gone else 0
        names = ", ".join(quote(name) for name in feature_set.columns)
        cursor.execute(
            f"INSERT INTO {target} ({names}, {SEQUENCE}) "
            f"SELECT {names}, {before.sequence} + row_number() OVER () FROM ({rows})"
        )
        new = f"{SEQUENCE} > {before.sequence}"
        skipped = _validate(cursor, feature_set, new)
        added, first, last, sequence, known = cursor.execute(
            f"SELECT count(*), min({timestamp}), max({timestamp}), coalesce(max({SEQUENCE}), {before.sequence}), "
            f"max({axis}) FROM {target} WHERE {new}"
        ).fetchall()[0]
        if not added and not removed:
            return Ingested(0, 0, skipped, before)
        if removed:
            sequence += 1
            known = cursor.execute(f"SELECT max({axis}) FROM {target}").fetchall()[0][0]
        elif before.known is not None:
            known = max(known, before.known)
        row = table.IngestRow(
            id=new_id(),
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
        )
        table.insert_ingest(cursor, row)
        table.insert_statistics(cursor, statistics.select_sql(feature_set, row.id, before.sequence))
        return Ingested(added, removed, skipped, Reached(known, sequence, sequence if removed else before.removal))

    @contextmanager
    def _transaction(self, project: str) -> Iterator[DuckDBPyConnection]:
        """A transaction on the data file in which names mean what they mean in the project."""
        import duckdb

        with self._catalog.session(project) as cursor:
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except duckdb.Error as error:
                _rollback(cursor)
                raise translate(error) from None
            except BaseException:
                _rollback(cursor)
                raise


def _rollback(cursor: DuckDBPyConnection) -> None:
    with suppress(Exception):
        cursor.execute("ROLLBACK")


def _given(feature_set: FeatureSet, columns: Sequence[str], count: int, query: Query) -> list[str]:
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


def _validate(cursor: DuckDBPyConnection, feature_set: FeatureSet, new: str) -> int:
    """Every rule at once; with rows that break one the transaction ends, unless the set skips them."""
    rules = [(f"{quote(name)} IS NULL", f"entity {name} is missing") for name in feature_set.entity_names]
    rules += [(f"{quote(name)} IS NULL", f"time {name} is missing") for name in feature_set.times]
    for feature in feature_set.features:
        if feature.not_null:
            rules.append((f"{quote(feature.name)} IS NULL", f"{feature.name} is NOT NULL and missing"))
        if feature.check:
            rules.append((f"NOT ((\n{feature.check}\n)::BOOLEAN)", f"CHECK ({feature.check}) is false"))
    counts = ", ".join(f"count(*) FILTER ({rule})" for rule, _ in rules)
    found = cursor.execute(f"SELECT {counts} FROM {feature_set.table} WHERE {new}").fetchall()[0]
    broken = [(count, rule, text) for count, (rule, text) in zip(found, rules, strict=True) if count]
    if not broken:
        return 0
    if feature_set.skip_errors:
        anything = " OR ".join(f"coalesce({rule}, FALSE)" for _, rule, _ in broken)
        deleted: int = cursor.execute(f"DELETE FROM {feature_set.table} WHERE {new} AND ({anything})").fetchall()[0][0]
        return deleted
    count, rule, text = broken[0]
    names = ", ".join(quote(name) for name in feature_set.columns)
    example = cursor.execute(f"SELECT {names} FROM {feature_set.table} WHERE {new} AND {rule} LIMIT 1").fetchall()[0]
    row = dict(zip(feature_set.columns, ("NULL" if value is None else str(value) for value in example), strict=True))
    shown = ", ".join(f"{name} = {value}" for name, value in row.items())
    raise Invalid(
        f"{text} in {count:,} row{'s' if count > 1 else ''} of feature set {feature_set.name}, such as ({shown}); "
        "nothing was stored",
        hint="mend the query, or leave such rows out: WITH (on_error = 'skip')",
        details={"count": count, "example": row},
    )
