"""What runs tell is durable in the journal at once, and in their tables before anybody looks."""

from __future__ import annotations

import math
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from mlbox.base.command import Caller
from mlbox.engine.catalog.journal import Journal
from mlbox.engine.catalog.tables import run_journal, runs
from mlbox.engine.catalog.tables.run_memory import RunMemory
from mlbox.engine.runs.commands import TrackRun

FINISHED = {"kind": "finished", "state": "completed", "error": None}
TABLES = ("params", "metrics", "run_batches", "run_attempts", "run_tokens")


def begun(bench: Any, **more: Any) -> str:
    command = TrackRun(project="default", **more)
    plan = bench.runs.tracking.plan_track(command, Caller())
    return str(bench.runs.tracking.track(command, plan, Caller()).facts["run"])


def tell(
    bench: Any, run: str, batch: str, *, params: Any = (), metrics: Any = (), tags: Any = (), end: bool = False
) -> None:
    events = [{"kind": "param", "name": name, "value": value} for name, value in dict(params).items()]
    events += [{"kind": "metric", "name": name, "value": value} for name, value in dict(metrics).items()]
    events += [{"kind": "tag", "name": name, "value": value} for name, value in dict(tags).items()]
    count = bench.runs.calls_home.accept(run, batch, [*events, FINISHED] if end else events)
    assert count == len(events) + end


def in_tables(bench: Any, table: str) -> int:
    """Rows that are there, without asking for them to be."""
    with closing(bench.catalog.connection.cursor()) as cursor:
        return int(cursor.execute(f"SELECT count(*) FROM catalog.main.{table}").fetchall()[0][0])


