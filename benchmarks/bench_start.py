"""How long until mlbox is there: the command, the server, the import?"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from report import Table, folder, in_turn, open_house

from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables import runs

ROUNDS = 9
SERVER_ROUNDS = 5
RUNS = 10_000
POINTS = 10


def process(*arguments: str) -> float:
    """Milliseconds of a whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def imported(module: str) -> float:
    """Milliseconds of an import in a fresh interpreter, without the interpreter's own start."""
    text = f"import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
    done = subprocess.run([sys.executable, "-c", text], check=True, capture_output=True, text=True)
    return float(done.stdout) * 1000


def up(home: Path) -> float:
    """Milliseconds from ``mlbox up`` until ``/health`` answers; the server is stopped then."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "mlbox", "--home", str(home), "up", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            while not healthy(home):
                if server.poll() is not None or time.perf_counter() - began > 60:
                    raise RuntimeError(f"the server of {home} did not start")
                time.sleep(0.005)
            return (time.perf_counter() - began) * 1000
        finally:
            server.send_signal(signal.SIGTERM)


def healthy(home: Path) -> bool:
    try:
        url = json.loads((home / "server.json").read_text())["url"]
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def fill(home: Path) -> None:
    """A home with so many completed runs, each with its points of a metric."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with open_house(home) as (house, _):
        row = runs.RunRow(
            id=new_id(),
            project="default",
            name="first",
            function="f",
            function_version=1,
            handler="f",
            runtime="local",
            state="completed",
            created_at=moment,
            started_at=moment,
            finished_at=moment,
            params={"lr": 0.1, "depth": 6},
            metrics={"auc": 0.9},
        )
        house.catalog.write(lambda cursor: runs.insert(cursor, row))
        copies = (
            "INSERT INTO catalog.main.runs "
            "SELECT runs.* REPLACE (lpad(to_hex(range), 32, '0') AS id, 'run ' || range AS name) "
            f"FROM catalog.main.runs, range(1, {RUNS})"
        )
        points = (
            "INSERT INTO catalog.main.metrics (project, run_id, batch, ordinal, name, step, value, logged_at) "
            f"SELECT project, id, 'b', range, 'auc', range, 0.9, created_at FROM catalog.main.runs, range({POINTS})"
        )
        house.catalog.write(lambda cursor: cursor.execute(copies) and cursor.execute(points) and None)
        found = house.catalog.row("SELECT count(*) AS runs FROM catalog.ml.runs")
        assert found == {"runs": RUNS}, found


def measure(place: Path) -> None:
    used, full, numbers = place / "used", place / "full", count()
    fill(full)
    up(used)
    commands = in_turn(
        {"version": lambda: process("-m", "mlbox", "--version"), "bare": lambda: process("-c", "pass")}, ROUNDS
    )
    servers = in_turn(
        {
            "new": lambda: up(place / f"new-{next(numbers)}"),
            "used": lambda: up(used),
            "full": lambda: up(full),
            "bare": lambda: process("-c", "pass"),
        },
        SERVER_ROUNDS,
    )
    imports = in_turn({"mlbox": lambda: imported("mlbox"), "json": lambda: imported("json")}, ROUNDS)
    table = Table("How long until mlbox is there?", "`python -c pass`, same interpreter")
    table.add("mlbox --version", commands["version"], "ms", commands["bare"])
    table.add("mlbox up until /health, a new home", servers["new"], "ms", servers["bare"])
    table.add("mlbox up until /health, an empty home", servers["used"], "ms", servers["bare"])
    table.add(f"mlbox up until /health, {RUNS:,} runs", servers["full"], "ms", servers["bare"])
    table.print()
    table = Table("How long does the import take?", "`import json`")
    table.add("import mlbox", imports["mlbox"], "ms", imports["json"])
    table.print()


if __name__ == "__main__":
    with folder() as place:
        measure(place)
