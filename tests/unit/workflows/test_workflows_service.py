from __future__ import annotations

import re
from typing import Any

import pytest
from waiting import wait_until

from mlbox.base.command import Query
from mlbox.base.errors import AlreadyExists, Invalid, NotFound, RunFailed, StatementError
from mlbox.base.names import Ref
from mlbox.engine.workflows.bodies import Bodies
from mlbox.engine.workflows.commands import CreateWorkflow, DropWorkflow, RunWorkflow, WorkflowStep
from mlbox.engine.workflows.service import Workflows

W = Ref("default", "nightly")


def step(name: str, body: str, *after: str, when: str | None = None, **options: Any) -> WorkflowStep:
    return WorkflowStep(name, Query(body), after, Query(when) if when else None, **options)


def create(*steps: WorkflowStep, **options: Any) -> CreateWorkflow:
    return CreateWorkflow(ref=options.pop("ref", W), steps=steps, text="CREATE WORKFLOW ...", **options)


def states(house: Any, run: str | None = None) -> dict[str, str]:
    rows = house.catalog.rows("SELECT step, state FROM catalog.ml.steps ORDER BY started_at NULLS LAST, step")
    return {row["step"]: row["state"] for row in rows}


def test_steps_see_parameters_and_the_runs_before_them(house: Any) -> None:
    house.do(
        create(
            step("fit", "TRAIN $target"),
            step("check", "SELECT $fit AS seen, 2 AS n", "fit"),
            step("promote", "SELECT 1 AS promoted", "fit", "check", when="fit.auc > 0.5 AND check.n = 2"),
        )
    )
    result = house.do(RunWorkflow(ref=W, parameters={"target": 0.7}))
    assert result.facts["steps"] == {"fit": "completed", "check": "completed", "promote": "completed"}
    rows = {row["step"]: row for row in house.catalog.rows("SELECT * FROM catalog.ml.steps")}
    assert rows["check"]["facts"]["seen"] == rows["fit"]["run_id"]
    assert rows["fit"]["facts"]["auc"] == 0.7
    run = house.catalog.row("SELECT * FROM catalog.ml.workflow_runs")
    assert run["state"] == "completed" and run["duration_ms"] >= 0 and run["parameters"] == {"target": 0.7}
    assert {caller.door for _, caller in house.done} == {"workflow"}
    assert [event.kind for event in house.events][-1] == "workflow.finished"


def test_a_condition_that_does_not_hold_skips_what_follows(house: Any) -> None:
    house.do(
        create(
            step("fit", "TRAIN 0.4"),
            step("promote", "SELECT 1", "fit", when="fit.auc > 0.5"),
            step("tell", "SELECT 2", "promote"),
            step("other", "SELECT 3", "fit"),
        )
    )
    result = house.do(RunWorkflow(ref=W))
    assert result.message.endswith("completed: 2 completed, 2 skipped")
    row = house.catalog.row("SELECT message FROM catalog.ml.steps WHERE step = 'promote'")
    assert row["message"] == "fit.auc > 0.5 is false (fit.auc = 0.4)"
    assert states(house) == {"fit": "completed", "other": "completed", "promote": "skipped", "tell": "skipped"}


def test_a_failure_fails_the_workflow_and_finally_runs(house: Any) -> None:
    house.do(
        create(step("bad", "FAIL 9"), step("next", "SELECT 1", "bad"), finally_=Query("SELECT $workflow_state AS s"))
    )
    with pytest.raises(RunFailed) as caught:
        house.do(RunWorkflow(ref=W))
    assert "step bad: failure 1" in caught.value.message
    assert caught.value.details["step"] == "bad"
    assert states(house) == {"bad": "error", "finally": "completed", "next": "skipped"}
    row = house.catalog.row("SELECT state, reason FROM catalog.ml.workflow_runs")
    assert row["state"] == "error" and "failure 1" in row["reason"]
    last = house.catalog.row("SELECT facts FROM catalog.ml.steps WHERE step = 'finally'")
    assert last["facts"]["s"] == "error"


def test_of_a_defect_in_a_step_members_read_its_number(
    house: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*arguments: Any) -> Any:
        raise RuntimeError("IO Error: /srv/home/features.duckdb")

    house.do(create(step("bad", "SELECT 1")))
    monkeypatch.setattr(Bodies, "run", breaks)
    with pytest.raises(RunFailed) as caught:
        house.do(RunWorkflow(ref=W))
    assert "/srv/home" in caught.value.message and "/srv/home" not in str(caught.value.public.to_dict())
    kept = house.catalog.row(
        "SELECT reason, (SELECT error FROM catalog.ml.steps) AS error FROM catalog.ml.workflow_runs"
    )
    for told in (kept["reason"], kept["error"], caught.value.public.hint):
        number = re.search(r"the id (\w{32})", told)
        assert number is not None and f"(request {number[1]})" in caplog.text and "/srv" not in told
    assert kept["error"].startswith("the request met a defect of mlbox; ")
    assert "RuntimeError: IO Error: /srv/home/features.duckdb" in caplog.text


def test_a_failing_finally_fails_the_workflow(house: Any) -> None:
    house.do(create(step("a", "SELECT 1"), finally_=Query("FAIL 1")))
    with pytest.raises(RunFailed):
        house.do(RunWorkflow(ref=W))
    assert states(house) == {"a": "completed", "finally": "error"}


