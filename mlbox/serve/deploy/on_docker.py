"""Replicas on a Docker engine: containers in a network of their own, and one before them that holds the port."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid
from mlbox.engine.runs.executors.docker_engine import Engine, is_missing, told
from mlbox.serve.deploy.base import Rolled
from mlbox.serve.deploy.ending import grace_seconds
from mlbox.serve.deploy.manifests import PORT, Described, front_command, replica_command, variables
from mlbox.serve.runtimes.base import DEFAULT_SECONDS

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.tables.deployments import DeploymentRow
    from mlbox.serve.deploy.options import DeployOptions

ALIAS = "replicas"
"""What resolves to all containers in their network."""

_CHECK = f"mlbox replica --check http://127.0.0.1:{PORT}/v2/health/ready"
_CHECK_SECONDS = 30
"""For a process beside the replica, out of the same share of the processor."""

_SECOND = 1_000_000_000  # Docker's unit is a nanosecond
_FRONT_BYTES = 256 << 20
_NOTICED_SECONDS = 1.0
"""In which the one before them has seen who is ready."""


class DockerTarget:
    """See ``Target``."""

    name = "docker"

    def __init__(self, settings: Settings) -> None:
        self._engine = Engine(settings.docker_host)

    def place(self, options: DeployOptions) -> str:
        """The engine's address."""
        with told("asking whether it is there", self._engine):
            self._engine.client().ping()
        return self._engine.address

    def objects(self, what: Described) -> list[dict[str, Any]]:
        """The containers, in the words of a compose file."""
        replica = {
            "image": what.options.image,
            "entrypoint": replica_command(),
            "environment": _environment(what),
            "networks": {"default": {"aliases": [ALIAS]}},
            "deploy": {"replicas": what.options.replicas},
            "cpus": what.options.cpu,
            "mem_limit": what.options.memory_bytes,
            "restart": "unless-stopped",
            "stop_grace_period": f"{what.grace}s",
            "healthcheck": {"test": ["CMD-SHELL", _CHECK], "interval": "10s", "timeout": f"{_CHECK_SECONDS}s"},
        }
        front = {
            "container_name": what.name,
            "image": what.options.image,
            "entrypoint": front_command(ALIAS),
            "ports": [f"127.0.0.1:{what.options.port or ''}:{PORT}"],
            "mem_limit": _FRONT_BYTES,
            "restart": "unless-stopped",
        }
        return [{"name": what.name, "services": {"front": front, "replica": replica}}]

    def roll(self, what: Described, seconds: float) -> Rolled:
        """New containers beside the old ones; when all of them are healthy the old ones are told to end, and answer
        on until nobody sends to them any more."""
        with told(f"starting {what.name}", self._engine):
            self._bring(what.options.image)
            old = self._replicas(what.name)
            same = [each for each in old if each.status == "running" and _wish(each) == _wished(what)]
            if len(same) == len(old) == what.options.replicas:
                front = self._front(what)
                return Rolled(self._address(front), self._wait(what, old, seconds))
            self._network(what)
            new: list[Any] = []
            try:
                front = self._front(what)
                for _ in range(what.options.replicas):
                    new.append(self._run(what))
                problem = self._wait(what, new, seconds)
            except BaseException:
                self._end(self._others(what.name, old))
                self._tidy(what.name)
                raise
            if problem:
                self._end(new)
                self._tidy(what.name)
                return Rolled(self._address(front) if old else "", problem, restored=bool(old))
            time.sleep(_NOTICED_SECONDS if old else 0)
            self._end(old)
            return Rolled(self._address(front))

    def warnings(self, what: Described) -> list[str]:
        """None."""
        return []

    def check(self, seconds: float) -> None:
        """By a connection of its own, which waits no longer."""
        with told("asking whether it is there", self._engine):
            self._engine.ping(seconds)

    def left(self, row: DeploymentRow) -> str:
        """By the label that all of its containers have."""
        return f"docker rm -f $(docker ps -aq --filter label=mlbox.deployment={row.name}); docker network rm {row.name}"

    def remove(self, row: DeploymentRow) -> list[str]:
        """Stopped as SIGTERM does it, so that they hand in what they have recorded."""
        with told(f"removing {row.name}", self._engine):
            found = self._containers(row.name)
            self._end(found)
            self._tidy(row.name)
            return [f"container {each.name}" for each in found]

    def _run(self, what: Described) -> Any:
        client = self._engine.client()
        made = client.api.create_container(  # the comfortable way takes no stop_timeout
            what.options.image,
            entrypoint=replica_command()[:1],
            command=replica_command()[1:],
            name=f"{what.name}-{secrets.token_hex(3)}",
            environment=_environment(what),
            labels=_labels(what, "replica"),
            stop_signal="SIGTERM",
            stop_timeout=what.grace,
            host_config=client.api.create_host_config(
                nano_cpus=int(what.options.cpu * _SECOND),
                mem_limit=what.options.memory_bytes,
                restart_policy={"Name": "unless-stopped"},
                network_mode=what.name,
            ),
            networking_config={"EndpointsConfig": self._in_network(what.name, [ALIAS])["networking_config"]},
            healthcheck={
                "test": ["CMD-SHELL", _CHECK],
                "interval": 10 * _SECOND,
                "timeout": _CHECK_SECONDS * _SECOND,
                "start_period": 300 * _SECOND,
                "start_interval": _SECOND,
            },
        )
        container = client.containers.get(made["Id"])
        try:
            container.start()
        except BaseException:
            container.remove(force=True)
            raise
        return container

    def _front(self, what: Described) -> Any:
        """The container that holds the port; it stays while versions come and go, and goes only for another port."""
        client, port = self._engine.client(), what.options.port
        known: Any = None
        with _missing_is_fine():
            known = client.containers.get(what.name)
        if known is not None:
            fits = known.labels.get("mlbox.part") == "front" and (not port or port == _port(known))
            if fits and known.status == "running":
                return known
            port = port or _port(known)
            self._end([known])
        front = client.containers.create(
            what.options.image,
            entrypoint=front_command(ALIAS)[:1],
            command=front_command(ALIAS)[1:],
            name=what.name,
            ports={f"{PORT}/tcp": ("127.0.0.1", port or None)},
            mem_limit=_FRONT_BYTES,
            labels=_labels(what, "front"),
            restart_policy={"Name": "unless-stopped"},
            stop_signal="SIGTERM",
            healthcheck={"test": ["NONE"]},
            **self._in_network(what.name, []),
        )
        try:
            front.start()
        except BaseException:
            front.remove(force=True)
            raise
        front.reload()
        return front

    def _in_network(self, name: str, aliases: list[str]) -> dict[str, Any]:
        settings = self._engine.client().api.create_endpoint_config(aliases=aliases)
        return {"network": name, "networking_config": {name: settings}}

    def _network(self, what: Described) -> None:
        networks = self._engine.client().networks
        if not networks.list(names=[what.name]):
            networks.create(what.name, driver="bridge", check_duplicate=True, labels=_labels(what, "network"))

    def _bring(self, image: str) -> None:
        """Pull it when it is not there; what runs is not touched before."""
        images = self._engine.client().images
        try:
            images.get(image)
        except Exception as error:
            if not is_missing(error):
                raise
            try:
                images.pull(image)
            except Exception as refused:
                reason = getattr(refused, "explanation", None) or refused
                raise Invalid(
                    f"image {image!r} is not on the engine and cannot be pulled: {reason}",
                    hint="an image with mlbox on its PATH is needed: WITH (image = '..'), or the setting serving_image",
                ) from None

    def _wait(self, what: Described, containers: Sequence[Any], seconds: float) -> str:
        """Until all are healthy; why one is not, or nothing."""
        give_up = time.monotonic() + seconds
        left = list(containers)
        while left:
            for container in list(left):
                container.reload()
                state = container.attrs["State"]
                if state.get("Health", {}).get("Status") == "healthy":
                    left.remove(container)
                elif container.attrs.get("RestartCount") or not state.get("Running"):
                    return f"its container ended{_how(state)}: {_last(container)}"
                elif time.monotonic() > give_up:
                    return f"it is not healthy after {seconds:g} s: {_last(container)}"
            time.sleep(0.2)
        return ""

    def _containers(self, name: str) -> list[Any]:
        """All of a deployment, replicas first."""
        found = self._engine.client().containers.list(all=True, filters={"label": f"mlbox.deployment={name}"})
        found.sort(key=lambda each: each.labels.get("mlbox.part") == "front")
        if all(each.name != name for each in found):
            with _missing_is_fine():  # of a version that had one container alone
                found.append(self._engine.client().containers.get(name))
        return list(found)

    def _replicas(self, name: str) -> list[Any]:
        return [each for each in self._containers(name) if each.labels.get("mlbox.part") == "replica"]

    def _others(self, name: str, old: Sequence[Any]) -> list[Any]:
        known = {each.id for each in old}
        return [each for each in self._replicas(name) if each.id not in known]

    def _end(self, containers: Sequence[Any]) -> None:
        """All at once: each takes its time to hand in what it has recorded."""

        def end(container: Any) -> None:
            with _missing_is_fine():
                container.stop(timeout=_stop_timeout(container))
                container.remove(v=True, force=True)

        replicas = [each for each in containers if each.labels.get("mlbox.part") != "front"]
        if replicas:
            with ThreadPoolExecutor(len(replicas)) as threads:
                list(threads.map(end, replicas))
        for container in containers:
            if container not in replicas:
                end(container)

    def _tidy(self, name: str) -> None:
        """Where there is no replica, nothing stays."""
        if self._replicas(name):
            return
        self._end(self._containers(name))
        for network in self._engine.client().networks.list(names=[name]):
            with _missing_is_fine():
                network.remove()

    def _address(self, front: Any) -> str:
        host = urlsplit(self._engine.address).hostname or "127.0.0.1"
        return f"http://{host}:{_port(front)}"


