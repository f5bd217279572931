"""Deployments: their commands, and what this home gives to replicas and takes from them."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from mlbox import __version__
from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Conflict, Invalid, MlboxError, NotFound, Unavailable
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import deployments, endpoints
from mlbox.engine.catalog.tables.deployments import DeploymentRow
from mlbox.engine.features.stores.online.redis import shown
from mlbox.engine.runs.engines import Engines
from mlbox.engine.security.secrets import Secrets
from mlbox.serve.deploy.commands import DeployEndpoint, UndeployEndpoint
from mlbox.serve.deploy.home_side import HomeSide
from mlbox.serve.deploy.manifests import Described, as_yaml
from mlbox.serve.deploy.on_docker import DockerTarget
from mlbox.serve.deploy.on_kubernetes import KubernetesTarget
from mlbox.serve.deploy.options import DeployOptions
from mlbox.serve.deploy.packing import bundle_of, elsewhere
from mlbox.serve.runtimes.base import ending_seconds, runtime_of

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.deploy.base import Target
    from mlbox.serve.deploy.bundle import Bundle
    from mlbox.serve.shop import Shop

_log = logging.getLogger("mlbox.serve")
TARGETS = ("docker", "kubernetes")
_LATER = "<made by DEPLOY>"
FORCE_SECONDS = 5.0
"""Within which an engine must answer, else UNDEPLOY .. FORCE does without it."""


class Doors(Protocol):
    """Who knows where replicas reach this home."""

    def remote_url(self, host: str) -> str:
        """Its address for those who reach this machine at ``host``."""
        ...

    def reopen(self) -> None:
        """Listen again at the addresses that were told before a restart."""
        ...


class Deployments:
    """Answers DEPLOY and UNDEPLOY ENDPOINT; ``replicas`` is what replicas call."""

    def __init__(self, *, catalog: Catalog, shop: Shop, settings: Settings, bus: Bus, doors: Doors) -> None:
        self.replicas = HomeSide(catalog, shop, settings)
        self._catalog = catalog
        self._shop = shop
        self._settings = settings
        self._bus = bus
        self._doors = doors
        self._secrets = Secrets(catalog)
        self._busy: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()
        self._engines = Engines(catalog.home, settings)
        self._home = hashlib.sha256(str(catalog.home.path).encode()).hexdigest()[:16]
        self._targets: Mapping[str, Target] = {
            "docker": DockerTarget(settings),
            "kubernetes": KubernetesTarget(settings),
        }

    def handlers(self) -> Iterable[Handler]:
        """Two."""
        return (
            Handler(DeployEndpoint, self.plan_deploy, self.deploy),
            Handler(UndeployEndpoint, self.plan_undeploy, self.undeploy),
        )

    def start(self) -> None:
        """Answer replicas that were deployed before a restart."""
        with self._catalog.read() as cursor:
            any_there = bool(deployments.load(cursor))
        if any_there:
            self._doors.reopen()
            threading.Thread(target=self.replicas.warm, name="replicas", daemon=True).start()

    def plan_deploy(self, command: DeployEndpoint, caller: Caller) -> Plan:
        """All that replicas could not reach is refused here."""
        target = self._target(command.engine)
        options = DeployOptions.read(command.options, target.name)
        image = options.image or self._settings.serving_image
        if not image:
            raise Invalid(
                "no image is named that replicas can be made of",
                hint="WITH (image = '..'), or the setting serving_image: an image with mlbox on its PATH",
            )
        options = replace(options, image=image)
        row = self._endpoint(command)
        by = options.features or ("store" if elsewhere(self._settings.online_store) else "home")
        if by == "store" and not self._settings.online_store:
            raise Invalid("features = 'store': this home has no online store of its own", hint="features = 'home'")
        bundle = bundle_of(row, self._shop, __version__, by)
        known = self._known(row, target.name)
        if options.dry_run:
            place = options.namespace or "default"
        else:
            place = target.place(options)
        what = Described(
            name=_object_name(self._home, row),
            namespace=place,
            home=self._home,
            deployment=known.id if known else new_id(),
            endpoint=f"{row.project}.{row.name}",
            version=bundle.version,
            url=self._settings.run_url or _LATER,
            token=_LATER,
            callers=_LATER,
            options=options,
            request_seconds=ending_seconds(row),
        )
        many = counted(options.replicas, "replica")
        if options.most > options.replicas:
            many = f"{options.replicas} to {options.most} replicas"
        action = "replace" if known else "create"
        detail = f"{many} of {image} as {what.name} in {place}, version {what.version}"
        steps = [*_read_steps(bundle, self._shop, self._settings)]
        warnings = [] if options.dry_run else target.warnings(what)
        detail = "; ".join([detail, *warnings])
        steps.append(Step(action, f"{what.endpoint} on {target.name}", detail))
        made = [Step("write", _label(entry), as_yaml([entry])) for entry in target.objects(what)]
        found = {"target": target, "what": what, "bundle": bundle, "known": known, "warnings": warnings}
        return Plan((*steps, *made), found)

    def deploy(self, command: DeployEndpoint, plan: Plan, caller: Caller) -> Result:
        """Keep what replicas ask for, bring them up beside those that are there, and wait until they answer."""
        target, what, bundle = plan.resolved["target"], plan.resolved["what"], plan.resolved["bundle"]
        known: DeploymentRow | None = plan.resolved["known"]
        if what.options.dry_run:
            shown = replace(what, deployment=known.id if known else _LATER)
            text = as_yaml(target.objects(shown))
            return Result(text.rstrip("\n"), facts={"manifests": text})
        callers = self._secrets.digest(f"callers of {what.deployment}")
        bundle.callers = hashlib.sha256(callers.encode()).hexdigest()
        what = replace(what, url=self._url(target), token=self.replicas.token(what.deployment), callers=callers)
        row = DeploymentRow(
            project=bundle.project,
            endpoint=bundle.endpoint.name,
            engine=target.name,
            id=what.deployment,
            name=what.name,
            place=what.namespace,
            image=what.options.image,
            replicas=what.options.replicas,
            max_replicas=what.options.most,
            address=known.address if known else "",
            state="starting",
            deployed_at=now(),
            deployed_by=caller.user,
            bundle=bundle.encoded(),
            version=what.version,
        )
        with self._alone(row):
            done = self._roll(row, known, target, what)
        return replace(done, message="; ".join([*plan.resolved["warnings"], done.message]))

    def _roll(self, row: DeploymentRow, known: DeploymentRow | None, target: Target, what: Described) -> Result:
        if known is not None and known.place != row.place:
            target.remove(known)
            known = None
        answers = known is not None and known.state == "ready"
        before = (known.bundle if answers else known.previous) if known else None
        self._keep(replace(row, previous=before))
        try:
            rolled = target.roll(what, what.options.wait)
        except MlboxError as error:
            # whatever is on its way may still ask for its bundle
            kept = replace(known, previous=row.bundle) if known and answers else replace(row, state="failed")
            self._keep(replace(kept, problem=error.message))
            raise
        if rolled.problem:
            left = known if known and rolled.restored else replace(row, state="failed")
            self._keep(replace(left, problem=rolled.problem, address=rolled.address))
            self._bus.publish(Event("endpoint.not_deployed", row.project, row.endpoint, {"reason": rolled.problem}))
            said = f"version {what.version} of {what.endpoint} does not answer on {target.name}: {rolled.problem}"
            if rolled.restored:
                old = known.version if known else ""
                mend = rolled.hint or "mend it and DEPLOY again"
                raise Unavailable(said, hint=f"version {old} answers on as before; {mend}")
            mend = rolled.hint or "mend it and say DEPLOY again"
            raise Unavailable(said, hint=f"{mend}; UNDEPLOY ENDPOINT takes away what is there")
        self._keep(replace(row, address=rolled.address, state="ready"))
        self._bus.publish(Event("endpoint.deployed", row.project, row.endpoint, {"engine": row.engine}))
        return Result(
            f"{what.endpoint} answers at {rolled.address}/v2/models/{what.endpoint}/infer to the token {what.callers}",
            facts={"address": rolled.address, "token": what.callers, "name": row.name, "version": what.version},
        )

    @contextmanager
    def _alone(self, row: DeploymentRow) -> Iterator[None]:
        """One change of a deployment at a time."""
        key = (row.project, row.endpoint, row.engine)
        with self._lock:
            if key in self._busy:
                raise Conflict(f"{row.project}.{row.endpoint} is being changed on {row.engine} by another statement")
            self._busy.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(key)

    def plan_undeploy(self, command: UndeployEndpoint, caller: Caller) -> Plan:
        """It must be deployed."""
        if command.engine is not None:
            self._target(command.engine)
        with self._catalog.read() as cursor:
            rows = deployments.of_endpoint(cursor, command.ref.project, command.ref.name)
        rows = [row for row in rows if command.engine in (None, row.engine)]
        if not rows:
            where = f" on {command.engine}" if command.engine else ""
            raise NotFound(f"endpoint {command.ref} is not deployed{where}", hint="SELECT * FROM ml.deployments")
        sure = "; forgotten if that does not answer" if command.force else ""
        steps = [Step("drop", f"{command.ref} on {row.engine}", f"{row.name} in {row.place}{sure}") for row in rows]
        return Plan(tuple(steps), {"rows": rows})

    def undeploy(self, command: UndeployEndpoint, plan: Plan, caller: Caller) -> Result:
        """Replicas hand in what they have recorded before their deployment is forgotten."""
        rows: list[DeploymentRow] = plan.resolved["rows"]
        gone: list[str] = []
        left: list[str] = []
        for row in rows:
            try:
                if command.force:
                    self._target(row.engine).check(FORCE_SECONDS)
                gone += self._remove(row)
            except Conflict:
                raise  # another statement is at it
            except MlboxError as error:
                if not command.force:
                    hint = (
                        f"UNDEPLOY ENDPOINT {command.ref} ON {row.engine.upper()} FORCE forgets it without the engine"
                    )
                    raise type(error)(error.message, hint=f"{error.hint}; {hint}" if error.hint else hint) from None
                self._forget(row)
                left.append(
                    f"{row.name} in {row.place} is forgotten and may still run there ({error.message}); "
                    f"to take it away once that is back: {self._target(row.engine).left(row)}"
                )
        said = ", ".join(gone) or ("" if left else "nothing was there any more")
        return Result(f"undeployed {command.ref}: {'; '.join(each for each in (said, *left) if each)}")

    def forget_project(self, project: str) -> None:
        """The project goes: so do its replicas; an engine that does not answer is told in the log."""
        with self._catalog.read() as cursor:
            rows = deployments.of_project(cursor, project)
        for row in rows:
            try:
                self._remove(row)
            except MlboxError as error:
                _log.warning("%s on %s is still there: %s", row.name, row.engine, error.message)

    def _remove(self, row: DeploymentRow) -> list[str]:
        with self._alone(row):
            gone = self._target(row.engine).remove(row)
        self._forget(row)
        return gone

    def _forget(self, row: DeploymentRow) -> None:
        """Its tokens open nothing any more."""
        self._catalog.write(lambda cursor: deployments.delete(cursor, row.id))
        self._bus.publish(Event("endpoint.undeployed", row.project, row.endpoint, {"engine": row.engine}))

    def _target(self, name: str) -> Target:
        target = self._targets.get(name.lower())
        if target is None:
            raise NotFound(f"nothing can be deployed on {name!r}", hint=did_you_mean(name, TARGETS))
        return target

    def _endpoint(self, command: DeployEndpoint) -> EndpointRow:
        with self._catalog.read() as cursor:
            row = endpoints.get(cursor, command.ref.project, command.ref.name)
            known = endpoints.names(cursor, command.ref.project)
        if row is None:
            hint = did_you_mean(command.ref.name, known, kind="endpoint")
            raise NotFound(f"there is no endpoint {command.ref.at(None)}", hint=hint)
        return row

    def _known(self, row: EndpointRow, engine: str) -> DeploymentRow | None:
        with self._catalog.read() as cursor:
            found = deployments.of_endpoint(cursor, row.project, row.name)
        return next((each for each in found if each.engine == engine), None)

    def _keep(self, row: DeploymentRow) -> None:
        self._catalog.write(lambda cursor: deployments.put(cursor, row))

    def _url(self, target: Target) -> str:
        executor: Any = self._engines.get(target.name)
        return self._doors.remote_url(executor.call_home_host())


def _object_name(home: str, row: EndpointRow) -> str:
    """A DNS label that no other endpoint or home has."""
    name = f"{row.project}.{row.name}".lower()
    plain = re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:40].strip("-")
    return f"mlbox-{plain}-{hashlib.sha256(f'{home} {name}'.encode()).hexdigest()[:8]}"


def _read_steps(bundle: Bundle, shop: Shop, settings: Settings) -> Iterator[Step]:
    """What replicas take with them, and where they get the rest."""
    for model in bundle.models:
        runtime = runtime_of(model)
        how = "" if runtime.capabilities.in_process else f", {runtime.foresee(model, shop)} of each replica"
        yield Step("read", f"model {model}", f"{model.size:,} bytes{how}")
    for each in bundle.functions:
        needs = f", with {', '.join(each.requirements)}" if each.requirements else ""
        secret = f", its secrets {', '.join(names)}" if (names := each.definition.get("secrets")) else ""
        name = f"function {each.project}.{each.name}@{each.version}"
        yield Step("read", name, f"in a process of each replica{needs}{secret}")
    for vector in bundle.vectors:
        where = f"the online store {shown(settings.online_store)}" if vector.by == "store" else "this home, when asked"
        yield Step("read", f"feature vector {vector.project}.{vector.name}", f"from {where}")


def _label(entry: Mapping[str, Any]) -> str:
    if "kind" not in entry:
        return "containers and network"
    return f"{entry['kind']} {entry['metadata']['name']}"
