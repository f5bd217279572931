"""What every executor must do, through a real server; one that is registered is tested here without further words.

What an engine needs stands in ``tests/engines/<name>.py``: ``why_not()`` says why it cannot be had here, and
``engine(folder)`` starts it and gives the settings of the server. An executor without that file fails the suite.
"""

from __future__ import annotations

import importlib
import json
import re
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from real_server import Server, wait_until

from mlbox.engine.runs.executors.base import EXECUTORS

NEED_NOTHING = ("local",)
FINAL = ("completed", "error", "cancelled", "interrupted")


class Place:
    """An engine and a server that uses it."""

    def __init__(self, runtime: str, server: Server, folder: Path) -> None:
        self.runtime = runtime
        self.server = server
        self.folder = folder
        self.count = 0

    def function(self, code: str, clauses: str = "") -> str:
        """CREATE FUNCTION of this text; its name."""
        self.count += 1
        name = f"f{self.count}"
        (self.folder / f"{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")
        text = f"CREATE FUNCTION {name} FROM '{name}.py' RUNTIME {self.runtime} {clauses}"
        status, _, body = self.server.request("POST", "/sql", {"sql": text, "folder": str(self.folder)})
        assert status == 200, body
        return name

    def start(self, function: str, clauses: str = "", parameters: Any = None) -> str:
        """RUN .. ASYNC; the id."""
        (result,) = self.server.sql(f"RUN {function} {clauses} ASYNC", parameters=parameters)
        run: str = result["rows"][0][0]
        return run

    def row(self, run: str) -> dict[str, Any]:
        """The run as ml.runs shows it."""
        (result,) = self.server.sql(f"SELECT * FROM ml.runs WHERE id = '{run}'")
        return dict(zip([column["name"] for column in result["columns"]], result["rows"][0], strict=True))

    def end(self, run: str) -> dict[str, Any]:
        """The run when it has ended."""

        def over() -> Any:
            row = self.row(run)
            return row if row["state"] in FINAL else None

        found: dict[str, Any] = wait_until(over, 200)
        return found

    def run(self, function: str, clauses: str = "", parameters: Any = None) -> dict[str, Any]:
        """RUN, to its end."""
        return self.end(self.start(function, clauses, parameters))

    def log(self, run: str) -> str:
        """The whole log."""
        parts, offset = [], 0
        while True:
            status, _, body = self.server.request("GET", f"/runs/{run}/log?offset={offset}")
            assert status == 200
            if not body:
                return b"".join(parts).decode()
            parts.append(body)
            offset += len(body)


@contextmanager
def opened(runtime: str, folder: Path) -> Iterator[Place]:
    fixture = importlib.import_module(f"engines.{runtime}")
    reason = fixture.why_not()
    if reason:
        pytest.skip(reason)
    with fixture.engine(folder / "engine") as variables:
        server = Server(folder / "home", environment=variables)
        try:
            yield Place(runtime, server, folder)
        finally:
            server.stop()


def runtimes() -> list[Any]:
    marks = {name: [] if name in NEED_NOTHING else [pytest.mark.engine] for name in EXECUTORS.names()}
    return [pytest.param(name, marks=marks[name]) for name in marks]


@pytest.fixture(scope="module", params=runtimes())
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


def test_every_executor_has_what_its_suite_needs() -> None:
    for name in EXECUTORS.names():
        fixture = importlib.import_module(f"engines.{name}")
        assert callable(fixture.engine) and isinstance(fixture.why_not(), str)


