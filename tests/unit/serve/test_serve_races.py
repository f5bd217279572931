"""Processes of user code that end, hang and are cancelled at the worst moment: whoever else they answer is answered."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_house import House
from waiting import wait_until

from mlbox.base.errors import MlboxError
from mlbox.serve.python.errors import CodeFailed
from mlbox.serve.python.pool import Pool
from mlbox.serve.python.process import Process, Ticket
from mlbox.serve.remote import INLINE_BYTES, RemotePredictor

CODE = """
import asyncio, os, sys, time

def until(path):
    while not os.path.exists(path):
        time.sleep(0.005)

def plain(event):
    if event.get("begun"):
        open(event["begun"], "w").close()
    if event.get("leaves"):
        sys.exit(3)
    if event.get("until"):
        until(event["until"])
    return event["say"]

async def later(event):
    if event.get("begun"):
        open(event["begun"], "w").close()
    if event.get("blocks"):
        until(event["blocks"])
    while event.get("until") and not os.path.exists(event["until"]):
        try:
            await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            await asyncio.sleep(event.get("slow", 0))
            raise
    return event["say"]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all of this file."""
    house = House(tmp_path_factory.mktemp("races"))
    house.function("plain", CODE, "plain")
    house.function("later", CODE, "later")
    yield house
    house.close()


@pytest.fixture
def predictor(home: House, request: pytest.FixtureRequest) -> RemotePredictor:
    """What asks processes of this test alone."""
    function, options = request.param
    name = f"e{len(home.endpoints.directory.slots())}"
    home.endpoint(name, function=function, options={"timeout_ms": 30_000, **options})
    runtime = home.endpoints.directory.find(name).runtime
    assert runtime is not None
    found = runtime.arms[0].predictor
    assert isinstance(found, RemotePredictor)
    wait_until(lambda: len(_pool(found).pids()) == options.get("processes", 1))
    return found


def _pool(predictor: RemotePredictor) -> Pool:
    return predictor._lease.pool


def _event(say: str, **paths: Path | float) -> dict[str, Any]:
    return {"say": say, **{name: str(value) if isinstance(value, Path) else value for name, value in paths.items()}}


def _head(say: str, **paths: Path | float) -> dict[str, Any]:
    return {"verb": "do", "event": _event(say, **paths)}


@pytest.mark.parametrize("predictor", [("plain", {})], indirect=True)
def test_a_process_that_is_ended_while_it_ends_by_itself_is_replaced(
    predictor: RemotePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    how = Process._how_it_ended

    def raced(self: Process) -> str:
        assert self.pid is not None
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self.end("somebody's time has passed")
        return how(self)

    monkeypatch.setattr(Process, "_how_it_ended", raced)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: pool._processes not in ([], [process]))
    assert asyncio.run(predictor.do(_event("again"))) == "again"


@pytest.mark.parametrize("predictor", [("plain", {})], indirect=True)
def test_a_process_that_ends_as_soon_as_it_is_ready_is_replaced(
    predictor: RemotePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    start, ended = Process.start, threading.Event()

    def short(self: Process, seconds: float) -> Any:
        about = start(self, seconds)
        if not ended.is_set():
            assert self.pid is not None
            os.kill(self.pid, signal.SIGKILL)
            self._thread.join()
            ended.set()
        return about

    monkeypatch.setattr(Process, "start", short)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    wait_until(ended.is_set)
    wait_until(lambda: [each for each in pool._processes if not each.ended])
    assert asyncio.run(predictor.do(_event("again"))) == "again"
    assert len(pool._processes) == 1


@pytest.mark.parametrize("predictor", [("plain", {"processes": 2})], indirect=True)
def test_others_are_asked_while_a_process_ends(predictor: RemotePredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = _pool(predictor)
    process, other = pool._processes
    how, go_on = Process._how_it_ended, threading.Event()

    def slow(self: Process) -> str:
        go_on.wait(60)
        return how(self)

    monkeypatch.setattr(Process, "_how_it_ended", slow)
    try:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: process.ended)
        ticket = pool.submit(_head("here"), (), 30)
        assert ticket.future.result(20)[0]["value"] == "here"
    finally:
        go_on.set()
    assert other in pool._processes


@pytest.mark.parametrize("predictor", [("later", {})], indirect=True)
def test_a_request_that_is_given_up_before_it_is_sent_is_not_sent(
    predictor: RemotePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    take, go_on = Process.take, threading.Event()

    def later(self: Process, ticket: Ticket) -> Callable[[], None]:
        send = take(self, ticket)

        def sent() -> None:
            go_on.wait(60)
            send()

        return sent

    monkeypatch.setattr(Process, "take", later)
    ticket = Ticket(_head("gone", until=tmp_path / "never", begun=tmp_path / "begun"), (), 30)
    placing = threading.Thread(target=pool.place, args=(ticket,))
    placing.start()
    wait_until(lambda: process.has(ticket))
    ticket.future.cancel()
    pool.abandoned(ticket, 30)
    go_on.set()
    placing.join()
    wait_until(lambda: not process.busy)
    assert pool._processes == [process] and not process.ended


@pytest.mark.parametrize("predictor", [("later", {})], indirect=True)
def test_a_caller_without_patience_ends_no_process_whose_loop_is_busy(
    predictor: RemotePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    monkeypatch.setattr("mlbox.serve.python.pool.CANCEL_SECONDS", 0.0)
    busy = pool.submit(_head("busy", blocks=tmp_path / "go", begun=tmp_path / "begun"), (), 30)
    wait_until((tmp_path / "begun").exists)
    gone = pool.submit(_head("gone", until=tmp_path / "never"), (), 30)
    gone.future.cancel()
    pool.abandoned(gone, 30)
    time.sleep(0.3)  # in which it would be ended
    (tmp_path / "go").touch()
    assert busy.future.result(20)[0]["value"] == "busy"
    wait_until(lambda: not process.busy)
    assert pool._processes == [process]


@pytest.mark.parametrize("predictor", [("plain", {"threads": 9})], indirect=True)
def test_nothing_is_left_of_requests_that_nobody_waited_for(predictor: RemotePredictor, tmp_path: Path) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    before = set(threading.enumerate())
    for number in range(9):
        ticket = pool.submit(_head("gone", until=tmp_path / "go", begun=tmp_path / str(number)), (), 300)
        ticket.future.cancel()
        pool.abandoned(ticket, 300)
    timers = [each for each in set(threading.enumerate()) - before if isinstance(each, threading.Timer)]
    assert len(process.busy) == len(timers) == 9
    (tmp_path / "go").touch()
    wait_until(lambda: not any(each.is_alive() for each in timers), 20)
    assert not process.busy


@pytest.mark.parametrize("predictor", [("later", {})], indirect=True)
def test_code_has_its_time_to_give_up_a_request_whoever_else_is_late(
    predictor: RemotePredictor, tmp_path: Path
) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    long = pool.submit(_head("long", until=tmp_path / "end"), (), 30)
    late = pool.submit(_head("late", until=tmp_path / "never", slow=0.3, begun=tmp_path / "begun"), (), 0.001)
    wait_until((tmp_path / "begun").exists)
    late.future.cancel()
    pool.late(late)
    pool.late(Ticket(_head("queued"), (), 0.001))  # one that has waited in line in vain
    wait_until(lambda: len(process.busy) == 1)
    (tmp_path / "end").touch()
    assert long.future.result(20)[0]["value"] == "long"


@pytest.mark.parametrize("predictor", [("plain", {})], indirect=True)
def test_a_process_that_answers_in_the_last_moment_is_not_ended_under_the_next_request(
    predictor: RemotePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    late = pool.submit(_head("late", until=tmp_path / "late"), (), 30)
    following = pool.submit(_head("following", until=tmp_path / "following"), (), 30)
    wait_until(lambda: process.has(late))
    end = Process.end

    def slow(self: Process, *given: Any) -> None:
        (tmp_path / "late").touch()
        wait_until(lambda: self.has(following))
        end(self, *given)

    monkeypatch.setattr(Process, "end", slow)
    pool.late(late)
    (tmp_path / "following").touch()
    assert following.future.result(20)[0]["value"] == "following" and pool._processes == [process]


@pytest.mark.parametrize("predictor", [("plain", {"threads": 2})], indirect=True)
def test_code_that_exits_in_a_thread_is_answered_for(predictor: RemotePredictor, tmp_path: Path) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    long = pool.submit(_head("long", until=tmp_path / "end"), (), 30)
    left = pool.submit(_head("left", leaves=1), (), 30)
    with pytest.raises(MlboxError, match="SystemExit"):
        left.future.result(10)
    (tmp_path / "end").touch()
    assert long.future.result(20)[0]["value"] == "long" and pool._processes == [process]


@pytest.mark.parametrize("predictor", [("plain", {})], indirect=True)
def test_a_process_is_replaced_when_there_is_a_socket_for_it_again(
    predictor: RemotePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    pair, asked = socket.socketpair, []

    def none_left() -> Any:
        asked.append(1)
        if len(asked) == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return pair()

    monkeypatch.setattr("mlbox.serve.python.process.socket.socketpair", none_left)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: pool._processes not in ([], [process]))
    assert len(asked) == 2
    assert asyncio.run(predictor.do(_event("again"))) == "again"


@pytest.mark.parametrize("predictor", [("plain", {})], indirect=True)
def test_what_is_nested_too_deep_to_be_sent_is_refused(predictor: RemotePredictor) -> None:
    pool = _pool(predictor)
    (process,) = pool._processes
    for depth in range(400, 1100, 10):
        value: Any = 1
        for _ in range(depth):
            value = [value]
        with suppress(CodeFailed):
            asyncio.run(predictor.do(_event(value)))
    assert not process.busy and pool._processes == [process]


HELD = """
import ctypes
async def held(event):
    if event.get("gate"):
        open(event["begun"], "w").close()
        ctypes.PyDLL(None).open(event["gate"].encode(), 0)  # keeps the interpreter's lock until somebody writes
    return len(event["say"])
