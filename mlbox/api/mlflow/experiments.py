"""Experiments: groups of runs."""

from __future__ import annotations

from typing import Any

from mlbox.api.mlflow import filters
from mlbox.api.mlflow.door import Data, Door, call, listed, milliseconds, page, pairs, text, with_token
from mlbox.engine.catalog.tables.run_search import Condition
from mlbox.engine.catalog.tables.tracking import ExperimentRow
from mlbox.engine.runs.experiments import public_id

LARGEST_PAGE = 50_000


def body(row: ExperimentRow) -> dict[str, Any]:
    """An experiment as clients read it."""
    return {
        "experiment_id": public_id(row),
        "name": row.name,
        "artifact_location": f"mlflow-artifacts:/{public_id(row)}",
        "lifecycle_stage": "deleted" if row.deleted_at else "active",
        "last_update_time": milliseconds(row.updated_at),
        "creation_time": milliseconds(row.created_at),
        "tags": listed(row.tags),
    }


@call("POST", "experiments/create")
def create(door: Door, data: Data) -> Data:
    """A new experiment."""
    row = door.experiments.create(door.project, text(data, "name"), pairs(data, "tags"))
    return {"experiment_id": public_id(row)}


@call("GET", "experiments/get")
def get(door: Door, data: Data) -> Data:
    """By id."""
    return {"experiment": body(door.experiments.get(door.project, text(data, "experiment_id")))}


@call("GET", "experiments/get-by-name")
def get_by_name(door: Door, data: Data) -> Data:
    """By name."""
    return {"experiment": body(door.experiments.named(door.project, text(data, "experiment_name")))}


@call("POST", "experiments/search")
@call("GET", "experiments/search")
def search(door: Door, data: Data) -> Data:
    """By name and tags."""
    offset, limit = page(data, LARGEST_PAGE, 1000)
    stage = str(data.get("view_type") or "ACTIVE_ONLY")
    conditions = filters.parse(data.get("filter"))
    found = [
        row
        for row in door.experiments.all(door.project)
        if (stage == "ALL" or (row.deleted_at is not None) == (stage == "DELETED_ONLY"))
        and all(filters.holds(condition, _value(row, condition)) for condition in conditions)
    ]
    found.sort(key=lambda row: row.updated_at, reverse=True)
    shown = [body(row) for row in found[offset : offset + limit]]
    return with_token({"experiments": shown}, offset, limit, len(found) - offset)


def _value(row: ExperimentRow, condition: Condition) -> Any:
    if condition.entity == "tag":
        return row.tags.get(condition.key)
    known = {
        "name": row.name,
        "experiment_id": public_id(row),
        "creation_time": milliseconds(row.created_at),
        "last_update_time": milliseconds(row.updated_at),
    }
    return known.get(condition.key)


@call("POST", "experiments/update")
def update(door: Door, data: Data) -> Data:
    """Another name."""
    door.experiments.rename(door.project, text(data, "experiment_id"), text(data, "new_name"))
    return {}


@call("POST", "experiments/delete")
def delete(door: Door, data: Data) -> Data:
    """Hide it."""
    door.experiments.set_deleted(door.project, text(data, "experiment_id"), True)
    return {}


@call("POST", "experiments/restore")
def restore(door: Door, data: Data) -> Data:
    """Show it again."""
    door.experiments.set_deleted(door.project, text(data, "experiment_id"), False)
    return {}


@call("POST", "experiments/set-experiment-tag")
def set_tag(door: Door, data: Data) -> Data:
    """Set a tag."""
    door.experiments.set_tag(door.project, text(data, "experiment_id"), text(data, "key"), str(data.get("value", "")))
    return {}


@call("POST", "experiments/delete-experiment-tag")
def delete_tag(door: Door, data: Data) -> Data:
    """Take a tag away."""
    door.experiments.set_tag(door.project, text(data, "experiment_id"), text(data, "key"), None)
    return {}