@pytest.fixture
def unhurried(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settles when somebody reads, and not before."""
    monkeypatch.setattr("mlbox.engine.catalog.writer.IDLE_SECONDS", 600)
    monkeypatch.setattr("mlbox.engine.catalog.writer.LONGEST_SECONDS", 600)
    return bench


def test_a_run_comes_into_its_tables_when_somebody_reads(unhurried: Any) -> None:
    before = in_tables(unhurried, "runs")
    run = begun(unhurried, name="fit", parameters={"lr": 0.1})
    for number in range(3):
        tell(unhurried, run, f"b{number}", params={f"p{number}": number}, metrics={"loss": number / 7})
    tell(unhurried, run, "last", tags={"team": "a"}, end=True)
    assert (in_tables(unhurried, "runs"), in_tables(unhurried, "run_journal")) == (before, 5)
    row = unhurried.catalog.row(
        "SELECT state, params::JSON AS params, metrics.loss::DOUBLE AS loss, labels.team::VARCHAR AS team, "
        "duration_ms IS NOT NULL AS timed FROM catalog.ml.runs WHERE id = ?",
        [run],
    )
    assert row == {
        "state": "completed",
        "params": '{"lr":0.1,"p0":0,"p1":1,"p2":2}',
        "loss": 2 / 7,
        "team": "a",
        "timed": True,
    }
    assert in_tables(unhurried, "run_journal") == 0
    assert [in_tables(unhurried, table) for table in TABLES] == [4, 3, 3, 1, 0]


def test_a_session_finds_it_too(unhurried: Any) -> None:
    run = begun(unhurried)
    tell(unhurried, run, "b0", metrics={"loss": 0.5})
    with unhurried.catalog.session("default", reading=True) as cursor:
        assert cursor.execute("SELECT value FROM ml.metrics WHERE run_id = ?", [run]).fetchall() == [(0.5,)]


def test_nobody_need_ask(bench: Any) -> None:
    from waiting import wait_until

    run = begun(bench)
    tell(bench, run, "last", metrics={"loss": 1}, end=True)
    wait_until(lambda: in_tables(bench, "run_journal") == 0)
    assert in_tables(bench, "metrics") == 1


def test_a_batch_is_let_in_once_wherever_it_waits(unhurried: Any) -> None:
    run = begun(unhurried)
    for settled in (False, True):
        for _ in range(2):
            tell(unhurried, run, "b0", metrics={"loss": 1})
        if not settled:
            assert unhurried.catalog.row("SELECT count(*) AS n FROM catalog.main.metrics") == {"n": 1}
    unhurried.catalog.run_memory.clear()
    tell(unhurried, run, "b0", metrics={"loss": 1})
    assert unhurried.catalog.row("SELECT count(*) AS n FROM catalog.main.metrics") == {"n": 1}


def test_the_journal_is_read_as_it_was_written(unhurried: Any) -> None:
    run = begun(unhurried, name="fit", labels={"team": "a"})
    unhurried.catalog.rows("SELECT 1")
    tell(unhurried, run, "b0", params={"p": [1, None]}, metrics={"loss": math.inf, "auc": math.nan})
    tell(unhurried, run, "last", end=True)
    found = unhurried.catalog.write(run_journal.load, journaled=True)
    assert [(entry.run_id, entry.batch) for entry in found] == [(run, "b0"), (run, None)]
    assert found[0].changes["params"] == {"p": [1, None]}
    assert str(found[0].told.values) == "[inf, nan]"
    assert found[1].ended.finished_at == found[1].changes["finished_at"] == found[1].at


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = some.text("abcdeäß .", min_size=1, max_size=4).filter(lambda name: name.strip() == name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=some.lists(
        some.tuples(
            some.dictionaries(NAMES, JSON, max_size=3),
            some.dictionaries(NAMES, some.floats(), max_size=3),
            some.dictionaries(NAMES, some.text(max_size=5), max_size=3),
            some.booleans(),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_by_the_journal_or_straight_it_is_the_same(unhurried: Any, steps: Any) -> None:
    """Each step may settle what waits, so that batches meet rows that are in the tables and such that are not."""
    rows = []
    for straight in (False, True):
        run = begun(unhurried)
        for number, (params, metrics, tags, settles) in enumerate(steps):
            if straight:
                unhurried.catalog.run_memory.clear()  # a run that is not known is read, and written to its tables
            tell(unhurried, run, f"b{number}", params=params, metrics=metrics, tags=tags)
            if settles:
                unhurried.catalog.rows("SELECT 1")
        tell(unhurried, run, "last", end=True)
        with unhurried.catalog.read() as cursor:
            row = runs.get(cursor, run)
            points = cursor.execute(
                "SELECT batch, ordinal, name, value::VARCHAR FROM catalog.main.metrics WHERE run_id = ? ORDER BY ALL",
                [run],
            ).fetchall()
            params_ = cursor.execute(
                "SELECT name, value, number FROM catalog.main.params WHERE run_id = ? ORDER BY ALL", [run]
            ).fetchall()
        rows.append((row.state, row.params, str(row.metrics), row.labels, points, params_))
    assert rows[0] == rows[1]


def test_one_that_cannot_be_brought_there_stays_alone_behind(unhurried: Any, caplog: pytest.LogCaptureFixture) -> None:
    wrong, right = begun(unhurried), begun(unhurried)
    unhurried.catalog.rows("SELECT 1")
    tell(unhurried, wrong, "b0", metrics={"loss": 1})
    tell(unhurried, right, "b0", metrics={"loss": 2})
    with closing(unhurried.catalog.connection.cursor()) as cursor:  # as no operation would
        cursor.execute("INSERT INTO catalog.main.run_batches VALUES ('default', ?, 'b0', now())", [wrong])
    assert unhurried.catalog.rows("SELECT run_id, value FROM catalog.main.metrics") == [{"run_id": right, "value": 2.0}]
    left = unhurried.catalog.rows("SELECT run_id, refused FROM catalog.main.run_journal")
    assert [row["run_id"] for row in left] == [wrong]
    assert "constraint" in left[0]["refused"].lower()
    assert "stays in the journal" in caplog.text
    tell(unhurried, right, "b1", metrics={"loss": 3}, end=True)  # nobody else is held up
    assert unhurried.catalog.row("SELECT state FROM catalog.ml.runs WHERE id = ?", [right]) == {"state": "completed"}
    for number in (4, 5):  # what follows goes its way, and what was refused stays
        tell(unhurried, wrong, f"b{number}", metrics={"loss": number})
    mine = "SELECT value FROM catalog.main.metrics WHERE run_id = ? ORDER BY value"
    assert unhurried.catalog.rows(mine, [wrong]) == [{"value": 4.0}, {"value": 5.0}]
    assert unhurried.catalog.rows("SELECT run_id FROM catalog.main.run_journal") == [{"run_id": wrong}]
    with closing(unhurried.catalog.connection.cursor()) as cursor:
        cursor.execute("DELETE FROM catalog.main.run_batches WHERE run_id = ? AND batch = 'b0'", [wrong])
    unhurried.catalog.write(unhurried.catalog.journal.load, journaled=True)  # as the next opening of the home does
    assert [row["value"] for row in unhurried.catalog.rows(mine, [wrong])] == [1.0, 4.0, 5.0]


def test_what_cannot_be_read_stays_and_says_so(unhurried: Any) -> None:
    run = begun(unhurried)
    tell(unhurried, run, "b0", metrics={"loss": 1})
    with closing(unhurried.catalog.connection.cursor()) as cursor:
        cursor.execute("INSERT INTO catalog.main.run_journal (run_id, entry) VALUES ('other', 'not an entry'::BLOB)")
    journal = Journal(RunMemory())
    unhurried.catalog.write(journal.load, journaled=True)
    left = unhurried.catalog.rows("SELECT run_id, refused FROM catalog.main.run_journal")
    assert [row["run_id"] for row in left] == ["other"]
    assert "cannot be read" in left[0]["refused"]


def test_whole_numbers_of_any_size_are_kept(unhurried: Any) -> None:
    run = begun(unhurried, parameters={"big": 1 << 80})
    tell(unhurried, run, "b0", params={"bigger": 1 << 90})
    row = unhurried.catalog.row(
        "SELECT list(value ORDER BY name) AS v FROM catalog.main.params WHERE run_id = ?", [run]
    )
    assert row == {"v": [str(1 << 80), str(1 << 90)]}
