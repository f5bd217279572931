"""Statements over HTTP beyond the plain answer: streams, limits, cancelling, asynchronous ones, what is under way."""

from __future__ import annotations

import csv
import http.client
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow
import pytest
from real_server import wait_until

ARROW = "application/vnd.apache.arrow.stream"
ENDLESS = "SELECT count(*) FROM range(100_000_000_000) t(i) WHERE i % 7 = 3"


def post(server: Any, body: dict[str, Any], accept: str = "application/json") -> http.client.HTTPConnection:
    """A request whose answer is still to be read."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("POST", "/sql", json.dumps(body), {"Content-Type": "application/json", "Accept": accept})
    return connection


def under_way(server: Any) -> dict[str, dict[str, Any]]:
    """What ``GET /sql`` lists, by id."""
    status, _, body = server.request("GET", "/sql")
    assert status == 200
    return {one["query_id"]: one for one in json.loads(body)["statements"]}


def peak_mb(server: Any) -> int:
    """Peak resident memory of the server since ``forget_peak``."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmHWM"))


def forget_peak(server: Any) -> int:
    """Start to measure anew; returns what is resident now."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return peak_mb(server)


@pytest.mark.parametrize(
    ("accept", "rows"), [(ARROW, 2_000_000), ("text/csv", 200_000), ("application/x-ndjson", 200_000)]
)
def test_a_large_result_is_never_held_as_a_whole(server: Any, accept: str, rows: int) -> None:
    """Its peak of memory stays far below its size, also for a client that reads slowly at first."""
    text = f"SELECT i, repeat('{'x' * 10}', {150_000_000 // rows // 10}) AS t FROM range({rows}) r(i)"
    server.request("POST", "/sql", {"sql": "FROM range(10)"}, {"Accept": accept})
    before = forget_peak(server)
    connection = post(server, {"sql": text}, accept)
    answer = connection.getresponse()
    assert answer.status == 200
    size, last = 0, b""
    while piece := answer.read(1 << 20):
        size, last = size + len(piece), piece
    connection.close()
    assert size > 150_000_000
    assert last.endswith({ARROW: b"\xff\xff\xff\xff\0\0\0\0"}.get(accept, b"\n"))
    assert peak_mb(server) - before < 90


def test_the_forms_agree_on_many_batches(server: Any) -> None:
    """Every row once, in order, in each of them; a limit cuts."""
    query = {
        "sql": "SELECT 7; SELECT i, {'a': i} AS s, CASE i WHEN 3 THEN NULL ELSE i / 4 END AS f FROM range(50000) r(i)"
    }
    rows = [[i, {"a": i}, None if i == 3 else i / 4] for i in range(50_000)]
    _, _, body = server.request("POST", "/sql", query, {"Accept": "application/x-ndjson"})
    assert [list(json.loads(line).values()) for line in body.splitlines()] == rows
    _, _, body = server.request("POST", "/sql", query, {"Accept": "text/csv"})
    head, *lines = csv.reader(io.StringIO(body.decode()))
    assert head == ["i", "s", "f"]
    assert [[int(i), json.loads(s), float(f) if f else None] for i, s, f in lines] == rows
    _, _, body = server.request("POST", "/sql", query, {"Accept": ARROW})
    assert [list(row.values()) for row in pyarrow.ipc.open_stream(body).read_all().to_pylist()] == rows
    for accept, count in ((ARROW, 25_001), ("text/csv", 25_001)):
        _, _, body = server.request("POST", "/sql", {**query, "row_limit": 25_001}, {"Accept": accept})
        found = pyarrow.ipc.open_stream(body).read_all().num_rows if accept == ARROW else body.count(b"\n") - 1
        assert found == count


def test_no_rows_and_what_writes_can_be_streamed_too(server: Any) -> None:
    """An empty result has its columns; a writing statement gives its rows, and a script may end without any."""
    _, _, body = server.request("POST", "/sql", {"sql": "SELECT 1 AS a WHERE false"}, {"Accept": "text/csv"})
    assert body == b"a\r\n"
    text = "CREATE OR REPLACE TABLE written (a INTEGER); WITH x AS (INSERT INTO written VALUES (5) RETURNING a) FROM x"
    assert server.request("POST", "/sql", {"sql": text}, {"Accept": "text/csv"})[2] == b"a\r\n5\r\n"
    assert server.sql("FROM written")[0]["rows"] == [[5]]
    status, _, body = server.request("POST", "/sql", {"sql": "DROP TABLE written"}, {"Accept": ARROW})
    assert (status, body) == (200, b"")


@pytest.mark.parametrize("accept", [ARROW, "text/csv", "application/x-ndjson", "application/json"])
def test_errors_before_the_first_row_have_one_envelope(server: Any, accept: str) -> None:
    """Whatever form was asked for; with the place in the text."""
    body = {"sql": "SELECT 1;\nSELECT nix FROM ml.runs", "query_id": f"envelope-{len(accept)}"}
    status, headers, answer = server.request("POST", "/sql", body, {"Accept": accept})
    told = json.loads(answer)
    assert (status, headers["content-type"]) == (400, "application/json")
    assert told["error"]["where"]["line"] == 2
    assert told["query_id"] == headers["x-mlbox-query-id"] == body["query_id"]


@pytest.mark.parametrize("accept", [ARROW, "text/csv", "application/x-ndjson"])
def test_an_error_after_the_first_rows_breaks_the_connection(server: Any, accept: str) -> None:
    """So that nobody takes a part for the whole; the query id leads to the reason."""
    wide = "repeat('x', 200)"
    text = f"SELECT {wide} AS t, CASE WHEN i = 250000 THEN error('too far') ELSE i END AS i FROM range(300000) r(i)"
    connection = post(server, {"sql": text}, accept)
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead) as broken:
        answer.read()
    connection.close()
    if accept == ARROW:
        assert not broken.value.partial.endswith(b"\xff\xff\xff\xff\0\0\0\0")
    query_id = answer.headers["x-mlbox-query-id"]
    told = json.loads(server.request("GET", f"/sql/{query_id}")[2])
    assert (told["state"], told["error"]["message"]) == ("failed", "too far")


def test_a_runtime_error_is_the_users(server: Any) -> None:
    """Also one that is met in a later batch of a result which JSON delivers whole."""
    error = server.error("SELECT CASE WHEN i = 60000 THEN error('no such day') ELSE i END FROM range(70000) r(i)")
    assert (error["code"], error["message"]) == ("invalid", "no such day")


def test_cancelled_by_id(server: Any) -> None:
    """From another connection; whoever waits is told, and the id is free again."""
    connection = post(server, {"sql": ENDLESS, "query_id": "endless-1"})
    told = wait_until(lambda: under_way(server).get("endless-1"))
    assert (told["state"], told["door"], told["sql"]) == ("running", "http", ENDLESS)
    again = server.request("POST", "/sql", {"sql": "SELECT 1", "query_id": "endless-1"})
    assert (again[0], json.loads(again[2])["error"]["code"]) == (409, "already_exists")
    status, _, body = server.request("POST", "/sql/endless-1/cancel")
    assert (status, json.loads(body)["state"]) == (200, "cancelling")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (409, "cancelled")
    connection.close()
    wait_until(lambda: "endless-1" not in under_way(server))
    assert server.request("POST", "/sql/endless-1/cancel")[0] == 404
    assert server.request("POST", "/sql", {"sql": "SELECT 1"}, {"X-Mlbox-Query-Id": "endless-1"})[0] == 200


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_a_client_that_goes_away_ends_its_statement(server: Any, accept: str) -> None:
    """While it waits for the answer, and while it reads it."""
    query_id = f"left-{accept[:4]}"
    text = ENDLESS if accept == "application/json" else "SELECT i FROM range(100_000_000_000) r(i)"
    connection = post(server, {"sql": text, "query_id": query_id}, accept)
    wait_until(lambda: query_id in under_way(server))
    if accept == "text/csv":
        answer = connection.getresponse()
        assert answer.read(3) == b"i\r\n"
        answer.close()
    connection.close()
    wait_until(lambda: query_id not in under_way(server))


def test_a_run_is_cancelled_with_its_client(server: Any, tmp_path: Path) -> None:
    """A waiting RUN too."""
    (tmp_path / "wait.py").write_text("import time\n\ndef wait(ctx):\n    time.sleep(600)\n")
    server.sql(f"CREATE PROJECT gone_client; USE PROJECT gone_client; CREATE FUNCTION wait FROM '{tmp_path}/wait.py'")
    connection = post(server, {"sql": "RUN wait", "project": "gone_client", "query_id": "gone-run"})
    state = "SELECT state FROM ml.runs WHERE project = 'gone_client'"
    wait_until(lambda: server.sql(state)[0]["rows"] == [["running"]])
    connection.close()
    wait_until(lambda: server.sql(state)[0]["rows"] == [["cancelled"]])
    wait_until(lambda: "gone-run" not in under_way(server))


def test_a_limit_of_time(server: Any) -> None:
    """In seconds; told as what it is. What cannot be a limit or an id is refused."""
    status, _, body = server.request("POST", "/sql", {"sql": ENDLESS, "timeout": 0.2})
    error = json.loads(body)["error"]
    assert (status, error["code"], "0.2 s" in error["message"]) == (409, "cancelled", True)
    for wrong in ({"timeout": 0}, {"row_limit": 0}, {"query_id": "a b"}, {"query_id": ""}):
        assert server.request("POST", "/sql", {"sql": "SELECT 1", **wrong})[0] == 400, wrong


@pytest.fixture
def events(server: Any) -> Iterator[list[dict[str, Any]]]:
    """What ``GET /stream`` tells during a test."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    assert answer.readline().startswith(b": welcome")
    told: list[dict[str, Any]] = []
    stopping = threading.Event()

    def listen() -> None:
        while not stopping.is_set() and (line := answer.readline()):
            if line.startswith(b"data: "):
                told.append(json.loads(line[6:]))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield told
    stopping.set()
    server.sql("CREATE PROJECT IF NOT EXISTS last_event")  # wakes the thread
    server.sql("DROP PROJECT IF EXISTS last_event")
    thread.join(20)
    connection.close()


