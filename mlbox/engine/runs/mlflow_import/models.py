"""Logged models and the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.errors import Cancelled, MlboxError
from mlbox.base.ids import new_id
from mlbox.base.names import Ref, check_alias, check_name
from mlbox.engine.catalog.tables import artifacts, models, runs, tracking
from mlbox.engine.catalog.tables.artifacts import ArtifactRow
from mlbox.engine.catalog.tables.models import ModelRow
from mlbox.engine.catalog.tables.tracking import LoggedModelRow
from mlbox.engine.models import registry
from mlbox.engine.models.commands import CreateModel
from mlbox.engine.models.service import Models
from mlbox.engine.runs.logged_models import LOGGED_TAG, SOURCE_TAG, pack
from mlbox.engine.runs.mlflow_import.importing import Importing, check_going_on, moment
from mlbox.engine.runs.mlflow_stores.base import LoggedModel, Model, Version

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class ModelImport:
    """Brings models in; their runs have come before."""

    def __init__(self, to: Importing, models: Models) -> None:
        self._to = to
        self._models = models

    def bring_logged_models(self) -> None:
        """Those that are not there."""
        given = self._to.store.logged_models()
        with self._to.catalog.read() as cursor:
            known = {row.id for row in tracking.logged_models(cursor, self._to.project, [model.id for model in given])}
        for model in given:
            if model.id not in known:
                check_going_on()
                self._bring_logged_model(model)

    def _bring_logged_model(self, model: LoggedModel) -> None:
        made = moment(model.created) or now()
        row = LoggedModelRow(
            id=model.id,
            project=self._to.project,
            experiment=self._to.names.get(model.experiment),
            run_id=model.run,
            name=model.name,
            kind=model.kind,
            status=model.status,
            params=model.params,
            tags=model.tags,
            metrics=tuple(model.metrics),
            created_at=made,
            updated_at=moment(model.updated) or made,
        )
        folder = f"models/{model.id}/"
        files = self._to.keep_files(model.run, model.location, folder, f"files of logged model {model.name}")
        self._enter(files, folder, model.name, {"mlflow_model": model.id})
        self._to.catalog.write(lambda cursor: tracking.put(cursor, row))

    def _enter(self, files: Sequence[ArtifactRow], folder: str, name: str, marks: dict[str, str]) -> ArtifactRow | None:
        """Files of a model, and the model that they are; None when there are none."""
        inside = {file.name.removeprefix(folder): file for file in files}
        packed = pack(self._to.artifacts, inside, name, marks) if inside else None

        def write(cursor: DuckDBPyConnection) -> None:
            for file in (*files, *([packed] if packed else ())):
                artifacts.insert(cursor, file)

        self._to.catalog.write(write)
        self._to.done.artifacts += len(files)
        return packed

    def bring_model(self, model: Model) -> None:
        """A registered model: its versions that are not there, its aliases that are not."""
        try:
            row = self._registered(model)
            with self._to.catalog.read() as cursor:
                known = set(models.versions(cursor, row))
            for version in model.versions:
                if version.number not in known and version.number > row.last_version:
                    check_going_on()
                    self._bring_version(row, version)
            self._bring_aliases(row, model)
        except Cancelled:
            raise
        except MlboxError as error:
            self._to.done.left_out.append(f"model {model.name}: {error.message}")

    def _registered(self, model: Model) -> ModelRow:
        name = check_name(model.name, "model name")
        with self._to.catalog.read() as cursor:
            found = models.get(cursor, self._to.project, name)
        if found is not None:
            return found
        made = moment(model.created) or now()
        row = ModelRow(new_id(), self._to.project, name, 0, model.description, made)

        def insert(cursor: DuckDBPyConnection) -> None:
            models.insert(cursor, row)
            for key, value in model.tags.items():
                tracking.set_model_tag(cursor, self._to.project, (row.id, 0), key, value)

        self._to.catalog.write(insert)
        return row

    def _bring_version(self, model: ModelRow, version: Version) -> None:
        """Under the number that it has there."""
        logged = version.model or (version.source.removeprefix("models:/") if "models:/m-" in version.source else None)
        artifact = self._model_artifact(model, version, logged)
        if artifact is None:
            self._to.done.left_out.append(f"model {model.name}@{version.number}: its files are out of reach")
            return
        command = CreateModel(ref=Ref(self._to.project, model.name), artifact_id=artifact, comment=version.description)
        plan = self._models.plan_create(command, self._to.caller)
        source = plan.resolved["source"]
        blob = self._to.artifacts.put_bytes(source.content)
        drafted = replace(
            plan.resolved["draft"],
            model_id=model.id,
            name=model.name,
            version=version.number,
            digest=blob.digest,
            created_at=moment(version.created) or now(),
        )
        tags = {**version.tags, SOURCE_TAG: version.source, **({LOGGED_TAG: logged} if logged else {})}

        def write(cursor: DuckDBPyConnection) -> None:
            models.insert_version(cursor, drafted)
            registry.record_lineage(cursor, drafted, source)
            for key, value in tags.items():
                tracking.set_model_tag(cursor, self._to.project, (model.id, version.number), key, value)

        self._to.catalog.write(write)
        self._to.done.versions += 1

    def _model_artifact(self, model: ModelRow, version: Version, logged: str | None) -> str | None:
        """The artifact that a version is made from: that of its logged model, else its files as one."""
        if logged is not None:
            with self._to.catalog.read() as cursor:
                rows = tracking.logged_models(cursor, self._to.project, [logged])
                kept = artifacts.model_of(cursor, self._to.project, rows[0].run_id, logged) if rows else None
            return kept
        run_id = version.run
        if run_id is not None:
            with self._to.catalog.read() as cursor:
                run_id = run_id if runs.get(cursor, run_id) is not None else None
        folder = f"{model.name}/{version.number}/"
        told = f"model {model.name}@{version.number}"
        files = self._to.keep_files(run_id, version.location or version.source, folder, told)
        inside = {file.name.removeprefix(folder): file for file in files}
        if not inside:
            return None
        packed = pack(self._to.artifacts, inside, model.name, {"mlflow_source": version.source})
        self._to.catalog.write(lambda cursor: artifacts.insert(cursor, packed))
        return packed.id

    def _bring_aliases(self, row: ModelRow, model: Model) -> None:
        """Only those that are not here: one that was moved here since stays where it is."""

        def write(cursor: DuckDBPyConnection) -> None:
            here, numbers = models.aliases(cursor, row), models.versions(cursor, row)
            for alias, number in model.aliases.items():
                if alias.lower() not in here and number in numbers:
                    registry.move(cursor, row, check_alias(alias), number, self._to.caller.user)

        self._to.catalog.write(write)
