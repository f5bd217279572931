"""What does it cost to keep the books of a run? mlbox's client and MLflow's, each against its own server over HTTP.

The peer is MLflow's server on SQLite with one worker process, in an environment of its own that uv makes; its default
of four is several times slower where there are two cores. Each client is a process of its own; all three pairs (mlbox's
client, MLflow's client with mlbox's server, and MLflow whole) do the same and take turns.

A call of MLflow's client returns when it is durable. One of mlbox's returns at once: what it costs until all is durable
is measured by ``flush`` and by the end of the run, which waits for it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from report import ROOT, Table, folder, from_tests, in_turn

QUIET = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
RUN_ROUNDS = 15
POINT_ROUNDS = 5
POINTS = 100_000
"""Of mlbox's client."""
MLFLOW_POINTS = 10_000
"""Of MLflow's, in the largest batches that it sends: a thousand."""

MLBOX = """
import json, os, sys, time
import mlbox
connection = mlbox.connect(sys.argv[1])

def calls():
    began = time.perf_counter()
    with mlbox.start_run("books", connection=connection) as run:
        begun = time.perf_counter()
        for number in range(10):
            run.log_param(f"p{number}", number)
            run.log_metric(f"m{number}", number / 7)
            run.log_tag(f"t{number}", f"value {number}")
        logged = time.perf_counter()
        assert run.flush(60)
        durable = time.perf_counter()
    return {"calls": logged - begun, "durable": durable - begun, "whole": time.perf_counter() - began}

def whole():
    began = time.perf_counter()
    with mlbox.start_run("books", connection=connection) as run:
        for number in range(10):
            run.log_param(f"p{number}", number)
            run.log_metric(f"m{number}", number / 7)
            run.log_tag(f"t{number}", f"value {number}")
    return {"whole": time.perf_counter() - began}

def points(count):
    with mlbox.start_run("points", connection=connection) as run:
        began = time.perf_counter()
        for step in range(count):
            run.log_metric("loss", step / 7, step=step)
        logged = time.perf_counter()
        assert run.flush(120)
        return {"calls": logged - began, "whole": time.perf_counter() - began}
"""

MLFLOW = """
import json, os, sys, time
import mlflow
from mlflow.entities import Metric
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()

def calls():
    began = time.perf_counter()
    with mlflow.start_run(run_name="books"):
        begun = time.perf_counter()
        for number in range(10):
            mlflow.log_param(f"p{number}", number)
            mlflow.log_metric(f"m{number}", number / 7)
            mlflow.set_tag(f"t{number}", f"value {number}")
        logged = time.perf_counter()
    return {"calls": logged - begun, "whole": time.perf_counter() - began}

def batched():
    began = time.perf_counter()
    with mlflow.start_run(run_name="books"):
        begun = time.perf_counter()
        mlflow.log_params({f"p{number}": number for number in range(10)})
        mlflow.log_metrics({f"m{number}": number / 7 for number in range(10)})
        mlflow.set_tags({f"t{number}": f"value {number}" for number in range(10)})
        logged = time.perf_counter()
    return {"calls": logged - begun, "whole": time.perf_counter() - began}

def points(count):
    with mlflow.start_run(run_name="points") as run:
        began = time.perf_counter()
        for start in range(0, count, 1000):
            now = int(time.time() * 1000)
            batch = [Metric("loss", step / 7, now, step) for step in range(start, start + 1000)]
            client.log_batch(run.info.run_id, metrics=batch)
        return {"whole": time.perf_counter() - began}
"""

LOOP = """
print("ready", flush=True)
for line in sys.stdin:
    name, *given = json.loads(line)
    print(json.dumps(globals()[name](*given)), flush=True)
"""