@contextmanager
def _missing_is_fine() -> Iterator[None]:
    """What is gone already needs no ending."""
    try:
        yield
    except Exception as error:
        if not is_missing(error):
            raise


def _environment(what: Described) -> dict[str, str]:
    return {**variables(what), "MLBOX_REPLICA_TOKEN": what.token}


def _labels(what: Described, part: str) -> dict[str, str]:
    found = {"mlbox.home": what.home, "mlbox.endpoint": what.endpoint, "mlbox.deployment": what.name}
    found["mlbox.part"] = part
    return {**found, "mlbox.wish": _wished(what)} if part == "replica" else found


def _wished(what: Described) -> str:
    """The same for the same replicas."""
    options = what.options
    parts = [what.version, what.url, what.token, options.image, str(options.cpu), str(options.memory_bytes)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _wish(container: Any) -> str:
    return str(container.labels.get("mlbox.wish", ""))


def _stop_timeout(container: Any) -> int:
    """Seconds from SIGTERM until it is killed; of one that has none, as a replica usually needs."""
    return int(container.attrs["Config"].get("StopTimeout") or grace_seconds(DEFAULT_SECONDS))


def _port(container: Any) -> int:
    """That is published, or 0."""
    ports = container.attrs["NetworkSettings"]["Ports"] or {}
    wanted = container.attrs["HostConfig"].get("PortBindings") or {}
    published = ports.get(f"{PORT}/tcp") or wanted.get(f"{PORT}/tcp") or []
    return int(published[0]["HostPort"] or 0) if published else 0


def _how(state: dict[str, Any]) -> str:
    if state.get("OOMKilled"):
        return " (it was out of memory)"
    return f" with {state['ExitCode']}" if state.get("ExitCode") else ""


def _last(container: Any) -> str:
    """The end of what it has printed."""
    lines = container.logs(tail=5).decode(errors="replace").strip().splitlines()
    return " | ".join(lines)[-600:] or "it printed nothing"
