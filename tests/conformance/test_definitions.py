"""Everything that is one under its name: made once, kept, replaced and dropped alike, and by one of many at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from onnx_models import scaled
from real_server import Server, wait_until

from mlbox.sql.grammar import REGISTRY

NOUNS = {
    "ALERT": "WHEN {i} > 100 THEN NOTIFY 'log:'",
    "COLLECTION": "KEY (k) TEXT word AS SELECT k, x::VARCHAR || '{i}' AS word FROM t",
    "ENDPOINT": "USING MODEL m COMMENT '{i}'",
    "FEATURE SET": "(ENTITY k, TIMESTAMP ts) AS SELECT k, ts, x AS x{i} FROM t",
    "FEATURE VECTOR": "AS FEATURES (base.x AS x{i})",
    "FEED": "FROM TABLE t TO ENDPOINT e INTO TABLE answers_{i}",
    "MONITOR": "ON TABLE t BASELINE (SELECT * FROM t) COMMENT '{i}'",
    "PROFILE": "TYPE http WITH (token = 'secret-{i}')",
    "PROJECT": "COMMENT '{i}'",
    "SCHEDULE": "EVERY INTERVAL 1 HOUR DO SELECT {i}",
    "SOURCE": "FROM 'https://127.0.0.1:9/{i}.csv'",
    "WORKFLOW": "AS (STEP a AS (SELECT {i}))",
}
"""What follows the name; ``{i}`` tells one definition from another."""
VERSIONED = {"DATASET", "FUNCTION", "MODEL"}
"""CREATE adds a version."""
ONCE = {"TOKEN"}
"""Shown once, and never replaced."""
AT_ONCE = 6


@dataclass(frozen=True)
class Noun:
    server: Server
    kind: str

    def create(self, name: str, number: int, *, replace: bool = False, kept: bool = False) -> str:
        head = f"CREATE {'OR REPLACE ' if replace else ''}{self.kind} {'IF NOT EXISTS ' if kept else ''}{name} "
        return head + NOUNS[self.kind].format(i=number)

    def name(self, test: str) -> str:
        return f"{test}_{self.kind.replace(' ', '_').lower()}"

    def said(self, text: str) -> str:
        return str(self.server.sql(text)[-1]["message"])

    def at_once(self, statement: Callable[[int], str]) -> list[tuple[int, dict[str, Any]]]:
        """Status and answer of statements that many send at the same moment."""
        begin = threading.Barrier(AT_ONCE)

        def send(number: int) -> tuple[int, dict[str, Any]]:
            begin.wait()
            status, _, body = self.server.request("POST", "/sql", {"sql": statement(number)})
            return status, json.loads(body)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(send, range(AT_ONCE)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "m.onnx").write_bytes(scaled(2.0, width=1))
    made = Server(folder / "home")
    try:
        made.sql(
            "CREATE TABLE t AS SELECT 1 AS k, TIMESTAMP '2026-01-01' AS ts, 1.0::DOUBLE AS x;"
            "CREATE FEATURE SET base (ENTITY k, TIMESTAMP ts) AS SELECT * FROM t;"
            f"CREATE MODEL m FROM '{folder}/m.onnx' INPUT (x DOUBLE); CREATE ENDPOINT e USING MODEL m"
        )
        yield made
    finally:
        made.stop()


@pytest.fixture(params=sorted(NOUNS))
def noun(request: pytest.FixtureRequest, server: Server) -> Noun:
    return Noun(server, request.param)


def test_every_noun_is_tested() -> None:
    made = {name.removeprefix("CREATE ") for name in REGISTRY.names() if name.startswith("CREATE ")}
    assert made == {*NOUNS, *VERSIONED, *ONCE}


def test_it_is_made_once_kept_replaced_and_dropped(noun: Noun) -> None:
    kind, name = noun.kind, noun.name("one")
    noun.said(noun.create(name, 1))
    error = noun.server.error(noun.create(name, 2))
    assert error["code"] == "already_exists" and f"{kind.lower()} " in error["message"], error
    assert error["message"].endswith("exists already"), error
    assert "IF NOT EXISTS" in error["hint"], error
    assert noun.said(noun.create(name, 3, kept=True)).endswith("exists already")
    plan = noun.server.sql(f"EXPLAIN {noun.create(name, 3, kept=True)}")[-1]["rows"]
    assert [row[0] for row in plan] == ["reuse"], plan
    noun.said(noun.create(name, 4, replace=True))
    noun.said(f"DROP {kind} {name}")
    assert noun.said(f"DROP {kind} IF EXISTS {name}").startswith(f"there is no {kind.lower()} ")
    assert noun.server.error(f"DROP {kind} {name}")["code"] == "not_found"


def test_one_of_many_makes_it_and_the_others_are_told(noun: Noun) -> None:
    for turn in range(3):
        name = noun.name(f"race{turn}")
        answers = noun.at_once(lambda number, name=name: noun.create(name, number))
        assert sorted(status for status, _ in answers) == [200] + [409] * (AT_ONCE - 1), answers
        codes = {answer["error"]["code"] for status, answer in answers if status != 200}
        assert codes == {"already_exists"}


def test_those_who_keep_it_all_have_it(noun: Noun) -> None:
    name = noun.name("kept")
    answers = noun.at_once(lambda number: noun.create(name, number, kept=True))
    said = [answer["results"][-1]["message"] for status, answer in answers if status == 200]
    assert len(said) == AT_ONCE, answers
    assert sum(text.endswith("exists already") for text in said) == AT_ONCE - 1, said


def test_those_who_replace_and_drop_it_leave_one_or_none(noun: Noun) -> None:
    name = noun.name("churn")

    def statement(number: int) -> str:
        return f"DROP {noun.kind} IF EXISTS {name}" if number % 2 else noun.create(name, number, replace=True)

    for _ in range(3):
        answers = noun.at_once(statement)
        assert {status for status, _ in answers} == {200}, answers
    noun.said(noun.create(name, 9, replace=True))
    noun.said(f"DROP {noun.kind} {name}")


@pytest.mark.parametrize("kind", ["ALERT", "ENDPOINT", "FEED", "MONITOR", "SCHEDULE", "SOURCE", "WORKFLOW"])
def test_a_name_is_not_taken_by_a_renaming_and_a_new_one(server: Server, kind: str) -> None:
    noun = Noun(server, kind)
    for turn in range(3):
        old, name = noun.name(f"old{turn}"), noun.name(f"new{turn}")
        noun.said(noun.create(old, 1))
        renamed, made = f"ALTER {kind} {old} RENAME TO {name}", noun.create(name, 2)
        answers = noun.at_once(lambda number, a=renamed, b=made: a if number == 0 else b)
        assert [status for status, _ in answers].count(200) == 1, answers


def test_what_is_called_as_its_project_does_not_wait_for_it(server: Server, tmp_path: Path) -> None:
    """Code that a project's own statements run may define it: else both would wait for each other."""
    (tmp_path / "hold.py").write_text(
        "import os, time\n"
        "def handler(ctx, folder=''):\n"
        "    open(os.path.join(folder, 'begun'), 'w').close()\n"
        "    until = time.monotonic() + 60\n"
        "    while not os.path.exists(os.path.join(folder, 'end')) and time.monotonic() < until: time.sleep(0.01)\n"
    )
    (tmp_path / "project.sql").write_text(
        f"CREATE FUNCTION hold FROM '{tmp_path}/hold.py'; RUN hold WITH (folder = '{tmp_path}')"
    )
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(server.sql, f"CREATE PROJECT twin FROM '{tmp_path}'")
        try:
            wait_until(lambda: (tmp_path / "begun").exists(), 60)
            server.sql("CREATE SCHEDULE twin EVERY INTERVAL 1 HOUR DO SELECT 1", project="twin")
            assert not making.done()
        finally:
            (tmp_path / "end").touch()
        making.result()
    server.sql("DROP PROJECT twin CASCADE")
