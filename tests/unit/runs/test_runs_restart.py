from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from mlbox.base.clock import now
from mlbox.base.errors import Unauthorized, Unavailable
from mlbox.base.ids import new_id
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import runs
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import restart
from mlbox.engine.runs.commands import StartRun, Sweep, SweepParameter
from mlbox.engine.runs.requests import dump_sweep

# Goes on until the file "go" is there; logs before and after.
WAITER = """
    import time
    from pathlib import Path
    def wait(ctx, folder, fail=False, x=0):
        ctx.log_metric("before", 1)
        print("begun", flush=True)
        while not (Path(folder) / "go").exists():
            time.sleep(0.02)
        ctx.log_metric("after", 2)
        print("ended", flush=True)
        if fail:
            raise ValueError("late")
"""


@pytest.fixture
def waiting(bench: Any, tmp_path: Path) -> Callable[..., str]:
    bench.function("wait", WAITER)

    def start(**options: Any) -> str:
        parameters = {"folder": str(tmp_path), **options.pop("parameters", {})}
        run: str = bench.run("wait", asynchronous=True, parameters=parameters, **options).facts["run"]
        wait_until(lambda: bench.runs.log_path(run).exists() and "begun" in bench.log(run))
        wait_until(lambda: bench.row(run)["state"] == "running")
        return run

    return start


def spool(folder: Path, batch: str, *events: dict[str, Any]) -> None:
    from mlbox.client.spool import Spool

    Spool(folder / "spool").write(batch, json.dumps({"batch": batch, "events": events}).encode())


def process_of(bench: Any, run: str) -> int:
    with bench.catalog.read() as cursor:
        return int(runs.get(cursor, run).handle["pid"])


def test_a_run_goes_on_while_the_server_is_away(bench: Any, waiting: Callable[..., str], tmp_path: Path) -> None:
    run = waiting()
    bench.restart()
    assert bench.row(run)["state"] == "running"
    found = bench.runs.reattach()
    assert (found.running, found.interrupted) == (1, 0)
    assert bench.runs.reattach() == restart.Found(0, 0)  # it is looked after already
    (tmp_path / "go").touch()
    wait_until(lambda: bench.row(run)["state"] == "completed")
    assert bench.row(run)["metrics"] == {"before": 1, "after": 2}
    assert len(bench.rows("FROM catalog.ml.metrics")) == 2
    assert bench.log(run).count("begun") == bench.log(run).count("ended") == 1


def test_a_run_that_ended_meanwhile_is_told_as_it_was(bench: Any, waiting: Callable[..., str], tmp_path: Path) -> None:
    failed = waiting(parameters={"fail": True})
    pid = process_of(bench, failed)
    bench.runs.shutdown()
    (tmp_path / "go").touch()
    wait_until(lambda: not alive(pid))
    folder = bench.home.runs / failed / "attempt-1"
    assert json.loads((folder / "exit.json").read_text())["state"] == "error"
    spool(folder, "undelivered", {"kind": "metric", "name": "last", "value": 3.0})
    bench.restart()
    assert bench.row(failed)["state"] == "running"
    bench.runs.reattach()
    wait_until(lambda: bench.row(failed)["state"] != "running")
    row = bench.row(failed)
    assert (row["state"], row["error_type"], row["error"]) == ("error", "ValueError", "late")
    assert "wait.py" in row["traceback"]
    assert row["metrics"] == {"before": 1, "after": 2, "last": 3}
    assert not list(folder.glob("spool/*.json"))


def test_a_run_whose_process_is_gone(bench: Any, waiting: Callable[..., str]) -> None:
    run = waiting()
    pid = process_of(bench, run)
    wait_until(lambda: bench.row(run)["metrics"])
    bench.runs.shutdown()
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))
    bench.restart()
    assert bench.runs.reattach().interrupted == 1
    row = bench.row(run)
    assert (row["state"], row["reason"]) == ("interrupted", restart.GONE)
    assert row["finished_at"] is not None and row["metrics"] == {"before": 1}
    with pytest.raises(Unauthorized):
        bench.runs.calls_home.check_token(run, "anything")
    told = [event.data["state"] for event in bench.events if event.kind == "run.finished"]
    assert told == ["interrupted"]


@pytest.mark.parametrize(("state", "reason"), [("pending", restart.NOT_BEGUN), ("preparing", restart.PREPARED)])
def test_a_run_that_had_no_process_yet(bench: Any, state: str, reason: str) -> None:
    row = RunRow(
        id=new_id(), project="default", name=None, function="f", function_version=1, handler=None, runtime="local",
        state=state, created_at=now(),
    )  # fmt: skip
    bench.catalog.write(lambda cursor: runs.insert(cursor, row))
    spool(bench.home.runs / row.id / "attempt-1", "b", {"kind": "metric", "name": "left", "value": 1.0})
    bench.runs.reattach()
    found = bench.row(row.id)
    assert (found["state"], found["reason"], found["metrics"]) == ("interrupted", reason, {"left": 1.0})


def trial_states(bench: Any, parent: str) -> list[str]:
    """States of the trials of a sweep, in their order."""
    rows = bench.rows("SELECT state FROM catalog.ml.runs WHERE parent_id = ? ORDER BY id", parent)
    return [row["state"] for row in rows]


