"""Rows into the offline store: one transaction with the ledger, or nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.base.names import quote
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.features import statistics
from mlbox.engine.features.aggregates import longest
from mlbox.engine.features.building import rows_sql, table_sql, view_sql
from mlbox.engine.features.definition import SEQUENCE, FeatureSet, interval, moment

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
        parts = [f"_axis >= {moment(first)} - {interval(seconds)}"] if first is not None else []
        if self.end is not None:
            parts.append(f"_axis < {moment(self.end)}")
        return " AND ".join(parts) or "TRUE"


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did."""

    added: int
    removed: int
    skipped: int
    last_sequence: int


class Ingest:
    """Writes rows of sets; callers hold the set's lock."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

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
        with self._transaction(feature_set) as cursor:
            cursor.execute(table_sql(feature_set))
            cursor.execute(view_sql(feature_set))
            table.insert_definition(cursor, row)
            if not fill or feature_set.body is None:
                return Ingested(0, 0, 0, 0)
            return self._add(cursor, feature_set, rows_sql(feature_set, "TRUE", "TRUE"), "FALSE")

    def refresh(self, feature_set: FeatureSet, span: Range, *, replace: bool) -> Ingested:
        """Rows of ``span``; with ``replace`` what stands there goes first."""
        keep = span.condition("_axis")
        rows = rows_sql(feature_set, span.reach(longest(feature_set.windows)), keep)
        gone = span.condition(quote(feature_set.axis)) if replace else "FALSE"
        with self._transaction(feature_set) as cursor:
            return self._add(cursor, feature_set, rows, gone)

    def insert(self, feature_set: FeatureSet, query: Query, columns: list[str]) -> Ingested:
        """Rows of the user's query, by the names of its columns or those that are given."""
        produced = [name for name, _ in self._catalog.describe(feature_set.project, query)]
        if columns and len(columns) != len(produced):
            raise Invalid(f"{len(columns)} columns are named, the rows have {len(produced)}", where=query.where(0))
        if not columns and [name.lower() for name in produced] != [name.lower() for name in feature_set.columns]:
            # VALUES and the like have no names of their own: by position, as SQL does.
            if len(produced) != len(feature_set.columns):
                raise Invalid(
                    f"feature set {feature_set.name} has {len(feature_set.columns)} columns, the rows have {len(produced)}",
                    hint=f"its columns: {', '.join(feature_set.columns)}",
                    where=query.where(0),
                )
        given = columns or feature_set.columns
        renamed = f"SELECT * FROM (\n{query.text}\n) AS _rows({', '.join(quote(name) for name in given)})"
        missing = [feature for feature in feature_set.features if feature.name.lower() not in {n.lower() for n in given}]
        extra = "".join(f", NULL AS {quote(feature.name)}" for feature in missing)
        from dataclasses import replace

        source = replace(feature_set, body=f"SELECT *{extra} FROM ({renamed})")
        with self._transaction(feature_set, query) as cursor:
            return self._add(cursor, feature_set, rows_sql(source, "TRUE", "TRUE"), "FALSE")

    def _add(self, cursor: DuckDBPyConnection, feature_set: FeatureSet, rows: str, gone: str) -> Ingested:
        began, started = time.perf_counter(), now()
        _, last = table.reached(cursor, feature_set.id)
        target = feature_set.table
        removed = 0
        if gone != "FALSE":
            removed = cursor.execute(f"DELETE FROM {target} WHERE {gone}").fetchall()[0][0]
        names = ", ".join(quote(name) for name in feature_set.columns)
        cursor.execute(
            f"INSERT INTO {target} ({names}, {SEQUENCE}) SELECT {names}, {last} + row_number() OVER () FROM ({rows})"
        )
        skipped = self._validate(cursor, feature_set, f"{SEQUENCE} > {last}")
        timestamp, axis = quote(feature_set.timestamp), quote(feature_set.axis)
        found = cursor.execute(
            f"SELECT count(*), min({timestamp}), max({timestamp}), max({axis}), coalesce(max({SEQUENCE}), {last}) "
            f"FROM {target} WHERE {SEQUENCE} > {last}"
        ).fetchall()[0]
        if not found[0] and not removed:
            return Ingested(0, 0, skipped, last)
        row = table.IngestRow(
            new_id(),
            feature_set.id,
            feature_set.project,
            feature_set.name,
            feature_set.version,
            found[0],
            removed,
            *found[1:],
            started,
            (time.perf_counter() - began) * 1000,
        )
        table.insert_ingest(cursor, row)
        table.insert_statistics(cursor, statistics.select_sql(feature_set, row.id, last))
        return Ingested(found[0], removed, skipped, row.last_sequence)

    def _validate(self, cursor: DuckDBPyConnection, feature_set: FeatureSet, new: str) -> int:
        """Every rule at once; with rows that break one the transaction ends, unless the set skips them."""
        rules = [(f"{quote(name)} IS NULL", f"entity {name} is missing") for name in feature_set.entity_names]
        rules += [
            (f"{quote(name)} IS NULL", f"time {name} is missing")
            for name in dict.fromkeys((feature_set.timestamp, feature_set.axis))
        ]
        for feature in feature_set.features:
            if feature.not_null:
                rules.append((f"{quote(feature.name)} IS NULL", f"{feature.name} is NOT NULL and missing"))
            if feature.check:
                rules.append((f"NOT ({feature.check})", f"CHECK ({feature.check}) of {feature.name} is false"))
        counts = ", ".join(f"count(*) FILTER ({rule})" for rule, _ in rules)
        found = cursor.execute(f"SELECT {counts} FROM {feature_set.table} WHERE {new}").fetchall()[0]
        broken = [(count, rule, text) for count, (rule, text) in zip(found, rules, strict=True) if count]
        if not broken:
            return 0
        anything = " OR ".join(f"coalesce({rule}, FALSE)" for _, rule, _ in broken)
        if feature_set.skip_errors:
            deleted: int = cursor.execute(f"DELETE FROM {feature_set.table} WHERE {new} AND ({anything})").fetchall()[0][0]
            return deleted
        count, rule, text = broken[0]
        names = ", ".join(quote(name) for name in feature_set.columns)
        example = cursor.execute(f"SELECT {names} FROM {feature_set.table} WHERE {new} AND {rule} LIMIT 1")
        row = dict(zip(feature_set.columns, map(str, example.fetchall()[0]), strict=True))
        raise Invalid(
            f"{text} in {count:,} row{'s' if count > 1 else ''} of feature set {feature_set.name}; nothing was stored",
            hint="mend the query, or leave such rows out: WITH (on_error = 'skip')",
            details={"example": row},
        )

    @contextmanager
    def _transaction(self, feature_set: FeatureSet, query: Query | None = None) -> Iterator[DuckDBPyConnection]:
        """A transaction on the data file in which names mean what they mean in the project."""
        import duckdb

        with self._catalog.session(feature_set.project) as cursor:
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
