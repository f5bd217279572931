"""What only the Dask executor does: clients, a cluster of the run's own, waiting, lost workers, errors."""

from __future__ import annotations

import os
import signal
import socket
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import dask as fixture
from real_server import Server
from waiting import wait_until

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.engine.runs.executors.base import EXECUTORS, RunSpec, Wish

FINAL = ("completed", "error", "cancelled", "interrupted")


def executor(folder: Path, scheduler: str = "") -> Any:
    return EXECUTORS.get("dask")(home=Home(folder), settings=Settings(dask_scheduler=scheduler))


class Told:
    def write(self, text: str) -> None:
        """Nobody reads it."""


def spec(folder: Path) -> RunSpec:
    return RunSpec("r" * 32, "default", "f", "f.py", folder / "code", folder / "run", folder / "log", "http://x", "t")


def test_a_scheduler_that_is_away_is_told_with_what_was_tried(tmp_path: Path) -> None:
    if fixture.why_not():
        pytest.skip(fixture.why_not())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"tcp://127.0.0.1:{port} does not answer") as caught:
            executor(tmp_path, f"127.0.0.1:{port}").submit(spec(tmp_path), Told())
    assert "dask_scheduler" in str(caught.value.hint)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    with pytest.raises(Unavailable) as caught:
        executor(tmp_path, "tcp://127.0.0.1:1").submit(spec(tmp_path), Told())
    assert caught.value.hint == "install mlbox[dask]"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedular": "x"}, "no option 'schedular'"),
        ({"workers": 5}, "list of texts"),
        ({"priority": "high"}, "priority is a whole number"),
        ({"resources": {"DISK": "much"}}, "resource 'DISK' is a number"),
    ],
)
def test_options_that_it_does_not_know_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=message):
        executor(tmp_path, "tcp://h:1").foresee(Wish(options=options))


def test_without_a_scheduler_runs_are_local_and_say_so(tmp_path: Path) -> None:
    here = executor(tmp_path)
    assert not here.capabilities.remote and executor(tmp_path, "tcp://h:1").capabilities.remote
    ((_, what, detail),) = here.foresee(Wish())
    assert what == "Dask cluster of the run" and "dask_scheduler" in detail
    with pytest.raises(Invalid, match="option workers is for a Dask cluster"):
        here.foresee(Wish(options={"workers": ["a"]}))
    ((_, what, _),) = executor(tmp_path, "h:8786").foresee(Wish(options={"scheduler": "tcp://other:1"}))
    assert what == "Dask scheduler tcp://other:1"


class Place:
    """A server and what it asks."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder

    def function(self, name: str, code: str, clauses: str = "") -> None:
        (self.folder / name).mkdir()
        (self.folder / name / "train.py").write_text(textwrap.dedent(code))
        (self.folder / name / "shapes.py").write_text("def square(value):\n    return value * value\n")
        text = f"CREATE FUNCTION {name} FROM '{self.folder / name}' RUNTIME dask {clauses}"
        status, _, body = self.server.request("POST", "/sql", {"sql": text, "folder": str(self.folder)})
        assert status == 200, body

    def start(self, text: str) -> str:
        run: str = self.server.sql(f"RUN {text} ASYNC")[0]["rows"][0][0]
        return run

    def row(self, run: str) -> dict[str, Any]:
        (result,) = self.server.sql(f"SELECT * FROM ml.runs WHERE id = '{run}'")
        return dict(zip([column["name"] for column in result["columns"]], result["rows"][0], strict=True))

    def until(self, run: str, wanted: Any) -> dict[str, Any]:
        def look() -> Any:
            row = self.row(run)
            return row if wanted(row) else None

        found: dict[str, Any] = wait_until(look, 200)
        return found

    def end(self, run: str) -> dict[str, Any]:
        return self.until(run, lambda row: row["state"] in FINAL)

    def log(self, run: str) -> str:
        return self.server.request("GET", f"/runs/{run}/log?offset=0")[2].decode()


SQUARES = """
import shapes

def main(ctx, dask_client, count: int = 4):
    assert ctx.dask_client is dask_client
    print("threads", sum(dask_client.nthreads().values()))
    return {"total": sum(dask_client.gather(dask_client.map(shapes.square, range(count))))}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    reason = fixture.why_not()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("dask")
    with fixture.engine(folder / "engine") as variables:
        server = Server(folder / "home", environment=variables)
        try:
            yield Place(server, folder)
        finally:
            server.stop()


@pytest.mark.engine
def test_scenario_of_a_client(place: Place) -> None:
    """Functions of the user's files work on the cluster, from a run on the cluster, and leave nothing there."""
    place.function("squares", SQUARES)
    (plan,) = place.server.sql("EXPLAIN RUN squares")
    assert "Dask scheduler tcp://127.0.0.1:" in str(plan["rows"])
    runs = [place.start("squares WITH (count = 5)") for _ in range(5)]  # more than the cluster has threads
    for run in runs:
        row = place.end(run)
        assert (row["state"], row["metrics"]) == ("completed", {"total": 30}), row["traceback"]
        assert "threads 4" in place.log(run)
    wait_until(lambda: not [path for run in runs for path in Path("/tmp").glob(f"mlbox-*{run}*")], 30)


