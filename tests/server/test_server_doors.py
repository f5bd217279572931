"""A real server and the real command line on one home."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from waiting import wait_until

from mlbox import __version__
from mlbox.base.home import Home, HomeLock, owner_of


def test_health(server: Any) -> None:
    """Answers when the house is ready."""
    status, _, body = server.request("GET", "/health")
    assert (status, json.loads(body)) == (200, {"status": "ok", "version": __version__})


def test_a_script_gives_one_result_a_statement(server: Any) -> None:
    """With columns, types and times; plain SQL and ours mixed."""
    first, second, third = server.sql(
        "CREATE PROJECT IF NOT EXISTS of_a_script; USE PROJECT of_a_script; SELECT 1 AS a, 'x' AS b, NULL AS c -- done"
    )
    assert first["statement"] == "CREATE PROJECT"
    assert second["message"] == "using project of_a_script"
    assert third["columns"] == [
        {"name": "a", "type": "int32"},
        {"name": "b", "type": "string"},
        {"name": "c", "type": "null"},
    ]
    assert third["rows"] == [[1, "x", None]]
    assert third["elapsed_ms"] > 0


def test_values_as_json(server: Any) -> None:
    """Times with Z, NaN as null, nested values as JSON, VARIANT as its value."""
    (result,) = server.sql(
        "SELECT TIMESTAMPTZ '2026-01-02 03:04:05.5+00' AS t, DATE '2026-01-02' AS d, 'NaN'::DOUBLE AS n, [1, 2] AS l, "
        "{'a': 1, 'b': [true]} AS s, MAP {'k': 1.5::DOUBLE} AS m, 'x'::BLOB AS y, INTERVAL 2 SECOND AS i, "
        "1.50::DECIMAL(5, 2) AS e, "
        """'{"q": [1, null]}'::JSON AS j, {'v': 1}::VARIANT AS v"""
    )
    row = dict(zip([column["name"] for column in result["columns"]], result["rows"][0], strict=True))
    assert row["t"] == "2026-01-02T03:04:05.500000Z"
    assert row["d"] == "2026-01-02"
    assert row["n"] is None
    assert row["l"] == [1, 2]
    assert row["s"] == {"a": 1, "b": [True]}
    assert row["m"] == {"k": 1.5}
    assert row["y"] == "eA=="
    assert row["e"] == 1.5
    assert row["j"] == {"q": [1, None]}
    assert row["v"] == {"v": 1}


def test_parameters(server: Any) -> None:
    """By position and by name; a script's statements take what they name."""
    assert server.sql("SELECT ? + ? AS a", parameters=[1, 2])[0]["rows"] == [[3]]
    results = server.sql("SELECT $x AS a; SELECT $y AS b; SELECT 3", parameters={"x": 1, "y": "z"})
    assert [result["rows"] for result in results] == [[[1]], [["z"]], [[3]]]


def test_other_forms_of_a_result(server: Any) -> None:
    """CSV, NDJSON and an Arrow stream by Accept."""
    query = {"sql": "SELECT i, i || ', \"q\"' AS t FROM range(3) r(i)"}
    _, headers, body = server.request("POST", "/sql", query, {"Accept": "text/csv"})
    assert headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(body.decode()))) == [
        ["i", "t"],
        ["0", '0, "q"'],
        ["1", '1, "q"'],
        ["2", '2, "q"'],
    ]
    _, _, body = server.request("POST", "/sql", query, {"Accept": "application/x-ndjson"})
    assert [json.loads(line)["i"] for line in body.splitlines()] == [0, 1, 2]
    _, _, body = server.request("POST", "/sql", query, {"Accept": "application/vnd.apache.arrow.stream"})
    assert pyarrow.ipc.open_stream(body).read_all().column("i").to_pylist() == [0, 1, 2]


def test_long_results_are_cut_and_say_so(server: Any) -> None:
    """JSON has a limit of rows; CSV has none."""
    status, _, body = server.request("POST", "/sql", {"sql": "FROM range(1000)", "row_limit": 10})
    result = json.loads(body)["results"][0]
    assert (status, result["row_count"], result["truncated"]) == (200, 10, True)
    assert "there are more" in result["message"]


def test_an_error_keeps_what_was_done_before(server: Any) -> None:
    """And tells where it is in the text."""
    status, _, body = server.request("POST", "/sql", {"sql": "SELECT 1;\nSELECT nix FROM ml.runs"})
    answer = json.loads(body)
    assert status == 400
    assert len(answer["results"]) == 1
    assert (answer["error"]["where"]["line"], answer["error"]["where"]["column"]) == (2, 8)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        ({"sql": 1}, 400),
        ({"text": "SELECT 1"}, 400),
        ({"sql": "SELECT 1", "folder": "x"}, 400),
    ],
)
def test_malformed_requests(server: Any, body: Any, status: int) -> None:
    """Are told in the one envelope."""
    found, _, answer = server.request("POST", "/sql", body)
    assert found == status
    assert json.loads(answer)["error"]["message"]


