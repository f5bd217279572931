"""Experiments and runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables import artifacts, metrics, runs, tracking
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.catalog.tables.tracking import ExperimentRow, InputRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.experiments import DEFAULT_EXPERIMENT, Experiments
from mlbox.engine.runs.incoming import number_or_text
from mlbox.engine.runs.mlflow_import.importing import Importing, check_going_on, moment
from mlbox.engine.runs.mlflow_stores.base import Point, Run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = "mlflow"
"""Under which the points of a run that came in stand."""
_STATES = {
    "RUNNING": lifecycle.RUNNING,
    "SCHEDULED": lifecycle.PENDING,
    "FINISHED": lifecycle.COMPLETED,
    "FAILED": lifecycle.ERROR,
    "KILLED": lifecycle.CANCELLED,
}
_HIDDEN_TAGS = ("mlflow.runName", "mlflow.parentRunId")


class RunImport:
    """Brings experiments and runs in."""

    def __init__(self, to: Importing, experiments: Experiments) -> None:
        self._to = to
        self._experiments = experiments

    def bring_experiments(self) -> None:
        """Those whose names are not there."""
        known = {row.name for row in self._experiments.all(self._to.project)}
        fresh = []
        for experiment in self._to.store.experiments():
            self._to.names[experiment.id] = None if experiment.id == DEFAULT_EXPERIMENT else experiment.name
            if experiment.id == DEFAULT_EXPERIMENT or experiment.name in known:
                continue
            made = moment(experiment.created) or now()
            row = ExperimentRow(
                id=new_id(),
                project=self._to.project,
                name=experiment.name,
                tags=experiment.tags,
                created_at=made,
                updated_at=made,
                deleted_at=now() if experiment.deleted else None,
            )
            fresh.append(row)

        def write(cursor: DuckDBPyConnection) -> None:
            for row in fresh:
                tracking.put(cursor, row)

        self._to.catalog.write(write)
        self._to.done.experiments = len(fresh)

    def bring_run(self, run: Run) -> None:
        """A run with all that it logged, in one transaction."""
        check_going_on()
        # a store may have a point twice: clients log it again when a model is told of it
        given = {(point.name, point.step, repr(point.value), point.at): point for point in self._to.store.points(run)}
        points = list(given.values())
        row = self._row(run, points)
        files = self._to.keep_files(row.id, run.artifacts, "", f"artifacts of run {row.label}")
        inputs = [
            InputRow(
                project=self._to.project,
                run_id=run.id,
                name=entry.name,
                digest=entry.digest,
                dataset=entry.dataset,
                tags=entry.tags,
            )
            for entry in run.inputs
        ]

        def write(cursor: DuckDBPyConnection) -> None:
            runs.delete(cursor, [run.id])  # one that had not ended the last time
            runs.insert(cursor, row)
            metrics.insert(cursor, _columns(row, points))
            for file in files:
                artifacts.insert(cursor, file)
            for entry in inputs:
                tracking.put(cursor, entry)

        self._to.catalog.write(write)
        self._to.done.runs += 1
        self._to.done.points += len(points)
        self._to.done.artifacts += len(files)

    def _row(self, run: Run, points: Sequence[Point]) -> RunRow:
        started = moment(run.started) or now()
        latest: dict[str, Point] = {}
        for point in points:
            before = latest.get(point.name)
            if before is None or (point.step, point.at) >= (before.step, before.at):
                latest[point.name] = point
        labels = {name: value for name, value in run.tags.items() if name not in _HIDDEN_TAGS}
        if run.user:
            labels.setdefault("mlflow.user", run.user)
        return RunRow(
            id=run.id,
            project=self._to.project,
            name=run.name or None,
            function="",
            function_version=0,
            handler=None,
            runtime=runs.EXTERNAL,
            state=_STATES.get(run.status, lifecycle.INTERRUPTED),
            created_at=started,
            started_at=started,
            finished_at=moment(run.ended),
            parent_id=run.tags.get("mlflow.parentRunId"),
            params={name: number_or_text(value) for name, value in run.params.items()},
            metrics={name: point.value for name, point in latest.items()},
            labels=labels,
            experiment=self._to.names.get(run.experiment),
            deleted_at=now() if run.deleted else None,
        )


def _columns(row: RunRow, points: Sequence[Point]) -> metrics.Points:
    return metrics.Points(
        row.project,
        row.id,
        BATCH,
        range(len(points)),
        [point.name for point in points],
        [point.step for point in points],
        [point.value for point in points],
        [moment(point.at) or row.created_at for point in points],
    )