def sweep_with_a_dead_trial(bench: Any, folder: Path) -> tuple[str, Any]:
    """A sweep of three, two at once, whose second trial died with the server; the server is there again."""
    search = Sweep((SweepParameter("x", (1, 2, 3)),), "after", "maximize", parallel=2)
    command = StartRun(
        function=Ref("default", "wait"), sweep=search, parameters={"folder": str(folder)}, asynchronous=True
    )
    parent: str = bench.do(command).facts["run"]
    wait_until(lambda: trial_states(bench, parent) == ["running", "running"])
    with bench.catalog.read() as cursor:
        dead = runs.children(cursor, parent)[1]
    bench.runs.shutdown()
    os.killpg(dead.handle["pid"], signal.SIGKILL)
    wait_until(lambda: not alive(dead.handle["pid"]))
    bench.restart()
    return parent, dead


def test_a_sweep_goes_on_and_tries_again_what_died_with_the_server(
    bench: Any, waiting: Callable[..., str], tmp_path: Path
) -> None:
    parent, _ = sweep_with_a_dead_trial(bench, tmp_path)
    assert bench.runs.reattach() == restart.Found(running=2, interrupted=1)
    assert bench.row(parent)["state"] == "running"
    wait_until(lambda: trial_states(bench, parent) == ["running", "interrupted", "running"])
    (tmp_path / "go").touch()
    wait_until(lambda: bench.row(parent)["state"] == "completed")
    tried = bench.rows(
        "SELECT state, params.x::INTEGER AS x FROM catalog.ml.runs WHERE parent_id = ? ORDER BY id", parent
    )
    assert [(trial["state"], trial["x"]) for trial in tried] == [
        ("completed", 1), ("interrupted", 2), ("completed", 2), ("completed", 3),
    ]  # fmt: skip
    assert bench.row(parent)["reason"].startswith("best of 3: trial-1, after = 2")


def test_a_sweep_whose_interrupted_trial_is_gone_goes_on_after_the_next_restart(
    bench: Any, waiting: Callable[..., str], tmp_path: Path
) -> None:
    """The trial was tried again, and the row that says why has been removed; another that was not is tried anew."""
    parent, dead = sweep_with_a_dead_trial(bench, tmp_path)
    bench.runs.reattach()
    wait_until(lambda: trial_states(bench, parent) == ["running", "interrupted", "running"])
    bench.catalog.write(lambda cursor: runs.delete(cursor, [dead.id]))
    bench.restart()
    assert bench.runs.reattach() == restart.Found(running=3, interrupted=0)
    (tmp_path / "go").touch()
    wait_until(lambda: bench.row(parent)["state"] == "completed")
    tried = bench.rows(
        "SELECT name, state, params.x::INTEGER AS x FROM catalog.ml.runs WHERE parent_id = ? ORDER BY id", parent
    )
    assert [(trial["name"], trial["state"], trial["x"]) for trial in tried] == [
        ("trial-1", "completed", 1), ("trial-3", "completed", 2), ("trial-4", "completed", 3),
    ]  # fmt: skip


def test_a_sweep_that_had_not_begun_is_interrupted(bench: Any) -> None:
    bench.function("wait", WAITER)
    search = dump_sweep(Sweep((SweepParameter("x", (1, 2)),), "after", "maximize"))
    row = RunRow(
        id=new_id(), project="default", name=None, function="wait", function_version=1, handler="wait", runtime="local",
        state="preparing", created_at=now(), request={"sweep": search, "parameters": {}},
    )  # fmt: skip
    bench.catalog.write(lambda cursor: runs.insert(cursor, row))
    assert bench.runs.reattach() == restart.Found(running=0, interrupted=1)
    assert (bench.row(row.id)["state"], bench.row(row.id)["reason"]) == ("interrupted", restart.SWEEP)


def test_a_found_run_is_tried_again_when_it_fails(bench: Any, waiting: Callable[..., str], tmp_path: Path) -> None:
    bench.function("wait", WAITER, backoff=timedelta(milliseconds=10))
    run = waiting(parameters={"fail": True}, retries=1)
    bench.restart()
    bench.runs.reattach()
    (tmp_path / "go").touch()
    wait_until(lambda: bench.row(run)["state"] == "error")
    assert bench.row(run)["attempt"] == 2
    assert bench.log(run).count("ended") == 2


def test_who_waits_for_a_run_is_told_that_the_server_stops(bench: Any, tmp_path: Path) -> None:
    import threading

    bench.function("wait", WAITER)
    caught: list[BaseException] = []

    def call() -> None:
        try:
            bench.run("wait", parameters={"folder": str(tmp_path)}, name="w")
        except Unavailable as error:
            caught.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: bench.rows("FROM catalog.ml.runs WHERE state = 'running'"))
    bench.restart()
    caller.join(60)
    assert "the run goes on" in str(caught[0])
    bench.runs.reattach()
    (tmp_path / "go").touch()
    wait_until(lambda: bench.rows("FROM catalog.ml.runs WHERE state = 'completed'"))


def alive(pid: int) -> bool:
    from mlbox.engine.runs.executors.processes import start_time

    return start_time(pid) is not None