def test_an_asynchronous_statement(server: Any, events: list[dict[str, Any]]) -> None:
    """Is answered at once; its end comes over the event stream, its results can be asked for in every form."""
    text = "SELECT 1 AS a; SELECT i, i % 2 = 0 AS even FROM range(30000) r(i)"
    body = {"sql": text, "async": True, "query_id": "later-1", "row_limit": 25_000}
    status, headers, answer = server.request("POST", "/sql", body)
    assert (status, headers["location"], json.loads(answer)["query_id"]) == (202, "/sql/later-1", "later-1")
    status, _, answer = server.request("GET", "/sql/later-1?wait=30")
    told = json.loads(answer)
    assert (status, told["state"], told["statements"], told["completed"], told["error"]) == (
        200,
        "finished",
        2,
        2,
        None,
    )
    assert [result["row_count"] for result in told["results"]] == [1, 25_000]
    assert told["results"][1]["truncated"] is True
    _, _, answer = server.request("GET", "/sql/later-1", headers={"Accept": ARROW})
    assert pyarrow.ipc.open_stream(answer).read_all().column("i").to_pylist() == list(range(25_000))
    _, _, answer = server.request("GET", "/sql/later-1", headers={"Accept": "text/csv"})
    assert answer.splitlines()[:2] == [b"i,even", b"0,True"]

    def kinds() -> list[str]:
        return [event["kind"] for event in events if event["object"] == "later-1"]

    wait_until(lambda: "statement.finished" in kinds())
    assert kinds()[0] == "statement.started"
    assert server.request("POST", "/sql", body)[0] == 409
    assert server.request("GET", "/sql/never")[0] == 404


