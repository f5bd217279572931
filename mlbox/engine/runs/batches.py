"""A batch of what a run tells, on its way into the catalog: once, and with as few statements as it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.errors import NotFound
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables import artifacts, lineage, metrics, run_journal, runs
from mlbox.engine.catalog.tables.run_journal import Entry, Told
from mlbox.engine.catalog.tables.run_memory import Remembered
from mlbox.engine.catalog.tables.runs import EXTERNAL, RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.incoming import Digested
from mlbox.engine.runs.ledger import Ending, ending_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.journal import Journal
    from mlbox.engine.catalog.tables.run_memory import RunMemory

_MOST_ENDINGS = 10_000


class Batches:
    """Lets batches in; the writer alone calls it."""

    def __init__(self, memory: RunMemory, journal: Journal) -> None:
        self._memory = memory
        self._journal = journal
        self._endings: dict[str, str] = {}
        """The batch that a script's run has ended with, by run: the end of the run is what is on record of it, and
        with the end its token is worthless, so that only one that was sent twice at once comes again."""

    def are_journaled(self, run_id: str, digested: Digested) -> bool:
        """Whether a batch needs not see the tables of runs; so it looks from any thread."""
        return digested.is_light and self._memory.get(run_id) is not None

    def enter(self, cursor: DuckDBPyConnection, run_id: str, batch: str, digested: Digested) -> RunRow | None:
        """The one write of a batch; the run when this was its end: of a script's, whose process alone knows it."""
        known = self._known(cursor, run_id)
        if known is None:
            raise NotFound(f"there is no run {run_id!r}")
        row, outcome = known.row, digested.outcome
        if outcome is not None and row.runtime == EXTERNAL and not lifecycle.is_final(row.state):
            changes = changes_of(row, digested)
            changes.pop("reason", None)  # what it was doing is no reason for its end
            self._remember_ending(run_id, batch)
            ending = Ending(outcome["state"], None, outcome.get("error"))
            entry, after = ending_of(row, ending, changes, known.first)
            self._write(cursor, row, replace(entry, told=told(batch, digested)), digested)
            self._memory.forget([run_id])
            return after
        if self._endings.get(run_id) == batch or self._was_let_in(cursor, known, batch):
            return None
        changes = changes_of(row, digested)
        entry = Entry(
            project=row.project, run_id=run_id, at=now(), batch=batch, told=told(batch, digested), changes=changes
        )
        self._write(cursor, row, entry, digested)
        self._memory.put(replace(row, **changes), known.first, known.batches)
        return None

    def log(
        self,
        cursor: DuckDBPyConnection,
        run_id: str,
        digested: Digested,
        checked: Callable[[RunRow | None], Mapping[str, Any]],
        batch: str | None = None,
    ) -> RunRow:
        """As :meth:`enter`, for a door that says itself what else changes. The run before."""
        known = self._known(cursor, run_id)
        more = checked(known.row if known else None)
        assert known is not None, "checked refuses a run that is not there"
        row = known.row
        if batch is not None and self._was_let_in(cursor, known, batch):
            return row
        changes = {**changes_of(row, digested), **more}
        points = told(batch or new_id(), digested)
        entry = Entry(project=row.project, run_id=run_id, at=now(), batch=batch, told=points, changes=changes)
        self._write(cursor, row, entry, digested)
        self._memory.put(replace(row, **changes), known.first, known.batches)
        return row

    def _known(self, cursor: DuckDBPyConnection, run_id: str) -> Remembered | None:
        known = self._memory.get(run_id)
        if known is not None:
            return known
        self._journal.require_settled()
        row = runs.get(cursor, run_id)
        return None if row is None else Remembered(row, first=False)

    def _was_let_in(self, cursor: DuckDBPyConnection, known: Remembered, batch: str) -> bool:
        if known.batches is not None:
            if batch in known.batches:
                return True
            known.batches.add(batch)
            return False
        return self._journal.knows(known.row.id, batch) or metrics.is_known(cursor, known.row.id, batch)

    def _write(self, cursor: DuckDBPyConnection, row: RunRow, entry: Entry, digested: Digested) -> None:
        if digested.is_light:
            self._journal.enter(cursor, entry, row)
            return
        self._journal.require_settled()
        assert entry.told is not None
        run_journal.apply(cursor, [replace(entry, told=None)], {row.id: row})
        add(cursor, row, entry.told.batch, digested)

    def _remember_ending(self, run_id: str, batch: str) -> None:
        while len(self._endings) >= _MOST_ENDINGS:
            self._endings.pop(next(iter(self._endings)))
        self._endings[run_id] = batch


def told(batch: str, digested: Digested) -> Told:
    """The points of a batch that are not packed."""
    return Told(
        batch=batch,
        ordinals=digested.ordinals,
        names=digested.names,
        steps=digested.steps,
        values=digested.values,
        times=digested.times,
    )


def add(cursor: DuckDBPyConnection, row: RunRow, batch: str, digested: Digested) -> None:
    """Points and artifacts."""
    metrics.insert(
        cursor,
        metrics.Points(
            row.project,
            row.id,
            batch,
            digested.ordinals,
            digested.names,
            digested.steps,
            digested.values,
            digested.times,
            digested.packed,
        ),
    )
    for artifact in digested.artifacts:
        artifacts.insert(cursor, artifact)
        if artifact.run_id:
            to = lineage.artifact_ref(artifact.run_id, artifact.name)
            edge = lineage.Edge(artifact.project, "run", artifact.run_id, "artifact", to, artifact.created_at)
            lineage.record(cursor, edge)


def changes_of(row: RunRow, digested: Digested) -> dict[str, Any]:
    """Columns of the run that change."""
    changes: dict[str, Any] = {}
    if digested.latest:
        changes["metrics"] = {**row.metrics, **digested.latest}
    if digested.params:
        changes["params"] = {**row.params, **digested.params}
    if digested.tags:
        changes["labels"] = {**row.labels, **digested.tags}
    if digested.note is not None:
        changes["note"] = digested.note or None
    live = not lifecycle.is_final(row.state)
    if digested.progress is not None:
        changes["progress"] = digested.progress
    if digested.progress_text is not None and live:
        changes["reason"] = digested.progress_text
    if digested.outcome is not None and live:
        changes["outcome"] = digested.outcome
    return changes
