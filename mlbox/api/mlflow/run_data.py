"""What runs log, and what is changed of them: metrics, parameters, tags, inputs, outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlbox.api.mlflow.door import (
    Data,
    Door,
    as_text,
    call,
    milliseconds,
    moment,
    objects,
    pairs,
    text,
)
from mlbox.api.mlflow.runs import NAME_TAG, NOTE_TAG, PARENT_TAG
from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.engine.catalog.tables import metrics, tracking
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.catalog.tables.tracking import InputRow
from mlbox.engine.runs.commands import ChangeRun
from mlbox.engine.runs.incoming import number_or_text


@call("POST", "runs/log-metric")
def log_metric(door: Door, data: Data) -> Data:
    """One point."""
    return log_batch(door, {"run_id": text(data, "run_id", "run_uuid"), "metrics": [{**data}]})


@call("POST", "runs/log-parameter")
def log_parameter(door: Door, data: Data) -> Data:
    """One parameter."""
    return log_batch(door, {"run_id": text(data, "run_id", "run_uuid"), "params": [{**data}]})


@call("POST", "runs/set-tag")
def set_tag(door: Door, data: Data) -> Data:
    """One tag: logged while the run goes on, in one write; of an ended run as ALTER RUN sets it."""
    run_id, key, value = text(data, "run_id", "run_uuid"), text(data, "key"), str(data.get("value", ""))
    tags = {"run_id": run_id, "tags": [{"key": key, "value": value}]}
    if key in (NAME_TAG, PARENT_TAG):
        return log_batch(door, tags)
    try:
        return _log_batch(door, tags, _refuse_ended)
    except _Ended as error:
        given: dict[str, Any] = {"options": {"note": value}} if key == NOTE_TAG else {"labels": {key: value}}
        door.dispatch(ChangeRun(project=door.project, run=error.run_id, **given))
    return {}


class _Ended(Exception):
    """The run has ended: what is said of it now is a change, which the audit tells of."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


def _refuse_ended(row: RunRow) -> None:
    if row.finished_at is not None:
        raise _Ended(row.id)


@call("POST", "runs/log-batch")
def log_batch(door: Door, data: Data) -> Data:
    """Metrics, parameters and tags: all of them or none."""
    return _log_batch(door, data)


def _log_batch(door: Door, data: Data, look: Callable[[RunRow], None] = lambda row: None) -> Data:
    """``look`` sees the run before anything is changed, and may raise."""
    run_id = text(data, "run_id")
    tags = pairs(data, "tags")
    changes: dict[str, Any] = {}
    if NAME_TAG in tags:
        changes["name"] = tags.pop(NAME_TAG)
    if NOTE_TAG in tags:
        changes["note"] = tags.pop(NOTE_TAG) or None
    if PARENT_TAG in tags:
        changes["parent_id"] = door.tracking.run(door.project, tags.pop(PARENT_TAG)).id
    given = objects(data, "metrics")
    parameters = pairs(data, "params")

    def checked(row: RunRow) -> Mapping[str, Any]:
        look(row)
        for name, value in parameters.items():
            if name in row.params and as_text(row.params[name]) != value:
                raise Invalid(f"parameter {name!r} is {row.params[name]!r} already and cannot become {value!r}")
        return changes

    events = [_metric(entry) for entry in _not_there_yet(door, run_id, given)]
    events += [{"kind": "param", "name": name, "value": number_or_text(value)} for name, value in parameters.items()]
    events += [{"kind": "tag", "name": name, "value": value} for name, value in tags.items()]
    row = door.tracking.log(door.project, run_id, events, checked)
    _tell_models(door, row, [entry for entry in given if entry.get("model_id")])
    return {}


def _not_there_yet(door: Door, run_id: str, given: list[Data]) -> list[Data]:
    """Without the points that a client sends again to say of which model they are, as it does when it logs one."""
    names = {text(entry, "key") for entry in given if entry.get("model_id")}
    if not names:
        return given
    known = {
        (name, point.step or 0, str(point.value), milliseconds(point.logged_at))
        for name, point in door.tracking.read(lambda cursor: metrics.points_of(cursor, run_id, sorted(names)))
    }

    def is_there(entry: Data) -> bool:
        try:
            value = str(float(entry.get("value") or 0))
        except (TypeError, ValueError):
            return False  # it is refused where it is logged
        at = milliseconds(moment(entry.get("timestamp")))
        return (text(entry, "key"), _whole(entry.get("step") or 0), value, at) in known

    return [entry for entry in given if not entry.get("model_id") or not is_there(entry)]


