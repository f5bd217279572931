"""Micro-batches into a set: rows, what they change, refused rows, offsets and ledger in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.errors import Conflict, Invalid, Unavailable
from mlbox.base.ids import new_id
from mlbox.base.names import quote
from mlbox.engine.catalog.tables import feature_checks
from mlbox.engine.catalog.tables import feature_sets as ledger_table
from mlbox.engine.catalog.tables import streams as table
from mlbox.engine.catalog.tables.feature_sets import Reached
from mlbox.engine.features import row_statistics
from mlbox.engine.features.definition import SEQUENCE, FeatureSet
from mlbox.engine.features.frames import EPOCH
from mlbox.engine.features.rules import count_checks
from mlbox.engine.features.streaming.batch import Computed, Prepared, Refused, compute, load_cache, prepare
from mlbox.engine.features.streaming.cache import WindowCache
from mlbox.engine.features.streaming.online import OnlineWindows
from mlbox.engine.features.streaming.rows import NUMBER

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.features.ingest import Ingest

log = logging.getLogger("mlbox")
LEDGER_PERIOD = timedelta(minutes=10)
"""A stream's micro-batches of so long are one ingest; then its statistics are computed."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Given:
    """Rows as they came, and what is committed with them: ``also`` runs in the transaction, with the ingest's id and
    the latest times by part of the stream. ``watermarks`` are these before; None: what the set has.

    With ``strict`` a refused row refuses all; ``key`` (of a push) makes a repeat harmless.
    """

    rows: pyarrow.Table
    source: str | None = None
    also: Callable[[DuckDBPyConnection, str, Mapping[str, int]], None] | None = None
    watermarks: Mapping[str, int] | None = None
    keys: Sequence[str] = ()
    strict: bool = False
    refused: Sequence[Refused] = ()
    """Rows that were refused before."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a micro-batch; ``refused`` are reasons by the places of the rows."""

    added: int
    changed: int
    late: int
    refused: dict[int, str]


@dataclass(slots=True)
class _Ledger:
    row: ledger_table.IngestRow
    first_sequence: int
    ends: datetime