def test_progress_of_a_query_and_its_end_by_cancelling(server: Any, events: list[dict[str, Any]]) -> None:
    """DuckDB's own measure, from 0 to 1."""
    body = {"sql": f"SELECT 1; {ENDLESS}", "async": True, "query_id": "long-1"}
    assert server.request("POST", "/sql", body)[0] == 202
    told = wait_until(
        lambda: next((e for e in events if e["kind"] == "statement.progress" and e["data"]["progress"]), None)
    )
    assert (told["object"], told["data"]["completed"]) == ("long-1", 1)
    assert 0 < told["data"]["progress"] < 1
    now = json.loads(server.request("GET", "/sql/long-1")[2])
    assert (now["state"], now["completed"], now["statements"]) == ("running", 1, 2)
    assert "results" not in now
    status, _, answer = server.request("GET", "/sql/long-1", headers={"Accept": "text/csv"})
    assert (status, json.loads(answer)["error"]["code"]) == (409, "conflict")
    assert server.request("POST", "/sql/long-1/cancel")[0] == 200
    ended = json.loads(server.request("GET", "/sql/long-1?wait=30")[2])
    assert (ended["state"], ended["error"]["code"], len(ended["results"])) == ("cancelled", "cancelled", 1)
    finished = wait_until(lambda: next((e for e in events if e["kind"] == "statement.finished"), None))
    assert (finished["data"]["state"], finished["data"]["error"]["code"]) == ("cancelled", "cancelled")


