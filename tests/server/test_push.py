"""Rows pushed over HTTP: forms, keys, refusals, members, and that an answer means durable."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from fenced import shared_server
from real_server import Server

import mlbox

ARROW = "application/vnd.apache.arrow.stream"
SET = "CREATE FEATURE SET {} (ENTITY k BIGINT, TIMESTAMP ts, x DOUBLE) AGGREGATE (count(*) OVER (1 DAY) AS n)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    found = Server(tmp_path_factory.mktemp("push") / "home")
    found.sql(f"{SET.format('a')}; {SET.format('b')}; {SET.format('c')}")
    yield found
    found.stop()


def push(
    server: Server, name: str, body: Any, kind: str = "application/json", key: str | None = None
) -> tuple[int, Any]:
    headers = {"Content-Type": kind, **({"Idempotency-Key": key} if key else {})}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, _, answer = server.request("POST", f"/push/{name}", raw, headers)
    return status, json.loads(answer)


def values(server: Server, name: str) -> list[Any]:
    found: list[Any] = server.sql(f"SELECT k, x, n FROM {name} ORDER BY ALL")[0]["rows"]
    return found


def test_one_row_many_rows_lines_and_arrow(server: Server) -> None:
    row = {"k": 1, "ts": "2026-01-01T00:00:00Z", "x": 1.0}
    assert push(server, "a", row) == (200, {"rows": 1, "refused": [], "repeated": False})
    assert push(server, "default.a", [{**row, "x": 2}, {**row, "x": 3}])[1]["rows"] == 2
    lines = b'{"k": 1, "ts": "2026-01-01T00:00:00Z", "x": 4}\n\n{"k": 2, "ts": "2026-01-01", "x": 5, "y": 1}\n'
    assert push(server, "a", lines, "application/x-ndjson")[1]["rows"] == 2
    table = pyarrow.table({"x": [6.0, 7.0], "K": [3, None], "ts": ["2026-01-01", "2026-01-02"]})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    status, answer = push(server, "a", sink.getvalue().to_pybytes(), ARROW)
    assert (status, answer["rows"]) == (200, 2)
    assert answer["refused"] == [{"feature_set": "a", "row": 1, "reason": "entity k is missing"}]
    assert values(server, "a") == [[1, 1, 4], [1, 2, 4], [1, 3, 4], [1, 4, 4], [2, 5, 1], [3, 6, 1]]


def test_what_cannot_be_pushed(server: Server) -> None:
    server.sql("CREATE FEATURE SET q (ENTITY k, TIMESTAMP ts) AS SELECT 1 AS k, now() AS ts, 2 AS x")
    for name, body, kind, status, said in (
        ("nothing", [], "application/json", 404, "no feature set and no source"),
        ("q", [], "application/json", 409, "takes its rows from a query"),
        ("b", b"[1", "application/json", 400, "no JSON"),
        ("b", b"k,x", "text/csv", 415, "do not come as text/csv"),
        ("b", b"xx", ARROW, 400, "no Arrow stream"),
    ):
        found, answer = push(server, name, body, kind)
        assert (found, said in answer["error"]["message"]) == (status, True), answer
    assert push(server, "b", [7, "x"])[1]["refused"] == [
        {"feature_set": "b", "row": 0, "reason": "the row is not a JSON object"},
        {"feature_set": "b", "row": 1, "reason": "the row is not a JSON object"},
    ]
    assert push(server, "b", [])[1] == {"rows": 0, "refused": [], "repeated": False}


def test_all_sets_of_a_source_take_the_rows_of_many_callers(server: Server) -> None:
    more = " FROM app"
    server.sql(f"CREATE SOURCE app TYPE http; {SET.format('s1')}{more}; {SET.format('s2')}{more}")
    outcomes = []

    def send(number: int) -> None:
        row = {"k": number % 3, "ts": "2026-01-01T00:00:00Z", "x": number}
        for _ in range(2):  # each of them twice
            outcomes.append(push(server, "app", row, key=f"key {number}"))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in outcomes] == [200] * 48
    assert sorted(answer["rows"] for _, answer in outcomes) == [0] * 24 + [1] * 24
    for name in ("s1", "s2"):
        assert sorted(row[1] for row in values(server, name)) == list(range(24))
        assert {row[2] for row in values(server, name)} == {8}


def test_members_push_where_they_may(tmp_path: Path) -> None:
    with shared_server(tmp_path / "home") as (_, members):
        owner = members["owner"]
        for project in ("open_p", "closed"):
            owner.rows(f"USE PROJECT {project}; {SET.format('f')}; SELECT 1")

        def status(user: str, name: str) -> int:
            return members[user].request("POST", f"/push/{name}", {"k": 1, "ts": "2026-01-01", "x": 1})[0]

        assert status("eddie", "open_p.f") == 200
        assert status("vera", "open_p.f") == 403
        assert status("eddie", "closed.f") in (403, 404)
        assert status("eddie", "closed.nothing") == status("eddie", "closed.f")
        assert owner.rows("SELECT (SELECT count(*) FROM open_p.f), (SELECT count(*) FROM closed.f)") == [[1, 0]]
        for name in ("open_p.f", "closed.f"):
            assert owner.request("POST", f"/push/{name}", [{"k": "private"}])[0] == 200
        assert members["vera"].rows('SELECT project, "row" FROM ml.dead_letters') == [["open_p", '{"k": "private"}']]


def test_members_bring_frames_where_they_may_write(tmp_path: Path) -> None:
    with shared_server(tmp_path / "home") as (server, members):
        owner = members["owner"]
        for project in ("open_p", "closed"):
            owner.rows(f"USE PROJECT {project}; {SET.format('f')}; SELECT 1")
        rows = [{"k": 1, "ts": "2026-01-01", "x": 1.0}, {"k": 2, "ts": "2026-01-01", "x": 2.0}]
        taken = "?columns=k&columns=ts&columns=x"

        def connection(user: str) -> mlbox.Connection:
            return mlbox.connect(server.url, members[user].token, "open_p")

        assert "2 rows" in connection("eddie").ingest("f", rows).message
        assert "2 rows" in connection("eddie").ingest("open_p.f", rows).message
        for user, name in (("vera", "f"), ("eddie", "closed.f"), ("eddie", "closed.nothing")):
            with pytest.raises(mlbox.SqlError) as told:
                connection(user).ingest(name, rows)
            assert told.value.status in (403, 404) and "nothing" not in str(told.value).replace("closed.nothing", "")
        with pytest.raises(mlbox.SqlError, match="no column 'y'"):
            connection("eddie").ingest("f", [{"k": 1, "ts": "2026-01-01", "y": 1.0}])
        status, _, said = members["eddie"].request("POST", f"/ingest/open_p.f{taken}", {"k": 1})
        assert status == 415 and "application/json" in str(said)
        assert owner.rows("SELECT (SELECT count(*) FROM open_p.f), (SELECT count(*) FROM closed.f)") == [[4, 0]]
        assert not any((tmp_path / "home/cache/sources").glob("*"))  # they do not stay
