"""DROP PROJECT .. PURGE on a server that is killed in the middle: all of the project is there, or nothing of it.

Without PURGE: ``test_restore_project.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everything import SCRIPT, write_files
from leftovers import leftovers
from real_server import Server
from slow_runs import SLOW, process_of
from waiting import wait_until

PROGRAM = str(Path(__file__).parents[1] / "dying.py")
REMOVAL = "mlbox.engine.catalog.project_removal:"
KEPT = (("the tombstone is being written", f"{REMOVAL}projects.delete_row", "after"),)
GONE = (
    ("the tombstone is durable", f"{REMOVAL}ProjectRemoval.finish", "before"),
    ("runs are ended", "mlbox.engine.runs.service:Runs.forget_project", "after"),
    ("online rows are half removed", "mlbox.engine.features.online:Materializer.forget", "after"),
    ("the data are being removed", f"{REMOVAL}projects.delete_data", "after"),
    ("the data are gone", f"{REMOVAL}projects.delete_rows", "before"),
    ("the catalog's rows are being removed", f"{REMOVAL}dropped_projects.delete", "after"),
)
FAST = {"the tombstone is being written", "online rows are half removed"}
ANSWERS = (
    "SELECT sum(amount) FROM shop.tx",
    "SELECT count(*), sum(spent) FROM ml.features('shop.v', 'shop.tx')",
    "FROM ml.online('shop.v', {'client': 3})",
    "SELECT name, state, metrics FROM ml.runs WHERE project = 'shop'",
    "SELECT name, version FROM ml.model_versions WHERE project = 'shop' ORDER BY ALL",
    "SELECT ml.predict('shop.m@champion', {'spent': 5.0})",
    "SELECT name FROM ml.endpoints WHERE project = 'shop'",
    "SELECT name FROM ml.alerts WHERE project = 'shop'",
)


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a stopped server with two projects that hold one of everything."""
    folder = tmp_path_factory.mktemp("full")
    write_files(folder / "files")
    server = Server(folder / "home")
    try:
        for project in ("shop", "shop_too"):
            body = {"sql": SCRIPT.replace("shop", project), "folder": str(folder / "files")}
            status, _, answer = server.request("POST", "/sql", body)
            assert status == 200, answer
    finally:
        server.stop()
    return folder / "home"


@pytest.fixture
def copied(full_home: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(full_home, tmp_path / "home"))


def points(places: tuple[tuple[str, str, str], ...]) -> Iterator[Any]:
    for what, place, when in places:
        yield pytest.param(place, when, id=what, marks=[] if what in FAST else [pytest.mark.nightly])


def kill_in_the_middle(home: Path, place: str, when: str) -> list[Any]:
    """What was answered before; the server is dead."""
    server = Server(home, program=(PROGRAM, place, when))
    before = answers(server)
    try:
        with pytest.raises(OSError):
            server.request("POST", "/sql", {"sql": "DROP PROJECT shop CASCADE PURGE"})
        server.process.wait(timeout=60)
    finally:
        server.kill()
    return before


def answers(server: Server) -> list[Any]:
    return [server.sql(query)[0]["rows"] for query in ANSWERS]


@pytest.mark.parametrize(("place", "when"), list(points(KEPT)))
def test_a_drop_that_was_not_yet_durable_left_all(copied: Path, place: str, when: str) -> None:
    before = kill_in_the_middle(copied, place, when)
    server = Server(copied)
    try:
        assert answers(server) == before
        server.sql("DROP PROJECT shop CASCADE PURGE")
        assert server.sql("SELECT name FROM ml.projects ORDER BY name")[0]["rows"] == [["default"], ["shop_too"]]
    finally:
        server.stop()
    assert leftovers(copied, "shop") == []


@pytest.mark.parametrize(("place", "when"), list(points(GONE)))
def test_a_drop_that_was_durable_is_completed_at_the_next_start(copied: Path, place: str, when: str) -> None:
    kill_in_the_middle(copied, place, when)
    server = Server(copied)
    try:
        assert server.sql("SELECT name FROM ml.projects ORDER BY name")[0]["rows"] == [["default"], ["shop_too"]]
        assert "there is no project 'shop'" in server.error("USE PROJECT shop")["message"]
        assert server.request("POST", "/v2/models/shop.e/infer", {"inputs": []})[0] == 404
        assert server.sql("SELECT count(*) FROM shop_too.tx")[0]["rows"] == [[50]]
        assert server.sql("FROM ml.online('shop_too.v', {'client': 3})")[0]["rows"]
        server.sql("CREATE PROJECT shop; CREATE TABLE shop.tx AS SELECT 1 AS x; DROP PROJECT shop CASCADE PURGE")
    finally:
        server.stop()
    assert leftovers(copied, "shop") == []
    assert leftovers(copied, "shop_too")


def test_a_drop_ends_what_works_in_the_project(own_server: Server, tmp_path: Path) -> None:
    """A run under way ends with its process; one that a killed server left behind too, at the next start."""
    (tmp_path / "slow.py").write_text(SLOW)
    make = "CREATE PROJECT {0}; USE PROJECT {0}; CREATE FUNCTION slow FROM 'slow.py'; "
    make += "RUN slow WITH (seconds = 600) ASYNC"
    tick = "SELECT metrics.tick::DOUBLE FROM ml.runs"

    def begin(project: str) -> int:
        body = {"sql": make.format(project), "folder": str(tmp_path)}
        assert own_server.request("POST", "/sql", body)[0] == 200
        wait_until(lambda: own_server.sql(tick)[0]["rows"][0][0] is not None)
        return process_of(own_server)

    process = begin("gym")
    own_server.sql("DROP PROJECT gym CASCADE PURGE")
    assert not Path(f"/proc/{process}").exists()
    process = begin("gym")
    own_server.kill()
    own_server.program = (PROGRAM, f"{REMOVAL}ProjectRemoval.finish", "before")
    own_server.start()
    with pytest.raises(OSError):
        own_server.request("POST", "/sql", {"sql": "DROP PROJECT gym CASCADE PURGE"})
    own_server.process.wait(timeout=60)
    assert Path(f"/proc/{process}").exists()
    own_server.program = ("-m", "mlbox")
    own_server.start()
    wait_until(lambda: not Path(f"/proc/{process}").exists())
    own_server.stop()
    assert leftovers(own_server.home, "gym") == []
