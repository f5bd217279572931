"""A batch of what a run tells, on its way into the catalog: once, and with as few statements as it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.errors import NotFound
from mlbox.engine.catalog.tables import artifacts, lineage, metrics, runs
from mlbox.engine.catalog.tables.runs import EXTERNAL, RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.incoming import Digested
from mlbox.engine.runs.ledger import Ending, end

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.tables.run_memory import RunMemory

_MOST_ENDINGS = 10_000


class Batches:
    """Lets batches in; the writer alone calls it."""

    def __init__(self, memory: RunMemory) -> None:
        self._memory = memory
        self._endings: dict[str, str] = {}
        """The batch that a script's run has ended with, by run: the end of the run is what is on record of it, and
        with the end its token is worthless, so that only one that was sent twice at once comes again."""

    def enter(self, cursor: DuckDBPyConnection, run_id: str, batch: str, digested: Digested) -> RunRow | None:
        """The one write of a batch; the run when this was its end: of a script's, whose process alone knows it."""
        known = self._memory.get(run_id)
        row, first = (known.row, known.first) if known else (runs.get(cursor, run_id), False)
        if row is None:
            raise NotFound(f"there is no run {run_id!r}")
        outcome = digested.outcome
        if outcome is not None and row.runtime == EXTERNAL and not lifecycle.is_final(row.state):
            add(cursor, row, batch, digested)
            changes = changes_of(row, digested)
            changes.pop("reason", None)  # what it was doing is no reason for its end
            self._remember_ending(run_id, batch)
            return end(cursor, row, Ending(outcome["state"], None, outcome.get("error")), changes, first)
        if self._endings.get(run_id) == batch:
            return None
        if not metrics.enter_batch(cursor, row.project, run_id, batch, now()):
            return None
        add(cursor, row, batch, digested)
        changes = changes_of(row, digested)
        if changes:
            runs.change(cursor, run_id, changes, row)
        self._memory.put(replace(row, **changes), first)
        return None

    def _remember_ending(self, run_id: str, batch: str) -> None:
        while len(self._endings) >= _MOST_ENDINGS:
            self._endings.pop(next(iter(self._endings)))
        self._endings[run_id] = batch


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
