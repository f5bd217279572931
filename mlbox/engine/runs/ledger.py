"""The record of runs: every change of state goes through here, is checked, durable, and told on the bus."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.errors import NotFound
from mlbox.base.events import Bus, Event
from mlbox.engine.catalog.tables import lineage, metrics, run_journal, runs
from mlbox.engine.catalog.tables.lineage import Edge
from mlbox.engine.catalog.tables.runs import AttemptRow, RunRow, TokenRow
from mlbox.engine.runs import lifecycle

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


Operation = Callable[["DuckDBPyConnection"], None] | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended. ``error`` is ``{type, message, traceback, file, line}``."""

    state: str
    reason: str | None = None
    error: Mapping[str, Any] | None = None

    @property
    def error_type(self) -> str | None:
        """Class of the error."""
        return str(self.error["type"]) if self.error and self.error.get("type") else None

    @property
    def message(self) -> str | None:
        """Message of the error."""
        return str(self.error["message"]) if self.error and self.error.get("message") is not None else None

    @property
    def traceback(self) -> str | None:
        """The user's own frames."""
        return str(self.error["traceback"]) if self.error and self.error.get("traceback") else None

    @property
    def summary(self) -> str:
        """One line: ``ValueError: no rows``."""
        if self.error_type in (None, "Timeout", "ProcessEnded", "OutOfMemory"):
            return self.message or self.reason or self.state
        return f"{self.error_type}: {self.message}" if self.message else str(self.error_type)


class Ledger:
    """Rows of runs, changed one state at a time."""

    def __init__(self, catalog: Catalog, bus: Bus) -> None:
        self._catalog = catalog
        self._bus = bus

    def create(self, row: RunRow, also: Operation = None, token: TokenRow | None = None) -> None:
        """Add a run, and which version of which function it is made of; ``also`` in the same transaction. ``token``:
        what the process of a run without a function logs with."""
        if row.runtime == runs.EXTERNAL and also is None:
            entry = run_journal.Entry(project=row.project, run_id=row.id, at=row.created_at, begun=row, token=token)

            def begin(cursor: DuckDBPyConnection) -> None:
                self._catalog.journal.enter(cursor, entry)
                self._catalog.run_memory.put(row, first=True, batches=set())

            self._catalog.write(begin, journaled=True)
            self._tell("run.created", row)
            return
        function = f"{row.project}.{row.function}@{row.function_version}"
        edge = Edge(row.project, "function", function, "run", row.id, row.created_at, row.handler)

        def insert(cursor: DuckDBPyConnection) -> None:
            runs.insert(cursor, row)
            if row.function:
                lineage.record(cursor, edge, new=True)
            if also is not None:
                also(cursor)

        self._catalog.write(insert)
        self._tell("run.created", row)

    def get(self, run_id: str) -> RunRow:
        """The run with this id; ``NotFound``."""
        with self._catalog.read() as cursor:
            row = runs.get(cursor, run_id)
        if row is None:
            raise NotFound(f"there is no run {run_id!r}")
        return row

    def find(self, project: str, text: str) -> RunRow:
        """The run that a user calls so; see ``tables.runs.find``."""
        with self._catalog.read() as cursor:
            return runs.find(cursor, project, text)

    def active(self) -> list[RunRow]:
        """Runs that have not ended."""
        with self._catalog.read() as cursor:
            return runs.active(cursor)

    def is_over(self, run_id: str) -> bool:
        """Whether a run has ended, or is not there any more."""
        with self._catalog.read() as cursor:
            row = runs.get(cursor, run_id)
        return row is None or lifecycle.is_final(row.state)

    def ids_of(self, project: str) -> list[str]:
        """Ids of all runs of a project."""
        with self._catalog.read() as cursor:
            return runs.ids_of(cursor, project)

    def ended_with_handle(self, runtimes: Collection[str]) -> list[RunRow]:
        """Ended runs of which their engine may still keep something."""
        if not runtimes:
            return []
        with self._catalog.read() as cursor:
            return runs.ended_with_handle(cursor, runtimes)

    def children(self, run_id: str) -> list[RunRow]:
        """Trials of a sweep."""
        with self._catalog.read() as cursor:
            return runs.children(cursor, run_id)

    def points(self, run_ids: Sequence[str], metric: str) -> dict[str, list[tuple[int | None, float]]]:
        """Step and value of a metric as runs reported it, in the order of arrival."""
        with self._catalog.read() as cursor:
            return metrics.reported(cursor, run_ids, metric)

    def move(self, run_id: str, state: str, changes: Mapping[str, Any] | None = None, also: Operation = None) -> RunRow:
        """Put a run into ``state``, with other columns; ``Conflict`` when it may not follow. The row as it is then.
        ``also`` in the same transaction."""

        def operation(cursor: DuckDBPyConnection) -> tuple[RunRow, RunRow]:
            before = _require(cursor, run_id)
            lifecycle.check(before.state, state, before.label)
            settings = {"state": state, "reason": None, **(changes or {})}
            if state == lifecycle.RUNNING:
                settings.setdefault("started_at", before.started_at or now())
            runs.change(cursor, run_id, settings)
            if also is not None:
                also(cursor)
            return before, replace(before, **settings)

        before, after = self._catalog.write(operation)
        if after.state == lifecycle.RUNNING and before.state != lifecycle.RUNNING:
            self._tell("run.started", after)
        return after

    def note(self, run_id: str, changes: Mapping[str, Any]) -> None:
        """Set columns that are not the state."""
        self._catalog.write(lambda cursor: runs.change(cursor, run_id, changes))

    def link(self, edges: Iterable[Edge]) -> None:
        """Record what a run was made from."""
        kept = list(edges)
        if kept:

            def record(cursor: DuckDBPyConnection) -> None:
                for edge in kept:
                    lineage.record(cursor, edge)

            self._catalog.write(record)

    def retry(self, run_id: str, ending: Ending, reason: str) -> RunRow:
        """Keep how the attempt ended and make the run wait for the next one."""

        def operation(cursor: DuckDBPyConnection) -> RunRow:
            before = _require(cursor, run_id)
            lifecycle.check(before.state, lifecycle.PENDING, before.label)
            runs.insert_attempt(cursor, _attempt(before, ending, now()))
            settings: dict[str, Any] = {
                "state": lifecycle.PENDING,
                "reason": reason,
                "attempt": before.attempt + 1,
                "started_at": None,
                "progress": None,
                "outcome": None,
                "handle": None,
            }
            runs.change(cursor, run_id, settings)
            runs.delete_token(cursor, run_id)
            return replace(before, **settings)

        return self._catalog.write(operation)

    def finish(self, run_id: str, ending: Ending, changes: Mapping[str, Any] | None = None) -> RunRow:
        """The end of a run: its last state, its error, and no token any more. Harmless when it has ended already."""
        memory, journal = self._catalog.run_memory, self._catalog.journal

        def operation(cursor: DuckDBPyConnection) -> tuple[bool, RunRow]:
            known = memory.get(run_id)
            if known is None:
                journal.require_settled()
            before = known.row if known else _require(cursor, run_id)
            if lifecycle.is_final(before.state):
                return False, before
            entry, after = ending_of(before, ending, changes or {}, known is not None and known.first)
            journal.enter(cursor, entry, before)
            memory.forget([run_id])
            return True, after

        changed, row = self._catalog.write(operation, journaled=self._catalog.run_memory.get(run_id) is not None)
        if changed:
            self.tell_end(row)
        return row

    def tell_end(self, row: RunRow) -> None:
        """Publish that a run has ended."""
        self._tell("run.finished", row)

    def _tell(self, kind: str, row: RunRow) -> None:
        data: dict[str, Any] = {
            "id": row.id,
            "name": row.name,
            "function": row.function,
            "state": row.state,
            "parent_id": row.parent_id,
            "attempt": row.attempt,
        }
        if kind == "run.finished":
            data.update(
                metrics=dict(row.metrics),
                reason=row.reason,
                error_type=row.error_type,
                error=row.error,
                best_trial=row.best_trial,
                duration_ms=duration_ms(row),
            )
        self._bus.publish(Event(kind, row.project, row.name or row.id, data))


