"""Runs: begin, log, end, find."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mlbox.api.mlflow import filters
from mlbox.api.mlflow.door import (
    Data,
    Door,
    as_text,
    call,
    listed,
    milliseconds,
    moment,
    names,
    page,
    pairs,
    text,
    with_token,
)
from mlbox.base.errors import Invalid
from mlbox.base.names import Ref
from mlbox.engine.catalog.commands import RestoreObject
from mlbox.engine.catalog.tables import metrics, tracking
from mlbox.engine.catalog.tables.run_search import RunSearch
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.catalog.tables.tracking import InputRow, LoggedModelRow
from mlbox.engine.runs.experiments import DEFAULT_EXPERIMENT, public_id, runs_experiment
from mlbox.engine.runs.tracking import Beginning

_STATUS = {
    "pending": "SCHEDULED",
    "preparing": "SCHEDULED",
    "running": "RUNNING",
    "completed": "FINISHED",
    "error": "FAILED",
    "cancelled": "KILLED",
    "interrupted": "FAILED",
}
NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"
USER_TAG = "mlflow.user"
NOTE_TAG = "mlflow.note.content"
LARGEST_PAGE = 50_000


def experiment_ids(door: Door) -> dict[str | None, str]:
    """Id of each experiment by what its runs have in their column."""
    return {runs_experiment(row): public_id(row) for row in door.experiments.all(door.project)}


def bodies(door: Door, rows: Sequence[RunRow]) -> list[dict[str, Any]]:
    """Runs as clients read them."""
    ids = [row.id for row in rows]
    known = experiment_ids(door)
    points = door.tracking.read(lambda cursor: metrics.latest(cursor, ids))
    inputs = door.tracking.read(lambda cursor: tracking.inputs_of(cursor, ids))
    outputs = door.tracking.read(lambda cursor: tracking.logged_models_of(cursor, ids))
    return [
        {
            "info": info(row, known.get(row.experiment, DEFAULT_EXPERIMENT)),
            "data": {
                "metrics": [_point(name, point) for name, point in points.get(row.id, {}).items()],
                "params": listed(row.params),
                "tags": listed(_tags(row)),
            },
            "inputs": {"dataset_inputs": [_input(entry) for entry in inputs.get(row.id, ())], "model_inputs": []},
            "outputs": {"model_outputs": [{"model_id": model.id, "step": 0} for model in outputs.get(row.id, ())]},
        }
        for row in rows
    ]


def info(row: RunRow, experiment: str) -> dict[str, Any]:
    """What describes a run."""
    return {
        "run_id": row.id,
        "run_uuid": row.id,
        "run_name": row.name or "",
        "experiment_id": experiment,
        "user_id": as_text(row.labels.get(USER_TAG, "")),
        "status": _STATUS[row.state],
        "start_time": milliseconds(row.started_at or row.created_at),
        "end_time": milliseconds(row.finished_at),
        "artifact_uri": f"mlflow-artifacts:/{experiment}/{row.id}/artifacts",
        "lifecycle_stage": "deleted" if row.deleted_at else "active",
    }


def _tags(row: RunRow) -> dict[str, Any]:
    tags = {NAME_TAG: row.name or "", **row.labels, **({NOTE_TAG: row.note} if row.note else {})}
    return {**tags, PARENT_TAG: row.parent_id} if row.parent_id else tags


def _point(name: str, point: metrics.Point) -> dict[str, Any]:
    value: Any = point.value
    if not math.isfinite(value):
        value = "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return {"key": name, "value": value, "timestamp": milliseconds(point.logged_at), "step": point.step or 0}


def _input(row: InputRow) -> dict[str, Any]:
    return {"tags": listed(row.tags), "dataset": {**row.dataset, "name": row.name, "digest": row.digest}}


@call("POST", "runs/create")
def create(door: Door, data: Data) -> Data:
    """A run begins."""
    tags = pairs(data, "tags")
    experiment = door.experiments.get(door.project, str(data.get("experiment_id") or DEFAULT_EXPERIMENT))
    if experiment.deleted_at is not None:
        raise Invalid(f"experiment {experiment.name!r} is deleted", hint="restore it, or choose another")
    note = tags.pop(NOTE_TAG, "")
    name = str(data.get("run_name") or tags.pop(NAME_TAG, "")) or None
    tags.pop(NAME_TAG, None)
    if data.get("user_id"):
        tags.setdefault(USER_TAG, str(data["user_id"]))
    row = door.tracking.begin(
        Beginning(
            project=door.project,
            experiment=runs_experiment(experiment),
            name=name,
            labels={key: value for key, value in tags.items() if key != PARENT_TAG},
            started_at=moment(data.get("start_time")),
            parent_id=tags.get(PARENT_TAG),
        )
    )
    if note:
        row = door.tracking.change(door.project, row.id, {"note": note})
    data_of_it: dict[str, Any] = {"metrics": [], "params": [], "tags": listed(_tags(row))}
    nothing: dict[str, Any] = {"inputs": {"dataset_inputs": [], "model_inputs": []}, "outputs": {"model_outputs": []}}
    return {"run": {"info": info(row, public_id(experiment)), "data": data_of_it, **nothing}}


@call("GET", "runs/get")
def get(door: Door, data: Data) -> Data:
    """A run with its data."""
    return {"run": bodies(door, [door.tracking.run(door.project, text(data, "run_id", "run_uuid"))])[0]}


@call("POST", "runs/update")
def update(door: Door, data: Data) -> Data:
    """Another state, end or name."""
    run_id = text(data, "run_id", "run_uuid")
    row = door.tracking.run(door.project, run_id)
    if data.get("run_name"):
        row = door.tracking.change(door.project, run_id, {"name": str(data["run_name"])})
    if data.get("status"):
        status = str(data["status"]).upper()
        if status not in filters.STATES:
            raise Invalid(f"there is no status {status!r}", hint=", ".join(filters.STATES))
        row = door.tracking.set_state(door.project, run_id, filters.STATES[status], moment(data.get("end_time")))
    elif data.get("end_time"):
        row = door.tracking.change(door.project, run_id, {"finished_at": moment(data["end_time"])})
    return {"run_info": info(row, experiment_ids(door).get(row.experiment, DEFAULT_EXPERIMENT))}


@call("POST", "runs/delete")
def delete(door: Door, data: Data) -> Data:
    """Hide a run."""
    door.tracking.hide(door.project, text(data, "run_id"), door.caller.user)
    return {}


@call("POST", "runs/restore")
def restore(door: Door, data: Data) -> Data:
    """Show a run again."""
    row = door.tracking.run(door.project, text(data, "run_id"))
    if row.deleted_at is not None:
        door.dispatch(RestoreObject(kind="run", ref=Ref(door.project, row.id)))
    return {}


@call("GET", "metrics/get-history")
def get_history(door: Door, data: Data) -> Data:
    """All points of a metric."""
    key = text(data, "metric_key")
    offset, limit = page(data, 1_000_000, 25_000)
    points = door.tracking.history(door.project, text(data, "run_id", "run_uuid"), key, offset, limit + 1)
    return with_token({"metrics": [_point(key, point) for point in points[:limit]]}, offset, limit, len(points))


@call("POST", "runs/search")
def search(door: Door, data: Data) -> Data:
    """Runs of experiments that fit a filter."""
    offset, limit = page(data, LARGEST_PAGE, 1000)
    conditions, order = filters.parse(data.get("filter")), filters.parse_order(names(data, "order_by"))
    filters.check_attributes([*conditions, *order])
    wanted = names(data, "experiment_ids")
    experiments = [name for name, known in experiment_ids(door).items() if known in wanted]
    stage = str(data.get("run_view_type") or "ACTIVE_ONLY")
    found = door.tracking.search(
        RunSearch(
            project=door.project,
            experiments=experiments,
            conditions=conditions,
            order=order,
            deleted="all" if stage == "ALL" else "deleted" if stage == "DELETED_ONLY" else "active",
            limit=limit + 1,
            offset=offset,
        )
    )
    return with_token({"runs": bodies(door, found[:limit])}, offset, limit, len(found))


def of_model(model: LoggedModelRow) -> list[dict[str, Any]]:
    """The points of a logged model, the last of each metric."""
    last = {str(point["key"]): dict(point) for point in model.metrics}
    return [{**point, "model_id": model.id} for point in last.values()]
