"""Drives the built executable from outside, as a user would: ``python packaging/smoke.py [PATH/TO/mlbox]``.

Standard library only. Each line it prints is a thing that worked and the seconds that it took; the first thing that
does not work ends it with status 1.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXECUTABLE = ROOT / "dist" / "mlbox" / "mlbox"

MODEL = (  # y = 2 x + 1, ONNX, opset 13
    "CAgSBW1sYm94OoIBChAKAXgKA3R3bxIBZCIDTXVsChAKAWQKA29uZRIBeSIDQWRkEg5kb3VibGVfYW5kX29uZSoPCAEQASIEAAAAQEIDdHdv"
    "Kg8IARABIgQAAIA/QgNvbmVaFAoBeBIPCg0IARIJCgMSAW4KAggBYhQKAXkSDwoNCAESCQoDEgFuCgIIAUIECgAQDQ=="
)

PLAIN = '''
"""Runs in the user's own Python, untouched by the executable that started it."""

import os
import sys


def work(ctx, bundle):
    assert not getattr(sys, "frozen", False), "this is the executable's own interpreter"
    for name in ("LD_LIBRARY_PATH", "PYTHONHOME", "_PYI_APPLICATION_HOME_DIR", "_MEIPASS2"):
        assert bundle not in os.environ.get(name, ""), f"{name} leads into the bundle"
    maps = "/proc/self/maps"
    if os.path.exists(maps):
        with open(maps) as file:
            assert bundle not in file.read(), "a library of the bundle is loaded"
    import ssl

    ctx.log_param("openssl", ssl.OPENSSL_VERSION)
    ctx.log_metric("answer", 42)
    print("hello from", sys.executable)
'''

NEEDY = '''
"""Runs in an environment that the bundled uv makes."""

import sys

import six


def work(ctx):
    assert sys.prefix != sys.base_prefix, "this is no environment of its own"
    ctx.log_param("six", six.__version__)
    ctx.log_metric("answer", 6)