def test_progress_of_a_run(server: Any, tmp_path: Path) -> None:
    """A statement that waits for a run is as far as the run says."""
    gate = tmp_path / "gate"
    (tmp_path / "half.py").write_text(
        "import pathlib, time\n\n"
        "def half(ctx, gate):\n"
        "    ctx.progress(0.5)\n"
        "    while not pathlib.Path(gate).exists():\n"
        "        time.sleep(0.05)\n"
    )
    server.sql(f"CREATE PROJECT half_way; USE PROJECT half_way; CREATE FUNCTION half FROM '{tmp_path}/half.py'")
    body = {"sql": f"RUN half WITH (gate = '{gate}')", "project": "half_way", "async": True, "query_id": "half-way"}
    server.request("POST", "/sql", body)
    wait_until(lambda: json.loads(server.request("GET", "/sql/half-way")[2])["progress"] == 0.5)
    gate.touch()
    assert json.loads(server.request("GET", "/sql/half-way?wait=60")[2])["state"] == "finished"


def test_a_server_that_stops_ends_what_is_under_way(own_server: Any) -> None:
    """Whoever waits is told; the process ends well, and soon enough for nobody to lose patience."""
    waiting = post(own_server, {"sql": ENDLESS, "query_id": "stopping"})
    reading = post(own_server, {"sql": "SELECT i FROM range(100_000_000_000) r(i)"}, "text/csv")
    assert reading.getresponse().read(3) == b"i\r\n"
    own_server.request("POST", "/sql", {"sql": ENDLESS, "async": True})
    wait_until(lambda: "stopping" in under_way(own_server))
    own_server.process.terminate()
    answer = waiting.getresponse()
    told = json.loads(answer.read())["error"]
    assert (answer.status, told["code"], told["message"]) == (409, "cancelled", "the server is stopping")
    assert own_server.process.wait(60) == 0
    waiting.close()
    reading.close()


def test_statements_leave_no_event_behind(server: Any) -> None:
    """They pass; the catalog keeps what changed something."""
    server.request("POST", "/sql", {"sql": "SELECT 1", "async": True, "query_id": "passing"})
    server.request("GET", "/sql/passing?wait=30")
    assert server.sql("SELECT count(*) FROM ml.events WHERE kind LIKE 'statement.%'")[0]["rows"] == [[0]]


def test_the_description_names_every_form(server: Any) -> None:
    """OpenAPI: media types, the asynchronous answer, the error envelope, the routes of a statement."""
    described = json.loads(server.request("GET", "/schema/openapi.json")[2])
    run = described["paths"]["/sql"]["post"]["responses"]
    assert set(run["200"]["content"]) == {"application/json", "text/csv", "application/x-ndjson", ARROW}
    assert "X-Mlbox-Query-Id" in run["200"]["headers"]
    assert "202" in run
    assert run["400"]["content"]["application/json"]["schema"]["$ref"].endswith("ErrorAnswer")
    assert set(described["paths"]) >= {"/sql/{query_id}", "/sql/{query_id}/cancel"}
    request = described["components"]["schemas"]["SqlRequest"]["properties"]
    assert {"sql", "parameters", "async", "query_id", "row_limit", "timeout"} <= set(request)