def _metric(entry: Mapping[str, Any]) -> dict[str, Any]:
    step = entry.get("step")
    at = moment(entry.get("timestamp"))
    event = {"kind": "metric", "name": text(entry, "key"), "value": _float(entry.get("value"))}
    if step not in (None, ""):
        event["step"] = _whole(step)
    return {**event, "at": at.timestamp()} if at else event


def _float(value: Any) -> Any:
    """Numbers come as text where JSON has none for them; what is no number is refused where it is logged."""
    try:
        return float(value) if isinstance(value, str) and value not in ("NaN", "Infinity", "-Infinity") else value
    except ValueError:
        return value


def _whole(step: Any) -> int:
    try:
        return int(step)
    except (TypeError, ValueError, OverflowError):
        raise Invalid(f"{step!r} is no step", hint="a step is a whole number") from None


def _tell_models(door: Door, row: RunRow, points: Sequence[Mapping[str, Any]]) -> None:
    """A metric may be one of a logged model as well."""
    ids = {str(point["model_id"]) for point in points}
    if not ids:
        return

    def write(cursor: Any) -> None:
        for model in tracking.logged_models(cursor, door.project, ids):
            fresh = [{**point, "run_id": row.id} for point in points if point["model_id"] == model.id]
            tracking.put(cursor, replace(model, metrics=(*model.metrics, *fresh), updated_at=now()))

    door.tracking.write(write)


@call("POST", "runs/delete-tag")
def delete_tag(door: Door, data: Data) -> Data:
    """Take a tag away."""
    run_id, key = text(data, "run_id"), text(data, "key")
    row = door.tracking.run(door.project, run_id)
    if key not in row.labels and not (key == NOTE_TAG and row.note):
        raise Invalid(f"run {row.label} has no tag {key!r}")
    given: dict[str, Any] = {"options": {"note": None}} if key == NOTE_TAG else {"without": (key,)}
    door.dispatch(ChangeRun(project=door.project, run=row.id, **given))
    return {}


@call("POST", "runs/log-inputs")
def log_inputs(door: Door, data: Data) -> Data:
    """Data sets that the run has read."""
    run_id = text(data, "run_id")
    rows = []
    for entry in objects(data, "datasets"):
        dataset = entry.get("dataset")
        if not isinstance(dataset, dict):
            raise Invalid("every data set has the field 'dataset', an object")
        name, digest = text(dataset, "name"), text(dataset, "digest")
        known = {key: dataset[key] for key in ("source_type", "source", "schema", "profile") if key in dataset}
        rows.append(
            InputRow(
                project=door.project,
                run_id=run_id,
                name=name,
                digest=digest,
                dataset=known,
                tags=pairs(entry, "tags"),
            )
        )
    if rows:
        door.tracking.add_inputs(door.project, run_id, rows)
    return {}


@call("POST", "runs/outputs")
def log_outputs(door: Door, data: Data) -> Data:
    """Models that the run has made."""
    run_id = text(data, "run_id")
    ids = [text(entry, "model_id") for entry in objects(data, "models")]

    def write(cursor: Any) -> None:
        for model in tracking.logged_models(cursor, door.project, ids):
            if model.run_id is None:
                tracking.put(cursor, replace(model, run_id=run_id))

    door.tracking.run(door.project, run_id)
    door.tracking.write(write)
    return {}


@call("POST", "runs/log-model")
def log_model(door: Door, data: Data) -> Data:
    """What older clients say of a model: kept as a tag, as MLflow does."""
    run_id = text(data, "run_id")
    door.tracking.log(
        door.project,
        run_id,
        [{"kind": "tag", "name": "mlflow.log-model.history", "value": f"[{text(data, 'model_json')}]"}],
    )
    return {}
