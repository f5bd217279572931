"""Runs that no executor looks after: a script or notebook begins them, tells what it does, and ends them.

MLflow's clients come in here; what they log lands in the same tables as that of any other run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.clock import now
from mlbox.base.errors import AlreadyExists, Conflict, Invalid, NotFound
from mlbox.base.ids import new_id
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import metrics, projects, runs, tracking
from mlbox.engine.catalog.tables.lineage import Edge
from mlbox.engine.catalog.tables.run_search import RunSearch, search
from mlbox.engine.catalog.tables.runs import EXTERNAL, RunRow
from mlbox.engine.catalog.tables.tracking import ExperimentRow, InputRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.calls_home import CallsHome
from mlbox.engine.runs.ledger import Ending, Ledger

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

T = TypeVar("T")

DEFAULT_EXPERIMENT = "0"
"""Id of the experiment of runs that belong to none."""
DEFAULT_EXPERIMENT_NAME = "Default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A run that begins elsewhere."""

    project: str
    experiment: str | None = None
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None
    parent_id: str | None = None
    user: str = "local"


class Tracking:
    """All methods raise ``NotFound``, ``Invalid``, ``Conflict``; what they have returned from is durable."""

    def __init__(self, catalog: Catalog, ledger: Ledger, calls: CallsHome) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._calls = calls

    def begin(self, beginning: Beginning) -> RunRow:
        """Record a run that has begun."""
        with self._catalog.read() as cursor:
            projects.require(cursor, beginning.project)
        if beginning.parent_id is not None:
            self.run(beginning.project, beginning.parent_id)
        started = beginning.started_at or now()
        row = RunRow(
            id=new_id(),
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
            labels=beginning.labels,
            experiment=beginning.experiment,
        )
        self._ledger.create(row)
        return row

    def run(self, project: str, run_id: str) -> RunRow:
        """The run with exactly this id, deleted or not."""
        with self._catalog.read() as cursor:
            row = runs.get(cursor, run_id)
        if row is None or row.project != project:
            raise NotFound(f"there is no run {run_id!r} in project {project}", hint="SELECT id, name FROM ml.runs")
        return row

    def log(self, project: str, run_id: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Metrics, parameters, tags and artifacts, as a process of a run tells them; all are taken or none."""
        self.run(project, run_id)
        refused = self._calls.take(run_id, new_id(), events).refused
        if refused:
            raise Invalid(refused[0].partition(": ")[2])

    def change(self, project: str, run_id: str, changes: Mapping[str, Any]) -> RunRow:
        """Set columns of a run that are not its state: name, labels, times."""
        self.run(project, run_id)
        self._ledger.note(run_id, changes)
        return self._ledger.get(run_id)

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
            return self._ledger.finish(run_id, Ending(state), {"finished_at": at or now()})
        return row

    def search(self, wanted: RunSearch) -> list[RunRow]:
        """Runs that fit."""
        with self._catalog.read() as cursor:
            projects.require(cursor, wanted.project)
            return search(cursor, wanted)

    def history(self, project: str, run_id: str, name: str) -> list[metrics.Point]:
        """All points of a metric, in the order of arrival."""
        self.run(project, run_id)
        with self._catalog.read() as cursor:
            return metrics.history(cursor, run_id, name)

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


class Experiments:
    """Experiments of a project. That of runs that belong to none is always there."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def all(self, project: str) -> list[ExperimentRow]:
        """All, deleted ones too, the default one first."""
        with self._catalog.read() as cursor:
            projects.require(cursor, project)
            found = tracking.experiments(cursor, project)
        if any(row.id == _default_id(project) for row in found):
            return found
        return [_default(project), *found]

    def get(self, project: str, id: str) -> ExperimentRow:
        """By id; ``0`` is the default one."""
        wanted = _default_id(project) if id == DEFAULT_EXPERIMENT else id
        for row in self.all(project):
            if row.id == wanted:
                return row
        raise NotFound(f"there is no experiment with id {id!r} in project {project}")

    def named(self, project: str, name: str) -> ExperimentRow:
        """By name, case aside not."""
        found = self.all(project)
        for row in found:
            if row.name == name:
                return row
        hint = did_you_mean(name, [row.name for row in found])
        raise NotFound(f"there is no experiment {name!r} in project {project}", hint=hint)

    def create(self, project: str, name: str, tags: Mapping[str, str]) -> ExperimentRow:
        """A new one; ``AlreadyExists``."""
        if not name or len(name) > 250:
            raise Invalid("the name of an experiment has 1 to 250 characters")
        if any(row.name == name for row in self.all(project)):
            raise AlreadyExists(f"experiment {name!r} exists already in project {project}")
        row = ExperimentRow(id=new_id(), project=project, name=name, tags=tags)
        self._put(row)
        return row

    def rename(self, project: str, id: str, name: str) -> None:
        """Its runs go with it."""
        row = self.get(project, id)
        if row.id == _default_id(project):
            raise Invalid("the default experiment cannot be renamed", hint="create another one")
        if any(other.name == name for other in self.all(project)):
            raise AlreadyExists(f"experiment {name!r} exists already in project {project}")
        self._catalog.write(lambda cursor: tracking.rename_experiment(cursor, row, name))

    def set_tag(self, project: str, id: str, name: str, value: str | None) -> None:
        """Set a tag, or take it away."""
        row = self.get(project, id)
        tags = {key: known for key, known in row.tags.items() if key != name}
        self._put(replace(row, tags={**tags, name: value} if value is not None else tags, updated_at=now()))

    def set_deleted(self, project: str, id: str, deleted: bool) -> None:
        """Hide it, or show it again; its runs stay."""
        row = self.get(project, id)
        if row.id == _default_id(project):
            raise Invalid("the default experiment cannot be deleted")
        self._put(replace(row, deleted_at=now() if deleted else None, updated_at=now()))

    def _put(self, row: ExperimentRow) -> None:
        self._catalog.write(lambda cursor: tracking.put(cursor, row))


def runs_experiment(row: ExperimentRow) -> str | None:
    """What the runs of an experiment have in their column."""
    return None if row.id == _default_id(row.project) else row.name


def public_id(row: ExperimentRow) -> str:
    """The id that clients see."""
    return DEFAULT_EXPERIMENT if row.id == _default_id(row.project) else row.id


def _default_id(project: str) -> str:
    return f"{DEFAULT_EXPERIMENT}@{project}"


def _default(project: str) -> ExperimentRow:
    return ExperimentRow(id=_default_id(project), project=project, name=DEFAULT_EXPERIMENT_NAME)