def test_plain_writes_stay_out_of_the_catalog(server: Any) -> None:
    """Whatever the statement; the data file takes them."""
    server.sql("CREATE TABLE w (a INTEGER); INSERT INTO w VALUES (1), (2)")
    assert server.sql("WITH x AS (INSERT INTO w VALUES (3) RETURNING a) SELECT * FROM x")[0]["rows"] == [[3]]
    assert server.sql("SELECT sum(a) FROM w")[0]["rows"] == [[6]]
    for text in (
        "DELETE FROM catalog.main.projects",
        "WITH x AS (INSERT INTO catalog.main.projects (name, created_at) VALUES ('x', now()) RETURNING *) FROM x",
        "DROP VIEW ml.runs",
        "ATTACH 'x.db'",
        "DETACH catalog",
        "SET threads = 1",
        "BEGIN",
        "DELETE FROM data._mlbox.predictions",
        'DROP SCHEMA data."_sets" CASCADE',
        "CHECKPOINT",
    ):
        assert server.error(text)["message"], text
    assert server.sql("SELECT count(*) FROM ml.projects WHERE name = 'default'")[0]["rows"] == [[1]]


def test_the_stream_tells_events(server: Any) -> None:
    """As server-sent events."""
    import http.client
    from urllib.parse import urlsplit

    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("GET", "/stream")
    response = connection.getresponse()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.readline().startswith(b": welcome")  # from now on it listens
    server.sql("CREATE PROJECT IF NOT EXISTS told_by_stream")
    told: dict[str, Any] = {}
    while told.get("object") != "told_by_stream":  # what else happens on a shared server is told, too
        line = response.readline().decode().strip()
        told = json.loads(line.removeprefix("data: ")) if line.startswith("data:") else told
    assert (told["kind"], told["object"]) == ("project.created", "told_by_stream")
    connection.close()


def test_foreign_pages_are_refused(server: Any) -> None:
    """A page of another origin cannot post; a foreign Host is refused."""
    query = {"sql": "CREATE PROJECT stolen"}
    assert server.request("POST", "/sql", query, {"Origin": "http://evil.example"})[0] == 403
    assert server.request("POST", "/sql", query, {"Host": "evil.example"})[0] == 403
    assert server.request("POST", "/sql", query, {"Content-Type": "text/plain"})[0] == 403
    assert server.request("POST", "/v2/models/x/infer", {}, {"Origin": "http://evil.example"})[0] == 403
    assert server.sql("SELECT count(*) FROM ml.projects WHERE name = 'stolen'")[0]["rows"] == [[0]]


RUNS = "SELECT name, state, started_at FROM ml.runs"


def test_the_command_line_with_and_without_a_server(own_server: Any) -> None:
    """The same statement, the same answer."""
    own_server.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    with_server = own_server.cli("sql", "-c", RUNS)
    assert (with_server.returncode, with_server.stdout) == (0, "name,state,started_at\n"), with_server.stderr
    status = json.loads(own_server.cli("status", "--json").stdout)
    assert status["server"]["url"] == own_server.url
    assert own_server.cli("down").stdout == f"stopped {own_server.url}\n"
    assert own_server.process.wait(60) == 0
    without = own_server.cli("sql", "-c", RUNS)
    assert (without.returncode, without.stdout) == (0, with_server.stdout), without.stderr
    assert own_server.cli("sql", "-c", "FROM kept", "--format", "json").stdout == '[\n  {\n    "answer": 42\n  }\n]\n'
    assert json.loads(own_server.cli("status", "--json").stdout)["server"] is None
    assert own_server.cli("down").returncode == 0


