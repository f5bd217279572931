"""Runs in containers of a Docker engine, this machine's or another's.

A container has nothing of ours: it fetches the client, the code and the inputs from the run API, and calls home there.
How it ended and what it could not deliver are taken out of it before it is removed, so that nothing is lost when the
server was away. Its output is followed in the engine's own log, which holds every byte until then.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.engine.runs.executors.addresses import is_ours, way_to
from mlbox.engine.runs.executors.base import EXECUTORS, Capabilities, Handle, LogSink, RunSpec, Status, Waste, Wish
from mlbox.engine.runs.executors.docker_engine import Engine, is_missing, told
from mlbox.engine.runs.executors.docker_options import DockerOptions
from mlbox.engine.runs.executors.endings import (
    ended,
    must_stop,
    note_stop,
    out_of_memory,
    read_json,
    without_report,
    write_json,
)
from mlbox.engine.runs.executors.following import Following
from mlbox.engine.runs.executors.remote import COMMAND, RUN_FOLDER, remote_variables
from mlbox.engine.runs.images import Images, Recipe

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings

GRACE_SECONDS = 5


class DockerExecutor:
    """Containers, found again by their labels ``mlbox.home``, ``mlbox.run`` and ``mlbox.attempt``."""

    name = "docker"
    capabilities = Capabilities(memory_limit=True, cpu_limit=True, gpu=True, images=True, remote=True)
    options = DockerOptions

    def __init__(self, *, home: Home, settings: Settings) -> None:
        self._engine = Engine(settings.docker_host)
        self._label = hashlib.sha256(str(home.path).encode()).hexdigest()[:16]
        self._images = Images(self._engine, settings, home.cache / "images.json", self._label)
        self._following = Following()

    def call_home_host(self) -> str:
        """The gateway of the engine's bridge when that is this machine, else our address on the way to the engine."""
        with told("asking for the bridge", self._engine):
            for network in self._engine.client().networks.list(names=["bridge"]):
                for config in network.attrs.get("IPAM", {}).get("Config") or ():
                    if is_ours(config.get("Gateway", "")):
                        return str(config["Gateway"])
        return way_to(urlsplit(self._engine.address).hostname or "192.0.2.1")

    def foresee(self, wish: Wish) -> Sequence[tuple[str, str, str]]:
        """The image, and how it is made."""
        return self._images.foresee(_recipe(self._images, wish, DockerOptions.read(wish.options)))

    def submit(self, spec: RunSpec, sink: LogSink) -> Handle:
        """Make the image ready, then create and start the container."""
        options = DockerOptions.read(spec.options)
        wish = Wish(spec.image, spec.requirements, spec.python, spec.resources, spec.options)
        image = self._images.ready(_recipe(self._images, wish, options), sink)
        spec.run_folder.mkdir(parents=True, exist_ok=True)
        for leftover in ("exit.json", "stop.json", "end.json"):
            (spec.run_folder / leftover).unlink(missing_ok=True)
        name = f"mlbox-{self._label[:6]}-{spec.run_id}-{spec.attempt}"
        with told(f"starting a container of {image}", self._engine):
            client = self._engine.client()
            self._remove(name)  # of a server that was killed between start and record
            container = client.containers.create(image, name=name, **self._arguments(spec, options))
            try:
                container.start()
            except BaseException:
                self._remove(container.id)
                raise
        deadline = None if spec.timeout_seconds is None else time.time() + spec.timeout_seconds
        return {
            "container": container.id,
            "folder": str(spec.run_folder),
            "deadline": deadline,
            "timeout_seconds": spec.timeout_seconds,
            "memory": spec.resources.memory,
            "image": image,
        }

    def poll(self, handle: Handle) -> Status:
        """How it is now; stops what is past its time. At its end, what is in the container is taken out first."""
        folder = Path(handle["folder"])
        report = read_json(folder / "end.json")
        if report is not None:
            return ended(handle, report, report.get("exit_code"))
        with told("asking for a container", self._engine):
            state = self._state(handle["container"])
            if state is not None and state["Status"] not in ("exited", "dead", "removing"):
                if must_stop(handle, GRACE_SECONDS):
                    self._stop(handle["container"])
                return Status("running")
            if state is not None and self._take_out(handle["container"], folder):
                report = _report(handle, state, read_json(folder / "exit.json"))
            else:
                report = without_report(None) | {"reason": "its container was removed from outside"}
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "end.json", report)
        return ended(handle, report, report.get("exit_code"))

    def logs(self, handle: Handle, offset: int) -> tuple[bytes, int]:
        """Output from ``offset`` on; standard output and error in the order of the engine's log."""
        over = (Path(handle["folder"]) / "end.json").exists()

        def follow() -> Iterator[bytes]:
            api = self._engine.client().api
            stream: Iterator[bytes] = api.logs(handle["container"], stream=True, follow=True)
            return stream

        try:
            with told("reading a container's output", self._engine):
                return self._following.read(handle["container"], offset, follow, ended=over)
        except Exception as error:
            if is_missing(error):
                return b"", offset
            raise

    def cancel(self, handle: Handle) -> None:
        """Stop the container; remove it when the run has ended."""
        if self.poll(handle).ended:
            self._following.forget(handle["container"])
            with told("removing a container", self._engine):
                self._remove(handle["container"])
            return
        note_stop(Path(handle["folder"]), "cancelled")
        self._stop(handle["container"])

    def reattach(self, handle: Handle) -> bool:
        """Whether the container is there, or it is known how it ended."""
        if (Path(handle["folder"]) / "end.json").exists():
            return True
        with told("asking for a container", self._engine):
            return self._state(handle["container"]) is not None

    def waste(self, is_over: Callable[[str], bool], before: datetime) -> Iterator[Waste]:
        """Containers of runs that are over, and images that this home has not used."""
        with told("asking for containers", self._engine):
            filters = {"label": f"mlbox.home={self._label}"}
            for container in self._engine.client().api.containers(all=True, filters=filters):
                run, build = (container["Labels"].get(name, "") for name in ("mlbox.run", "mlbox.build"))
                if not self._images.is_building(build) and is_over(run):
                    why = f"of run {run[:16]}, which is over" if run else f"of a broken build of {build}"
                    yield Waste("container", container["Id"][:12], why, 0, partial(self._remove, container["Id"]))
        for tag, size in self._images.unused(before):
            yield Waste("image", tag, "not used for long", size, partial(self._images.remove, tag))

    def _arguments(self, spec: RunSpec, options: DockerOptions) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "entrypoint": [COMMAND[0]],
            "command": list(COMMAND[1:]),
            "environment": remote_variables(spec),
            "labels": {
                "mlbox.home": self._label,
                "mlbox.run": spec.run_id,
                "mlbox.attempt": str(spec.attempt),
                "mlbox.function": f"{spec.project}.{spec.function}",
            },
            # a volume: writable under a read-only root, and it can be read when the container has stopped
            "volumes": ["/tmp", *options.mounts],
            "security_opt": ["no-new-privileges"],
            # the engine's log is what a restarted server reads: it must keep all
            "log_config": {"Type": "json-file", "Config": {"max-size": "1000g", "max-file": "1", "mode": "blocking"}},
            **options.arguments(),
        }
        resources = spec.resources
        if resources.memory:
            arguments.update(mem_limit=resources.memory, memswap_limit=resources.memory)
        if resources.cpu:
            arguments["nano_cpus"] = int(resources.cpu * 1e9)
        if resources.gpu:
            arguments["device_requests"] = [{"Driver": "", "Count": resources.gpu, "Capabilities": [["gpu"]]}]
        return arguments

    def _state(self, container: str) -> Mapping[str, Any] | None:
        """What the engine says of it; None when it is not there."""
        try:
            state: Mapping[str, Any] = self._engine.client().api.inspect_container(container)["State"]
        except Exception as error:
            if is_missing(error):
                return None
            raise
        return state

    def _stop(self, container: str) -> None:
        """Ask, wait, kill: the engine does it, and waits, so in a thread."""

        def stop() -> None:
            with suppress(Exception):  # gone, or away: the next poll looks again
                self._engine.client().api.stop(container, timeout=GRACE_SECONDS)

        threading.Thread(target=stop, name="docker-stop", daemon=True).start()

    def _remove(self, container: str) -> None:
        try:
            self._engine.client().api.remove_container(container, v=True, force=True)
        except Exception as error:
            if not is_missing(error):
                raise

    def _take_out(self, container: str, folder: Path) -> bool:
        """How the process ended and what it could not deliver; False: the container is being removed."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("exit.json", "spool"):
            try:
                chunks, _ = self._engine.client().api.get_archive(container, str(RUN_FOLDER / name))
            except Exception as error:
                if not is_missing(error):
                    raise
                if "marked for removal" in str(error) or self._state(container) is None:
                    return False
                continue
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                archive.extractall(folder, filter="data")
        return True


def _recipe(images: Images, wish: Wish, options: DockerOptions) -> Recipe:
    return images.recipe(wish.image, wish.python, wish.requirements, options.commands)


def _report(handle: Handle, state: Mapping[str, Any], said: dict[str, Any] | None) -> dict[str, Any]:
    """How a container ended: what its process said, unless the engine knows better."""
    code = int(state.get("ExitCode") or 0)
    if state.get("OOMKilled") and code != 0:
        return out_of_memory(handle.get("memory"), code)
    if said is not None:
        return said
    if state.get("Error"):
        return without_report(code) | {"reason": f"the container did not run: {state['Error']}"}
    return without_report(128 - code if code > 128 else code)


EXECUTORS.add("docker", DockerExecutor)
