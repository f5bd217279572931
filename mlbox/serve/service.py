"""Endpoints: their commands, their runtimes, and what makes them change while they answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.defects import defect_of
from mlbox.base.errors import AlreadyExists, Conflict, MlboxError, NotFound
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.base.suggest import no_such
from mlbox.engine.catalog import dependants
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import deployments, endpoints, projects
from mlbox.engine.catalog.tables.endpoints import EndpointRow
from mlbox.engine.runs.functions import Functions
from mlbox.engine.security.secrets import Secrets
from mlbox.serve import definition, lineage
from mlbox.serve.asgi import InferenceApp
from mlbox.serve.assemble import build, foresee, starts_processes
from mlbox.serve.batch import Batch
from mlbox.serve.commands import AlterEndpoint, CreateEndpoint, DropEndpoint
from mlbox.serve.directory import Directory, Slot
from mlbox.serve.python.launch import Places
from mlbox.serve.python.leases import Pools
from mlbox.serve.record import Recorder, Statistics
from mlbox.serve.renaming import EndpointRenames
from mlbox.serve.shop import FeatureReaders, Shop
from mlbox.serve.switching import Switching, former, means, told
from mlbox.serve.workers.spread import Spread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.models.service import Models
    from mlbox.serve.endpoint import Runtime
    from mlbox.serve.python.launch import Launch


class Endpoints:
    """Creates, changes and drops endpoints; ``asgi`` answers ``/v2…`` for them.

    An endpoint that names an alias follows it: when the alias has moved, a new runtime is built and warmed beside
    the old one and takes its place in one step, before the statement that moved the alias returns.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        models: Models,
        features: FeatureReaders | None,
        bus: Bus,
        settings: Settings,
        version: str = "0",
    ) -> None:
        self._catalog = catalog
        self._models = models
        self._bus = bus
        secrets = Secrets(catalog)
        self.pools = Pools(Places(catalog.home, settings), self._tell_process)
        self.shop = Shop(
            catalog=catalog,
            models=models,
            features=features,
            functions=Functions(catalog, models.artifacts, secrets),
            secrets=secrets,
            pools=self.pools,
            statistic=getattr(features, "statistic", None),
        )
        self.directory = Directory()
        self.spread = Spread(lambda row, error: self._tell("failed", row, {"error": error}))
        self._switching = Switching(catalog, lambda row: build(row, self.shop), self.spread)
        self.batch = Batch(self._runtime)
        self.recorder = Recorder(catalog, settings.log_flush_ms / 1000, settings.log_buffer_rows, self._tell_dropped)
        limit = settings.max_request_mb << 20
        self.asgi = InferenceApp(self.directory, self.recorder, self.ensure, limit, version, settings.body_seconds)
        self.renames = EndpointRenames(
            catalog, bus, self.directory, self.flush, self.spread, lambda row: build(row, self.shop)
        )
        bus.listen(self._on_event)

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers."""
        return (
            Handler(CreateEndpoint, self.plan_create, self.create),
            Handler(AlterEndpoint, self.plan_alter, self.alter),
            Handler(DropEndpoint, self.plan_drop, self.drop),
        )

    def start(self) -> None:
        """Load the endpoints of the catalog; each is built at its first request."""
        self.renames.complete()
        with self._catalog.read() as cursor:
            rows = endpoints.load(cursor)
        for row in rows:
            self.directory.put(Slot(row))
        self.recorder.start()
        self.asgi.starting = True
        threading.Thread(target=self._begin_processes, name="endpoints", daemon=True).start()

    def _begin_processes(self) -> None:
        """Endpoints whose code takes its time to load do not wait for the first request."""
        try:
            for slot in self.directory.slots():
                try:
                    if slot.row.state == "ready" and starts_processes(slot.row, self.shop):
                        self.ensure(slot)
                except MlboxError as error:
                    self._tell("failed", slot.row, {"error": error.message})
        finally:
            self.asgi.starting = False

    def stop(self) -> None:
        """Finish what runs in threads, end the processes, and write the rest of the prediction log."""
        self.asgi.close()
        self.pools.close()
        self.batch.close()
        self.recorder.stop()

    def flush(self) -> None:
        """Write the predictions that were made before this call."""
        self.spread.flush()
        self.recorder.flush()

    def adopt_project(self, project: str) -> None:
        """A project has come with all its rows: answer for its endpoints."""
        with self._catalog.read() as cursor:
            rows = [row for row in endpoints.load(cursor) if row.project == project]
        for row in rows:
            self.directory.put(Slot(row))
            self.spread.offer(row)

    def forget_project(self, project: str) -> None:
        """A project is dropped: its endpoints answer no more, and nothing of them waits to be written."""
        self.directory.remove_project(project)
        self.spread.withdraw_project(project)
        self.flush()

    @property
    def statistics(self) -> Statistics:
        """What the prediction log has written and dropped since the start."""
        return self.recorder.statistics

    def serves(self, name: str) -> bool:
        """Whether there is an endpoint ``project.endpoint``."""
        project, _, endpoint = name.partition(".")
        return self.directory.get(project, endpoint) is not None

    def _runtime(self, ref: Ref) -> Runtime:
        """What answers at an endpoint now, whether or not the server has started it; ``NotFound``."""
        slot = self.directory.get(ref.project, ref.name)
        if slot is None:
            slot = Slot(self._require(ref))
            self.directory.put(slot)
        return self.ensure(slot)

    def ensure(self, slot: Slot) -> Runtime:
        """The runtime of a slot, built when there is none yet."""
        with slot.lock:
            if slot.runtime is None:
                slot.runtime = build(slot.row, self.shop)
            return slot.runtime

    def plan_create(self, command: CreateEndpoint, caller: Caller) -> Plan:
        """Build the runtime: what would fail at the first request fails here."""
        definition.check(command)
        ref = command.ref
        with self._catalog.read() as cursor:
            projects.require(cursor, ref.project)
            existing = endpoints.get(cursor, ref.project, ref.name)
        keeps = kept("endpoint", command, existing, "replaces it, ALTER ENDPOINT … USING MODEL changes its model")
        if keeps is not None:
            return keeps
        self._check_path(command)
        row = definition.row_of(command, self.shop, existing, caller)
        return self._planned("replace" if existing else "create", ref, row)

    def _check_path(self, command: CreateEndpoint) -> None:
        taken = self.directory.at_path(command.url_path) if command.url_path else None
        if taken is not None and taken.name.lower() != str(command.ref).lower():
            raise AlreadyExists(f"PATH '{command.url_path}' is that of endpoint {taken.name}", hint="choose another")

    def _planned(self, action: str, ref: Ref, row: EndpointRow) -> Plan:
        """What is computed here is built, so that what would fail at the first request fails now; user code is only
        looked for: its process starts when the plan is carried out, before anything is written."""
        if not starts_processes(row, self.shop):
            runtime = build(row, self.shop)
            return Plan((Step(action, str(ref), _describe(runtime)),), {"row": row, "runtime": runtime})
        steps = [Step("read", *what) for what in foresee(row, self.shop)]
        return Plan((*steps, Step(action, str(ref))), {"row": row})

    def create(self, command: CreateEndpoint, plan: Plan, caller: Caller) -> Result:
        """Make it answer."""
        row: EndpointRow = plan.resolved["row"]
        built = plan.resolved.get("runtime") or build(row, self.shop)

        def write(cursor: DuckDBPyConnection) -> None:
            existing = endpoints.get(cursor, row.project, row.name)
            if existing is not None and not command.replace:
                raise AlreadyExists(f"endpoint {command.ref} exists already")
            if existing is not None:
                endpoints.replace(cursor, existing.id, row)
            else:
                endpoints.insert(cursor, row)
            lineage.record(cursor, built)

        self._catalog.write(write)
        runtime, compared = self._install(row)
        self._tell("created", row, {"version": runtime.version, **compared})
        facts = {"url": f"/v2/models/{row.project}.{row.name}/infer", "version": runtime.version, **compared}
        message = f"endpoint {row.project}.{row.name} answers: {_describe(runtime)}{told(compared)}"
        return Result(message + self.spread.short(row), facts=facts)

    def _install(self, row: EndpointRow) -> tuple[Runtime, dict[str, Any]]:
        """Build what the row says now and put it in place of what answers; requests under way finish on theirs.

        With it what has become of recent requests.
        """
        slot = self.directory.get(row.project, row.name)
        if slot is None:
            slot = Slot(row)
            runtime = self.ensure(slot)
            self.directory.put(slot)
            return runtime, self.spread.offer(row)
        runtime, compared = self._switching.switch(slot, row, slot.row, self._switching.recalled(slot))
        self.directory.put(slot)
        return runtime, compared

    def plan_alter(self, command: AlterEndpoint, caller: Caller) -> Plan:
        """Build what would answer."""
        row = self._require(command.ref)
        if command.state is not None:
            return Plan((Step("replace", str(command.ref), command.state),), {"row": row})
        return self._planned("replace", command.ref, definition.altered(row, command, self.shop))

    def alter(self, command: AlterEndpoint, plan: Plan, caller: Caller) -> Result:
        """Switch in one step; no request fails on it."""
        planned: EndpointRow = plan.resolved["row"]
        built: Runtime | None = plan.resolved.get("runtime")
        if command.state is None and built is None:
            built = build(planned, self.shop)

        def write(cursor: DuckDBPyConnection) -> EndpointRow:
            current = endpoints.get(cursor, planned.project, planned.name)
            if current is None:
                raise NotFound(f"endpoint {command.ref} was dropped meanwhile")
            changed = replace(current, id=new_id(), changed_at=now())
            if command.state is not None:
                changed = replace(changed, state="suspended" if command.state == "suspend" else "ready")
            else:
                answers = ("shares", "serving", "ensemble", "function", "graph", "meta")
                changed = replace(changed, **{name: getattr(planned, name) for name in answers})
                assert built is not None
                lineage.record(cursor, built)
            endpoints.replace(cursor, current.id, changed)
            return changed

        row = self._catalog.write(write)
        name = f"{row.project}.{row.name}"
        if command.state is not None:
            slot = self.directory.get(row.project, row.name)
            if slot is not None:
                with slot.lock:
                    slot.take(row)
                    self.spread.offer(row)
            self._tell("changed", row, {"state": row.state})
            return Result(f"endpoint {name} is {row.state}")
        runtime, compared = self._install(row)
        facts = {"version": runtime.version, **compared}
        self._tell("changed", row, facts)
        return Result(f"endpoint {name} answers: {_describe(runtime)}{told(compared)}", facts=facts)

    def plan_drop(self, command: DropEndpoint, caller: Caller) -> Plan:
        """Check that it exists; refused while a monitor watches it, unless CASCADE."""
        try:
            row = self._require(command.ref)
        except NotFound:
            if not command.if_exists:
                raise
            return missing(f"endpoint {command.ref}")
        with self._catalog.read() as cursor:
            watched = dependants.watching(cursor, [row])
            deployed = deployments.of_endpoint(cursor, row.project, row.name)
        if deployed:
            where = " and ".join(each.engine for each in deployed)
            raise Conflict(
                f"endpoint {command.ref} is deployed on {where}", hint=f"UNDEPLOY ENDPOINT {command.ref} first"
            )
        if not command.cascade:
            watched.refuse(f"endpoint {command.ref}")
        return Plan((Step("drop", str(command.ref), "its prediction log stays"), *watched.steps()))

    def drop(self, command: DropEndpoint, plan: Plan, caller: Caller) -> Result:
        """Stop answering; the prediction log stays. With CASCADE the monitors that watch it and their alerts go."""

        def write(cursor: DuckDBPyConnection) -> dependants.Dependants:
            row = endpoints.get(cursor, command.ref.project, command.ref.name)
            watched = dependants.watching(cursor, [row] if row else [])
            if not command.cascade:
                watched.refuse(f"endpoint {command.ref}")
            gone = replace(watched, endpoints=(row,) if row else ())
            gone.delete(cursor, caller.user)
            return gone

        gone = self._catalog.write(write)
        for event in gone.events():
            self._bus.publish(event)
        return Result(f"dropped endpoint {command.ref}{replace(gone, endpoints=())}")

    def _require(self, ref: Ref) -> EndpointRow:
        with self._catalog.read() as cursor:
            projects.require(cursor, ref.project)
            row = endpoints.get(cursor, ref.project, ref.name)
            if row is None:
                raise no_such("endpoint", ref.at(None), endpoints.names(cursor, ref.project))
        return row

    def _on_event(self, event: Event) -> None:
        if event.kind == "model.alias_moved":
            self._follow(event, lambda row: _names_alias(row, event.project, event.object, str(event.data["alias"])))
        elif event.kind == "model.registered":
            self._follow(event, lambda row: _names_alias(row, event.project, event.object, "latest"))
        elif event.kind in ("feature_vector.created", "feature_set.created"):
            self._follow(None, lambda row: row.vector is not None)
        elif event.kind == "endpoint.dropped":
            self.directory.remove(event.project, event.object)
            self.spread.withdraw(event.project, event.object)
        elif event.kind == "endpoint.restored":
            with self._catalog.read() as cursor:
                row = endpoints.get(cursor, event.project, event.object)
            if row is not None:
                self.directory.put(Slot(row))
                self.spread.offer(row)

    def _follow(self, moved: Event | None, concerned: Callable[[EndpointRow], bool]) -> None:
        """Rebuild the endpoints that something has changed under; what cannot be rebuilt goes on as it was, and what
        nobody has asked yet is built when somebody does."""
        for slot in self.directory.slots():
            if not concerned(slot.row):
                continue
            try:
                self._follow_one(slot, moved)
            except MlboxError as error:
                self._tell("failed", slot.row, {"error": error.message})
            except Exception as error:  # whatever it is, the other endpoints follow
                told = defect_of(error, f"following a change with endpoint {slot.name}").public
                self._tell("failed", slot.row, {"error": f"{told.message}: {told.hint}"})

    def _follow_one(self, slot: Slot, moved: Event | None) -> None:
        before = former(slot.row, moved) if moved is not None else None
        comparable = slot.runtime is not None or before is not None
        older = self._switching.recalled(slot) if comparable else []
        if slot.runtime is None and not older and not self.spread.serves(slot.row):
            return
        runtime, compared = self._switching.switch(slot, None, before, older)
        if self.directory.get(slot.row.project, slot.row.name) is None:  # it was dropped meanwhile
            self.spread.withdraw(slot.row.project, slot.row.name)
            return
        self._catalog.submit(partial(lineage.record, runtime=runtime))
        self._tell("switched", slot.row, {"version": runtime.version, **compared})

    def _tell(self, what: str, row: EndpointRow, facts: dict[str, Any]) -> None:
        self._bus.publish(Event(f"endpoint.{what}", row.project, row.name, facts))

    def _tell_process(self, kind: str, launch: Launch, details: Mapping[str, Any]) -> None:
        self._bus.publish(Event(kind, launch.project, launch.name, dict(details)))

    def _tell_dropped(self, project: str, endpoint: str, reason: str) -> None:
        self._bus.publish(Event("endpoint.dropping", project, endpoint, {"reason": reason}))


def _names_alias(row: EndpointRow, project: str, model: str, alias: str) -> bool:
    return any(means(share, project, model, alias) for share in row.models)


def _describe(runtime: Runtime) -> str:
    if runtime.row.graph is not None:
        return "a graph"
    serving = " + ".join(arm.label for arm in runtime.arms)
    needs = ", ".join(need.name for need in runtime.needs if need.required)
    vector = runtime.row.vector
    enriched = f", enriched from {vector[0]}.{vector[1]}" if vector else ""
    return f"{serving}{f', needs {needs}' if needs else ''}{enriched}"
