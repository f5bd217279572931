"""What ``WITH (..)`` of a function may say to the Spark executor, and the arguments of ``spark-submit`` of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.engine.runs.commands import Resources
from mlbox.engine.runs.executors.options import read_options

_SIZE = re.compile(r"\d+(\.\d+)?\s*[kmgt]b?\Z", re.IGNORECASE)
_SMALLEST_HEAP_MB = 512
"""Spark's JVM does not start with less than 450 MB."""

QUIET: dict[str, str] = {
    "spark.ui.enabled": "false",  # it would listen on every address, and on a port that others may have
    "spark.ui.showConsoleProgress": "false",  # carriage returns in a log
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkOptions:
    """Read with :meth:`read`."""

    master: str = ""
    """``local[4]``, ``spark://host:7077``, ``k8s://https://host:6443``, ``yarn``; the setting ``spark_master``."""
    driver_memory: str = ""
    """Heap of the driver's JVM (``'4g'``); with RESOURCES (memory) half of it, else Spark's own default."""
    executor_memory: str = ""
    executor_cores: str = ""
    executors: str = ""
    """How many on Kubernetes and YARN."""
    cores: str = ""
    """All cores that the run may take of a standalone cluster."""
    packages: tuple[str, ...] = ()
    """Maven coordinates, fetched by Spark: ``['io.delta:delta-spark_2.13:4.0.0']``."""
    jars: tuple[str, ...] = ()
    conf: Mapping[str, Any] = field(default_factory=dict)
    """Any property of Spark: ``{'spark.sql.shuffle.partitions': 8}``; wins over all others."""

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> SparkOptions:
        """Raises ``Invalid`` for what it does not know."""
        found = read_options(cls, "spark", options)
        for name in ("driver_memory", "executor_memory"):
            value = getattr(found, name)
            if value and not _SIZE.match(value):
                raise Invalid(f"option {name} is a size such as '4g', not {value!r}").of_option(name)
        for name in ("executor_cores", "executors", "cores"):
            value = getattr(found, name)
            if value and not value.isdigit():
                raise Invalid(f"option {name} is a whole number, not {value!r}").of_option(name)
        for name in found.conf:
            if not name.startswith("spark."):
                hint = "WITH (conf = {'spark.some.name': 'value'})"
                raise Invalid(f"{name!r} is no property of Spark", hint=hint).of_option("conf")
        return found

    def properties(self, resources: Resources, image: str | None) -> dict[str, str]:
        """Properties of the application."""
        heap = self.driver_memory
        if not heap and resources.memory:
            heap = f"{max(_SMALLEST_HEAP_MB, resources.memory // 2_000_000)}m"
        named = {
            "spark.driver.memory": heap,
            "spark.executor.memory": self.executor_memory,
            "spark.executor.cores": self.executor_cores,
            "spark.executor.instances": self.executors,
            "spark.cores.max": self.cores,
            "spark.jars.packages": ",".join(self.packages),
            "spark.jars": ",".join(self.jars),
            "spark.kubernetes.container.image": image or "",
        }
        found = {**QUIET, **{name: value for name, value in named.items() if value}}
        return {**found, **{name: _text(value) for name, value in self.conf.items()}}


def submit_arguments(master: str, name: str, properties: Mapping[str, str]) -> str:
    """The arguments with which the client library calls ``spark-submit`` when a session is first asked for."""
    words = ["--master", master, "--deploy-mode", "client", "--name", name]
    for key, value in properties.items():
        words += ["--conf", f"{key}={value}"]
    return shlex.join([*words, "pyspark-shell"])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
