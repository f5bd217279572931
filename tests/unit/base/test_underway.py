"""Statements under way: plain SQL, runs and workflows end when they are cancelled or their time is over."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from mlbox.base.command import Caller
from mlbox.base.errors import AlreadyExists, Cancelled
from mlbox.base.underway import Ongoing, current
from mlbox.sql.session import Session

LONG = "SELECT count(*) FROM range(1_000_000_000_000) t(i) WHERE i % 7 = 3"


@pytest.fixture
def session(house: Any, tmp_path: Path) -> Session:
    (tmp_path / "slow.py").write_text(
        "import time\n\n\ndef handler(ctx):\n    print('begun', flush=True)\n    time.sleep(600)\n"
    )
    return Session(house.catalog, house.dispatcher, Caller(), base_folder=str(tmp_path))


def carry_out(house: Any, session: Session, text: str, **how: Any) -> tuple[threading.Thread, list[BaseException]]:
    """Run ``text`` in a thread, as a door does."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            with house.ongoing.begin(text, session.caller, **how):
                list(session.run(text))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, raised


def test_a_query_is_interrupted(house: Any, session: Session) -> None:
    thread, raised = carry_out(house, session, LONG, id="q1")
    wait_until(lambda: list(house.ongoing))
    assert house.ongoing.cancel("q1")
    thread.join(120)
    assert isinstance(raised[0], Cancelled)
    assert raised[0].message == "the statement was cancelled"
    assert list(house.ongoing) == []
    assert not house.ongoing.cancel("q1")


def test_a_writing_statement_leaves_nothing(house: Any, session: Session) -> None:
    thread, raised = carry_out(house, session, f"CREATE TABLE t AS {LONG}; SELECT 1", seconds=0.3)
    thread.join(120)
    assert isinstance(raised[0], Cancelled)
    assert raised[0].message == "it took longer than its limit of 0.3 s"
    assert house.catalog.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 't'") == []


def test_a_feature_set_that_takes_too_long_is_not_there(house: Any, session: Session) -> None:
    text = f"CREATE FEATURE SET slow (ENTITY k, TIMESTAMP ts) AS SELECT 1 AS k, now() AS ts, n FROM ({LONG}) AS x(n)"
    thread, raised = carry_out(house, session, text, seconds=0.5)
    thread.join(120)
    assert isinstance(raised[0], Cancelled)
    assert house.catalog.rows("SELECT 1 FROM catalog.ml.feature_sets") == []
    assert list(session.run("SELECT 1"))


def test_a_run_is_cancelled(house: Any, session: Session) -> None:
    list(session.run("CREATE FUNCTION slow FROM 'slow.py'"))
    thread, raised = carry_out(house, session, "RUN slow", id="r")
    wait_until(lambda: house.catalog.rows("SELECT 1 FROM catalog.ml.runs WHERE state = 'running'"))
    house.ongoing.cancel("r")
    thread.join(120)
    assert isinstance(raised[0], Cancelled)
    assert house.catalog.row("SELECT state FROM catalog.ml.runs") == {"state": "cancelled"}


def test_a_workflow_is_cancelled_with_its_steps(house: Any, session: Session) -> None:
    list(session.run("CREATE FUNCTION slow FROM 'slow.py'"))
    list(session.run("CREATE WORKFLOW w AS (STEP a AS (RUN slow), STEP b AFTER a AS (SELECT 1))"))
    thread, raised = carry_out(house, session, "RUN WORKFLOW w", id="w")
    wait_until(lambda: house.catalog.rows("SELECT 1 FROM catalog.ml.runs WHERE state = 'running'"))
    house.ongoing.cancel("w")
    thread.join(120)
    assert isinstance(raised[0], Cancelled)
    assert house.catalog.row("SELECT state FROM catalog.ml.runs") == {"state": "cancelled"}
    steps = house.catalog.rows("SELECT step, state FROM catalog.ml.steps ORDER BY step")
    assert [step["state"] for step in steps] == ["error", "skipped"]


def test_a_script_stops_between_its_statements(house: Any, session: Session) -> None:
    with house.ongoing.begin("two", session.caller) as underway, pytest.raises(Cancelled):
        for _ in session.run("SELECT 1; CREATE TABLE never AS SELECT 1"):
            underway.cancel()
    assert house.catalog.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'never'") == []


def test_an_id_is_under_way_once() -> None:
    ongoing = Ongoing()
    with ongoing.begin("a", Caller(), id="x"):
        assert current() is next(iter(ongoing))
        with pytest.raises(AlreadyExists), ongoing.begin("b", Caller(), id="x"):
            pass
    assert current() is None


def test_nothing_is_interrupted_behind_its_block() -> None:
    """A cursor that is given back is somebody else's: the block waits until the act is over, and none follows."""
    ongoing = Ongoing()
    acting, go_on, left = threading.Event(), threading.Event(), threading.Event()

    def act() -> None:
        acting.set()
        assert go_on.wait(60) and not left.is_set()

    def work() -> None:
        with ongoing.begin("", Caller(), id="q") as underway:
            with underway.interrupting(act):
                assert acting.wait(60)
            left.set()
            acting.clear()

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: list(ongoing))
    assert ongoing.cancel("q") and acting.wait(60)
    assert not left.wait(0.05)
    go_on.set()
    thread.join(60)
    assert left.is_set() and not acting.is_set()
