"""Replicas on a Docker engine: one container, with a published port and a health check."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid
from mlbox.engine.runs.executors.docker_engine import Engine, is_missing, told
from mlbox.serve.deploy.manifests import GRACE_SECONDS, PORT, Described, replica_command, variables

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.tables.deployments import DeploymentRow
    from mlbox.serve.deploy.options import DeployOptions

_CHECK = f"mlbox replica --check http://127.0.0.1:{PORT}/v2/health/ready"
_SECOND = 1_000_000_000  # Docker's unit is a nanosecond


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
        """The container, in the words of a compose file."""
        environment = {**variables(what.url, what.deployment), "MLBOX_REPLICA_TOKEN": what.token}
        service = {
            "container_name": what.name,
            "image": what.options.image,
            "command": replica_command(),
            "environment": environment,
            "ports": [f"127.0.0.1:{what.options.port or ''}:{PORT}"],
            "cpus": what.options.cpu,
            "mem_limit": what.options.memory_bytes,
            "restart": "unless-stopped",
            "healthcheck": {"test": ["CMD-SHELL", _CHECK], "interval": "10s", "timeout": "10s"},
        }
        return [{"services": {what.name: service}}]

    def apply(self, what: Described) -> str:
        """The new container takes the place of the old one; where the port was chosen, it stays."""
        with told(f"starting {what.name}", self._engine):
            port = what.options.port or self._port(what.name) or None
            self._bring(what.options.image)
            self._remove(what.name)
            try:
                self._run(what, port)
            except Exception:
                self._remove(what.name)  # it may be there, without having been started
                raise
        host = urlsplit(self._engine.address).hostname or "127.0.0.1"
        return f"http://{host}:{self._port(what.name)}"

    def _run(self, what: Described, port: int | None) -> None:
        self._engine.client().containers.run(
            what.options.image,
            entrypoint=replica_command()[:1],
            command=replica_command()[1:],
            name=what.name,
            detach=True,
            environment={**variables(what.url, what.deployment), "MLBOX_REPLICA_TOKEN": what.token},
            ports={f"{PORT}/tcp": ("127.0.0.1", port)},
            nano_cpus=int(what.options.cpu * _SECOND),
            mem_limit=what.options.memory_bytes,
            labels={"mlbox.home": what.home, "mlbox.endpoint": what.endpoint, "mlbox.bundle": what.version},
            restart_policy={"Name": "unless-stopped"},
            stop_signal="SIGTERM",
            healthcheck={
                "test": ["CMD-SHELL", _CHECK],
                "interval": 10 * _SECOND,
                "timeout": 10 * _SECOND,
                "start_period": 300 * _SECOND,
                "start_interval": _SECOND,
            },
        )

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

    def ready(self, what: Described, seconds: float) -> str:
        """By the container's health check."""
        give_up = time.monotonic() + seconds
        with told(f"waiting for {what.name}", self._engine):
            while True:
                container = self._engine.client().containers.get(what.name)
                state = container.attrs["State"]
                if state.get("Health", {}).get("Status") == "healthy":
                    return ""
                if container.attrs.get("RestartCount") or not state.get("Running"):
                    return f"its container ended: {_last(container)}"
                if time.monotonic() > give_up:
                    return f"it is not healthy after {seconds:g} s: {_last(container)}"
                time.sleep(0.2)

    def remove(self, row: DeploymentRow) -> list[str]:
        """Stopped as SIGTERM does it, so that it hands in what it has recorded."""
        with told(f"removing {row.name}", self._engine):
            return [f"container {row.name}"] if self._remove(row.name) else []

    def _remove(self, name: str) -> bool:
        try:
            container = self._engine.client().containers.get(name)
            container.stop(timeout=GRACE_SECONDS // 2)
            container.remove(v=True, force=True)
        except Exception as error:
            if is_missing(error):
                return False
            raise
        return True

    def _port(self, name: str) -> int:
        """That is published, or 0."""
        try:
            ports = self._engine.client().containers.get(name).attrs["NetworkSettings"]["Ports"] or {}
        except Exception as error:
            if is_missing(error):
                return 0
            raise
        published = ports.get(f"{PORT}/tcp") or []
        return int(published[0]["HostPort"]) if published else 0


def _last(container: Any) -> str:
    """The end of what it has printed."""
    lines = container.logs(tail=5).decode(errors="replace").strip().splitlines()
    return " | ".join(lines)[-600:] or "it printed nothing"