'''


class Failed(Exception):
    """Something did not work."""


class Smoke:
    """One executable, one fresh home, one server."""

    def __init__(self, executable: Path, folder: Path) -> None:
        self.executable = executable
        self.folder = folder
        self.home = folder / "home"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # as on a user's machine: nothing of our development environment
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("MLBOX_", "PYTHON"))
        }
        self.environment.pop("VIRTUAL_ENV", None)

    def cli(self, *arguments: str) -> str:
        """Run the command line on the home; its standard output."""
        command = [str(self.executable), "--home", str(self.home), *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )
        if done.returncode != 0:
            raise Failed(f"mlbox {' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Rows of a statement by ``mlbox sql --json``, each by column."""
        found: list[dict[str, Any]] = json.loads(self.cli("sql", "--json", "-c", statement))
        return found

    def request(self, path: str, body: Any = None) -> tuple[int, bytes]:
        """A request to the server."""
        data = None if body is None else json.dumps(body).encode()
        message = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(message, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    @contextmanager
    def server(self, *flags: str) -> Iterator[subprocess.Popen[str]]:
        """``mlbox up`` until /health answers; ended whatever happens."""
        log = self.folder / "up.txt"
        with log.open("w") as output:
            process = subprocess.Popen(
                [str(self.executable), "--home", str(self.home), "up", "--port", str(self.port), *flags],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=self.environment,
                text=True,
            )
        try:
            wait_for(lambda: process.poll() is not None or self._healthy(), 60, "/health did not answer")
            if process.poll() is not None:
                raise Failed(f"mlbox up ended with {process.returncode}:\n{log.read_text()}")
            yield process
        except Exception:
            print(log.read_text())
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _healthy(self) -> bool:
        try:
            return self.request("/health")[0] == 200
        except OSError:
            return False


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float, otherwise: str) -> Any:
    """Poll until there is a value."""
    stop_by = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > stop_by:
            raise Failed(otherwise)
        time.sleep(0.01)
    return value


def expect(found: Any, wanted: Any, what: str) -> None:
    """Compare, or fail with both."""
    if found != wanted:
        raise Failed(f"{what}: expected {wanted!r}, found {found!r}")


def statements(smoke: Smoke) -> None:
    """Plain SQL and ours, through the server."""
    expect(
        smoke.rows("SELECT 6 * 7 AS answer, TIMESTAMPTZ '2026-01-01 00:00:00Z' AS moment")[0]["answer"], 42, "SELECT"
    )
    smoke.cli("sql", "-c", "CREATE PROJECT smoke COMMENT 'made by the smoke test'")
    expect(
        [row["name"] for row in smoke.rows("SELECT name FROM ml.projects WHERE name = 'smoke'")],
        ["smoke"],
        "ml.projects",
    )


def run_function(smoke: Smoke, name: str, source: str, create: str = "", run: str = "") -> list[dict[str, Any]]:
    """Register a function, run it, look at what it logged."""
    (smoke.folder / f"{name}.py").write_text(source)
    smoke.cli("sql", "-c", f"CREATE FUNCTION smoke.{name} FROM '{name}.py' HANDLER work {create}")
    smoke.cli("sql", "-c", f"RUN smoke.{name} {run}")
    rows = smoke.rows(
        f"SELECT state, error, metrics.answer AS answer FROM ml.runs WHERE project = 'smoke' AND function = '{name}'"
    )
    expect([row["state"] for row in rows], ["completed"], f"state of the run of {name} ({rows})")
    return rows


def plain_function(smoke: Smoke) -> None:
    """In the host's Python, with an environment free of ours."""
    bundle = str(smoke.executable.parent)
    rows = run_function(smoke, "plain", PLAIN, run=f"WITH (bundle = '{bundle}')")
    expect(float(rows[0]["answer"]), 42.0, "the metric of the function")


def needy_function(smoke: Smoke) -> None:
    """In an environment made for its requirement."""
    rows = run_function(smoke, "needy", NEEDY, create="REQUIREMENTS ('six==1.17.0')")
    expect(float(rows[0]["answer"]), 6.0, "the metric of the function")


def prediction(smoke: Smoke) -> None:
    """A model from a file, an endpoint, a request, and its line in the log."""
    (smoke.folder / "tiny.onnx").write_bytes(base64.b64decode(MODEL))
    smoke.cli(
        "sql",
        "-c",
        "CREATE MODEL smoke.tiny FROM 'tiny.onnx'; CREATE ENDPOINT smoke.tiny USING MODEL smoke.tiny LOG ALL",
    )
    body = {"inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [3, -0.5]}]}
    status, answer = smoke.request("/v2/models/smoke.tiny/infer", body)
    expect(status, 200, f"status of the inference ({answer[:300]!r})")
    expect(json.loads(answer)["outputs"][0]["data"], [7.0, 0.0], "the prediction")
    query = "SELECT count(*) AS n FROM ml.predictions WHERE project = 'smoke'"
    wait_for(lambda: smoke.rows(query)[0]["n"] == 2, 20, "the predictions were not logged")


def workers(smoke: Smoke) -> None:
    """They are forked from a process of the executable; both answer, and one that ends is replaced."""

    def processes() -> list[int]:
        found: list[int] = json.loads((smoke.home / "server.json").read_text())["workers"]
        return found

    def answers() -> bool:
        body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [3]}]}
        try:
            status, answer = smoke.request("/v2/models/smoke.tiny/infer", body)
        except OSError:  # it was under way in the one that was ended
            return False
        expect(status, 200, f"status of the inference ({answer[:300]!r})")
        return bool(json.loads(answer)["outputs"][0]["data"] == [7.0])

    def shares() -> dict[str, float]:
        lines = smoke.request("/metrics")[1].decode().splitlines()
        parts = [line.rpartition(" ") for line in lines if line.startswith("mlbox_worker_requests_total{")]
        return {name: float(value) for name, _, value in parts}

    expect(len(processes()), 2, "number of workers")
    expect([answers() for _ in range(40)], [True] * 40, "answers")  # each over a connection of its own
    expect(sorted(value > 0 for value in shares().values()), [True, True], f"requests of each worker ({shares()})")
    before = processes()
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: len(set(processes()) - set(before)) == 1, 30, "a worker that had ended was not replaced")
    wait_for(answers, 30, "no worker answers")
    query = "SELECT count(*) AS n FROM ml.events WHERE kind = 'worker.ended'"
    expect(smoke.rows(query), [{"n": 1}], "the event of the worker that ended")


def search(smoke: Smoke) -> None:
    """A collection, which brings LanceDB in."""
    texts = "FROM (VALUES (1, 'a red boat'), (2, 'a green tree')) AS x(id, body)"
    smoke.cli("sql", "-c", f"CREATE COLLECTION smoke.notes KEY (id) TEXT body AS {texts}")
    found = smoke.rows("SELECT id FROM ml.search('smoke.notes', 'trees')")
    expect(found, [{"id": 2}], "the text that was looked for")


def dashboard(smoke: Smoke) -> None:
    """Its page and a script of it."""
    status, page = smoke.request("/ui/")
    expect(status, 200, "status of the dashboard")
    assets = [part.split('"')[0] for part in page.decode().split('src="')[1:]]
    if not assets:
        raise Failed("the dashboard's page loads no script")
    for asset in assets:
        path = asset if asset.startswith("/") else f"/ui/{asset}"
        expect(smoke.request(path)[0], 200, f"status of {path}")


def down(smoke: Smoke, process: subprocess.Popen[str]) -> None:
    """``mlbox down`` ends the server, and well."""
    smoke.cli("down")
    expect(process.wait(timeout=30), 0, "exit status of the server")


def stopped_home(smoke: Smoke) -> None:
    """The same query without a server."""
    expect(
        [row["state"] for row in smoke.rows("SELECT state FROM ml.runs")], ["completed"] * 2, "runs of the stopped home"
    )


def size_mb(folder: Path) -> float:
    """Megabytes on disk."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def step(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Do it and say how long it took."""
    began = time.monotonic()
    result = work(*arguments)
    print(f"  {name:<40} {time.monotonic() - began:6.2f} s", flush=True)
    return result


def drive(executable: Path, folder: Path) -> None:
    """All of it."""
    smoke = Smoke(executable, folder)
    told = step("--version", smoke.cli, "--version").strip()
    print(f"  {told}, {size_mb(executable.parent):.0f} MB")
    began = time.monotonic()
    with smoke.server() as process:
        print(f"  {'up, from start to /health':<40} {time.monotonic() - began:6.2f} s", flush=True)
        step("statements", statements, smoke)
        step("function in the host's Python", plain_function, smoke)
        step("function with a requirement", needy_function, smoke)
        step("prediction", prediction, smoke)
        step("search", search, smoke)
        step("dashboard", dashboard, smoke)
        step("down", down, smoke, process)
    step("query with the server stopped", stopped_home, smoke)
    with smoke.server("--workers", "2") as process:
        step("workers", workers, smoke)
        step("down", down, smoke, process)


def main() -> int:
    """0 when everything worked."""
    executable = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else EXECUTABLE
    if not executable.is_file():
        print(f"error: there is no {executable}\nhint: make build", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="mlbox-smoke-"))
    try:
        drive(executable, folder)
    except (Failed, subprocess.TimeoutExpired) as error:
        print(f"smoke: FAILED\n{error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("smoke: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