"""


def test_an_event_loop_does_not_wait_for_a_process_that_does_not_read(home: House, tmp_path: Path) -> None:
    home.function("held", HELD, "held")
    home.endpoint("held", function="held", options={"timeout_ms": 60_000})
    runtime = home.endpoints.directory.find("held").runtime
    assert runtime is not None
    predictor = runtime.arms[0].predictor
    gate, goes_on, told = tmp_path / "gate", threading.Event(), list[bool]()
    os.mkfifo(gate)

    def let_go() -> None:
        told.append(goes_on.wait(20))
        gate.write_text("")

    async def ask() -> list[Any]:
        event = {"say": "", "gate": str(gate), "begun": str(tmp_path / "begun")}
        asked = [asyncio.ensure_future(predictor.do(event))]
        await asyncio.to_thread(wait_until, (tmp_path / "begun").exists)
        await asyncio.sleep(0.5)  # it is in C by then
        threading.Thread(target=let_go).start()
        asked += [asyncio.ensure_future(predictor.do({"say": "x" * 60_000})) for _ in range(20)]
        await asyncio.sleep(0.1)
        goes_on.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [0] + [60_000] * 20
    assert told == [True]


def test_large_requests_that_wait_for_an_answer_hold_no_threads(home: House, tmp_path: Path) -> None:
    source = f"""
import os, time
def wide(inputs):
    while not os.path.exists({str(tmp_path / "go")!r}):
        time.sleep(0.005)
    return inputs["x"]
"""
    home.function("wide", source, "wide")
    home.endpoint("wide", function="wide", options={"timeout_ms": 60_000})
    runtime = home.endpoints.directory.find("wide").runtime
    assert runtime is not None
    predictor = runtime.arms[0].predictor
    rows = INLINE_BYTES // 8 + 1

    async def ask() -> int:
        columns = {"x": np.zeros(rows)}
        asked = [asyncio.ensure_future(predictor.ask("predict", columns, rows)) for _ in range(40)]
        await asyncio.sleep(0.1)
        try:
            async with asyncio.timeout(20):
                await asyncio.to_thread(bool)  # of another endpoint, say
        finally:
            (tmp_path / "go").touch()
        return sum(len(output.prediction) for output in await asyncio.gather(*asked))

    assert asyncio.run(ask()) == 40 * rows
