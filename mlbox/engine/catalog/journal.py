"""The journal of runs: what they tell is durable at once and comes into their tables a little later, many at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from mlbox.engine.catalog.tables import run_journal
from mlbox.engine.catalog.tables.run_journal import Entry
from mlbox.engine.catalog.tables.run_memory import RunMemory

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.tables.runs import RunRow

MOST = 1_000
"""Entries that wait for a reader."""

_log = logging.getLogger(__name__)
Transact = Callable[[list[Callable[["DuckDBPyConnection"], Any]]], list[Any]]


class Unsettled(Exception):
    """An operation must see the tables of runs as they will be; the writer settles and does it again."""


class Journal:
    """Entries on their way. Only the writer of the catalog calls it; others ask whether it is ``unsettled``."""

    def __init__(self, memory: RunMemory) -> None:
        self._memory = memory
        self._waiting: list[Entry] = []
        """Durable."""
        self._entering: list[Entry] = []
        """Of the transaction that is under way."""
        self._batches: set[tuple[str, str]] = set()
        self._journaled = False
        self.unsettled = False
        """Whether the tables of runs lack something that was acknowledged."""

    def load(self, cursor: DuckDBPyConnection) -> None:
        """What a process that was killed has left."""
        self._waiting = run_journal.load(cursor)
        self._note()

    def begin(self, journaled: bool) -> None:
        """A transaction of operations that are ``journaled``, or of others, which write to the tables."""
        self._journaled = journaled

    def enter(self, cursor: DuckDBPyConnection, entry: Entry, before: RunRow | None = None) -> None:
        """Make an entry durable with this transaction; ``before`` is the run as it is now."""
        encoded = run_journal.encode(entry) if self._journaled else None
        if encoded is None:
            self.require_settled()
            run_journal.apply(cursor, [entry], {before.id: before} if before else {})
            return
        run_journal.append(cursor, entry.run_id, encoded)
        self._entering.append(entry)
        self.unsettled = True

    def knows(self, run_id: str, batch: str) -> bool:
        """Whether a batch is among what waits."""
        return (run_id, batch) in self._batches or any(
            entry.run_id == run_id and entry.batch == batch for entry in self._entering
        )

    def require_settled(self) -> None:
        """Raise ``Unsettled`` unless the tables have everything."""
        if self._waiting or self._entering:
            raise Unsettled

    @property
    def full(self) -> bool:
        """Whether it is time to settle."""
        return len(self._waiting) >= MOST

    def settle(self, transact: Transact) -> None:
        """Bring what waits into the tables, in a transaction; where that fails, run by run, so that one that cannot be
        brought there stays alone behind."""
        if not self._waiting:
            return
        try:
            transact([partial(self._take_over, entries=self._waiting)])
        except Exception:
            _log.exception("what runs have told could not be brought into their tables together")
            self._settle_singly(transact)
        self._waiting = []
        self._note()

    def committed(self) -> None:
        """The transaction is durable."""
        if self._entering:
            self._waiting += self._entering
            self._entering = []
            self._note()

    def undone(self) -> None:
        """The transaction has failed."""
        self._entering = []
        self._memory.clear()
        self._note()

    def _settle_singly(self, transact: Transact) -> None:
        for run_id in dict.fromkeys(entry.run_id for entry in self._waiting):
            of_run = [entry for entry in self._waiting if entry.run_id == run_id]
            try:
                transact([partial(self._take_over, entries=of_run)])
            except Exception as error:
                why = str(error)
                transact([partial(run_journal.refuse, run_id=run_id, why=why)])
                _log.error("what run %s has told stays in the journal: %s", run_id, why)
            self._waiting = [entry for entry in self._waiting if entry.run_id != run_id]

    def _take_over(self, cursor: DuckDBPyConnection, entries: list[Entry]) -> None:
        known = {entry.run_id: self._memory.get(entry.run_id) for entry in entries}
        run_journal.take_over(cursor, entries)
        for remembered in known.values():  # it says what the tables say now
            if remembered is not None:
                self._memory.put(remembered.row, remembered.first, remembered.batches)

    def _note(self) -> None:
        self._batches = {(entry.run_id, entry.batch) for entry in self._waiting if entry.batch is not None}
        self.unsettled = bool(self._waiting)
