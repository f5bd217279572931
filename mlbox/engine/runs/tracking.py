"""Runs that no executor looks after: a script or notebook begins them, tells what it does, and ends them.

MLflow's clients come in here; what they log lands in the same tables as that of any other run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import Conflict, NotFound
from mlbox.base.ids import new_id
from mlbox.base.names import check_name
from mlbox.engine.catalog.tables import dropped, metrics, projects, runs, tracking
from mlbox.engine.catalog.tables.dropped import Tombstone
from mlbox.engine.catalog.tables.lineage import Edge
from mlbox.engine.catalog.tables.run_search import RunSearch, search
from mlbox.engine.catalog.tables.runs import EXTERNAL, RunRow
from mlbox.engine.catalog.tables.tracking import InputRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.calls_home import CallsHome
from mlbox.engine.runs.commands import TrackRun
from mlbox.engine.runs.experiments import Experiments
from mlbox.engine.runs.ledger import Ending, Ledger
from mlbox.engine.runs.requests import plain

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A run that begins elsewhere."""

    project: str
    experiment: str | None = None
    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None
    parent_id: str | None = None


class Tracking:
    """All methods raise ``NotFound``, ``Invalid``, ``Conflict``; what they have returned from is durable."""

    def __init__(self, catalog: Catalog, ledger: Ledger, calls: CallsHome, experiments: Experiments) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._calls = calls
        self.experiments = experiments

    def handlers(self) -> Iterable[Handler]:
        """What a client asks for."""
        return (Handler(TrackRun, self.plan_track, self.track),)

    def plan_track(self, command: TrackRun, caller: Caller) -> Plan:
        """Check project and name."""
        self._catalog.projects.require(command.project)
        if command.name is not None:
            check_name(command.name, "run name")
        return Plan((Step("create", "run", command.name or "of a script"),))

    def track(self, command: TrackRun, plan: Plan, caller: Caller) -> Result:
        """Record that it runs; ``facts`` hold its id, and the token that it logs with."""
        if command.experiment is not None:
            self.experiments.ensure(command.project, command.experiment)
        beginning = Beginning(
            project=command.project,
            experiment=command.experiment,
            name=command.name,
            parameters=plain(command.parameters),
            labels=plain(command.labels),
        )
        run_id = new_id()
        row = _row(run_id, beginning)
        token, kept = self._calls.issue_token(row.project, run_id, row)
        self._ledger.create(row, token=kept)
        return Result(f"run {row.label} began", facts={"run": row.id, "token": token})

    def begin(self, beginning: Beginning) -> RunRow:
        """Record a run that has begun."""
        self._catalog.projects.require(beginning.project)
        if beginning.parent_id is not None:
            self.run(beginning.project, beginning.parent_id)
        row = _row(new_id(), beginning)
        self._ledger.create(row)
        return row

    def run(self, project: str, run_id: str) -> RunRow:
        """The run with exactly this id, deleted or not."""
        with self._catalog.read() as cursor:
            row = runs.get(cursor, run_id)
        if row is None or row.project != project:
            raise NotFound(f"there is no run {run_id!r} in project {project}", hint="SELECT id, name FROM ml.runs")
        return row

    def log(
        self,
        project: str,
        run_id: str,
        events: Sequence[Mapping[str, Any]],
        checked: Callable[[RunRow], Mapping[str, Any]] = lambda row: {},
    ) -> RunRow:
        """Metrics, parameters, tags and artifacts, as a process of a run tells them; all are taken or none. ``checked``
        sees the run at that moment, may refuse by raising, and says which other columns change. The run before."""
        return self._calls.log((project, run_id), events, checked)

    def change(self, project: str, run_id: str, changes: Mapping[str, Any]) -> RunRow:
        """Set columns of a run that are not its state: name, labels, times."""
        self.run(project, run_id)
        self._ledger.note(run_id, changes)
        return self._ledger.get(run_id)

    def hide(self, project: str, run_id: str, user: str) -> None:
        """Drop a run alone, ended or not, as MLflow's clients do; RESTORE brings it back."""
        row = self.run(project, run_id)
        if row.deleted_at is not None:
            return
        tombstone = Tombstone(project=row.project, kind="run", name=row.name or row.id, object=row.id, dropped_by=user)

        def write(cursor: DuckDBPyConnection) -> None:
            dropped.bury(cursor, tombstone)
            runs.hide(cursor, [row.id], tombstone.dropped_at)

        self._catalog.write(write)

    def set_state(self, project: str, run_id: str, state: str, at: datetime | None = None) -> RunRow:
        """End a run, or go on with an ended one, which clients do. ``Conflict`` where an executor looks after it."""
        row = self.run(project, run_id)
        if row.state == state:
            return row
        if row.runtime != EXTERNAL:
            raise Conflict(
                f"run {row.label} is run by mlbox, which says itself how it ends", hint=f"CANCEL RUN '{row.short_id}'"
            )
        if lifecycle.is_final(row.state):
            self._ledger.note(run_id, {"state": lifecycle.RUNNING, "reason": None, "finished_at": None})
            row = self._ledger.get(run_id)
        if lifecycle.is_final(state):
            row = self._ledger.finish(run_id, Ending(state), {"finished_at": at or now()})
            self._calls.forget(run_id)
        return row

    def search(self, wanted: RunSearch) -> list[RunRow]:
        """Runs that fit."""
        with self._catalog.read() as cursor:
            projects.require(cursor, wanted.project)
            return search(cursor, wanted)

    def history(self, project: str, run_id: str, name: str, offset: int, limit: int) -> list[metrics.Point]:
        """Points of a metric, in the order of arrival."""
        self.run(project, run_id)
        with self._catalog.read() as cursor:
            return metrics.history(cursor, run_id, name, offset, limit)

    def read(self, operation: Callable[[DuckDBPyConnection], T]) -> T:
        """What ``operation`` finds in the catalog."""
        with self._catalog.read() as cursor:
            return operation(cursor)

    def write(self, operation: Callable[[DuckDBPyConnection], T]) -> T:
        """Do ``operation`` in one transaction."""
        return self._catalog.write(operation)

    def add_inputs(self, project: str, run_id: str, inputs: Sequence[InputRow]) -> None:
        """Data sets that a run has read; they are lineage."""
        row = self.run(project, run_id)

        def insert(cursor: DuckDBPyConnection) -> None:
            for entry in inputs:
                tracking.put(cursor, entry)

        self._catalog.write(insert)
        self._ledger.link(
            Edge(project, "dataset", f"{entry.name}@{entry.digest}", "run", row.id, now(), "read") for entry in inputs
        )


def _row(run_id: str, beginning: Beginning) -> RunRow:
    started = beginning.started_at or now()
    return RunRow(
        id=run_id,
        project=beginning.project,
        name=beginning.name,
        function="",
        function_version=0,
        handler=None,
        runtime=EXTERNAL,
        state=lifecycle.RUNNING,
        created_at=started,
        started_at=started,
        parent_id=beginning.parent_id,
        params=beginning.parameters,
        labels=beginning.labels,
        experiment=beginning.experiment,
    )
