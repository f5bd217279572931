from __future__ import annotations

from typing import Any

import pytest
from waiting import wait_until

from mlbox.base.command import Query
from mlbox.base.errors import Conflict, Invalid, RunFailed, StatementError
from mlbox.base.names import Ref
from mlbox.engine.runs.commands import CancelRun, Rerun, StartRun, Sweep, SweepParameter

FIT = """
    def fit(ctx, x=0.0, depth=1, fail=-1):
        if depth == fail:
            raise ValueError(f"depth {depth}")
        ctx.log_metric("score", -((x - 2) ** 2) + depth / 10)
"""


def sweep(*parameters: SweepParameter, metric: str = "score", goal: Any = "maximize", **options: Any) -> Sweep:
    return Sweep(parameters, metric, goal, **options)


def trials(bench: Any, parent: str) -> list[dict[str, Any]]:
    return list(bench.rows("FROM catalog.ml.runs WHERE parent_id = ? ORDER BY id", parent))


def test_the_best_trial_is_the_result(bench: Any) -> None:
    bench.function("fit", FIT)
    grid = sweep(SweepParameter("x", (1.0, 2.0, 5.0)), parallel=2)
    result = bench.run("fit", sweep=grid, name="search", parameters={"depth": 4}, labels={"a": 1})
    children = trials(bench, result.facts["run"])
    assert [child["name"] for child in children] == ["trial-1", "trial-2", "trial-3"]
    assert [child["params"] for child in children] == [{"x": x, "depth": 4, "fail": -1} for x in (1.0, 2.0, 5.0)]
    assert all(child["state"] == "completed" and child["labels"] == {"a": 1} for child in children)
    assert result.facts["score"] == pytest.approx(0.4)
    assert result.facts["best_trial"] == children[1]["id"]
    assert "best of 3: trial-2, score = 0.4" in result.message
    parent = bench.row(result.facts["run"])
    assert (parent["state"], parent["best_trial"], parent["parent_id"]) == ("completed", children[1]["id"], None)
    assert parent["metrics"] == children[1]["metrics"] and parent["params"] == {"depth": 4}
    finished = [event.object for event in bench.events if event.kind == "run.finished"]
    assert finished[-1] == "search" and len(finished) == 4


def test_minimize_and_random_ranges(bench: Any) -> None:
    bench.function("fit", FIT)
    search = sweep(
        SweepParameter("x", low=0, high=4), SweepParameter("depth", low=1, high=9), goal="minimize",
        strategy="random", limit=4, parallel=2,
    )  # fmt: skip
    result = bench.run("fit", sweep=search)
    children = trials(bench, result.facts["run"])
    scores = {child["id"]: child["metrics"]["score"] for child in children}
    assert result.facts["score"] == min(scores.values()) and scores[result.facts["best_trial"]] == min(scores.values())
    # the handler's defaults tell a share from a count
    assert any(child["params"]["x"] % 1 for child in children)
    assert all(child["params"]["depth"] % 1 == 0 for child in children)


def test_a_failing_trial_does_not_end_the_sweep(bench: Any) -> None:
    bench.function("fit", FIT)
    result = bench.run("fit", sweep=sweep(SweepParameter("depth", (1, 2, 3))), parameters={"fail": 3})
    assert [child["state"] for child in trials(bench, result.facts["run"])] == ["completed", "completed", "error"]
    assert bench.row(result.facts["run"])["reason"] == "best of 3: trial-2, score = -3.8; 1 failed"


def test_a_sweep_whose_trials_all_fail(bench: Any) -> None:
    bench.function("fit", "def fit(ctx, x): raise ValueError(f'x is {x}')")
    with pytest.raises(RunFailed) as caught:
        bench.run("fit", sweep=sweep(SweepParameter("x", (1, 2))), name="search")
    assert caught.value.message == "run search failed: all 2 trials failed; the first: ValueError: x is 1"
    assert "fit.py" in caught.value.details["traceback"]
    assert bench.row(caught.value.details["run_id"])["state"] == "error"


def test_a_metric_that_nobody_logged(bench: Any) -> None:
    bench.function("fit", FIT)
    with pytest.raises(Invalid, match="no trial logged a number as metric 'auc'") as caught:
        bench.run("fit", sweep=sweep(SweepParameter("x", (1.0,)), metric="auc"))
    assert "logged: score" in caught.value.hint
    assert bench.row(caught.value.details["run_id"])["state"] == "error"


def test_the_frame_is_written_once(bench: Any) -> None:
    bench.function("fit", "def fit(ctx, frame, x): return {'score': len(frame) * x}")
    bench.catalog.write_data(lambda cursor: cursor.execute("CREATE TABLE data.default.t AS FROM range(5)") and None)
    result = bench.run("fit", "SELECT * FROM t", sweep=sweep(SweepParameter("x", (1, 2))))
    assert result.facts["score"] == 10
    assert len(list(bench.home.runs.rglob("*.parquet"))) == 1
    edges = bench.rows("SELECT to_ref FROM catalog.ml.lineage WHERE from_ref = 'default.t'")
    assert {edge["to_ref"] for edge in edges} == {entry["id"] for entry in bench.rows("FROM catalog.ml.runs")}
    again = bench.do(Rerun(project="default", run=result.facts["run"]))
    assert again.facts["score"] == 10 and again.facts["run"] != result.facts["run"]
    assert len(trials(bench, again.facts["run"])) == 2
    best = bench.do(Rerun(project="default", run=result.facts["best_trial"]))
    assert bench.row(best.facts["run"])["params"] == {"x": 2}
    assert len(list(bench.home.runs.rglob("*.parquet"))) == 1


