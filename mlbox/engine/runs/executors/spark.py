"""Runs whose driver is a process of this machine and whose work Spark does: on this machine's processors, a standalone
cluster, Kubernetes or YARN.

The driver is a local run in all that concerns its log, its end, its limits and a restart of the server. Spark's JVM is
its child, started by ``spark-submit`` when a session is first asked for, and is ended with it; a cluster then takes the
executors back.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.errors import Invalid
from mlbox.client.clusters import SPARK_MASTER
from mlbox.engine.runs.environments import requirement_name
from mlbox.engine.runs.executors.base import EXECUTORS, Capabilities, Handle, LogSink, RunSpec, Status, Wish
from mlbox.engine.runs.executors.local import LocalExecutor
from mlbox.engine.runs.executors.spark_options import SparkOptions, submit_arguments
from mlbox.engine.runs.executors.spark_place import check_java, check_master, find_home, library_path, our_address

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings

_SCRATCH = "spark"
"""Folder of a run for what Spark puts on disk; Spark does not remove it when it is ended."""
_NO_HEAP = "java.lang.OutOfMemoryError"


class SparkExecutor:
    """The local executor, with a Spark at hand."""

    name = "spark"
    capabilities = Capabilities(memory_limit=True, cpu_limit=LocalExecutor.capabilities.cpu_limit, images=True)
    options = SparkOptions

    def __init__(self, *, home: Home, settings: Settings) -> None:
        # a JVM reserves far more than it uses: memory is looked at for all processes together
        self._local = LocalExecutor(home=home, settings=settings, each_process=False)
        self._settings = settings

    def foresee(self, wish: Wish) -> Sequence[tuple[str, str, str]]:
        """Which master, and which Spark."""
        options = SparkOptions.read(wish.options)
        master = self._master(options, wish.image)
        home = find_home(self._settings.spark_home, _names(wish.requirements))
        return [("use", f"Spark master {master}", f"with Spark of {home or 'the requirements'}; the driver runs here")]

    def submit(self, spec: RunSpec, sink: LogSink) -> Handle:
        """Start the driver; ``Unavailable`` when there is no Spark or its master does not answer."""
        options = SparkOptions.read(spec.options)
        master = self._master(options, spec.image)
        home = find_home(self._settings.spark_home, _names(spec.requirements))
        check_java()
        properties = options.properties(spec.resources, spec.image)
        if master.startswith(("local", "spark://")):
            properties.setdefault("spark.local.dir", str(spec.run_folder / _SCRATCH))
        name = f"{spec.project}.{spec.function} {spec.run_id[:16]}"
        variables = {
            SPARK_MASTER: master,
            "PYSPARK_SUBMIT_ARGS": submit_arguments(master, name, properties),
        }
        address = our_address(master)
        if address:
            variables["SPARK_LOCAL_IP"] = address
        if self._settings.spark_python:
            variables["PYSPARK_PYTHON"] = self._settings.spark_python
        variables.update(spec.environment)
        if home is not None:
            path = [*library_path(home), spec.environment.get("PYTHONPATH", "")]
            variables.update(SPARK_HOME=str(home), PYTHONPATH=os.pathsep.join(filter(None, path)))
        sink.write(f"mlbox: Spark master {master}\n")
        return self._local.submit(replace(spec, environment=variables), sink)

    def poll(self, handle: Handle) -> Status:
        """As locally; a heap that was too small is told as such."""
        status = self._local.poll(handle)
        if status.ended:
            shutil.rmtree(Path(handle["folder"]) / _SCRATCH, ignore_errors=True)
        message = str((status.error or {}).get("message", ""))
        if status.state != "error" or _NO_HEAP not in message:
            return status
        reason = "out of memory: a heap of Spark was too small; WITH (driver_memory = '..', executor_memory = '..')"
        return replace(status, reason=reason, error={**(status.error or {}), "type": "OutOfMemory", "message": reason})

    def on_end(self, handle: Handle, act: Callable[[], None]) -> None:
        """As locally."""
        self._local.on_end(handle, act)

    def logs(self, handle: Handle, offset: int) -> tuple[bytes, int]:
        """As locally."""
        return self._local.logs(handle, offset)

    def cancel(self, handle: Handle) -> None:
        """As locally: the driver with its JVM; the cluster ends the executors of a driver that is gone."""
        self._local.cancel(handle)

    def reattach(self, handle: Handle) -> bool:
        """As locally."""
        return self._local.reattach(handle)

    def _master(self, options: SparkOptions, image: str | None) -> str:
        master = options.master or self._settings.spark_master
        check_master(master)
        if image and not master.startswith("k8s://"):
            raise Invalid(
                f"IMAGE is for executors on Kubernetes; Spark's master is {master}",
                hint="leave IMAGE out, or choose the master with spark_master or WITH (master = 'k8s://https://..')",
            )
        return master


def _names(requirements: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(requirement_name(line) for line in requirements)


EXECUTORS.add("spark", SparkExecutor)
