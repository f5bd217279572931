"""Many runs at once: not a line, not a point, not an end is lost, and the server does not grow with them."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from real_server import Server, wait_until

LINES = 20
POINTS = 40
CLIENTS = 5

BUSY = f"""
import sys

def busy(ctx, number: int):
    for step in range({POINTS}):
        ctx.log_metric("loss", number + step / 100, step=step)
        if step % 2:
            print(f"run {{number}} line {{step // 2}}", file=sys.stderr if step % 4 == 1 else sys.stdout)
    ctx.log_param("seen", number)
    ctx.log_metric("last", number)
    if number % 50 == 7:
        raise ValueError(f"run {{number}} was to fail")
"""


class Watched:
    """The largest that the server has been, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self._over = threading.Event()
        self.threads = self.files = 0
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    @property
    def megabytes(self) -> float:
        """Resident memory at its largest."""
        return int(self._status("VmHWM").split()[0]) / 1024

    def _status(self, name: str) -> str:
        return (self._folder / "status").read_text().partition(f"\n{name}:")[2].partition("\n")[0]

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.threads = max(self.threads, int(self._status("Threads")))
            self.files = max(self.files, len(list((self._folder / "fd").iterdir())))


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Server]:
    """A server of its own with a function of which every run writes and logs."""
    (tmp_path / "busy.py").write_text(BUSY)
    server = Server(tmp_path / "home", environment={"MLBOX_PYTHON": sys.executable, "MLBOX_RUN_SLOTS": "4"})
    server.sql(f"CREATE FUNCTION busy FROM '{tmp_path / 'busy.py'}'")
    server.sql("RUN busy WITH (number = -1)")
    yield server
    server.stop()


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=[pytest.mark.nightly, pytest.mark.timeout(1800)])])
def test_nothing_of_many_runs_is_lost(busy: Server, count: int) -> None:
    watched = Watched(busy.process.pid)
    before = watched.megabytes
    try:
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(lambda number: begin(busy, number), range(count)))
        runs = {run: number for number, run in enumerate(answers)}
        wait_until(lambda: left(busy) == 0, seconds=60 + 3 * count)
    finally:
        watched.stop()
    ends = busy.sql("SELECT id, state, error, metrics.last::DOUBLE, params.seen::BIGINT FROM ml.runs")[0]["rows"]
    failing = {number for number in range(count) if number % 50 == 7}
    expected = [
        [run, "error", f"run {number} was to fail", number, number]
        if number in failing
        else [run, "completed", None, number, number]
        for run, number in runs.items()
    ]
    assert sorted(row for row in ends if row[0] in runs) == sorted(expected)
    points = busy.sql(
        "SELECT run_id, count(*), count(DISTINCT step), min(value), max(value) FROM ml.metrics WHERE name = 'loss' "
        "GROUP BY run_id"
    )[0]["rows"]
    assert sorted(row for row in points if row[0] in runs) == sorted(
        [run, POINTS, POINTS, number, number + (POINTS - 1) / 100] for run, number in runs.items()
    )
    for run, number in runs.items():
        lines = log(busy, run).splitlines()
        assert [line for line in lines if line.startswith("run ")] == [
            f"run {number} line {line}" for line in range(LINES)
        ], lines
    attempts = busy.sql("SELECT count(*), count(DISTINCT id) FROM ml.task_history WHERE kind = 'run'")[0]["rows"]
    assert attempts == [[count + 1, count + 1]]
    print(f"{watched.threads} threads, {watched.files} files, {before:.0f} MB before, {watched.megabytes:.0f} MB after")
    assert watched.threads < count + 120  # one a run that waits, and the server's own
    assert watched.files < 250
    assert watched.megabytes - before < 250, (before, watched.megabytes)


def begin(server: Server, number: int) -> str:
    return str(server.sql(f"RUN busy WITH (number = {number}) ASYNC")[0]["rows"][0][0])


def left(server: Server) -> int:
    final = "('completed', 'error', 'cancelled', 'interrupted')"
    return int(server.sql(f"SELECT count(*) FROM ml.runs WHERE state NOT IN {final}")[0]["rows"][0][0])


def log(server: Server, run: str) -> str:
    pieces: list[bytes] = []
    offset: Any = 0
    while True:
        status, headers, body = server.request("GET", f"/runs/{run}/log?offset={offset}")
        assert status == 200, json.loads(body)
        if not body:
            return b"".join(pieces).decode()
        pieces.append(body)
        offset = headers["x-mlbox-offset"]
