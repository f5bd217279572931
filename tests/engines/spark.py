"""A standalone Spark cluster for tests: a master and a worker with two cores, on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from free_port import free_port

QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto"
"""For JVMs that live for seconds."""


def why_not() -> str:
    """Why there can be no cluster here; empty: there can."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed"
    return "" if shutil.which("java") or os.environ.get("JAVA_HOME") else "there is no Java"


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """Settings of mlbox for the cluster."""
    with standalone(folder) as master:
        yield {"MLBOX_SPARK_MASTER": master, "JAVA_TOOL_OPTIONS": QUICK}


@contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """A cluster of its own; its master's URL."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    master = f"spark://127.0.0.1:{port}"
    log = folder / "spark.log"
    name = "org.apache.spark.deploy"
    started = [
        _start(folder, log, f"{name}.master.Master", "--host", "127.0.0.1", "--port", str(port)),
        _start(folder, log, f"{name}.worker.Worker", master, "--host", "127.0.0.1", "-c", "2", "-m", "2g"),
    ]
    try:
        stop_by = time.monotonic() + 120
        while "Successfully registered with master" not in log.read_text():
            if any(process.poll() is not None for process in started) or time.monotonic() > stop_by:
                raise RuntimeError("Spark did not start:\n" + log.read_text()[-3000:])
            time.sleep(0.2)
        yield master
    finally:
        for process in reversed(started):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _start(folder: Path, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    import pyspark

    home = Path(pyspark.__file__).parent
    variables = {
        **os.environ,
        "JAVA_TOOL_OPTIONS": QUICK,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(folder / "work"),
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        # the web pages of master and worker want ports, and listen where SPARK_LOCAL_IP says
        "SPARK_DAEMON_JAVA_OPTS": "-Dspark.ui.enabled=false -Dspark.master.rest.enabled=false",
        "SPARK_MASTER_WEBUI_PORT": "0",
        "SPARK_WORKER_WEBUI_PORT": "0",
        "SPARK_PUBLIC_DNS": "127.0.0.1",
    }
    with log.open("ab") as out:
        return subprocess.Popen(
            [str(home / "bin" / "spark-class"), *arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
