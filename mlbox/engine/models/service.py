"""The model registry: versions, aliases, and the predictors made of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Invalid, NotExecuted, NotFound
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref, check_alias, check_name
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import feature_vectors, models, projects
from mlbox.engine.catalog.tables.models import AliasMove, ModelVersion
from mlbox.engine.models import registry, sources
from mlbox.engine.models.commands import CreateModel, DropModel, DropModelAlias, SetModelAlias
from mlbox.engine.models.linear import Linear, linear_of
from mlbox.engine.models.sessions import OnnxSession, Predictor, Sessions
from mlbox.engine.models.signature import Fields
from mlbox.engine.models.tensor_predictor import predictor_for

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.storage.artifacts import ArtifactStore


class Models:
    """Registers versions of models, moves aliases, resolves references, makes predictors.

    A reference is a number (``m@3``), an alias (``m@champion``), ``m@latest``, or nothing, which means the latest.
    """

    def __init__(self, *, catalog: Catalog, artifacts: ArtifactStore, bus: Bus) -> None:
        self._catalog = catalog
        self.artifacts = artifacts
        self._bus = bus
        self.sessions = Sessions(artifacts)
        self._lock = threading.Lock()
        self._generation = 0
        self._resolved: dict[tuple[str, str, str | None], ModelVersion] = {}
        self._predictors: dict[str, Predictor] = {}
        self._linear: dict[str, Linear | None] = {}
        bus.listen(
            lambda event: (
                self._forget() if event.kind.startswith(("project.", "model.restored", "model.altered")) else None
            )
        )

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers."""
        return (
            Handler(CreateModel, self.plan_create, self.create),
            Handler(SetModelAlias, self.plan_alias, self.set_alias),
            Handler(DropModelAlias, self.plan_alias, self.drop_alias),
            Handler(DropModel, self.plan_drop, self.drop),
        )

    def resolve(self, ref: Ref) -> ModelVersion:
        """The version that a reference means now; raises ``NotFound`` with the nearest names."""
        key = (ref.project.lower(), ref.name.lower(), ref.version and ref.version.lower())
        with self._lock:
            found, generation = self._resolved.get(key), self._generation
        if found is None:
            with self._catalog.read() as cursor:
                found = registry.resolve(cursor, ref)
            with self._lock:
                if generation == self._generation:
                    self._resolved[key] = found
        return found

    def predictor(self, ref: Ref) -> Predictor:
        """The predictor of a reference; both its version and its session are cached."""
        return self.predictor_of(self.resolve(ref))

    def session_of(self, version: ModelVersion) -> OnnxSession:
        """The session of a version; ``NotExecuted`` for one that is not ONNX."""
        if version.framework != sources.ONNX:
            raise NotExecuted(
                f"model {version} is kept as {version.framework}, and this version computes ONNX models only",
                hint="convert it where it is trained (skl2onnx, onnxmltools) and log the result as the model",
            )
        return self.sessions.get(version.digest)

    def predictor_of(self, version: ModelVersion) -> Predictor:
        """The predictor of a version; ``NotExecuted`` for one that is not ONNX."""
        key = f"{version.model_id}@{version.version}"
        found = self._predictors.get(key)
        if found is None:
            found = predictor_for(self.session_of(version), version.features, [name for name, _ in version.outputs])
            with self._lock:
                if len(self._predictors) >= 64:
                    self._predictors.clear()
                self._predictors[key] = found
        return found

    def linear_of(self, version: ModelVersion) -> Linear | None:
        """The version as an expression of its features; nothing when it is no linear model."""
        key = f"{version.model_id}@{version.version}"
        with self._lock:
            if key in self._linear:
                return self._linear[key]
        found = linear_of(self.artifacts.read(version.digest), self.predictor_of(version))
        with self._lock:
            self._linear[key] = found
        return found

    def plan_create(self, command: CreateModel, caller: Caller) -> Plan:
        """Check the source: the bytes are loaded, nothing is kept."""
        check_name(command.ref.name, "model name")
        given = [command.path, command.run, command.model, command.query, command.artifact_id]
        if sum(source is not None for source in given) != 1:
            raise Invalid("a model comes from one source", hint="FROM 'file.onnx', FROM RUN 'id' or FROM MODEL m@1")
        if command.query is not None or command.options:
            raise NotExecuted(
                "CREATE MODEL … OPTIONS (…) AS SELECT is not run by this version",
                hint="train in a function, then: CREATE MODEL m FROM RUN 'id'",
            )
        if command.alias is not None:
            check_alias(command.alias)
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
            model = models.get(cursor, command.ref.project, command.ref.name)
            if model is not None and command.if_not_exists:
                told = f"model {command.ref.at(None)}"
                return Plan((Step("reuse", told, "exists already"),), outcome=Result(f"{told} exists already"))
            if command.features is not None:
                _require_vector(cursor, command.features)
            source = self._source(cursor, command)
        draft = self._draft(command, source)
        number = model.last_version + 1 if model else 1
        detail = f"from {source.kind} {source.ref}, {counted(len(draft.features), 'feature')}"
        return Plan((Step("create", str(command.ref.at(number)), detail),), {"source": source, "draft": draft})

    def _source(self, cursor: DuckDBPyConnection, command: CreateModel) -> sources.Source:
        if command.path is not None:
            return sources.from_file(command.path, command.base_folder)
        if command.run is not None:
            return sources.from_run(cursor, self.artifacts, command.ref.project, command.run, command.artifact)
        if command.artifact_id is not None:
            return sources.from_artifact(cursor, self.artifacts, command.artifact_id)
        assert command.model is not None
        return sources.from_version(registry.resolve(cursor, command.model), self.artifacts)

    def _draft(self, command: CreateModel, source: sources.Source) -> ModelVersion:
        """The version without its identity; raises ``Invalid`` when the model cannot be loaded or fed."""
        inputs, outputs, features = self._signature(command, source)
        vector = command.features
        return ModelVersion(
            model_id="",
            project=command.ref.project,
            name=command.ref.name,
            version=0,
            run_id=source.run_id,
            artifact_id=source.artifact_id,
            digest="",
            size=len(source.content),
            framework=source.framework,
            inputs=inputs,
            outputs=outputs,
            features=features,
            feature_vector=_relative(vector, command.ref.project) if vector else source.feature_vector,
            metrics={**source.metrics, **_checked_metrics(command.metrics)},
            feature_stats=source.feature_stats,
            created_at=now(),
            comment=command.comment,
        )

    @staticmethod
    def _signature(command: CreateModel, source: sources.Source) -> tuple[Fields, Fields, tuple[str, ...]]:
        """Inputs, outputs and features: of an ONNX model from itself, else as they were told."""
        if source.framework != sources.ONNX:
            inputs = command.inputs or source.inputs
            names = source.features or tuple(name for name, _ in inputs)
            return inputs, command.outputs or source.outputs, names
        signature = OnnxSession(source.content).signature
        return (
            signature.input_fields(command.inputs or source.inputs),
            signature.output_fields(command.outputs or source.outputs),
            signature.features([name for name, _ in command.inputs] or source.features),
        )

    def create(self, command: CreateModel, plan: Plan, caller: Caller) -> Result:
        """Store the bytes, add the version, move the alias, all or nothing."""
        source: sources.Source = plan.resolved["source"]
        blob = self.artifacts.put_bytes(source.content)
        draft = replace(plan.resolved["draft"], digest=blob.digest)
        done = self._catalog.write(lambda cursor: registry.register(cursor, draft, source, command.alias, caller.user))
        self._forget()
        version = done.version
        if done.created:
            told = {"version": version.version, "run_id": version.run_id}
            self._bus.publish(Event("model.registered", version.project, version.name, told))
        if done.move is not None:
            self._publish_move(done.move)
        verb = "registered model" if done.created else "the same is registered as model"
        alias = f" as @{command.alias}" if command.alias else ""
        facts = {**version.metrics, "version": version.version, "run_id": version.run_id, "created": done.created}
        return Result(f"{verb} {version}{alias}: {counted(len(version.features), 'feature')}", facts=facts)

    def plan_alias(self, command: SetModelAlias | DropModelAlias, caller: Caller) -> Plan:
        """Check model, alias and version."""
        with self._catalog.read() as cursor:
            model = registry.require(cursor, command.ref)
            if isinstance(command, DropModelAlias):
                registry.find_alias(cursor, model, command.alias)
                return Plan((Step("drop", str(command.ref.at(command.alias))),))
            check_alias(command.alias)
            target = registry.resolve(cursor, command.ref.at(command.version))
            before = models.aliases(cursor, model).get(command.alias.lower())
        detail = f"to version {target.version}" + (f", now {before}" if before else "")
        return Plan((Step("move", str(command.ref.at(command.alias)), detail),))

    def set_alias(self, command: SetModelAlias, plan: Plan, caller: Caller) -> Result:
        """Move the alias in one step; endpoints that follow it have switched when this returns."""

        def write(cursor: DuckDBPyConnection) -> tuple[AliasMove | None, int]:
            model = registry.require(cursor, command.ref)
            target = registry.resolve(cursor, command.ref.at(command.version)).version
            return registry.move(cursor, model, command.alias, target, caller.user), target

        move, target = self._catalog.write(write)
        self._forget()
        facts = {"version": target, "moved": move is not None, "from_version": move and move.from_version}
        if move is None:
            return Result(f"{command.ref.at(command.alias)} is version {target} already", facts=facts)
        self._publish_move(move)
        before = f", was {move.from_version}" if move.from_version else ""
        return Result(f"{command.ref.at(move.alias)} is version {target} now{before}", facts=facts)

    def drop_alias(self, command: DropModelAlias, plan: Plan, caller: Caller) -> Result:
        """Take the alias away; refused while an endpoint follows it."""
        move = self._catalog.write(lambda cursor: registry.drop_alias(cursor, command.ref, command.alias, caller.user))
        self._forget()
        self._publish_move(move)
        return Result(f"dropped alias {command.ref.at(move.alias)}; version {move.from_version} stays")

    def plan_drop(self, command: DropModel, caller: Caller) -> Plan:
        """Check that it exists and what uses it."""
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
            try:
                users = registry.users(cursor, command.ref)
            except NotFound:
                if not command.if_exists:
                    raise
                return missing(f"model {command.ref}")
        if not command.cascade:
            users.refuse(f"model {command.ref}")
        return Plan((Step("drop", str(command.ref)), *users.steps()))

    def drop(self, command: DropModel, plan: Plan, caller: Caller) -> Result:
        """Drop a version or the model; with CASCADE also the endpoints that use it and what watches them."""
        users = self._catalog.write(lambda cursor: registry.drop(cursor, command.ref, command.cascade, caller.user))
        self._forget()
        for event in users.events():
            self._bus.publish(event)
        dropped = {"version": command.ref.version}
        self._bus.publish(Event("model.dropped", command.ref.project, command.ref.name, dropped))
        return Result(f"dropped model {command.ref}{users}")

    def _forget(self) -> None:
        with self._lock:
            self._generation += 1
            self._resolved.clear()
            self._predictors.clear()
            self._linear.clear()

    def _publish_move(self, move: AliasMove) -> None:
        data = {"alias": move.alias, "from_version": move.from_version, "to_version": move.to_version}
        self._bus.publish(Event("model.alias_moved", move.model.project, move.model.name, data))


def _checked_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Invalid(f"metric {name!r} is {value!r}; a number is needed")
    return {name: float(value) for name, value in metrics.items()}


def _require_vector(cursor: DuckDBPyConnection, ref: Ref) -> None:
    known = feature_vectors.names(cursor, ref.project)
    if ref.name.lower() not in (name.lower() for name in known):
        hint = did_you_mean(ref.name, known, kind="feature vector")
        details = {"kind": "feature vector", "name": ref.name}
        raise NotFound(f"there is no feature vector {ref.at(None)}", hint=hint, details=details)


def _relative(ref: Ref, project: str) -> str:
    return ref.name if ref.project == project else f"{ref.project}.{ref.name}"
