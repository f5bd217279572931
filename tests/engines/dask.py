"""A Dask cluster for tests: a scheduler and two workers of two threads, on loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path


def why_not() -> str:
    """Why there can be no cluster here; empty: there can."""
    return "" if find_spec("distributed") else "distributed is not installed"


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """Settings of mlbox for the cluster."""
    folder.mkdir(parents=True, exist_ok=True)
    with scheduler(folder) as address:
        with worker(folder, address, "--nworkers", "2", "--nthreads", "2") as out:
            wait_for(out, r"(?s)Registered to.*Registered to")
            yield {"MLBOX_DASK_SCHEDULER": address}


@contextmanager
def scheduler(folder: Path, port: str = "0") -> Iterator[str]:
    """A scheduler; its address."""
    with started(folder, "scheduler", "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard") as log:
        yield wait_for(log, r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)")


@contextmanager
def worker(folder: Path, address: str, *arguments: str) -> Iterator[Path]:
    """More workers."""
    local = ["--local-directory", str(folder / "work"), "--no-dashboard"]
    with started(folder, "worker", "worker", address, "--host", "127.0.0.1", *local, *arguments) as log:
        yield log


@contextmanager
def started(folder: Path, name: str, *arguments: str) -> Iterator[Path]:
    """``dask <arguments>``; the file with its output."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**os.environ, "DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "100"},
        )
    try:
        yield log
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(log: Path, pattern: str) -> str:
    """The first group of ``pattern`` once the output has it."""
    stop_by = time.monotonic() + 60
    while time.monotonic() < stop_by:
        found = re.search(pattern, log.read_text())
        if found:
            return found.group(found.lastindex or 0)
        time.sleep(0.1)
    raise RuntimeError("Dask did not start:\n" + log.read_text()[-3000:])
