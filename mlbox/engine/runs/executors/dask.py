"""Runs on the workers of a Dask cluster; without a scheduler, on this machine with a cluster of their own.

On a cluster the run is a task: the scheduler chooses its worker, and the task starts a process there, which has nothing
of ours, fetches the client, the code and the inputs from the run API, and calls home there. The task's future is
published on the scheduler, so that it and its result outlive this server.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid, MlboxError
from mlbox.client.clusters import DASK_SCHEDULER
from mlbox.engine.runs.environments import Environments
from mlbox.engine.runs.executors.addresses import way_to
from mlbox.engine.runs.executors.base import EXECUTORS, Capabilities, Handle, LogSink, RunSpec, Status, Waste, Wish
from mlbox.engine.runs.executors.dask_cluster import HINT, DaskCluster, DaskOptions, told
from mlbox.engine.runs.executors.endings import (
    ended,
    must_stop,
    note_stop,
    out_of_memory,
    read_json,
    without_report,
    write_json,
)
from mlbox.engine.runs.executors.local import LocalExecutor
from mlbox.engine.runs.executors.remote import LAUNCHER, install_variables, remote_variables

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings

GRACE_SECONDS = 5
_CHUNK_BYTES = 1 << 20
_DELIVERY_SECONDS = "3600"
"""What a run on a worker has logged is lost with it: it waits that long for a server that is away."""
_WITH_WORKER = """
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)  # Linux: this process ends with the worker that started it
except Exception:
    pass
