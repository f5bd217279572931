"""kill -9 of the server: the home opens, what was acknowledged is there, runs go on or are shown as interrupted."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from slow_runs import SLOW, process_of, row
from waiting import wait_until

from mlbox.client.connection import Connection
from mlbox.client.tracking import start_run


@pytest.fixture
def slow(own_server: Any, tmp_path: Path) -> Any:
    """A server with a function that takes its time, and its run started."""
    (tmp_path / "slow.py").write_text(SLOW)
    body = {"sql": "CREATE FUNCTION slow FROM 'slow.py'", "folder": str(tmp_path)}
    assert own_server.request("POST", "/sql", body)[0] == 200
    return own_server


def test_acknowledged_statements_survive(own_server: Any) -> None:
    """Tables and projects that were answered for are there after the kill."""
    for number in range(20):
        own_server.sql(f"CREATE PROJECT kept_{number}; CREATE TABLE kept_{number}.t AS SELECT {number} AS n")
    own_server.kill()
    own_server.start()
    assert own_server.sql("SELECT count(*) FROM ml.projects WHERE name LIKE 'kept_%'")[0]["rows"] == [[20]]
    assert own_server.sql("SELECT n FROM kept_19.t")[0]["rows"] == [[19]]


def test_what_scripts_have_told_survives(own_server: Any) -> None:
    """Runs that have begun, told and ended, and one that goes on after the kill."""
    connection = Connection(own_server.url)
    going_on = start_run("going-on", connection=connection)
    for number in range(20):
        with start_run(f"kept-{number}", {"number": number}, connection=connection) as run:
            run.log_metric("loss", number / 7)
    going_on.log_metric("loss", 1.0)
    assert going_on.flush(60)
    own_server.kill()
    going_on.log_metric("loss", 2.0)
    port = own_server.url.rpartition(":")[2]
    own_server.flags = ("--port", port)
    own_server.start()
    going_on.end()
    found = own_server.sql(
        "SELECT count(*), sum(params.number::INTEGER), round(sum(metrics.loss::DOUBLE) * 7) FROM ml.runs "
        "WHERE name LIKE 'kept-%' AND state = 'completed' AND duration_ms >= 0"
    )
    assert found[0]["rows"] == [[20, 190, 190.0]]
    query = "SELECT value FROM ml.metrics m JOIN ml.runs r ON r.id = m.run_id WHERE r.name = 'going-on' ORDER BY value"
    assert own_server.sql(query)[0]["rows"] == [[1.0], [2.0]]
    assert own_server.sql("SELECT state FROM ml.runs WHERE name = 'going-on'")[0]["rows"] == [["completed"]]


def test_a_run_goes_on_without_the_server(slow: Any) -> None:
    """It is found again; its log and metrics have no gap and no repeat; its end is recorded."""
    slow.sql("RUN slow WITH (seconds = 6) ASYNC")
    wait_until(lambda: row(slow, "metrics.tick::DOUBLE")[0] is not None)
    slow.kill()
    time.sleep(1)
    slow.start()
    state, ticks = wait_until(
        lambda: (
            (found := row(slow, "state, metrics.ticks::DOUBLE"))[0] in ("completed", "error", "interrupted") and found
        )
    )
    assert state == "completed"
    steps = [found[0] for found in slow.sql("SELECT step FROM ml.metrics WHERE name = 'tick' ORDER BY step")[0]["rows"]]
    assert steps == list(range(int(ticks)))
    (run_id,) = row(slow, "id")
    log = (slow.home / "logs" / f"{run_id}.log").read_text()
    printed = [int(line.split()[1]) for line in log.splitlines() if line.startswith("tick ")]
    assert printed == steps


def test_a_run_that_died_with_the_server_is_interrupted(slow: Any) -> None:
    """Shown as such, with the reason."""
    slow.sql("RUN slow WITH (seconds = 600) ASYNC")
    wait_until(lambda: row(slow, "metrics.tick::DOUBLE")[0] is not None)
    process = process_of(slow)
    slow.kill()
    os.kill(process, signal.SIGKILL)
    slow.start()
    state, reason = wait_until(lambda: (found := row(slow, "state, reason"))[0] not in ("running", "pending") and found)
    assert state == "interrupted"
    assert reason
    assert row(slow, "metrics.tick::DOUBLE")[0] is not None


def test_processes_of_endpoints_end_with_the_server_and_come_back_with_it(own_server: Any, tmp_path: Path) -> None:
    """However busy they are: one is in an endless loop when the server is killed."""
    (tmp_path / "busy.py").write_text("import os\ndef score(x):\n    while x == 1: pass\n    return os.getpid()\n")
    text = "CREATE FUNCTION busy FROM 'busy.py'; CREATE ENDPOINT busy USING FUNCTION busy PATH '/busy'"
    assert own_server.request("POST", "/sql", {"sql": text, "folder": str(tmp_path)})[0] == 200
    process = _answer(own_server)
    threading.Thread(target=_ask_in_vain, args=(own_server,), daemon=True).start()
    wait_until(lambda: cpu_ticks(process) > 20)
    own_server.kill()
    wait_until(lambda: not alive(process))
    own_server.start()
    assert _answer(own_server) != process


def _answer(server: Any) -> int:
    status, _, body = server.request("POST", "/busy", {"x": 0})
    assert status == 200, body
    return int(json.loads(body)["prediction"])


def _ask_in_vain(server: Any) -> None:
    with suppress(Exception):
        server.request("POST", "/busy", {"x": 1})


def cpu_ticks(process: int) -> int:
    """What a process has computed, in hundredths of a second."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11])


def alive(process: int) -> bool:
    """Whether it is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
