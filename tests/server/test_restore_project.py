"""RESTORE PROJECT: a dropped project is back as it was, or not at all, also when the server is killed meanwhile."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everything import SCRIPT, write_files
from leftovers import leftovers
from real_server import Server

PROGRAM = str(Path(__file__).parents[1] / "dying.py")
KEPT = "mlbox.engine.catalog.project_removal:kept_projects"
BACK = "mlbox.engine.catalog.kept_projects:kept_projects"
MORE = """
SET SECRET api_key = 'abc' IN PROJECT shop;
CREATE TABLE shop."Odd name" (id INTEGER PRIMARY KEY, word VARCHAR DEFAULT 'x', twice INTEGER AS (id * 2));
INSERT INTO shop."Odd name" (id) VALUES (1), (2);
CREATE INDEX by_word ON shop."Odd name" (word);
CREATE VIEW shop.looks AS SELECT * FROM shop.spending;
CREATE MACRO shop.doubled(x) AS x * 2;
CREATE SEQUENCE shop.numbers;
SELECT nextval('shop.numbers');
"""
ANSWERS = (
    "SELECT sum(amount) FROM shop.tx",
    'SELECT * FROM shop."Odd name" ORDER BY id',
    "SELECT count(*), shop.doubled(21) FROM shop.looks",
    "SELECT count(*), sum(spent) FROM ml.features('shop.v', 'shop.tx')",
    "SELECT client, spent FROM ml.online('shop.v', {'client': 3})",
    "SELECT id, name, state, metrics, params FROM ml.runs WHERE project = 'shop'",
    "SELECT name, version, rows FROM ml.feature_sets WHERE project = 'shop' ORDER BY ALL",
    "SELECT name, version FROM ml.model_versions WHERE project = 'shop' ORDER BY ALL",
    "SELECT ml.predict('shop.m@champion', {'spent': 5.0})",
    "SELECT name FROM ml.endpoints WHERE project = 'shop'",
    "SELECT client, note FROM ml.search('shop.notes', 'client 3', k => 1)",
    "SELECT monitor, metric, feature, value FROM ml.drift WHERE project = 'shop' ORDER BY ALL",
    "SELECT comment FROM ml.projects WHERE name = 'shop'",
    *(
        f"SELECT name FROM ml.{view} WHERE project = 'shop' ORDER BY ALL"
        for view in ("alerts", "feeds", "workflows", "schedules", "monitors", "collections", "sources", "functions")
    ),
)
INPUTS = {"inputs": [{"name": "spent", "shape": [1], "datatype": "FP64", "data": [5.0]}]}


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """The home of a stopped server with a project that holds one of everything, and what it answered."""
    folder = tmp_path_factory.mktemp("full")
    write_files(folder / "files")
    with serving(folder / "home") as server:
        for text in (SCRIPT, MORE):
            body = {"sql": text, "folder": str(folder / "files"), "project": "default"}
            status, _, answer = server.request("POST", "/sql", body)
            assert status == 200, answer
        before = answers(server)
    return folder / "home", before


@pytest.fixture
def copied(full_home: tuple[Path, list[Any]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(full_home[0], tmp_path / "home"))


@pytest.fixture
def before(full_home: tuple[Path, list[Any]]) -> list[Any]:
    return full_home[1]


@contextlib.contextmanager
def serving(home: Path, **options: Any) -> Iterator[Server]:
    server = Server(home, **options)
    try:
        yield server
    finally:
        server.stop()


def answers(server: Server) -> list[Any]:
    return [server.sql(query)[0]["rows"] for query in ANSWERS]


def names(server: Server) -> list[Any]:
    rows: list[Any] = server.sql("SELECT name FROM ml.projects ORDER BY name")[0]["rows"]
    return [name for (name,) in rows]


def test_a_dropped_project_is_back_as_it_was(copied: Path, before: list[Any]) -> None:
    """Over a restart, the collection of garbage, and another project of its name."""
    with serving(copied) as server:
        server.sql("DROP PROJECT shop CASCADE")
        assert names(server) == ["default"]
        hidden = "SELECT count(*) FROM ml.runs WHERE project = 'shop'"
        assert server.sql(hidden)[0]["rows"] == [[0]]
        assert server.sql("SHOW DROPPED")[0]["rows"][0][:2] == ["shop", "project"]
        assert server.request("POST", "/v2/models/shop.e/infer", INPUTS)[0] == 404
    with serving(copied) as server:
        assert server.cli("gc").returncode == 0
        server.sql("CREATE PROJECT shop; CREATE TABLE shop.tx AS SELECT 1 AS other")
        error = server.error("RESTORE PROJECT shop")
        assert error["message"] == "there is another project shop by now"
        assert "DROP PROJECT shop CASCADE PURGE makes room" in error["hint"]
        server.sql("DROP PROJECT shop CASCADE PURGE")
        plan = server.sql("EXPLAIN RESTORE PROJECT shop")[0]["rows"]
        assert plan[0][:2] == ["create", "project shop"]
        message = server.sql("RESTORE PROJECT shop")[0]["message"]
        assert message == "restored project shop; secrets are not kept: SET SECRET api_key anew"
        assert answers(server) == before
        status, _, body = server.request("POST", "/v2/models/shop.e/infer", INPUTS)
        assert status == 200 and json.loads(body)["outputs"][0]["data"] == [pytest.approx(0.5)]
        server.sql("REFRESH FEATURE SET spending; REFRESH COLLECTION notes FULL; RUN train FROM v", "shop")
        assert server.sql("SELECT nextval('shop.numbers')")[0]["rows"][0][0] >= 2
        assert server.sql("SHOW DROPPED")[0]["rows"] == []
        assert "no project shop was dropped" in server.error("RESTORE PROJECT shop")["message"]
        assert "did you mean shop?" in own_error(server, "DROP PROJECT shop CASCADE", "RESTORE PROJECT shpo")["hint"]
    with serving(copied) as server:
        server.sql("RESTORE PROJECT shop")
        assert answers(server)[:5] == before[:5]


def own_error(server: Server, first: str, then: str) -> dict[str, Any]:
    server.sql(first)
    return dict(server.error(then))


def test_garbage_and_purge_end_it(copied: Path) -> None:
    """What is kept is named by a dry run, and goes with its files when its time is over, or at once."""
    with serving(copied, environment={"MLBOX_GC_DROPPED_DAYS": "0"}) as server:
        server.sql("DROP PROJECT shop CASCADE")
        told = server.cli("gc", "--dry-run").stdout
        assert "dropped project" in told and "shop" in told
        assert server.sql("SELECT name FROM ml.dropped")[0]["rows"] == [["shop"]]
        server.sql("COLLECT GARBAGE")
        assert server.sql("SELECT name FROM ml.dropped")[0]["rows"] == []
        assert "gone for good" in server.error("RESTORE PROJECT shop")["message"]
        server.sql("CREATE PROJECT shop; CREATE TABLE shop.t AS SELECT 1 AS x; DROP PROJECT shop CASCADE")
        server.sql("DROP PROJECT shop PURGE")
        assert "there is no project 'shop'" in server.error("DROP PROJECT shop PURGE")["message"]
    assert leftovers(copied, "shop") == []
    assert not list((copied / "vectors").glob("*.lance"))


def test_who_was_deleted_does_not_come_back(copied: Path, before: list[Any]) -> None:
    with serving(copied) as server:
        server.request("POST", "/v2/models/shop.e/infer", INPUTS)
        server.sql("DROP PROJECT shop CASCADE")
        plan = server.sql("EXPLAIN DELETE ENTITY (client = 3) FROM PROJECT shop")[0]["rows"]
        assert any("dropped project shop" in map(str, row) for row in plan)
        message = server.sql("DELETE ENTITY (client = 3) FROM PROJECT shop")[0]["message"]
        assert message.startswith("deleted 30 rows"), message
        assert "is no entity" in server.error("DELETE ENTITY (clinet = 3) FROM PROJECT shop")["message"]
    with serving(copied) as server:
        server.sql("RESTORE PROJECT shop")
        for table in ("spending", "labels", "copied"):
            found = server.sql(f"SELECT count(*), count(*) FILTER (client = 3) FROM shop.{table}")[0]["rows"]
            assert found == [[40, 0]]
        assert server.sql("SELECT client FROM ml.online('shop.v', {'client': 4})")[0]["rows"] == [[4]]
        assert server.sql("SELECT spent FROM ml.online('shop.v', {'client': 3})")[0]["rows"] == [[None]]


PLACES = (
    ("its row is being kept", f"{KEPT}.bury_row", "after", True),
    ("the drop is durable", "mlbox.engine.catalog.project_removal:ProjectRemoval.finish", "before", False),
    ("the data are being put aside", f"{KEPT}.bury_data", "after", False),
    ("the data are aside", f"{KEPT}.bury_rows", "before", False),
    ("the rows are being put aside", f"{KEPT}.bury_rows", "after", False),
)
FAST = "the data are aside"


@pytest.mark.parametrize(
    ("place", "when", "there"),
    [pytest.param(*row, id=name, marks=[] if name == FAST else [pytest.mark.nightly]) for name, *row in PLACES],
)
def test_a_drop_that_is_killed_keeps_all(copied: Path, before: list[Any], place: str, when: str, there: bool) -> None:
    kill(copied, place, when, "DROP PROJECT shop CASCADE")
    with serving(copied) as server:
        assert names(server) == (["default", "shop"] if there else ["default"])
        if there:
            server.sql("DROP PROJECT shop CASCADE")
        server.sql("RESTORE PROJECT shop")
        assert answers(server) == before


BACKWARDS = (
    ("the data are coming back", f"{BACK}.revive_data", "after"),
    ("the data are back", f"{BACK}.revive_rows", "before"),
    ("the rows are coming back", f"{BACK}.revive_rows", "after"),
)


@pytest.mark.parametrize(
    ("place", "when"),
    [
        pytest.param(*row, id=name, marks=[] if name == "the data are back" else [pytest.mark.nightly])
        for name, *row in BACKWARDS
    ],
)
def test_a_restoration_that_is_killed_changes_nothing(copied: Path, before: list[Any], place: str, when: str) -> None:
    with serving(copied) as server:
        server.sql("DROP PROJECT shop CASCADE")
    kill(copied, place, when, "RESTORE PROJECT shop")
    with serving(copied) as server:
        assert names(server) == ["default"]
        server.sql("CREATE PROJECT shop; DROP PROJECT shop PURGE")  # its schema is not in the way
        server.sql("RESTORE PROJECT shop")
        assert answers(server) == before


def kill(home: Path, place: str, when: str, statement: str) -> None:
    server = Server(home, program=(PROGRAM, place, when))
    try:
        with pytest.raises(OSError):
            server.request("POST", "/sql", {"sql": statement})
        server.process.wait(timeout=60)
    finally:
        server.kill()