"""
_FORGOTTEN = "the Dask scheduler does not know the run any more: it was restarted, or the run was removed from outside"


class DaskExecutor:
    """Tasks, found again by the name under which they are published: ``mlbox-<home>-<run>-<attempt>``."""

    name = "dask"
    capabilities = Capabilities(memory_limit=True, cpu_limit=True, gpu=True, remote=True)
    options = DaskOptions

    def __init__(self, *, home: Home, settings: Settings) -> None:
        self._settings = settings
        # what a cluster of processes uses is looked at for all of them together
        self._local = LocalExecutor(home=home, settings=settings, each_process=False)
        self._environments = Environments(home, settings)
        self._prefix = f"mlbox-{hashlib.sha256(str(home.path).encode()).hexdigest()[:12]}-"
        self._clusters: dict[str, DaskCluster] = {}
        self._futures: dict[str, Any] = {}
        self._places: dict[str, str] = {}
        self._lock = threading.Lock()
        if not settings.dask_scheduler:
            self.capabilities = LocalExecutor.capabilities

    def call_home_host(self) -> str:
        """Our address on the way to the scheduler."""
        host = urlsplit(self._cluster(self._settings.dask_scheduler).address).hostname or ""
        with suppress(ValueError):
            if ipaddress.ip_address(host).is_loopback:
                return host
        return "127.0.0.1" if host == "localhost" else way_to(host)

    def foresee(self, wish: Wish) -> Sequence[tuple[str, str, str]]:
        """Which cluster."""
        options = self._options(wish.options)
        if not self._settings.dask_scheduler:
            return [("use", "Dask cluster of the run", "on this machine; the setting dask_scheduler names another")]
        detail = f"its worker installs {', '.join(wish.requirements)}" if wish.requirements else ""
        return [("use", f"Dask scheduler {self._cluster(self._address(options)).address}", detail)]

    def submit(self, spec: RunSpec, sink: LogSink) -> Handle:
        """Hand the run to the scheduler."""
        options = self._options(spec.options)
        if not self._settings.dask_scheduler:
            return self._submit_here(spec, sink)
        cluster = self._cluster(self._address(options))
        spec.run_folder.mkdir(parents=True, exist_ok=True)
        for leftover in ("end.json", "stop.json"):
            (spec.run_folder / leftover).unlink(missing_ok=True)
        key = f"{self._prefix}{spec.run_id}-{spec.attempt}"
        folder = PurePosixPath("/tmp") / key
        variables = {
            "MLBOX_DELIVERY_SECONDS": _DELIVERY_SECONDS,
            **remote_variables(spec, folder),
            **install_variables(spec, self._settings),
        }
        order = {
            "name": key,
            "folder": str(folder),
            "launcher": _WITH_WORKER + LAUNCHER,
            "variables": variables,
            "memory": spec.resources.memory,
            "cpu": spec.resources.cpu,
        }
        with told("handing over a run", cluster):
            self._futures[key] = cluster.submit(key, order, options, spec.resources.gpu or 0)
        sink.write(f"mlbox: Dask scheduler {cluster.address}\n")
        return {
            "task": key,
            "scheduler": cluster.address,
            "remote_folder": str(folder),
            "folder": str(spec.run_folder),
            "deadline": None if spec.timeout_seconds is None else time.time() + spec.timeout_seconds,
            "timeout_seconds": spec.timeout_seconds,
            "memory": spec.resources.memory,
        }

    def poll(self, handle: Handle) -> Status:
        """How it is now; while it does not start, why."""
        if "task" not in handle:
            return self._local.poll(handle)
        folder = Path(handle["folder"])
        report = read_json(folder / "end.json")
        if report is None:
            cluster = self._cluster(handle["scheduler"])
            with told("asking for a run", cluster):
                future = self._future(cluster, handle["task"])
                state = "lost" if future is None else future.status
                if state == "pending":
                    if must_stop(handle, GRACE_SECONDS):
                        self._stop(cluster, handle)
                    return Status("running", reason=self._waits(cluster, handle["task"]))
                report = _report(handle, state, future)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "end.json", report)
        return ended(handle, report, report.get("exit_code"))

    def logs(self, handle: Handle, offset: int) -> tuple[bytes, int]:
        """Output from ``offset`` on, which lies with the worker."""
        if "task" not in handle:
            return self._local.logs(handle, offset)
        cluster = self._cluster(handle["scheduler"])
        with told("reading a run's output", cluster):
            found = self._ask(cluster, handle["task"], "read", handle["remote_folder"], offset, _CHUNK_BYTES)
        data = bytes(found[0]) if found else b""
        return data, offset + len(data)

    def cancel(self, handle: Handle) -> None:
        """End the process on the worker; when the run has ended, remove what worker and scheduler keep of it."""
        if "task" not in handle:
            self._local.cancel(handle)
            return
        over = self.poll(handle).ended
        cluster = self._cluster(handle["scheduler"])
        if over:
            with told("removing a run", cluster):
                self._remove(cluster, handle["task"], handle["remote_folder"])
            return
        note_stop(Path(handle["folder"]), "cancelled")
        with told("ending a run", cluster):
            self._stop(cluster, handle)

    def reattach(self, handle: Handle) -> bool:
        """Whether the scheduler has the task, or it is known how it ended."""
        if "task" not in handle:
            return self._local.reattach(handle)
        if (Path(handle["folder"]) / "end.json").exists():
            return True
        cluster = self._cluster(handle["scheduler"])
        with told("asking for a run", cluster):
            return self._future(cluster, handle["task"]) is not None

    def on_end(self, handle: Handle, act: Callable[[], None]) -> None:
        """The system, or the scheduler, tells of the end."""
        if "task" not in handle:
            self._local.on_end(handle, act)
            return
        with suppress(MlboxError):
            cluster = self._cluster(handle["scheduler"])
            with told("asking for a run", cluster):
                future = self._future(cluster, handle["task"])
                if future is not None:
                    future.add_done_callback(lambda _: act())

    def waste(self, is_over: Callable[[str], bool], before: datetime) -> Iterator[Waste]:
        """Tasks of runs that are over."""
        if not self._settings.dask_scheduler:
            return
        cluster = self._cluster(self._settings.dask_scheduler)
        with told("asking for tasks", cluster):
            names = [name for name in cluster.client().list_datasets() if str(name).startswith(self._prefix)]
        for name in names:
            if is_over(name.removeprefix(self._prefix).partition("-")[0]):
                remove = partial(self._remove, cluster, name, f"/tmp/{name}")
                yield Waste("task", name, "its run is over", 0, remove)

    def _options(self, given: Any) -> DaskOptions:
        options = DaskOptions.read(given)
        chosen = [name for name in ("scheduler", "workers", "resources", "priority") if getattr(options, name)]
        if chosen and not self._settings.dask_scheduler:
            message = f"option {chosen[0]} is for a Dask cluster, and none is configured"
            raise Invalid(f"{message}: each run has one of its own here", hint=HINT.partition(" or WITH")[0])
        return options

    def _address(self, options: DaskOptions) -> str:
        return options.scheduler or self._settings.dask_scheduler

    def _submit_here(self, spec: RunSpec, sink: LogSink) -> Handle:
        requirements = spec.requirements
        if not self._environments.prepare(requirements, spec.python, sink).has("distributed"):
            requirements = (*requirements, "distributed")
        variables = {DASK_SCHEDULER: "local", "DASK_TEMPORARY_DIRECTORY": str(spec.run_folder), **spec.environment}
        return self._local.submit(replace(spec, requirements=requirements, environment=variables), sink)

    def _cluster(self, address: str) -> DaskCluster:
        cluster = DaskCluster(address)
        with self._lock:
            return self._clusters.setdefault(cluster.address, cluster)

    def _future(self, cluster: DaskCluster, key: str) -> Any:
        """The task; None when the scheduler does not know it."""
        client = cluster.client()
        known = self._futures.get(key)
        if known is not None and known.client is client:
            return known
        found = client.get_dataset(key, default=None)
        if found is not None:
            self._futures[key] = found
        return found

    def _place(self, cluster: DaskCluster, key: str) -> str | None:
        found = self._places.get(key) or cluster.place(key)
        if found is not None:
            self._places[key] = found
        return found

    def _ask(self, cluster: DaskCluster, key: str, name: str, *arguments: Any) -> Any:
        """What a function of ``on_dask`` returns where the run is, or where its files are now; None: nowhere."""
        place = self._place(cluster, key)
        if place is None:
            return None
        found = cluster.on_worker(place, name, *arguments)
        if found is None:
            self._places.pop(key, None)
            moved = self._place(cluster, key)
            found = None if moved in (None, place) else cluster.on_worker(str(moved), name, *arguments)
        return found

    def _waits(self, cluster: DaskCluster, key: str) -> str | None:
        if self._place(cluster, key) is not None:
            return None
        free = "waits for a free thread of a Dask worker"
        return free if cluster.client().nthreads() else "the Dask cluster has no worker"

    def _stop(self, cluster: DaskCluster, handle: Handle) -> None:
        key = handle["task"]
        place = self._place(cluster, key)
        if place is None:
            cluster.claim(key)
            future = self._future(cluster, key)
            if future is not None:
                future.cancel()
            return
        self._ask(cluster, key, "stop", handle["remote_folder"])

    def _remove(self, cluster: DaskCluster, key: str, folder: str) -> None:
        """Also ends it, when it goes on."""
        self._ask(cluster, key, "stop", folder)
        self._ask(cluster, key, "remove", folder)
        cluster.forget(key)
        self._futures.pop(key, None)
        self._places.pop(key, None)


def _report(handle: Handle, state: str, future: Any) -> dict[str, Any]:
    """How a task ended, in the words of all executors."""
    if state == "error":
        error = future.exception()
        reason = f"the Dask worker was lost or could not start the run: {error!r}"
        told = {"type": "WorkerLost", "message": reason}
        return {"state": "error", "exit_code": None, "reason": reason, "error": told}
    if state != "finished":
        return {"state": "interrupted", "exit_code": None, "reason": _FORGOTTEN, "error": None}
    said: dict[str, Any] = future.result()
    code = said.get("code")
    error_type = str((said.get("error") or {}).get("type", ""))
    if said.get("memory") or (handle.get("memory") and error_type.endswith("MemoryError")):
        return out_of_memory(handle.get("memory"), code)
    return said if said.get("state") else without_report(code)


EXECUTORS.add("dask", DaskExecutor)