def test_retry(house: Any) -> None:
    house.do(create(step("flaky", "FAIL 1", retries=1)))
    assert house.do(RunWorkflow(ref=W)).facts["state"] == "completed"
    assert house.failures == 2


def test_for_each_runs_the_body_for_every_value(house: Any) -> None:
    house.do(
        create(
            step("fits", "TRAIN $x", for_each=("x", Query("0.1, 0.2, 0.3"))),
            step("rows", "SELECT $x AS last", for_each=("x", Query("(SELECT unnest([4, 5]))"))),
        )
    )
    house.do(RunWorkflow(ref=W))
    rows = {row["step"]: row["facts"] for row in house.catalog.rows("SELECT step, facts FROM catalog.ml.steps")}
    assert rows["fits"]["n"] == 3 and len(rows["fits"]["runs"]) == 3 and rows["fits"]["auc"] == 0.3
    assert rows["rows"]["n"] == 2 and rows["rows"]["last"] == 5


def test_what_is_wrong_is_found_before_anything_is_kept(house: Any) -> None:
    text = "CREATE WORKFLOW w AS (STEP fit AS (SELECT 1), STEP b AFTER fti AS (SELECT 2))"
    body = Query("SELECT 2", text.rindex("SELECT 2"), text)
    with pytest.raises(NotFound) as unknown:
        house.do(CreateWorkflow(ref=W, steps=(step("fit", "SELECT 1"), WorkflowStep("b", body, ("fti",))), text=text))
    assert unknown.value.where is not None and unknown.value.where.offset == text.index("fti")
    assert "fit" in (unknown.value.hint or "")
    with pytest.raises(Invalid):
        house.do(create(step("a", "SELECT 1", "b"), step("b", "SELECT 2", "a")))
    with pytest.raises(StatementError):
        house.do(create(step("a", "NONSENSE")))
    with pytest.raises(StatementError):  # c is no ancestor of b: its facts might not be there
        house.do(create(step("c", "SELECT 1"), step("a", "SELECT 1"), step("b", "SELECT 2", "a", when="c.x = 1")))
    with pytest.raises(Invalid):
        house.do(create(step("a", "SELECT 1"), step("A", "SELECT 1")))
    with pytest.raises(NotFound):
        house.do(create(step("a", "SELECT 1"), ref=Ref("nowhere", "w")))
    assert house.catalog.rows("SELECT * FROM catalog.ml.workflows") == []


def test_names_create_replace_and_drop(house: Any) -> None:
    house.do(create(step("a", "SELECT 1")))
    again = create(step("b", "SELECT 2"), ref=Ref("default", "NIGHTLY"))
    with pytest.raises(AlreadyExists):
        house.do(again)
    assert "exists already" in house.do(create(step("b", "SELECT 2"), if_not_exists=True)).message
    house.do(create(step("b", "SELECT 2"), ref=Ref("default", "NIGHTLY"), replace=True))
    row = house.catalog.row("SELECT * FROM catalog.ml.workflows")
    assert (row["name"], row["steps"]) == ("NIGHTLY", ["b"])
    house.do(RunWorkflow(ref=W))
    house.do(DropWorkflow(ref=W))
    assert states(house) == {"b": "completed"}
    with pytest.raises(NotFound):
        house.do(DropWorkflow(ref=W))
    house.do(DropWorkflow(ref=W, if_exists=True))
    with pytest.raises(NotFound):
        house.do(RunWorkflow(ref=W))


def test_a_parameter_may_not_hide_a_step(house: Any) -> None:
    house.do(create(step("fit", "TRAIN 0.5")))
    with pytest.raises(Invalid):
        house.do(RunWorkflow(ref=W, parameters={"fit": 1}))


def test_asynchronous_and_cancel(house: Any) -> None:
    house.do(create(step("long", "WAIT"), step("next", "SELECT 1", "long")))
    run = house.do(RunWorkflow(ref=W, asynchronous=True)).facts["run"]
    assert house.workflows.cancel(run)
    house.gate.set()
    wait_until(lambda: house.catalog.row("SELECT state FROM catalog.ml.workflow_runs")["state"] == "cancelled")
    assert states(house)["next"] == "skipped"
    wait_until(lambda: not house.workflows.cancel(run))  # its thread ends after its last row


def test_a_restart_marks_what_was_running_as_interrupted(house: Any) -> None:
    house.do(create(step("long", "WAIT"), step("next", "SELECT 1", "long")))
    run = house.do(RunWorkflow(ref=W, asynchronous=True)).facts["run"]
    wait_until(lambda: states(house)["long"] == "running")
    after_a_crash = Workflows(catalog=house.catalog, bus=house.bus, dispatcher=house.dispatcher, parser=house.parser)
    assert after_a_crash.recover() == 1
    row = house.catalog.row("SELECT state, finished_at FROM catalog.ml.workflow_runs WHERE id = $1", [run])
    assert row["state"] == "interrupted" and row["finished_at"] is not None
    assert states(house) == {"long": "error", "next": "skipped"}
    assert after_a_crash.recover() == 0
    house.gate.set()