def test_the_command_line_takes_scripts(server: Any, tmp_path: Path) -> None:
    """From a file, from standard input, in every form; the exit status tells."""
    script = tmp_path / "script.sql"
    script.write_text("SELECT 1 AS a;\nSELECT 2 AS b, 'x|y' AS c;")
    assert server.cli("sql", str(script)).stdout == "a\n1\nb,c\n2,x|y\n"
    assert server.cli("sql", "-", stdin="SELECT 3 AS d").stdout == "d\n3\n"
    assert server.cli("sql", stdin="SELECT 4 AS e").stdout == "e\n4\n"
    assert server.cli("sql", "-c", "SELECT 2 AS b, 'x|y' AS c", "--format", "markdown").stdout == (
        "| b | c |\n| --- | --- |\n| 2 | x\\|y |\n"
    )
    assert "│" in server.cli("sql", "-c", "SELECT 1 AS a", "--format", "box").stdout.replace("|", "│")
    failed = server.cli("sql", "-c", "SELECT 1 AS a;\nSELECT\n  nix FROM ml.runs")
    assert failed.returncode == 1
    assert failed.stdout == "a\n1\n"
    assert "3 |   nix FROM ml.runs" in failed.stderr
    assert "Traceback" not in failed.stderr
    missing = server.cli("sql", str(tmp_path / "scrpt.sql"))
    assert missing.returncode == 1
    assert "did you mean script.sql?" in missing.stderr


def test_version_and_help() -> None:
    """Without touching a home."""
    for flag, text in (("--version", f"mlbox {__version__}\n"), ("--help", "driven by SQL")):
        done = subprocess.run([sys.executable, "-m", "mlbox", flag], capture_output=True, text=True, check=True)
        assert text in done.stdout


def test_doctor_and_config(server: Any) -> None:
    """Say what is and where it comes from."""
    findings = json.loads(server.cli("doctor", "--json").stdout)
    assert {"home", "server", "uv", "python", "engines"} <= {finding["name"] for finding in findings}
    assert not [finding for finding in findings if finding["level"] == "problem"]
    explained = {row["name"]: row for row in json.loads(server.cli("config", "explain", "--json").stdout)}
    assert explained["port"]["source"] == "default"


def test_logs_of_runs(server: Any, tmp_path: Path) -> None:
    """By name, by id, of a sweep those of its best trial; an ambiguous prefix is told."""
    (tmp_path / "say.py").write_text("def say(ctx, word='hi', n: int = 1):\n    print(word, n)\n    return {'n': n}\n")
    body = {"sql": "CREATE FUNCTION say FROM 'say.py'", "folder": str(tmp_path), "project": "default"}
    assert server.request("POST", "/sql", body)[0] == 200
    server.sql("RUN say; RUN say SWEEP (n IN (1, 2)) MAXIMIZE n AS search")
    assert server.cli("logs", "say").stdout.startswith("hi 1")
    best = server.cli("logs", "search")
    assert best.stdout.startswith("hi 2")
    assert "is a sweep" in best.stderr
    ids = [row[0] for row in server.sql("SELECT id FROM ml.runs WHERE function = 'say' ORDER BY created_at")[0]["rows"]]
    assert server.cli("logs", ids[0]).stdout.startswith("hi 1")
    unclear = server.cli("logs", ids[1][:8])
    assert (unclear.returncode, "several runs begin with" in unclear.stderr) == (1, True)
    missing = server.cli("logs", "serch")
    assert (missing.returncode, "did you mean search?" in missing.stderr) == (1, True)


def test_the_home_may_stand_behind_the_verb(server: Any) -> None:
    """As before it."""
    done = subprocess.run(
        [sys.executable, "-m", "mlbox", "sql", "--home", str(server.home), "-c", "SELECT 1 AS a"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "a\n1\n", done.stderr


def test_counters_for_prometheus(server: Any) -> None:
    """In its text format, with the counters of the prediction log."""
    status, headers, body = server.request("GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"# TYPE mlbox_endpoint_latency_seconds histogram" in body
    assert b"mlbox_predictions_dropped_total 0" in body


def test_down_waits_for_a_server_that_is_starting(tmp_path: Path) -> None:
    """It has the home, and does not answer yet."""
    home = Home(tmp_path / "home")
    command = [sys.executable, "-m", "mlbox", "--home", str(home.path)]
    starting = subprocess.Popen([*command, "up", "--port", "0", "--pg-port", "-1"], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: owner_of(home) is not None, 60)
        down = subprocess.run([*command, "down"], capture_output=True, text=True, timeout=120)
        assert down.returncode == 0 and "stopped http://" in down.stdout, (down.stdout, down.stderr)
        assert starting.wait(60) == 0
    finally:
        starting.kill()
        starting.wait()
    lock = HomeLock(home)
    lock.acquire()
    try:
        down = subprocess.run([*command, "down", "--timeout", "0.2"], capture_output=True, text=True, timeout=120)
    finally:
        lock.release()
    assert down.returncode == 2 and f"process {os.getpid()}" in down.stdout, (down.stdout, down.stderr)
    assert "answers nobody yet" in down.stderr
    down = subprocess.run([*command, "down"], capture_output=True, text=True, timeout=120)
    assert (down.returncode, down.stdout) == (0, f"no server runs on {home.path}\n")