@pytest.mark.engine
def test_scenario_of_a_cluster_of_the_runs_own(tmp_path: Path) -> None:
    if fixture.why_not():
        pytest.skip(fixture.why_not())
    server = Server(tmp_path / "home", environment={"MLBOX_RUN_CPUS": "2"})
    try:
        place = Place(server, tmp_path)
        place.function("squares", SQUARES)
        row = place.end(place.start("squares"))
        assert (row["state"], row["metrics"]) == ("completed", {"total": 14}), row["traceback"]
    finally:
        server.stop()


BUSY = """
import os, time

def main(ctx, seconds: float):
    print("pid", os.getpid(), os.getppid(), flush=True)
    time.sleep(seconds)
    return {"attempt": ctx.attempt}
"""


@pytest.mark.engine
@pytest.mark.nightly
def test_what_waits_for_a_thread_says_so_and_can_be_cancelled(place: Place) -> None:
    place.function("busy", BUSY)
    running = [place.start("busy WITH (seconds = 600)") for _ in range(4)]
    for run in running:
        place.until(run, lambda row: row["state"] == "running" and row["reason"] is None)
    waiting = place.start("busy WITH (seconds = 0)")
    place.until(waiting, lambda row: "waits for a free thread" in str(row["reason"]))
    follower = place.start("busy WITH (seconds = 0)")
    place.server.sql(f"CANCEL RUN '{waiting}'")
    assert place.row(waiting)["state"] == "cancelled"
    for run in running:
        place.server.sql(f"CANCEL RUN '{run}'")
    assert place.end(follower)["state"] == "completed"
    assert "pid" not in place.log(waiting)


@pytest.mark.engine
@pytest.mark.nightly
def test_a_lost_worker_is_an_error_that_retry_repeats(place: Place) -> None:
    """Dask itself would start the task again, beside a process that may go on."""
    code = BUSY.replace("time.sleep(seconds)", "time.sleep(seconds if ctx.attempt == 1 else 0)")
    place.function("lost", code, "RETRY 1 BACKOFF INTERVAL '100 milliseconds'")
    run = place.start("lost WITH (seconds = 600)")
    wait_until(lambda: "pid" in place.log(run), 60)
    process, worker = (int(word) for word in place.log(run).split("pid ")[1].split()[:2])
    os.kill(worker, signal.SIGKILL)  # its nanny starts another
    row = place.end(run)
    assert (row["state"], row["attempt"], row["metrics"]) == ("completed", 2, {"attempt": 2}), row["reason"]
    assert place.log(run).count("pid") == 2
    (first,) = place.server.sql(f"SELECT state, error FROM ml.task_history WHERE id = '{run}' AND attempt = 1")
    assert first["rows"][0][0] == "error" and "worker that the run was on has gone" in first["rows"][0][1]

    def gone() -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return not list(Path("/tmp").glob(f"mlbox-*{run}*"))
        return False

    wait_until(gone, 30)


@pytest.mark.engine
@pytest.mark.nightly
def test_requirements_are_installed_on_the_worker_and_limits_hold(place: Place) -> None:
    place.function(
        "needy",
        """
        import os, six

        def main(ctx):
            print("six", six.__version__, "processors", len(os.sched_getaffinity(0)))
        """,
        "REQUIREMENTS ('six==1.16.0') RESOURCES (cpu = 1)",
    )
    row = place.end(place.start("needy"))
    assert row["state"] == "completed", place.log(row["id"])
    assert "six 1.16.0 processors 1" in place.log(row["id"])


@pytest.mark.engine
@pytest.mark.nightly
def test_a_scheduler_that_was_restarted_has_forgotten_the_run(tmp_path: Path) -> None:
    if fixture.why_not():
        pytest.skip(fixture.why_not())
    with fixture.engine(tmp_path / "engine") as variables:
        server = Server(tmp_path / "home", environment=variables)
        place = Place(server, tmp_path)
        place.function("busy", BUSY)
        run = place.start("busy WITH (seconds = 600)")
        wait_until(lambda: "pid" in place.log(run), 60)
    try:
        assert place.row(run)["state"] == "running"  # a scheduler that is away says nothing of the run
        (tmp_path / "again").mkdir()
        with fixture.scheduler(tmp_path / "again", variables["MLBOX_DASK_SCHEDULER"].rpartition(":")[2]):
            row = place.end(run)
        assert row["state"] == "interrupted" and "does not know the run any more" in row["reason"], row
    finally:
        server.stop()
