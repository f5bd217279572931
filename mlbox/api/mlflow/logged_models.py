"""Logged models: what a run has made, registered or not. A finished one becomes an artifact of kind ``model``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlbox.api.mlflow import filters
from mlbox.api.mlflow.artifacts import MODELS, Place, children, files, logged_model
from mlbox.api.mlflow.door import Data, Door, call, listed, milliseconds, names, page, pairs, text, with_token
from mlbox.api.mlflow.runs import experiment_ids, of_model
from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables import artifacts, tracking
from mlbox.engine.catalog.tables.artifacts import ArtifactRow
from mlbox.engine.catalog.tables.run_search import Condition
from mlbox.engine.catalog.tables.tracking import LoggedModelRow
from mlbox.engine.runs.experiments import DEFAULT_EXPERIMENT, runs_experiment
from mlbox.engine.runs.logged_models import pack

_STATUS = {"1": "PENDING", "2": "READY", "3": "UPLOAD_FAILED"}


def body(row: LoggedModelRow, experiments: Mapping[str | None, str]) -> dict[str, Any]:
    """A logged model as clients read it."""
    experiment = experiments.get(row.experiment, DEFAULT_EXPERIMENT)
    return {
        "info": {
            "model_id": row.id,
            "experiment_id": experiment,
            "name": row.name,
            "creation_timestamp_ms": milliseconds(row.created_at),
            "last_updated_timestamp_ms": milliseconds(row.updated_at),
            "artifact_uri": f"mlflow-artifacts:/{experiment}/{MODELS}/{row.id}/artifacts",
            "status": f"LOGGED_MODEL_{row.status}",
            "model_type": row.kind or "",
            "source_run_id": row.run_id or "",
            "tags": listed(row.tags),
        },
        "data": {"params": listed(row.params), "metrics": of_model(row)},
    }


def _answer(door: Door, row: LoggedModelRow) -> Data:
    return {"model": body(row, experiment_ids(door))}


def _put(door: Door, row: LoggedModelRow) -> None:
    door.tracking.write(lambda cursor: tracking.put(cursor, row))


@call("POST", "logged-models")
def create(door: Door, data: Data) -> Data:
    """A model is about to be logged."""
    experiment = door.experiments.get(door.project, str(data.get("experiment_id") or DEFAULT_EXPERIMENT))
    run_id = str(data.get("source_run_id") or "") or None
    if run_id is not None:
        door.tracking.run(door.project, run_id)
    model_id = f"m-{new_id()}"
    row = LoggedModelRow(
        id=model_id,
        project=door.project,
        experiment=runs_experiment(experiment),
        run_id=run_id,
        name=str(data.get("name") or f"model-{model_id[-8:]}"),
        kind=str(data.get("model_type") or "") or None,
        params=pairs(data, "params"),
        tags=pairs(data, "tags"),
    )
    _put(door, row)
    return _answer(door, row)


@call("GET", "logged-models/{model_id}")
def get(door: Door, data: Data) -> Data:
    """By id."""
    return _answer(door, logged_model(door, text(data, "model_id")))


@call("PATCH", "logged-models/{model_id}")
def finalize(door: Door, data: Data) -> Data:
    """All its files have come, or it failed."""
    row = logged_model(door, text(data, "model_id"))
    status = str(data.get("status") or "READY").removeprefix("LOGGED_MODEL_")
    status = _STATUS.get(status, status)
    if status not in _STATUS.values():
        raise Invalid(f"there is no status {status!r}")
    row = replace(row, status=status, updated_at=now())
    if status == "READY":
        keep(door, row)
    _put(door, row)
    return _answer(door, row)


@call("DELETE", "logged-models/{model_id}")
def delete(door: Door, data: Data) -> Data:
    """Forget it; what was registered from it stays."""
    _put(door, replace(logged_model(door, text(data, "model_id")), deleted_at=now()))
    return {}


@call("PATCH", "logged-models/{model_id}/tags")
def set_tags(door: Door, data: Data) -> Data:
    """Add tags."""
    row = logged_model(door, text(data, "model_id"))
    row = replace(row, tags={**row.tags, **pairs(data, "tags")}, updated_at=now())
    _put(door, row)
    return _answer(door, row)


@call("DELETE", "logged-models/{model_id}/tags/{tag_key}")
def delete_tag(door: Door, data: Data) -> Data:
    """Take a tag away."""
    row, key = logged_model(door, text(data, "model_id")), text(data, "tag_key")
    _put(door, replace(row, tags={name: value for name, value in row.tags.items() if name != key}))
    return {}


@call("POST", "logged-models/{model_id}/params")
def log_params(door: Door, data: Data) -> Data:
    """Add parameters."""
    row = logged_model(door, text(data, "model_id"))
    _put(door, replace(row, params={**row.params, **pairs(data, "params")}, updated_at=now()))
    return {}


@call("GET", "logged-models/{model_id}/artifacts/directories")
def list_artifacts(door: Door, data: Data) -> Data:
    """Its files; paths are relative to the model."""
    row = logged_model(door, text(data, "model_id"))
    path = str(data.get("artifact_directory_path") or "").strip("/")
    where = Place(row.run_id, "/".join(part for part in (MODELS, row.id, path) if part))
    prefix = f"{path}/" if path else ""
    found = [{**entry, "path": prefix + entry["path"]} for entry in children(where, files(door, where).values())]
    return {"root_uri": body(row, experiment_ids(door))["info"]["artifact_uri"], "files": found}


@call("POST", "logged-models/search")
def search(door: Door, data: Data) -> Data:
    """Logged models of experiments."""
    offset, limit = page(data, 1000, 100)
    experiments = experiment_ids(door)
    wanted = set(names(data, "experiment_ids"))
    conditions = filters.parse(data.get("filter"))
    found = [
        row
        for row in door.tracking.read(lambda cursor: tracking.logged_models(cursor, door.project))
        if experiments.get(row.experiment, DEFAULT_EXPERIMENT) in wanted
        and all(filters.holds(condition, _value(row, condition)) for condition in conditions)
    ]
    shown = [body(row, experiments) for row in found[offset : offset + limit]]
    return with_token({"models": shown}, offset, limit, len(found) - offset)


def _value(row: LoggedModelRow, condition: Condition) -> Any:
    key = condition.key
    if condition.entity == "metric":
        return {point["key"]: point["value"] for point in row.metrics}.get(key)
    if condition.entity in ("param", "tag"):
        return (row.params if condition.entity == "param" else row.tags).get(key)
    return {
        "name": row.name,
        "model_id": row.id,
        "source_run_id": row.run_id,
        "status": row.status,
        "model_type": row.kind,
        "creation_timestamp_ms": milliseconds(row.created_at),
        "creation_timestamp": milliseconds(row.created_at),
    }.get(key)


def keep(door: Door, row: LoggedModelRow) -> ArtifactRow | None:
    """The model as one artifact of its run; None when it has no files."""
    folder = f"{MODELS}/{row.id}/"
    found = {name.removeprefix(folder): file for name, file in files(door, Place(row.run_id, folder[:-1])).items()}
    if not found:
        return None
    kept = pack(door.context.artifacts, found, row.name, {"mlflow_model": row.id})
    return door.tracking.write(lambda cursor: artifacts.insert(cursor, kept))
