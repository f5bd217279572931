"""Runs of scripts, whose rows the writer remembers: what is remembered is what the catalog has."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.errors import NotFound
from mlbox.engine.catalog.tables import projects, runs
from mlbox.engine.catalog.tables.projects import ProjectRow
from mlbox.engine.runs.batches import Batches
from mlbox.engine.runs.commands import TrackRun
from mlbox.engine.runs.incoming import digest_events
from mlbox.engine.runs.tracking import Beginning


def begun(bench: Any, **more: Any) -> str:
    command = TrackRun(project="default", **more)
    plan = bench.runs.tracking.plan_track(command, Caller())
    return str(bench.runs.tracking.track(command, plan, Caller()).facts["run"])


def row_of(bench: Any, run: str) -> Any:
    with bench.catalog.read() as cursor:
        return runs.get(cursor, run)


def remembered(bench: Any, run: str) -> Any:
    return bench.catalog.write(lambda cursor: bench.catalog.run_memory.get(run))


def events(number: int) -> list[dict[str, Any]]:
    return [
        {"kind": "param", "name": f"p{number}", "value": number},
        {"kind": "metric", "name": "loss", "value": number / 7},
        {"kind": "tag", "name": f"t{number}", "value": f"value {number}"},
    ]


FINISHED = {"kind": "finished", "state": "completed", "error": None}


def count(bench: Any, table: str, run: str) -> int:
    return int(bench.catalog.row(f"SELECT count(*) AS n FROM catalog.main.{table} WHERE run_id = ?", [run])["n"])


def test_what_is_remembered_is_what_the_catalog_has(bench: Any) -> None:
    run = begun(bench, name="fit", parameters={"lr": 0.1}, labels={"team": "a"})
    assert remembered(bench, run).row == row_of(bench, run)
    for number in range(2):
        bench.runs.calls_home.accept(run, f"b{number}", events(number))
        assert remembered(bench, run).row == row_of(bench, run)
    bench.runs.calls_home.accept(run, "last", [*events(2), FINISHED])
    assert remembered(bench, run) is None
    row = row_of(bench, run)
    assert (row.state, row.metrics) == ("completed", {"loss": 2 / 7})
    assert row.params == {"lr": 0.1, "p0": 0, "p1": 1, "p2": 2}
    assert row.labels == {"team": "a", "t0": "value 0", "t1": "value 1", "t2": "value 2"}
    assert [count(bench, table, run) for table in ("params", "metrics", "run_attempts", "run_tokens")] == [4, 3, 1, 0]


def test_what_others_change_meanwhile_stays(bench: Any) -> None:
    run = begun(bench, name="fit")
    bench.runs.calls_home.accept(run, "b0", events(0))
    bench.runs.tracking.change("default", run, {"labels": {"by": "hand"}, "note": "look"})
    bench.runs.calls_home.accept(run, "b1", [*events(1), FINISHED])
    row = row_of(bench, run)
    assert (row.labels, row.note) == ({"by": "hand", "t1": "value 1"}, "look")


def test_a_transaction_that_fails_is_not_remembered(bench: Any) -> None:
    run = begun(bench)

    def wrong(cursor: Any) -> None:
        raise ValueError("wrong")

    held = threading.Event()
    bench.catalog.submit(lambda cursor: held.wait(30))
    digested = digest_events("default", run, events(0))
    batches = Batches(bench.catalog.run_memory, bench.catalog.journal)
    told = bench.catalog.submit(lambda cursor: batches.enter(cursor, run, "b0", digested))
    failing = bench.catalog.submit(wrong)  # in one transaction with the batch, which is tried again alone
    held.set()
    assert told.result() is None
    with pytest.raises(ValueError, match="wrong"):
        failing.result()
    assert remembered(bench, run) is None
    assert row_of(bench, run).params == {"p0": 0}
    assert count(bench, "params", run) == 1


def test_the_end_that_is_told_twice_counts_once(bench: Any) -> None:
    run = begun(bench)
    for _ in range(2):
        assert bench.runs.calls_home.accept(run, "last", [*events(0), FINISHED]) == 4
    assert [count(bench, table, run) for table in ("metrics", "params", "run_attempts")] == [1, 1, 1]


def test_a_run_that_is_taken_up_again_ends_again(bench: Any) -> None:
    run = begun(bench)
    tracking = bench.runs.tracking
    tracking.set_state("default", run, "completed")
    tracking.set_state("default", run, "running")
    bench.runs.calls_home.accept(run, "last", [*events(0), FINISHED])
    assert row_of(bench, run).state == "completed"
    assert count(bench, "run_attempts", run) == 1


def test_a_project_that_is_not_there_is_told_though_it_was(bench: Any) -> None:
    known = bench.catalog.projects
    with pytest.raises(NotFound, match="there is no project 'other'"):
        known.require("other")
    bench.catalog.write(lambda cursor: projects.upsert(cursor, ProjectRow("other", None, None, now())))
    known.require("other")
    bench.catalog.write(lambda cursor: projects.delete_row(cursor, "other"))
    known.forget("other")
    with pytest.raises(NotFound, match="there is no project 'other'"):
        known.require("other")


def test_a_run_of_another_door_is_remembered_as_it_is(bench: Any) -> None:
    tracking = bench.runs.tracking
    run = tracking.begin(Beginning(project="default", name="fit", labels={"team": "a"})).id
    for number in range(2):
        assert tracking.log("default", run, events(number)) is not None
        assert remembered(bench, run).row == row_of(bench, run)
    tracking.log("default", run, [], lambda row: {"labels": {**row.labels, "more": "yes"}})
    assert remembered(bench, run).row == row_of(bench, run)
    assert tracking.set_state("default", run, "completed").metrics == {"loss": 1 / 7}
    tracking.set_state("default", run, "running")
    tracking.set_state("default", run, "completed")
    assert row_of(bench, run).labels == {"team": "a", "t0": "value 0", "t1": "value 1", "more": "yes"}
    assert [count(bench, table, run) for table in ("params", "metrics", "run_attempts")] == [2, 2, 1]
