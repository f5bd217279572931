"""The model registry: registered models, their versions, aliases and tags. They are ``ml.models``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mlbox.api.mlflow import filters
from mlbox.api.mlflow.artifacts import logged_model
from mlbox.api.mlflow.door import Data, Door, call, listed, milliseconds, page, pairs, text, with_token
from mlbox.api.mlflow.logged_models import keep
from mlbox.api.mlflow.runs import experiment_ids
from mlbox.base.clock import now
from mlbox.base.errors import AlreadyExists, Invalid, NotExecuted, NotFound
from mlbox.base.ids import new_id
from mlbox.base.names import Ref, check_name
from mlbox.engine.catalog.tables import artifacts, models, projects, tracking
from mlbox.engine.catalog.tables.models import ModelRow, ModelVersion
from mlbox.engine.catalog.tables.run_search import Condition
from mlbox.engine.models import registry
from mlbox.engine.models.commands import CreateModel, DropModel, DropModelAlias, SetModelAlias
from mlbox.engine.runs.experiments import DEFAULT_EXPERIMENT
from mlbox.engine.runs.logged_models import LOGGED_TAG, SOURCE_TAG
from mlbox.engine.workflows.commands import AlterObject

_HIDDEN = (SOURCE_TAG, LOGGED_TAG)

_RUN_SOURCE = re.compile(r"(?:runs:/|mlflow-artifacts:/[^/]+/)(?P<run>[0-9a-f]{32})/(?:artifacts/)?(?P<path>.*)")


def model_of(door: Door, name: str) -> ModelRow:
    """The model of that name."""
    return door.tracking.read(lambda cursor: registry.require(cursor, Ref(door.project, name)))


def body(door: Door, row: ModelRow) -> dict[str, Any]:
    """A registered model as clients read it."""
    tags, known, latest = door.tracking.read(
        lambda cursor: (
            tracking.model_tags(cursor, row.id),
            models.aliases(cursor, row),
            models.get_version(cursor, row),
        )
    )
    changed = latest.created_at if latest else row.created_at
    return {
        "name": row.name,
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(max(changed, row.created_at)),
        "description": row.comment or "",
        "latest_versions": [version_body(door, row, latest)] if latest else [],
        "tags": listed(_shown(tags.get(0, {}))),
        "aliases": [{"alias": alias, "version": str(version)} for alias, version in known.items()],
    }


def version_body(door: Door, model: ModelRow, row: ModelVersion) -> dict[str, Any]:
    """A version as clients read it."""
    tags, known = door.tracking.read(
        lambda cursor: (
            tracking.model_tags(cursor, model.id).get(row.version, {}),
            models.aliases(cursor, model),
        )
    )
    return {
        "name": model.name,
        "version": str(row.version),
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(row.created_at),
        "current_stage": "None",
        "description": row.comment or "",
        "source": tags.get(SOURCE_TAG) or _source(door, row),
        "run_id": row.run_id or "",
        "status": "READY",
        "model_id": tags.get(LOGGED_TAG, ""),
        "tags": listed(_shown(tags)),
        "aliases": [alias for alias, version in known.items() if version == row.version],
    }


def _shown(tags: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name not in _HIDDEN}


def _source(door: Door, row: ModelVersion) -> str:
    """Where the bytes of a version that no MLflow client has registered are."""
    artifact_id = row.artifact_id
    artifact = door.tracking.read(lambda cursor: artifacts.get(cursor, artifact_id)) if artifact_id else None
    if artifact is None or artifact.run_id is None or artifact.project != door.project:
        return f"mlbox:/{row}"
    run = door.tracking.run(door.project, artifact.run_id)
    experiment = experiment_ids(door).get(run.experiment, DEFAULT_EXPERIMENT)
    return f"mlflow-artifacts:/{experiment}/{run.id}/artifacts/{artifact.name}"


def _version(door: Door, data: Data) -> tuple[ModelRow, ModelVersion]:
    model = model_of(door, text(data, "name"))
    ref = Ref(door.project, model.name, text(data, "version"))
    return model, door.tracking.read(lambda cursor: registry.resolve(cursor, ref))


@call("POST", "registered-models/create")
def create(door: Door, data: Data) -> Data:
    """A model that has no version yet."""
    name = check_name(text(data, "name"), "model name")
    row = ModelRow(new_id(), door.project, name, 0, str(data.get("description") or "") or None, now())
    tags = pairs(data, "tags")

    def insert(cursor: Any) -> None:
        projects.require(cursor, door.project)
        if models.get(cursor, door.project, name) is not None:
            raise AlreadyExists(f"model {name!r} exists already in project {door.project}")
        models.insert(cursor, row)
        for key, value in tags.items():
            tracking.set_model_tag(cursor, door.project, (row.id, 0), key, value)

    door.tracking.write(insert)
    return {"registered_model": body(door, row)}


@call("GET", "registered-models/get")
def get(door: Door, data: Data) -> Data:
    """By name."""
    return {"registered_model": body(door, model_of(door, text(data, "name")))}


@call("PATCH", "registered-models/update")
def update(door: Door, data: Data) -> Data:
    """Describe a model."""
    row = model_of(door, text(data, "name"))
    door.tracking.write(lambda cursor: models.set_comment(cursor, row, None, str(data.get("description") or "")))
    return {"registered_model": body(door, model_of(door, row.name))}


@call("POST", "registered-models/rename")
def rename(door: Door, data: Data) -> Data:
    """Another name; refused while endpoints, monitors or stored statements name it."""
    row, name = model_of(door, text(data, "name")), text(data, "new_name")
    door.dispatch(AlterObject(kind="model", ref=Ref(door.project, row.name), action="rename", new_name=name))
    return {"registered_model": body(door, model_of(door, name))}


@call("DELETE", "registered-models/delete")
def delete(door: Door, data: Data) -> Data:
    """Drop a model with its versions; refused while an endpoint serves it."""
    row = model_of(door, text(data, "name"))
    if row.last_version:
        door.dispatch(DropModel(ref=Ref(door.project, row.name)))
    else:
        door.tracking.write(lambda cursor: models.delete(cursor, row))
    return {}


@call("GET", "registered-models/search")
def search(door: Door, data: Data) -> Data:
    """By name and tags."""
    offset, limit = page(data, 1000, 100)
    conditions = filters.parse(data.get("filter"))
    found = []
    for row in _all(door):
        tags = _tags(door, row).get(0, {})
        if all(
            filters.holds(entry, tags.get(entry.key) if entry.entity == "tag" else {"name": row.name}.get(entry.key))
            for entry in conditions
        ):
            found.append(row)
    shown = [body(door, row) for row in found[offset : offset + limit]]
    return with_token({"registered_models": shown}, offset, limit, len(found) - offset)


def _tags(door: Door, row: ModelRow) -> dict[int, dict[str, str]]:
    return door.tracking.read(lambda cursor: tracking.model_tags(cursor, row.id))


def _numbers(door: Door, row: ModelRow) -> list[int]:
    return door.tracking.read(lambda cursor: models.versions(cursor, row))


def _all(door: Door) -> list[ModelRow]:
    def read(cursor: Any) -> list[ModelRow]:
        projects.require(cursor, door.project)
        rows = [models.get(cursor, door.project, name) for name in models.names(cursor, door.project)]
        return [row for row in rows if row is not None]

    return door.tracking.read(read)


@call("GET", "registered-models/get-latest-versions")
@call("POST", "registered-models/get-latest-versions")
def get_latest_versions(door: Door, data: Data) -> Data:
    """The newest version; stages are not kept."""
    row = model_of(door, text(data, "name"))
    latest = door.tracking.read(lambda cursor: models.get_version(cursor, row))
    return {"model_versions": [version_body(door, row, latest)] if latest else []}


@call("POST", "model-versions/create")
def create_version(door: Door, data: Data) -> Data:
    """A version, of what a run or a logged model holds."""
    name, source = text(data, "name"), text(data, "source")
    logged = str(data.get("model_id") or "") or (
        source.removeprefix("models:/") if source.startswith("models:/m-") else ""
    )
    run = str(data.get("run_id") or "") or None
    if logged:
        row = logged_model(door, logged)
        artifact = keep(door, row)
        if artifact is None:
            raise NotFound(f"logged model {logged} has no files")
        command = CreateModel(ref=Ref(door.project, name), artifact_id=artifact.id, comment=data.get("description"))
    else:
        command = _from_run(door, name, source, run, data.get("description"))
    result = door.dispatch(command)
    model = model_of(door, name)
    number = int(result.facts["version"])
    tags = {**pairs(data, "tags"), SOURCE_TAG: source, **({LOGGED_TAG: logged} if logged else {})}

    def tag(cursor: Any) -> None:
        for key, value in tags.items():
            tracking.set_model_tag(cursor, door.project, (model.id, number), key, value)

    door.tracking.write(tag)
    return {"model_version": version_body(door, *_version(door, {"name": name, "version": str(number)}))}


def _from_run(door: Door, name: str, source: str, run: str | None, comment: Any) -> CreateModel:
    found = _RUN_SOURCE.match(source)
    run = run or (found["run"] if found else None)
    if run is None or not found:
        raise Invalid(
            f"a model cannot be registered from {source!r}",
            hint="log it to this server first; its source is then runs:/<run>/<path> or models:/<id>",
        )
    row = door.tracking.run(door.project, run)
    known = door.tracking.read(lambda cursor: tracking.logged_models_of(cursor, [run])).get(run, [])
    named = [model for model in known if model.name == found["path"].strip("/")]
    if named:
        artifact = keep(door, named[-1])
        if artifact is not None:
            return CreateModel(ref=Ref(door.project, name), artifact_id=artifact.id, comment=comment)
    return CreateModel(
        ref=Ref(door.project, name), run=row.id, artifact=found["path"].strip("/") or None, comment=comment
    )


@call("GET", "model-versions/get")
def get_version(door: Door, data: Data) -> Data:
    """By number."""
    return {"model_version": version_body(door, *_version(door, data))}


@call("PATCH", "model-versions/update")
def update_version(door: Door, data: Data) -> Data:
    """Describe a version."""
    model, row = _version(door, data)
    comment = str(data.get("description") or "")
    door.tracking.write(lambda cursor: models.set_comment(cursor, model, row.version, comment))
    return {"model_version": version_body(door, *_version(door, data))}


@call("DELETE", "model-versions/delete")
def delete_version(door: Door, data: Data) -> Data:
    """Drop a version."""
    door.dispatch(DropModel(ref=Ref(door.project, text(data, "name"), text(data, "version"))))
    return {}


@call("GET", "model-versions/get-download-uri")
def get_download_uri(door: Door, data: Data) -> Data:
    """Where its files are."""
    return {"artifact_uri": version_body(door, *_version(door, data))["source"]}


@call("GET", "model-versions/search")
def search_versions(door: Door, data: Data) -> Data:
    """By name, run and tags; the newest first."""
    offset, limit = page(data, 200_000, 10_000)
    conditions = filters.parse(data.get("filter"))
    found = []
    named = [entry for entry in conditions if (entry.entity, entry.key) == ("attribute", "name")]
    for model in _all(door):
        if not all(filters.holds(entry, model.name) for entry in named):
            continue  # before its versions are read
        for number in reversed(_numbers(door, model)):
            shown = version_body(door, *_version(door, {"name": model.name, "version": str(number)}))
            if all(filters.holds(entry, _value(shown, entry)) for entry in conditions):
                found.append(shown)
    return with_token({"model_versions": found[offset : offset + limit]}, offset, limit, len(found) - offset)


def _value(shown: dict[str, Any], condition: Condition) -> Any:
    if condition.entity == "tag":
        return pairs(shown, "tags").get(condition.key)
    return shown.get({"source_path": "source", "version_number": "version"}.get(condition.key, condition.key))


@call("POST", "model-versions/transition-stage")
def transition(door: Door, data: Data) -> Data:
    """Stages gave way to aliases, in MLflow too."""
    stage = str(data.get("stage") or "champion").lower()
    raise NotExecuted("stages are not kept", hint=f"set an alias: set_registered_model_alias(name, {stage!r}, version)")


@call("POST", "registered-models/alias")
def set_alias(door: Door, data: Data) -> Data:
    """Move an alias."""
    ref = Ref(door.project, text(data, "name"))
    door.dispatch(SetModelAlias(ref=ref, alias=text(data, "alias"), version=text(data, "version")))
    return {}


@call("DELETE", "registered-models/alias")
def delete_alias(door: Door, data: Data) -> Data:
    """Take an alias away."""
    door.dispatch(DropModelAlias(ref=Ref(door.project, text(data, "name")), alias=text(data, "alias")))
    return {}


@call("GET", "registered-models/alias")
def get_by_alias(door: Door, data: Data) -> Data:
    """The version that an alias points at."""
    return {"model_version": version_body(door, *_version(door, {**data, "version": text(data, "alias")}))}


def _tagging(versioned: bool, deleting: bool) -> Callable[[Door, Data], Data]:
    def change(door: Door, data: Data) -> Data:
        """Set a tag, or take it away."""
        if versioned:
            model, row = _version(door, data)
            key = (model.id, row.version)
        else:
            key = (model_of(door, text(data, "name")).id, 0)
        value = None if deleting else str(data.get("value", ""))
        door.tracking.write(lambda cursor: tracking.set_model_tag(cursor, door.project, key, text(data, "key"), value))
        return {}

    return change


call("POST", "registered-models/set-tag")(_tagging(versioned=False, deleting=False))
call("DELETE", "registered-models/delete-tag")(_tagging(versioned=False, deleting=True))
call("POST", "model-versions/set-tag")(_tagging(versioned=True, deleting=False))
call("DELETE", "model-versions/delete-tag")(_tagging(versioned=True, deleting=True))
