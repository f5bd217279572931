"""Where Spark is: its folder, its master, and our address as its executors see it."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.runs.executors.addresses import way_to

_SECONDS = 5.0
_LOCAL = re.compile(r"local(-cluster)?(\[[^\]]*\])?\Z")
_HINT = "say where Spark's master is with the setting spark_master or WITH (master = 'spark://host:7077')"


def find_home(configured: str, requirements: tuple[str, ...]) -> Path | None:
    """The folder of Spark: the setting, else that which the function's requirements bring (None), else ``SPARK_HOME``,
    else that of our own installed pyspark. ``Unavailable`` when there is none."""
    if not configured and "pyspark" in requirements:
        return None
    for said, what in ((configured, "the setting spark_home"), (os.environ.get("SPARK_HOME", ""), "SPARK_HOME")):
        if said:
            home = Path(said).expanduser()
            if not (home / "bin" / "spark-submit").is_file():
                raise Invalid(f"{what} is {said}, where there is no bin/spark-submit", hint="correct it")
            return home
    spec = find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(
            "runs on spark need Spark, which was not found: not by the setting spark_home, not by SPARK_HOME, and the "
            "Python package pyspark is not installed",
            hint="install mlbox[spark], or name Spark's folder with spark_home, or add 'pyspark' to REQUIREMENTS",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def check_java() -> None:
    """``Unavailable`` when there is no Java for Spark."""
    home = os.environ.get("JAVA_HOME", "")
    if home and (Path(home) / "bin" / "java").is_file() or shutil.which("java"):
        return
    tried = f"not in JAVA_HOME ({home}) and not on PATH" if home else "JAVA_HOME is not set and PATH has no java"
    raise Unavailable(f"Spark needs Java 17 or later: {tried}", hint="install it, or set JAVA_HOME")


def library_path(home: Path) -> list[str]:
    """What Spark brings for Python: it must be of the same version as its JVM."""
    library = home / "python" / "lib"
    found = [str(file) for file in (library / "pyspark.zip", *library.glob("py4j-*.zip")) if file.is_file()]
    if len(found) < 2:
        raise Invalid(f"Spark in {home} has no Python library in python/lib", hint="correct the setting spark_home")
    return found


def check_master(master: str) -> list[tuple[str, int]]:
    """Addresses of ``master``; none for ``local`` and ``yarn``. ``Invalid`` when it is no master."""
    if _LOCAL.match(master) or master == "yarn":
        return []
    match = re.fullmatch(r"(spark|k8s)://(.+)", master)
    if match is None:
        hint = "local[n], spark://host:7077, k8s://https://host:6443 or yarn"
        raise Invalid(f"{master!r} is no master of Spark", hint=hint)
    default = 7077 if match[1] == "spark" else 443
    return [_address(text, default, master) for text in match[2].split(",")]


def our_address(master: str) -> str:
    """Our address as the executors of ``master`` see it; ``Unavailable`` when the master does not answer."""
    addresses = check_master(master)
    if not addresses:
        return "127.0.0.1" if _LOCAL.match(master) else ""
    problems = []
    for host, port in addresses:
        try:
            with socket.create_connection((host, port), timeout=_SECONDS) as connection:
                ours = str(connection.getsockname()[0])
        except OSError as error:
            problems.append(f"{host}:{port}: {error.strerror or error}")
            continue
        return ours if ipaddress.ip_address(ours).is_loopback else way_to(host)
    raise Unavailable(f"Spark's master {master} does not answer ({'; '.join(problems)})", hint=_HINT)


def _address(text: str, default: int, master: str) -> tuple[str, int]:
    plain = re.sub(r"^https?://", "", text).rstrip("/")
    match = re.fullmatch(r"\[?([^\[\]/]+?)\]?(?::(\d+))?", plain)
    if match is None:
        raise Invalid(f"{master!r} has no address in it", hint=_HINT)
    return match[1], int(match[2] or default)