def test_scenario(place: Place) -> None:
    """Logs, parameters, metrics, artifacts, environment, secrets: the one that CI runs for every engine."""
    place.server.sql("SET SECRET API_KEY = 'open-sesame'")
    function = place.function(
        """
        import os

        def train(ctx, rate: float, text: str):
            print("größer, 你好 🙂", len(text), os.environ["COLOUR"], os.environ["API_KEY"] == "open-" + "sesame")
            ctx.log_metric("loss", rate, step=1)
            ctx.log_metric("loss", rate / 2, step=2)
            ctx.log_artifact("note", {"colour": os.environ["COLOUR"]})
            return {"auc": 0.75}
        """,
        "ENV (COLOUR = 'grün', HIDDEN = 'not-printed') SECRETS (API_KEY)",
    )
    big = "x" * 1_000_000 + "ü"
    row = place.run(function, "WITH (rate = 0.5, text = $text)", {"text": big})
    assert (row["state"], row["reason"], row["runtime"]) == ("completed", None, place.runtime)
    assert row["metrics"] == {"loss": 0.25, "auc": 0.75}
    log = place.log(row["id"])
    assert "größer, 你好 🙂 1000001 grün True\n" in log
    assert "open-sesame" not in log and "not-printed" not in log  # the user printed it not, and neither do we
    points = place.server.sql(f"SELECT step, value FROM ml.metrics WHERE run_id = '{row['id']}' AND name = 'loss'")
    assert sorted(points[0]["rows"]) == [[1, 0.5], [2, 0.25]]
    (found,) = place.server.sql(f"SELECT name, id FROM ml.artifacts WHERE run_id = '{row['id']}'")
    ((name, artifact),) = found["rows"]
    status, _, body = place.server.request("GET", f"/artifacts/{artifact}/content")
    assert (name, status, json.loads(body)) == ("note", 200, {"colour": "grün"})


def test_failure_has_the_users_traceback(place: Place) -> None:
    function = place.function(
        """
        def inner(rows):
            raise ValueError(f"no rows: {rows}")

        def handler(ctx):
            inner([])
        """
    )
    row = place.run(function)
    assert (row["state"], row["error_type"], row["error"]) == ("error", "ValueError", "no rows: []")
    assert f'{function}.py", line 3, in inner' in row["traceback"]
    assert "mlbox" not in row["traceback"]
    assert "ValueError: no rows: []" in place.log(row["id"])


def test_cancel_ends_all_processes(place: Place) -> None:
    """A child that does not want to end either."""
    function = place.function(
        """
        import subprocess, sys, time

        CHILD = "import signal, time\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\n" + (
            "while True:\\n print('child lives', flush=True)\\n time.sleep(0.05)"
        )

        def handler(ctx):
            subprocess.Popen([sys.executable, "-c", CHILD])
            time.sleep(600)
        """
    )
    run = place.start(function)
    wait_until(lambda: "child lives" in place.log(run), 60)
    threading.Thread(target=place.server.request, args=("POST", "/sql", {"sql": f"CANCEL RUN '{run}'"})).start()
    row = place.end(run)
    assert (row["state"], row["reason"]) == ("cancelled", "cancelled")
    before = place.log(run)
    time.sleep(0.5)  # ten lines of a child that lives
    assert place.log(run) == before


def test_timeout(place: Place) -> None:
    function = place.function("import time\ndef handler(ctx):\n    print('on', flush=True)\n    time.sleep(600)\n")
    row = place.run(function, "TIMEOUT INTERVAL '2 seconds'")
    assert (row["state"], row["error_type"]) == ("error", "Timeout")
    assert "timed out after 2 s" in row["reason"]


def test_out_of_memory_is_told(place: Place) -> None:
    function = place.function(
        """
        def handler(ctx):
            kept = []
            while True:
                kept.append(bytearray(b"x" * 20_000_000))
        """,
        "RESOURCES (memory = '150MB')",
    )
    row = place.run(function)
    assert (row["state"], row["error_type"]) == ("error", "OutOfMemory"), row
    assert "out of memory" in row["reason"] and "150 MB" in row["reason"]


def test_retry_after_backoff(place: Place) -> None:
    function = place.function(
        """
        def handler(ctx):
            print("this is attempt", ctx.attempt)
            if ctx.attempt < 3:
                raise ConnectionError("not yet")
            return {"attempts": ctx.attempt}
        """,
        "RETRY 3 BACKOFF INTERVAL '100 milliseconds'",
    )
    row = place.run(function)
    assert (row["state"], row["attempt"], row["metrics"]) == ("completed", 3, {"attempts": 3})
    assert re.findall(r"this is attempt (\d)", place.log(row["id"])) == ["1", "2", "3"]


