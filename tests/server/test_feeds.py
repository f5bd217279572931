"""Feeds on a real server: tables, the clock, webhooks, what cannot be answered, and who may."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fenced import shared_server
from onnx_models import scaled
from real_server import Server
from waiting import wait_until

GRAPH = """
steps:
  - {name: work, kind: map, function: work}
  - {name: several, kind: flat_map, field: parts}
"""
CODE = """
def work(event):
    if event["n"] == 3:
        raise ValueError("three is too many")
    return {**event, "parts": [{"n": event["n"], "part": part} for part in range(event["n"])]}
"""
NAMES = (f"p{number}" for number in itertools.count())


class Space:
    def __init__(self, server: Server, project: str) -> None:
        self.server = server
        self.project = project

    def rows(self, text: str) -> list[Any]:
        found: list[Any] = self.server.sql(text, self.project)[-1].get("rows", [])
        return found

    def error(self, text: str) -> dict[str, Any]:
        return self.server.error(text, self.project)

    def feeds(self, columns: str) -> list[Any]:
        return self.rows(f"SELECT {columns} FROM ml.feeds WHERE project = current_schema() ORDER BY name")

    def dead(self) -> list[Any]:
        return self.rows("SELECT reason, row FROM ml.dead_letters WHERE project = current_schema() ORDER BY ALL")

    def count(self, table: str) -> int:
        there = f"SELECT count(*) FROM duckdb_tables() WHERE schema_name = current_schema() AND table_name = '{table}'"
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0]) if self.rows(there) == [[1]] else 0


@pytest.fixture
def space(server: Server, tmp_path: Path) -> Space:
    """A project of the shared server with an endpoint ``e`` that doubles ``x``."""
    project = next(NAMES)
    (tmp_path / "m.onnx").write_bytes(scaled(2.0, width=1))
    server.sql(f"CREATE PROJECT {project}")
    server.sql(f"CREATE MODEL m FROM '{tmp_path}/m.onnx' INPUT (x DOUBLE); CREATE ENDPOINT e USING MODEL m", project)
    return Space(server, project)


class Hook:
    """A webhook that answers as it is told to: a status by the rows that it gets."""

    def __init__(self) -> None:
        self.status: Callable[[list[dict[str, Any]]], int] = lambda rows: 200
        self.asked = 0
        self.taken: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        hook = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.asked += 1
                hook.tokens.add(self.headers.get("Authorization"))
                status = hook.status(rows)
                if status == 200:
                    hook.taken += rows
                self.send_response(status)
                self.end_headers()

            def log_message(self, *given: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_rows_that_are_added_to_a_table_are_answered_once_and_those_before_are_not(space: Space) -> None:
    space.rows("CREATE TABLE t (id BIGINT, x DOUBLE, added TIMESTAMP); INSERT INTO t VALUES (0, 0, now())")
    space.rows("CREATE FEED f FROM TABLE t TO ENDPOINT e INTO TABLE scores")
    space.rows("CREATE FEED all_of_it FROM TABLE t BY id TO ENDPOINT e INTO TABLE whole WITH (start = 'earliest')")
    space.rows("INSERT INTO t SELECT i, i, now() FROM range(1, 5001) r(i)")
    wait_until(lambda: space.count("scores") >= 5000 and space.count("whole") >= 5001)
    told = "SELECT count(*), count(DISTINCT event_id), min(id), max(id), count(*) FILTER (prediction = 2 * x) FROM "
    assert space.rows(told + "scores") == [[5000, 5000, 1, 5000, 5000]]
    assert space.rows(told + "whole") == [[5001, 5001, 0, 5000, 5001]]
    space.rows("DELETE FROM t; INSERT INTO t VALUES (9001, 1, now())")  # its places begin anew
    wait_until(lambda: space.count("scores") > 5000)
    assert space.rows(told + "scores WHERE id > 9000") == [[1, 1, 9001, 9001, 1]]
    space.rows("UPDATE t SET x = 7; INSERT INTO t VALUES (9002, 1, now())")
    wait_until(lambda: "has changed" in str(space.feeds("error")[1][0]))
    assert "BY column" in space.feeds("error")[1][0]
    assert "a view" in space.error("CREATE VIEW w AS FROM t; CREATE FEED g FROM TABLE w TO ENDPOINT e")["message"]
    assert space.error("CREATE FEED g FROM TABLE tt TO ENDPOINT e")["code"] == "not_found"
    assert "did you mean id" in space.error("CREATE FEED g FROM TABLE t BY idd TO ENDPOINT e")["hint"]


def test_a_query_by_the_clock_is_answered_row_by_row(space: Space) -> None:
    space.rows("CREATE TABLE t AS SELECT i AS id, i AS x FROM range(3) r(i)")
    space.rows(
        "CREATE FEED f FROM (SELECT *, $scheduled_at AS due FROM t) EVERY 1 SECOND TO ENDPOINT e INTO TABLE scores"
    )
    wait_until(lambda: space.count("scores") >= 9)
    space.rows("ALTER FEED f SUSPEND")
    assert space.rows("SELECT DISTINCT count(*) FROM scores GROUP BY due") == [[3]]
    assert space.rows("SELECT count(*) - count(DISTINCT event_id) FROM scores") == [[0]]
    space.rows("DROP TABLE t; ALTER FEED f RESUME")
    wait_until(lambda: "no table" in str(space.feeds("error")))
    space.rows("CREATE TABLE t AS SELECT 1 AS id, 1 AS x")
    wait_until(lambda: space.feeds("error") == [[None]])
    assert (
        "first at"
        in space.server.sql(
            "CREATE OR REPLACE FEED f FROM (SELECT 1 AS x) CRON '0 3 * * *' TIMEZONE 'Europe/Berlin' TO ENDPOINT e",
            space.project,
        )[-1]["message"]
    )


def test_a_webhook_has_what_it_takes_and_the_rest_waits_or_goes_aside(space: Space, hook: Hook) -> None:
    hook.status = lambda rows: 503 if hook.asked < 3 else 400 if any(row["n"] == 7 for row in rows) else 200
    space.rows("SET SECRET hook_token = 'sesame'; CREATE SOURCE app TYPE http")
    space.rows(
        f"CREATE FEED f FROM SOURCE app TO ENDPOINT e INTO '{hook.url}' WITH (token = SECRET hook_token, inputs = true)"
    )
    status, _, _ = space.server.request(
        "POST", f"/push/{space.project}.app", [{"n": n, "x": n} for n in range(20)], {"Idempotency-Key": "a"}
    )
    assert status == 200
    wait_until(lambda: space.feeds("lag, error") == [[0, None]] and len(hook.taken) >= 19)
    assert sorted(row["n"] for row in hook.taken) == [n for n in range(20) if n != 7]
    assert len({row["event_id"] for row in hook.taken}) == 19 and hook.tokens == {"Bearer sesame"}
    ((reason, row),) = space.dead()
    assert "400" in reason and json.loads(row) == {"n": 7, "x": 7}
    kinds = "SELECT kind FROM ml.events WHERE project = current_schema() AND kind LIKE 'feed.%' ORDER BY happened_at"
    wait_until(lambda: space.rows(kinds) == [["feed.created"], ["feed.failed"], ["feed.recovered"]])
    _, _, body = space.server.request(
        "POST", f"/push/{space.project}.app", [{"n": 1, "x": 1}], {"Idempotency-Key": "a"}
    )
    assert json.loads(body) == {"rows": 0, "refused": [], "repeated": True}
    assert (
        "would be kept"
        in space.error(f"CREATE FEED g FROM SOURCE app TO ENDPOINT e INTO '{hook.url}' WITH (token = 'sesame')")[
            "message"
        ]
    )
    assert space.error("CREATE FEED g FROM SOURCE app TO ENDPOINT e INTO 'ftp://x/y'")["code"] == "invalid"


def test_a_suspended_feed_lets_rows_wait_and_goes_on_where_it_was(space: Space) -> None:
    space.rows("CREATE SOURCE app TYPE http; CREATE FEED f FROM SOURCE app TO ENDPOINT e INTO TABLE scores")

    def push(first: int, count: int) -> None:
        rows = [{"n": n, "x": n} for n in range(first, first + count)]
        assert space.server.request("POST", f"/push/{space.project}.app", rows)[0] == 200

    push(0, 5)
    wait_until(lambda: space.count("scores") == 5)
    space.rows("ALTER FEED f SUSPEND")
    push(5, 5)
    assert space.count("scores") == 5 and space.feeds("state") == [["suspended"]]
    space.rows("ALTER FEED f RENAME TO g; ALTER FEED g RESUME")
    wait_until(lambda: space.count("scores") == 10)
    space.rows("ALTER ENDPOINT e SUSPEND")
    push(10, 5)
    wait_until(lambda: "suspended" in str(space.feeds("error")))
    space.rows("ALTER ENDPOINT e RESUME")
    wait_until(lambda: space.count("scores") == 15)
    assert "goes on where it is" in str(
        space.rows("EXPLAIN CREATE OR REPLACE FEED g FROM SOURCE app TO ENDPOINT e INTO TABLE other")
    )
    space.rows("CREATE OR REPLACE FEED g FROM SOURCE app TO ENDPOINT e INTO TABLE other COMMENT 'elsewhere'")
    push(15, 5)
    wait_until(lambda: space.count("other") == 5)
    assert space.count("scores") == 15
    space.rows("DROP FEED g")
    assert space.server.request("POST", f"/push/{space.project}.app", [{"x": 1}])[0] == 409
    space.rows("RESTORE FEED g")
    push(20, 1)
    wait_until(lambda: space.count("other") == 6)
    assert space.feeds("name, events, results, comment") == [["g", 21, 21, "elsewhere"]]


def test_what_a_graph_cannot_answer_goes_aside_and_what_it_answers_severally_are_rows(
    space: Space, tmp_path: Path
) -> None:
    (tmp_path / "work.py").write_text(CODE)
    (tmp_path / "flow.yaml").write_text(GRAPH)
    space.rows(f"CREATE FUNCTION work FROM '{tmp_path}/work.py' HANDLER work")
    space.rows(f"CREATE ENDPOINT flow USING GRAPH '{tmp_path}/flow.yaml'; CREATE TABLE t (n BIGINT)")
    space.rows("CREATE FEED f FROM TABLE t TO ENDPOINT flow INTO TABLE parts WITH (inputs = false)")
    space.rows("INSERT INTO t FROM range(5)")
    wait_until(lambda: space.feeds("events") == [[5]])
    assert space.rows("SELECT n, part, event_id LIKE '%/%' FROM parts ORDER BY ALL") == [
        [1, 0, False],
        *([n, part, True] for n in (2, 4) for part in range(n)),
    ]
    ((reason, row),) = space.dead()
    assert "three is too many" in reason and json.loads(row) == {"n": 3}
    assert space.feeds("events, results, refused") == [[5, 7, 1]]


def test_a_table_of_answers_is_filled_as_it_is_or_grows(space: Space) -> None:
    space.rows(
        "CREATE SOURCE app TYPE http; CREATE TABLE mine (event_id VARCHAR PRIMARY KEY, n TINYINT CHECK (n < 9), "
        "prediction DECIMAL(9, 2), told TIMESTAMP DEFAULT '2026-01-01')"
    )
    space.rows("CREATE FEED mine FROM SOURCE app TO ENDPOINT e INTO TABLE mine")
    space.rows("CREATE FEED theirs FROM SOURCE app TO ENDPOINT e INTO TABLE theirs WITH (batch = 1)")
    rows: list[dict[str, Any]] = [
        {"n": 1, "x": 1},
        {"n": 300, "x": 2},
        {"n": 9, "x": 3},
        {"n": 2.5, "x": 4.25, "more": [1, 2]},
        {"n": 2, "x": 5, "word": "a"},
        {"x": None, "n": 3},
        {"n": 4},
    ]
    assert space.server.request("POST", f"/push/{space.project}.app", rows)[0] == 200
    wait_until(lambda: space.feeds("events") == [[7], [7]])
    assert space.rows("SELECT n, prediction, year(told) FROM mine ORDER BY n") == [
        [1, 2.0, 2026],
        [2, 10.0, 2026],
        [3, None, 2026],
    ]
    reasons = sorted(reason for reason, _ in space.dead())
    assert len(reasons) == 5  # four of mine, one of theirs
    assert sum("CHECK" in reason for reason in reasons) == 1
    assert sum("does not fit its column" in reason for reason in reasons) == 2
    assert sum("no x" in reason for reason in reasons) == 2
    assert space.rows("SELECT column_name, column_type FROM (DESCRIBE theirs)") == [
        *(["event_id", "VARCHAR"], ["n", "DOUBLE"], ["x", "DOUBLE"], ["prediction", "DOUBLE"], ["value", "DOUBLE"]),
        *(["more", "JSON"], ["word", "VARCHAR"]),
    ]
    assert space.rows("SELECT n, more::VARCHAR, word FROM theirs WHERE n IN (2, 2.5) ORDER BY n") == [
        [2.0, None, "a"],
        [2.5, "[1,2]", None],
    ]


def test_digits_of_keys_are_kept_in_a_table_of_answers(space: Space) -> None:
    keys = [2**53 + 1, -(2**53) - 3, 7]
    space.rows("CREATE SOURCE app TYPE http; CREATE TABLE mine (event_id VARCHAR, x DOUBLE)")
    for name in ("mine", "theirs"):
        space.rows(f"CREATE FEED {name} FROM SOURCE app TO ENDPOINT e INTO TABLE {name}")
    for number, rows in enumerate(([{"x": x, "n": x} for x in keys], [{"x": 8}], [{"x": 0.5, "n": 1}])):
        assert space.server.request("POST", f"/push/{space.project}.app", rows)[0] == 200
        wait_until(lambda events=3 + number: space.feeds("events") == [[events], [events]])
    assert space.rows("SELECT column_name, column_type FROM (DESCRIBE theirs) LIMIT 3") == [
        *(["event_id", "VARCHAR"], ["x", "BIGINT"], ["n", "BIGINT"])
    ]
    assert space.rows("SELECT x FROM theirs ORDER BY x") == [[x] for x in sorted([*keys, 8])]
    assert space.rows("SELECT x FROM mine ORDER BY x") == [[0.5], [7.0], [8.0]]
    reasons = [reason.partition(": ")[2] for reason, _ in space.dead()]
    assert sorted(reasons) == [str(keys[1]), "0.5", str(keys[0])]


def test_what_a_feed_stands_on_is_not_dropped_from_under_it(space: Space) -> None:
    space.rows("CREATE SOURCE app TYPE http; CREATE FEED f FROM SOURCE app TO ENDPOINT e INTO TABLE scores")
    assert f"feed {space.project}.f" in space.error("DROP SOURCE app")["message"]
    assert f"feed {space.project}.f" in space.error("DROP ENDPOINT e")["message"]
    assert f"feed {space.project}.f" in str(space.rows("EXPLAIN DROP ENDPOINT e CASCADE"))
    space.rows("CREATE TABLE rows_of AS SELECT 1 AS x; CREATE SOURCE q AS SELECT * FROM rows_of")
    assert "is no stream" in space.error("CREATE FEED g FROM SOURCE q TO ENDPOINT e")["message"]
    assert space.error("CREATE FEED f FROM SOURCE app TO ENDPOINT e")["code"] == "already_exists"
    assert "another project" in space.error("CREATE FEED g FROM SOURCE app TO ENDPOINT default.e")["message"]
    for options, told in (("batch = 0", "batch"), ("size = 3", "'size'"), ("start = latest", "start")):
        message = space.error(f"CREATE FEED g FROM SOURCE app TO ENDPOINT e WITH ({options})")["message"]
        assert f"option {told}" in message
    assert space.rows("SHOW LINEAGE OF ENDPOINT e") != []
    space.rows("DROP ENDPOINT e CASCADE")
    assert space.feeds("name") == []


def test_predictions_of_a_feed_are_recorded_as_others_are(space: Space) -> None:
    space.rows("CREATE TABLE t (x DOUBLE); CREATE FEED f FROM TABLE t TO ENDPOINT e")
    space.rows("INSERT INTO t FROM range(300)")
    wait_until(lambda: space.feeds("events, results") == [[300, 300]])
    recorded = (
        "SELECT count(*), count(DISTINCT row_id), sum(prediction) FROM ml.predictions WHERE project = current_schema()"
    )
    wait_until(lambda: space.rows(recorded) == [[300, 300, 89700.0]])
    assert space.rows("SELECT requests > 0, errors FROM ml.endpoints WHERE project = current_schema()") == [[True, 0]]


def test_deleting_an_entity_reaches_what_waits_was_refused_and_is_answered(space: Space) -> None:
    space.rows(
        "CREATE FEATURE SET people (ENTITY person VARCHAR, TIMESTAMP ts, y DOUBLE); CREATE SOURCE app TYPE http; "
        "CREATE FEED f FROM SOURCE app TO ENDPOINT e INTO TABLE answers; "
        "CREATE FEED other FROM SOURCE app TO ENDPOINT e INTO TABLE bare WITH (inputs = false)"
    )
    rows = [{"person": who, "x": x} for who, x in (("ann", 1), ("bob", 2), ("ann", "one"), ("bob", "two"))]

    def push() -> None:
        status, _, answer = space.server.request(
            "POST", f"/push/{space.project}.app", json.dumps(rows).encode(), {"Content-Type": "application/json"}
        )
        assert status == 200, answer

    push()
    wait_until(lambda: space.count("answers") == 2 and len(space.dead()) == 4 and space.count("bare") == 2)
    space.rows("ALTER FEED f SUSPEND")
    push()
    waiting = "SELECT count(*) FROM data._mlbox.inbox WHERE project = current_schema()"
    wait_until(lambda: len(space.dead()) == 6 and space.rows(waiting) == [[4]])
    plan = space.rows(f"EXPLAIN DELETE ENTITY (person = 'ann') FROM PROJECT {space.project}")
    assert "rows of feeds" in str(plan)
    space.rows(f"DELETE ENTITY (person = 'ann') FROM PROJECT {space.project}")
    erased = "SELECT refused_rows, predictions, feed_rows FROM ml.erasures WHERE project = current_schema()"
    assert space.rows(erased) == [[3, 3, 3]]  # one of the table and two that waited
    assert space.rows("SELECT person FROM answers") == [["bob"]] and space.count("bare") == 4  # names nobody
    assert space.rows(waiting) == [[2]] and "ann" not in str(space.dead())
    space.rows("ALTER FEED f RESUME")
    wait_until(lambda: space.count("answers") == 2 and space.rows(waiting) == [[0]])
    push()  # the other feed was paused for the moment only
    wait_until(lambda: space.count("bare") == 6)


def test_members_have_feeds_within_their_rights(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(scaled(2.0, width=1))
    with shared_server(tmp_path / "home") as (server, members):
        owner, vera, ada, eddie = (members[name] for name in ("owner", "vera", "ada", "eddie"))
        for project in ("open_p", "closed"):
            owner.rows(f"CREATE MODEL {project}.m FROM '{tmp_path}/m.onnx' INPUT (x DOUBLE); SELECT 1")
            owner.rows(f"CREATE ENDPOINT {project}.e USING MODEL {project}.m; SELECT 1")
            owner.rows(f"CREATE TABLE {project}.ins (x DOUBLE); SELECT 1")
        create = "CREATE FEED f FROM TABLE ins TO ENDPOINT e INTO TABLE outs"
        assert vera.error(create)["code"] == "forbidden"  # a viewer
        ada.rows(f"{create}; SELECT 1")
        ada.rows("INSERT INTO ins VALUES (1); SELECT 1")
        wait_until(lambda: ada.rows("SELECT results FROM ml.feeds") == [[1]])
        assert ada.rows("SELECT prediction FROM outs") == [[2.0]]
        assert vera.rows("SELECT project, name FROM ml.feeds") == [["open_p", "f"]]
        owner.rows("CREATE FEED closed.hidden FROM TABLE closed.ins TO ENDPOINT closed.e; SELECT 1")
        assert eddie.rows("SHOW FEEDS") == eddie.rows("SHOW FEEDS IN PROJECT open_p")
        assert vera.rows("SELECT project, name FROM ml.feeds") == [["open_p", "f"]]
        for text in (
            "CREATE FEED g FROM TABLE closed.ins TO ENDPOINT e",
            "CREATE FEED closed.g FROM TABLE ins TO ENDPOINT closed.e",
            "CREATE FEED g FROM TABLE ins TO ENDPOINT e INTO 'http://127.0.0.1:1/x'",
            "CREATE FEED g FROM TABLE ins TO ENDPOINT e INTO 'redis://127.0.0.1:1/x'",
            "CREATE FEED g FROM (SELECT * FROM closed.ins) EVERY 1 SECOND TO ENDPOINT e",
            "CREATE FEED g FROM (SELECT * FROM read_csv('/etc/passwd')) EVERY 1 SECOND TO ENDPOINT e",
        ):
            assert ada.error(text)["code"] in ("forbidden", "not_found"), text
        assert vera.error("ALTER FEED f SUSPEND")["code"] == "forbidden"
        assert vera.error("DROP FEED f")["code"] == "forbidden"
        owner.rows("GRANT viewer ON PROJECT open_p TO 'ada'; SELECT 1")
        ada.error("INSERT INTO ins VALUES (2)")
        owner.rows("INSERT INTO open_p.ins VALUES (2); SELECT 1")
        wait_until(lambda: "may not have it" in str(owner.rows("SELECT error FROM ml.feeds WHERE name = 'f'")))
        assert owner.rows("SELECT count(*) FROM open_p.outs") == [[1]]
        owner.rows("CREATE OR REPLACE FEED f FROM TABLE ins TO ENDPOINT e INTO TABLE outs; SELECT 1")
        wait_until(lambda: owner.rows("SELECT count(*) FROM open_p.outs") == [[2]])