def ending_of(
    before: RunRow, ending: Ending, changes: Mapping[str, Any], first: bool = False
) -> tuple[run_journal.Entry, RunRow]:
    """What is to be written of the end of a run that has not ended, and the run then. ``first``: no end of this attempt
    is on record."""
    lifecycle.check(before.state, ending.state, before.label)
    moment = now()
    settings: dict[str, Any] = {
        "state": ending.state,
        "reason": ending.reason,
        "error_type": ending.error_type,
        "error": ending.message,
        "traceback": ending.traceback,
        "finished_at": moment,
        **changes,
    }
    attempt = _attempt(before, ending, moment)
    entry = run_journal.Entry(
        project=before.project, run_id=before.id, at=moment, changes=settings, ended=attempt, first=first
    )
    return entry, replace(before, **settings)


def duration_ms(row: RunRow) -> float | None:
    """From start to end in milliseconds; None when it has not begun or not ended."""
    if row.started_at is None or row.finished_at is None:
        return None
    return (row.finished_at - row.started_at).total_seconds() * 1000


def _require(cursor: DuckDBPyConnection, run_id: str) -> RunRow:
    row = runs.get(cursor, run_id)
    if row is None:
        raise NotFound(f"there is no run {run_id!r}")
    return row


def _attempt(row: RunRow, ending: Ending, at: datetime) -> AttemptRow:
    return AttemptRow(
        project=row.project,
        run_id=row.id,
        attempt=row.attempt,
        state=ending.state,
        reason=ending.reason,
        error_type=ending.error_type,
        error=ending.message,
        started_at=row.started_at,
        finished_at=at,
    )