class Client:
    """A client in a process of its own, which does what it is asked and tells how many seconds it took."""

    def __init__(self, python: str | Path, script: str, address: str) -> None:
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "GIT_PYTHON_REFRESH": "quiet", **QUIET}
        self._process = subprocess.Popen(
            [str(python), "-c", script + LOOP, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=variables,
        )
        if self._read() != "ready":
            raise RuntimeError("the client did not start")

    def do(self, *what: Any) -> dict[str, float]:
        """Carry out a function of the script."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        found: dict[str, float] = json.loads(self._read())
        return found

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def mlflow_server(place: Path) -> Iterator[tuple[Path, str]]:
    """MLflow's server on SQLite; the Python that has it, and its address."""
    environment = place / "mlflow"
    uv = Path(sys.executable).with_name("uv")
    python = environment / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "mlflow>=3,<4"], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store, address = f"sqlite:///{place / 'mlflow.db'}", f"http://127.0.0.1:{port}"
    command = ["server", "--backend-store-uri", store, "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        [python, "-m", "mlflow", *command],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(f"{address}/health", server)
        yield python, address
    finally:
        with suppress(subprocess.TimeoutExpired):
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise RuntimeError("MLflow's server did not start")


def measure(place: Path) -> None:
    with ExitStack() as stack:
        python, theirs = stack.enter_context(mlflow_server(place))
        server = from_tests("real_server").Server(place / "home")
        stack.callback(server.stop)
        clients = {
            "ours": Client(sys.executable, MLBOX, server.url),
            "door": Client(python, MLFLOW, f"{server.url}/mlflow/default"),
            "theirs": Client(python, MLFLOW, theirs),
        }
        for client in clients.values():
            stack.callback(client.close)
        books(clients)
        points(server, clients)


def books(clients: dict[str, Client]) -> None:
    seen: dict[str, list[float]] = {}

    def took(client: str, what: str) -> float:
        found = clients[client].do(what)
        for name, seconds in found.items():
            seen.setdefault(f"{client} {what} {name}", []).append(seconds * 1000)
        return found["whole"] * 1000

    cases = [("ours", "calls"), ("ours", "whole")]
    cases += [(client, what) for client in ("door", "theirs") for what in ("calls", "batched")]
    in_turn({" ".join(case): lambda case=case: took(*case) for case in cases}, RUN_ROUNDS)
    figures = {name: values[1:] for name, values in seen.items()}
    question = "What does a run cost that logs 10 parameters, 10 metrics and 10 tags?"
    table = Table(question, "MLflow's client and server, over HTTP")
    for name, ours, theirs in (
        ("30 calls of mlbox's client, buffered", "ours calls calls", "theirs calls calls"),
        ("30 calls of mlbox's client until they are durable", "ours calls durable", "theirs calls calls"),
        ("the whole run by mlbox's client, durable", "ours whole whole", "theirs calls whole"),
        ("the same beside MLflow's batched calls", "ours whole whole", "theirs batched whole"),
        ("30 calls of MLflow's client on mlbox's server", "door calls calls", "theirs calls calls"),
        ("the whole run by MLflow's client on mlbox's server", "door calls whole", "theirs calls whole"),
        ("the same, batched", "door batched whole", "theirs batched whole"),
    ):
        table.add(name, figures[ours], "ms", figures[theirs])
    table.print()


def points(server: Any, clients: dict[str, Client]) -> None:
    calls: list[float] = []

    def ours() -> float:
        took = clients["ours"].do("points", POINTS)
        calls.append(took["calls"] / POINTS * 1e6)
        return POINTS / took["whole"]

    found = in_turn(
        {
            "ours": ours,
            "door": lambda: MLFLOW_POINTS / clients["door"].do("points", MLFLOW_POINTS)["whole"],
            "theirs": lambda: MLFLOW_POINTS / clients["theirs"].do("points", MLFLOW_POINTS)["whole"],
        },
        POINT_ROUNDS,
    )
    counted = server.sql(
        "SELECT min(c), max(c) FROM (SELECT count(m.value) AS c FROM ml.runs r LEFT JOIN ml.metrics m "
        "ON m.run_id = r.id WHERE r.name = 'points' GROUP BY r.id)"
    )[0]["rows"][0]
    assert counted == [MLFLOW_POINTS, POINTS], counted
    table = Table("How many points of one metric can one client have acknowledged?", "MLflow's client and server")
    table.add("mlbox's client: log_metric, then flush", found["ours"], "points/s", found["theirs"])
    table.add("MLflow's client on mlbox's server, batches of 1,000", found["door"], "points/s", found["theirs"])
    table.add("a call of mlbox's log_metric meanwhile", calls[1:], "µs")
    table.print()


if __name__ == "__main__":
    with folder() as place:
        measure(place)