def test_frames(place: Place) -> None:
    """Rows arrive with their types, whatever the run's environment can read."""
    function = place.function(
        """
        def handler(ctx, frame, other):
            rows = frame if isinstance(frame, list) else (
                frame.to_pylist() if hasattr(frame, "to_pylist") else frame.to_dict("records"))
            print("rows", [(row["n"], row["text"]) for row in rows])
            return {"rows": len(rows), "others": len(other)}
        """
    )
    row = place.run(
        function, "FROM (SELECT 1 AS n, '007' AS text UNION ALL SELECT 2, 'ü,\"') INPUTS (other = (SELECT 1 AS a))"
    )
    assert (row["state"], row["metrics"]) == ("completed", {"rows": 2, "others": 1}), place.log(row["id"])
    assert """rows [(1, '007'), (2, 'ü,"')]""" in place.log(row["id"])


def test_artifacts_of_another_run(place: Place) -> None:
    """A folder, a set and rows come as what they were, by name and alias."""
    function = place.function(
        """
        import pathlib

        def make(ctx):
            pathlib.Path("made").mkdir()
            pathlib.Path("made", "a.txt").write_text("größer")
            ctx.log_artifact("made", pathlib.Path("made"))
            return {"b", "a"}, [{"n": 1, "text": "007"}]

        def look(ctx, made, words: set, rows: list):
            print("got", (made / "a.txt").read_text(), sorted(words), rows)
        """,
        "HANDLER make",
    )
    made = place.run(function, "HANDLER make RETURNS ('words', 'rows:dataset:csv')")
    assert made["state"] == "completed", place.log(made["id"])
    place.server.sql("ALTER ARTIFACT words SET ALIAS stable = 1")
    inputs = f"made = ARTIFACT made OF '{made['id']}', words = ARTIFACT words@stable, rows = ARTIFACT rows"
    row = place.run(function, f"HANDLER look INPUTS ({inputs})")
    assert row["state"] == "completed", place.log(row["id"])
    assert "got größer ['a', 'b'] [{'n': 1, 'text': '007'}]" in place.log(row["id"])


LINES = """
def handler(ctx, lines: int):
    for number in range(lines):
        print("%09d" % number, "x" * 89)
"""


@pytest.mark.parametrize("megabytes", [3, pytest.param(100, marks=pytest.mark.nightly)])
def test_much_output(place: Place, megabytes: int) -> None:
    lines = megabytes * 10_000
    row = place.run(place.function(LINES), f"WITH (lines = {lines})")
    assert row["state"] == "completed"
    numbers = re.findall(r"^(\d{9}) x{89}$", place.log(row["id"]), re.MULTILINE)
    assert len(numbers) == lines and numbers == [f"{number:09d}" for number in range(lines)]


@pytest.mark.nightly  # tests/server/test_server_kill.py is the fast form, for local runs
def test_a_server_that_is_killed_loses_nothing(place: Place) -> None:
    """Killed in the middle of the output, started again: no gap, no repeat, and the end is recorded."""
    function = place.function(
        """
        import time

        def handler(ctx):
            for number in range(600):
                print("line %06d" % number, flush=True)
                ctx.log_metric("line", number, step=number)
                time.sleep(0.01)
            ctx.log_artifact("end", {"lines": 600})
        """
    )
    run = place.start(function)
    wait_until(lambda: "line 000100" in place.log(run), 60)
    place.server.kill()
    place.server.start()
    row = place.end(run)
    assert (row["state"], row["metrics"]) == ("completed", {"line": 599}), row
    assert re.findall(r"line (\d{6})", place.log(run)) == [f"{number:06d}" for number in range(600)]
    (count,) = place.server.sql(f"SELECT count(*) FROM ml.metrics WHERE run_id = '{run}'")
    assert count["rows"] == [[600]]


@pytest.mark.nightly
def test_an_end_while_the_server_is_away_is_recorded(place: Place) -> None:
    function = place.function(
        """
        import time

        def handler(ctx):
            print("begun", flush=True)
            time.sleep(2)
            print("ended")
            return {"n": 1}
        """
    )
    run = place.start(function)
    wait_until(lambda: "begun" in place.log(run), 60)
    place.server.kill()
    time.sleep(3)
    place.server.start()
    row = place.end(run)
    assert (row["state"], row["metrics"]) == ("completed", {"n": 1}), row
    assert place.log(run).count("ended") == 1