@pytest.mark.parametrize(
    ("search", "parameters", "message"),
    [
        (sweep(SweepParameter("y", (1,))), {}, "no parameter 'y'"),
        (sweep(SweepParameter("x", (1.0,))), {"x": 2.0}, "given and swept"),
        (sweep(SweepParameter("x", low=0.0, high=1.0)), {}, "grid needs the values"),
        (sweep(SweepParameter("x", (1.0,)), prune="best"), {}, "no rule 'best'"),
    ],
)
def test_a_wrong_sweep_makes_nothing(bench: Any, search: Sweep, parameters: dict[str, Any], message: str) -> None:
    bench.function("fit", FIT)
    with pytest.raises(Invalid, match=message):
        bench.run("fit", sweep=search, parameters=parameters)
    assert bench.rows("FROM catalog.ml.runs") == []


def test_a_sweep_stops_when_it_is_good_enough(bench: Any) -> None:
    bench.function("fit", FIT)
    search = sweep(SweepParameter("x", (5.0, 2.0, 9.0)), stop_when=Query("score > 0 AND trials >= 1"))
    result = bench.run("fit", sweep=search)
    assert len(trials(bench, result.facts["run"])) == 2
    assert bench.row(result.facts["run"])["reason"].endswith("; ended because score > 0 AND trials >= 1 is true")
    wrong = sweep(SweepParameter("x", (5.0,)), stop_when=Query("scor > 0"))
    with pytest.raises(StatementError) as caught:
        bench.run("fit", sweep=wrong)
    assert caught.value.hint == "did you mean score?"


def test_a_sweep_gives_up_after_its_errors(bench: Any) -> None:
    bench.function("fit", "def fit(ctx, x): raise ValueError(f'x is {x}')")
    with pytest.raises(RunFailed):
        bench.run("fit", sweep=sweep(SweepParameter("x", (1, 2, 3, 4)), max_errors=2), name="search")
    assert len(trials(bench, bench.rows("FROM catalog.ml.runs WHERE name = 'search'")[0]["id"])) == 2


STEPS = """
    import time
    def fit(ctx, x):
        for step in range(200 if x < 0 else 3):
            ctx.log_metric("score", x, step=step)
            ctx.flush()
            if x < 0:
                time.sleep(0.05)
"""


def test_a_bad_trial_is_stopped_early(bench: Any) -> None:
    bench.function("fit", STEPS)
    search = sweep(SweepParameter("x", (1, 2, 3, 4, 5, -1)), prune="median")
    result = bench.run("fit", sweep=search, name="search")
    children = trials(bench, result.facts["run"])
    assert [child["state"] for child in children] == ["completed"] * 5 + ["cancelled"]
    assert children[5]["reason"].startswith("stopped early (median): score = -1 at step ")
    reason = "best of 6: trial-5, score = 5; 1 stopped early"
    assert bench.row(result.facts["run"])["reason"] == reason


def test_the_weight_of_parameters_is_kept(bench: Any) -> None:
    bench.function("fit", "def fit(ctx, x, name): ctx.log_metric('score', -abs(x - 2))")
    search = sweep(SweepParameter("x", (0, 1, 2, 3)), SweepParameter("name", ("a", "b")), parallel=2)
    result = bench.run("fit", sweep=search)
    kept = bench.rows("SELECT * FROM catalog.ml.artifacts WHERE run_id = ?", result.facts["run"])
    assert [(row["name"], row["kind"]) for row in kept] == [("importance", "table")]
    shares = kept[0]["metadata"]["importance"]
    assert shares["x"] > shares["name"]
    assert sum(shares.values()) == pytest.approx(1)
    assert bench.artifacts.read(kept[0]["digest"]).startswith(b"parameter,importance\nx,")


def test_cancelling_a_sweep_cancels_its_trials(bench: Any) -> None:
    bench.function("fit", "import time\ndef fit(ctx, x): time.sleep(60)")
    command = StartRun(
        function=Ref("default", "fit"), sweep=sweep(SweepParameter("x", (1, 2, 3)), parallel=2), asynchronous=True
    )
    parent = bench.do(command).facts["run"]
    wait_until(lambda: [child["state"] for child in trials(bench, parent)] == ["running", "running"])
    bench.do(CancelRun(project="default", run=parent))
    assert bench.row(parent)["state"] == "cancelled"
    assert [child["state"] for child in trials(bench, parent)] == ["cancelled", "cancelled"]
    with pytest.raises(Conflict):
        bench.do(CancelRun(project="default", run=parent))