@dataclass(slots=True)
class StreamWriter:
    """Writes one version of a set. Callers hold the set's lock."""

    catalog: Catalog
    ingest: Ingest
    feature_set: FeatureSet
    online: OnlineWindows | None
    follow: Callable[[FeatureSet], None]
    """Brings the online store after the rows of a set without windows."""
    stale: bool = True
    """Whether the online rows must be made anew: windows lose rows while nobody looks."""
    _cache: WindowCache | None = None
    _ledger: _Ledger | None = field(default=None)

    def cache(self) -> WindowCache | None:
        """The rows within reach of the windows; None for a set without."""
        if not self.feature_set.windows:
            return None
        if self._cache is None:
            known = self.ingest.reached(self.feature_set).known
            since = None
            if known is not None:
                reach = timedelta(seconds=max(w.seconds for w in self.feature_set.windows))
                since = (min(known, now()) - 2 * reach - EPOCH) // _MICROSECOND
            with self.catalog.read() as cursor:
                self._cache = load_cache(cursor, self.feature_set, since)
        return self._cache

    def add(self, given: Given) -> Taken:
        """Durable when it returns; what was already taken under one of its keys is not taken again."""
        reached = self.ingest.reached(self.feature_set)
        watermarks = given.watermarks
        if watermarks is None:
            watermarks = {} if reached.known is None else {"": (reached.known - EPOCH) // _MICROSECOND}
        with self.catalog.session(self.feature_set.project) as cursor:
            prepared = prepare(cursor, self.feature_set, given.rows, watermarks)
            prepared.refused.extend(given.refused)
            if given.strict and prepared.refused:
                self._refuse(prepared)
            cache = self.cache()
            try:
                computed = self._compute(cursor, cache, prepared)
                after = self._commit(given, prepared, computed, reached)
            except BaseException:
                self._cache = None  # it may know what was not committed
                self._ledger = None
                raise
        self.ingest.remember(self.feature_set, after)
        if cache is not None:
            if self.online is not None and len(prepared.rows):
                self._follow_windows(self.online, cache, computed)
            if after.known is not None:
                cache.forget((min(after.known, now()) - EPOCH) // _MICROSECOND)
        elif len(prepared.rows):
            self.follow(self.feature_set)
        changed = 0 if computed.changed is None else len(computed.changed)
        refused = {one.place: one.reason for one in prepared.refused}
        return Taken(len(prepared.rows), changed, prepared.late, refused)

    def _follow_windows(self, online: OnlineWindows, cache: WindowCache, computed: Computed) -> None:
        """What is offline is committed already: a store that is away is filled anew when it is back."""
        try:
            online.follow(cache, computed.new)
        except Unavailable as error:
            if not self.stale:
                log.warning("%s is not moved online: %s", self.feature_set.ref, error.message)
            self.stale = True
        except Exception:  # the rows are durable: whoever brought them is not to bring them again
            log.exception("%s is not moved online", self.feature_set.ref)
            self.stale = True

    def _refuse(self, prepared: Prepared) -> None:
        first, count = prepared.refused[0], len(prepared.refused)
        raise Invalid(
            f"{first.reason} in row {first.place + 1}{f', and {count - 1:,} more rows are wrong' if count > 1 else ''}"
            f" for feature set {self.feature_set.name}; nothing was stored",
            hint="mend the rows, or leave such rows out: WITH (on_error = 'skip')",
            details={"count": count, "row": first.text},
        )

    def _compute(self, cursor: DuckDBPyConnection, cache: WindowCache | None, prepared: Prepared) -> Computed:
        if cache is None or not len(prepared.rows):
            return Computed([prepared.rows], None)
        try:
            return compute(cursor, self.feature_set, cache, prepared)
        except OverflowError as error:
            raise Conflict(
                f"feature set {self.feature_set.name} has too many entities over too long a time: {error}",
                hint="shorter windows, or AGGREGATE over a query",
            ) from None

    def _commit(self, given: Given, prepared: Prepared, computed: Computed, reached: Reached) -> Reached:
        changed = computed.changed
        count = sum(len(part) for part in computed.new)
        sequence = reached.sequence + (len(changed) if changed is not None else 0) + count
        known = reached.known
        if prepared.latest is not None:
            latest = EPOCH + prepared.latest * _MICROSECOND
            known = latest if known is None else max(known, latest)
        entry = self._entry(given, prepared, count, known, sequence, reached)
        target = self.feature_set.table
        names = ", ".join(quote(name) for name in self.feature_set.columns)

        def write(cursor: DuckDBPyConnection) -> None:
            if given.keys:
                table.insert_keys(cursor, self.feature_set.project, self.feature_set.id, given.keys, now())
            first = reached.sequence
            if changed is not None:
                cursor.register("_changed", changed)
                gone = f"DELETE FROM {target} WHERE {SEQUENCE} IN (SELECT {SEQUENCE} FROM _changed)"
                cursor.execute(gone)
                _insert(cursor, target, names, "_changed", SEQUENCE, first)
                first += len(changed)
            for part in computed.new:
                if len(part):
                    cursor.register("_new", part)
                    _insert(cursor, target, names, "_new", NUMBER, first)
                    first += len(part)
            if prepared.refused:
                rows = [(one.reason, one.text) for one in prepared.refused]
                table.insert_dead_letters(cursor, self.feature_set, given.source, rows, now())
            if self._ledger is None or self._ledger.row.id != entry.row.id:
                ledger_table.insert_ingest(cursor, entry.row)
            else:
                ledger_table.extend_ingest(cursor, entry.row)
            if given.also is not None:
                given.also(cursor, entry.row.id, prepared.watermarks)
            for name in ("_changed", "_new"):
                with suppress(Exception):
                    cursor.unregister(name)

        self.catalog.write_data(write)
        closed = self._ledger if self._ledger is not None and self._ledger.row.id != entry.row.id else None
        self._ledger = entry
        if closed is not None:
            self._close(closed)
        return Reached(known, sequence, reached.removal)

    def _entry(
        self, given: Given, prepared: Prepared, added: int, known: datetime | None, sequence: int, reached: Reached
    ) -> _Ledger:
        """The ledger's row of this period with the micro-batch in it."""
        import pyarrow.compute as pc

        moment = now()
        column = prepared.rows.column(self.feature_set.timestamp)
        extent = pc.min_max(column).as_py() if len(column) else {"min": None, "max": None}
        present = self._ledger
        if present is None or moment >= present.ends or present.row.source != given.source:
            row = ledger_table.IngestRow(
                id=new_id(),
                set_id=self.feature_set.id,
                project=self.feature_set.project,
                feature_set=self.feature_set.name,
                version=self.feature_set.version,
                added=0,
                removed=0,
                first_event=None,
                last_event=None,
                last_known=None,
                last_sequence=reached.sequence,
                started_at=moment,
                duration_ms=0.0,
                source=given.source,
            )
            present = _Ledger(row, reached.sequence, moment + LEDGER_PERIOD)
        row = present.row
        firsts = [time for time in (row.first_event, extent["min"]) if time is not None]
        lasts = [time for time in (row.last_event, extent["max"]) if time is not None]
        grown = replace(
            row,
            added=row.added + added,
            first_event=min(firsts, default=None),
            last_event=max(lasts, default=None),
            last_known=known,
            last_sequence=sequence,
            duration_ms=(moment - row.started_at).total_seconds() * 1000,
            late=row.late + prepared.late,
            rejected=row.rejected + len(prepared.refused),
        )
        return replace_row(present, grown)

    def close(self) -> None:
        """The end of the stream for now: statistics of what has come."""
        closed, self._ledger = self._ledger, None
        if closed is not None:
            self._close(closed)

    def _close(self, ledger: _Ledger) -> None:
        """The end of a period: what is too old goes, statistics of what has come."""
        set_id = self.feature_set.id
        if ledger.row.rejected:
            self.catalog.write_data(lambda cursor: table.trim_dead_letters(cursor, set_id))
        self.catalog.write_data(lambda cursor: table.forget_keys(cursor, set_id, now()))
        if not ledger.row.added:
            return
        with self.catalog.transaction_data() as cursor:
            found = row_statistics.of_rows(cursor, self.feature_set, ledger.first_sequence)
            ledger_table.insert_statistics(cursor, ledger.row.id, set_id, found, now())
            new = f"{SEQUENCE} > {ledger.first_sequence}"
            checks = count_checks(cursor, self.feature_set, ledger.row.id, new, ledger.row.started_at)
            feature_checks.insert(cursor, checks)
        self.ingest.tell(checks)


def replace_row(ledger: _Ledger, row: ledger_table.IngestRow) -> _Ledger:
    """The same period with a grown row."""
    return _Ledger(row, ledger.first_sequence, ledger.ends)


def _insert(cursor: DuckDBPyConnection, target: str, names: str, rows: str, order: str, first: int) -> None:
    cursor.execute(
        f"INSERT INTO {target} ({names}, {SEQUENCE}) "
        f"SELECT {names}, {first} + row_number() OVER (ORDER BY {order}) FROM {rows}"
    )
