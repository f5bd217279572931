"""Engines that have taken a run and never answer again."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from waiting import wait_until

from mlbox.base.errors import RunFailed, Unavailable
from mlbox.engine.runs import patience
from mlbox.engine.runs.commands import CancelRun
from mlbox.engine.runs.executors.base import EXECUTORS, Capabilities, Handle, LogSink, RunSpec, Status


class Mute:
    """Starts processes and never says a word of them: each question hangs, or is refused as if nobody listened."""

    name = "mute"
    capabilities = Capabilities(remote=True)
    hangs = True
    processes: list[subprocess.Popen[bytes]] = []
    answers = threading.Event()
    asked: list[str] = []

    def __init__(self, **parts: Any) -> None:
        """Nothing to prepare."""

    def call_home_host(self) -> str:
        """This machine."""
        return "127.0.0.1"

    def submit(self, spec: RunSpec, sink: LogSink) -> Handle:
        """A process that goes on for longer than anybody waits."""
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.processes.append(process)
        deadline = None if spec.timeout_seconds is None else time.time() + spec.timeout_seconds
        return {"pid": process.pid, "deadline": deadline, "timeout_seconds": spec.timeout_seconds}

    def _silence(self, verb: str) -> None:
        self.asked.append(verb)
        if not self.hangs:
            raise Unavailable("nobody listens")
        self.answers.wait(300)

    def poll(self, handle: Handle) -> Status:
        """Never."""
        self._silence("poll")
        return Status("running")

    def logs(self, handle: Handle, offset: int) -> tuple[bytes, int]:
        """Nothing."""
        return b"", offset

    def cancel(self, handle: Handle) -> None:
        """Never."""
        self._silence("cancel")

    def reattach(self, handle: Handle) -> bool:
        """Never."""
        self._silence("reattach")
        return True


@pytest.fixture(params=[True, False], ids=["hangs", "fails"])
def mute(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mute]]:
    EXECUTORS.names()
    monkeypatch.setitem(EXECUTORS._items, "mute", Mute)
    monkeypatch.setattr(patience, "UNANSWERED_SECONDS", 1.0)
    monkeypatch.setattr(patience, "CANCEL_SECONDS", 1.0)
    Mute.hangs = request.param
    Mute.answers.clear()
    Mute.asked.clear()
    yield Mute
    Mute.answers.set()
    for process in Mute.processes:
        process.kill()
        process.wait()
    Mute.processes.clear()


def test_a_run_ends_by_its_time_out(bench: Any, mute: type[Mute]) -> None:
    bench.function("wait", "def wait(ctx): pass", runtime="mute", timeout=timedelta(seconds=1))
    with pytest.raises(RunFailed, match="timed out after 1 s; mute does not answer, so it may go on there") as told:
        bench.run("wait")
    row = bench.row(told.value.details["run_id"])
    assert (row["state"], row["error_type"]) == ("error", "Timeout")
    assert "does not answer" in row["reason"]
    wait_until(lambda: {"poll", "cancel"} <= set(mute.asked))


@pytest.mark.nightly  # a stop waits five seconds for who waits for an engine
def test_it_ends_by_its_time_out_after_a_restart_too(bench: Any, mute: type[Mute]) -> None:
    bench.function("wait", "def wait(ctx): pass", runtime="mute", timeout=timedelta(seconds=12))
    run = bench.run("wait", asynchronous=True).facts["run"]
    wait_until(lambda: bench.row(run)["state"] == "running")
    bench.restart()
    assert bench.runs.reattach().running == 1
    wait_until(lambda: bench.row(run)["state"] == "error")
    assert bench.row(run)["error_type"] == "Timeout"


@pytest.mark.parametrize("timeout", [None, timedelta(seconds=600)], ids=["without TIMEOUT", "long before it"])
def test_a_run_that_is_cancelled_ends(bench: Any, mute: type[Mute], timeout: timedelta | None) -> None:
    bench.function("wait", "def wait(ctx): pass", runtime="mute", timeout=timeout)
    run = bench.run("wait", asynchronous=True).facts["run"]
    wait_until(lambda: bench.row(run)["state"] == "running")
    assert bench.do(CancelRun(project="default", run=run)).facts["state"] == "cancelled"
    assert bench.row(run)["reason"] == "cancelled; mute does not answer, so it may go on there"
    wait_until(lambda: "cancel" in mute.asked)


def test_a_run_that_is_cancelled_while_it_is_started_ends(bench: Any, mute: type[Mute], monkeypatch: Any) -> None:
    """What the engine starts after all is ended as soon as it tells of it."""
    start, ended = Mute.submit, threading.Event()

    def submit(self: Mute, spec: RunSpec, sink: LogSink) -> Handle:
        self.answers.wait(300)
        return start(self, spec, sink)

    monkeypatch.setattr(Mute, "submit", submit)
    monkeypatch.setattr(Mute, "cancel", lambda self, handle: ended.set())
    bench.function("wait", "def wait(ctx): pass", runtime="mute")
    run = bench.run("wait", asynchronous=True).facts["run"]
    wait_until(lambda: bench.row(run)["state"] == "preparing")
    bench.do(CancelRun(project="default", run=run))
    assert "mute did not answer, so what it was starting may go on there" in bench.row(run)["reason"]
    assert not ended.is_set()
    mute.answers.set()
    assert ended.wait(60)


def test_an_engine_that_answers_late_is_believed(bench: Any, mute: type[Mute], monkeypatch: Any) -> None:
    """Before the time is over, silence says nothing of the run."""
    bench.function("wait", "def wait(ctx): pass", runtime="mute", timeout=timedelta(seconds=60))
    run = bench.run("wait", asynchronous=True).facts["run"]
    wait_until(lambda: mute.asked.count("poll") >= 1)
    monkeypatch.setattr(Mute, "_silence", lambda self, verb: None)
    monkeypatch.setattr(Mute, "poll", lambda self, handle: Status("completed", 0))
    mute.answers.set()
    wait_until(lambda: bench.row(run)["state"] == "completed")
