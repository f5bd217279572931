"""Deployments: their commands, and what this home gives to replicas and takes from them."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from mlbox import __version__
from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Invalid, MlboxError, NotFound, Unauthorized, Unavailable
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import deployments, endpoints, predictions
from mlbox.engine.catalog.tables.deployments import DeploymentRow, Taken
from mlbox.engine.runs.engines import Engines
from mlbox.engine.security.secrets import Secrets
from mlbox.serve.deploy.bundle import bundle_of, decoded
from mlbox.serve.deploy.commands import DeployEndpoint, UndeployEndpoint
from mlbox.serve.deploy.delivery import checked
from mlbox.serve.deploy.manifests import Described, as_yaml
from mlbox.serve.deploy.on_docker import DockerTarget
from mlbox.serve.deploy.on_kubernetes import KubernetesTarget
from mlbox.serve.deploy.options import DeployOptions

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.deploy.base import Target
    from mlbox.serve.shop import Shop

_log = logging.getLogger("mlbox.serve")
TARGETS = ("docker", "kubernetes")
_LATER = "<made by DEPLOY>"


class Doors(Protocol):
    """Who knows where replicas reach this home."""

    def remote_url(self, host: str) -> str:
        """Its address for those who reach this machine at ``host``."""
        ...

    def reopen(self) -> None:
        """Listen again at the addresses that were told before a restart."""
        ...


class Deployments:
    """Answers DEPLOY and UNDEPLOY ENDPOINT; ``bundle``, ``blob`` and ``take`` are what replicas call."""

    def __init__(self, *, catalog: Catalog, shop: Shop, settings: Settings, bus: Bus, doors: Doors) -> None:
        self._catalog = catalog
        self._shop = shop
        self._settings = settings
        self._bus = bus
        self._doors = doors
        self._secrets = Secrets(catalog)
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
            any_there = deployments.count(cursor) > 0
        if any_there:
            self._doors.reopen()

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
        bundle = bundle_of(row, self._shop, __version__)
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
            version="",
            url="",
            token=_LATER,
            callers=_LATER,
            options=options,
        )
        what = replace(what, version=bundle.version)
        action = "replace" if known else "create"
        steps = [Step("read", f"model {model}", f"{model.size:,} bytes") for model in bundle.models]
        steps += [Step("read", f"function {each.project}.{each.name}@{each.version}") for each in bundle.functions]
        many = counted(options.replicas, "replica")
        if options.most > options.replicas:
            many = f"{options.replicas} to {options.most} replicas"
        steps.append(Step(action, f"{what.endpoint} on {target.name}", f"{many} of {image} as {what.name} in {place}"))
        return Plan(tuple(steps), {"target": target, "what": what, "bundle": bundle, "known": known, "row": row})

    def deploy(self, command: DeployEndpoint, plan: Plan, caller: Caller) -> Result:
        """Keep what replicas ask for, start them, and wait until they answer."""
        target, what, bundle = plan.resolved["target"], plan.resolved["what"], plan.resolved["bundle"]
        known: DeploymentRow | None = plan.resolved["known"]
        if what.options.dry_run:
            shown = replace(what, url=self._settings.run_url or _LATER, deployment=known.id if known else _LATER)
            text = as_yaml(target.objects(shown))
            return Result(text.rstrip("\n"), facts={"manifests": text})
        callers = self._secrets.digest(f"callers of {what.deployment}")
        bundle.callers = hashlib.sha256(callers.encode()).hexdigest()
        what = replace(what, url=self._url(target), token=self.token(what.deployment), callers=callers)
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
            bundle=bundle.encoded(),
            deployed_at=now(),
            deployed_by=caller.user,
        )
        if known is not None and known.place != row.place:
            target.remove(known)
        self._keep(row)
        try:
            row = replace(row, address=target.apply(what))
            self._keep(row)
            problem = target.ready(what, what.options.wait)
        except MlboxError:
            self._keep(replace(row, state="failed"))
            raise
        self._keep(replace(row, state="failed" if problem else "ready"))
        self._bus.publish(Event("endpoint.deployed", row.project, row.endpoint, {"engine": row.engine}))
        if problem:
            raise Unavailable(
                f"{what.endpoint} is deployed on {target.name}, but does not answer: {problem}",
                hint="mend it and say DEPLOY again, or UNDEPLOY ENDPOINT takes it away",
            )
        return Result(
            f"{what.endpoint} answers at {row.address}/v2/models/{what.endpoint}/infer to the token {callers}",
            facts={"address": row.address, "token": callers, "name": row.name},
        )

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
        steps = [Step("drop", f"{command.ref} on {row.engine}", f"{row.name} in {row.place}") for row in rows]
        return Plan(tuple(steps), {"rows": rows})

    def undeploy(self, command: UndeployEndpoint, plan: Plan, caller: Caller) -> Result:
        """Replicas hand in what they have recorded before their deployment is forgotten."""
        rows: list[DeploymentRow] = plan.resolved["rows"]
        gone = [thing for row in rows for thing in self._remove(row)]
        return Result(f"undeployed {command.ref}: {', '.join(gone) or 'nothing was there any more'}")

    def forget_project(self, project: str) -> None:
        """The project goes: so do its replicas; an engine that does not answer is told in the log."""
        with self._catalog.read() as cursor:
            rows = deployments.of_project(cursor, project)
        for row in rows:
            try:
                self._remove(row)
            except MlboxError as error:
                _log.warning("%s on %s is still there: %s", row.name, row.engine, error.message)

    def token(self, deployment: str) -> str:
        """What opens the doors of replicas, of one deployment and nothing else."""
        return self._secrets.digest(f"replicas of {deployment}")

    def require(self, deployment: str, token: str) -> DeploymentRow:
        """The deployment that a replica says it is of; raises ``Unauthorized``."""
        with self._catalog.read() as cursor:
            row = deployments.get(cursor, deployment)
        if row is None or not hmac.compare_digest(self.token(deployment).encode(), token.encode()):
            raise Unauthorized("this token opens no deployment", hint="was it undeployed?")
        return row

    def blob(self, row: DeploymentRow, digest: str) -> BinaryIO:
        """Bytes that its bundle names."""
        if digest not in decoded(row.bundle).digests:
            raise NotFound(f"the bundle of {row.project}.{row.endpoint} has no {digest}")
        return self._shop.models.artifacts.open(digest)

    def take(self, row: DeploymentRow, replica: str, number: int, body: bytes) -> bool:
        """Write predictions of a replica; whether they were new. ``Invalid`` for what its endpoint cannot have made."""
        delivery = checked(body, row.project, row.endpoint)

        def write(cursor: DuckDBPyConnection) -> bool:
            if not deployments.is_new(cursor, row.id, replica, number):
                return False
            for batch in delivery.batches:
                predictions.append(cursor, batch)
            predictions.count(cursor, delivery.counts)
            deployments.note(cursor, Taken(row.project, row.id, replica, number, delivery.rows, now()))
            return True

        return bool(self._catalog.write_data(write))

    def _remove(self, row: DeploymentRow) -> list[str]:
        gone = self._target(row.engine).remove(row)
        self._catalog.write(lambda cursor: deployments.delete(cursor, row.id))
        self._bus.publish(Event("endpoint.undeployed", row.project, row.endpoint, {"engine": row.engine}))
        return gone

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
