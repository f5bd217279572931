from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from mlbox.base.clock import now
from mlbox.base.command import Caller, Query
from mlbox.base.errors import Conflict, Invalid, MlboxError, NotFound, RunFailed, StatementError, Unavailable
from mlbox.base.ids import new_id
from mlbox.base.names import Ref
from mlbox.engine.catalog.commands import CollectGarbage
from mlbox.engine.catalog.tables import models
from mlbox.engine.runs.attempts import Attempts
from mlbox.engine.runs.commands import (
    CancelRun,
    DropRun,
    LogToRun,
    Rerun,
    RunSource,
    StartRun,
    Sweep,
    SweepParameter,
)

SLEEPER = """
    import time
    def nap(ctx, seconds=60):
        print("asleep", flush=True)
        time.sleep(seconds)
"""


def test_a_run_with_a_frame(bench: Any) -> None:
    bench.catalog.write_data(
        lambda cursor: cursor.execute("CREATE TABLE data.default.t AS SELECT range AS x FROM range(10)") and None
    )
    bench.function(
        "train",
        """
        def train(ctx, frame, rate=0.1):
            for step in range(3):
                ctx.log_metric("loss", 1 / (step + 1), step=step)
            ctx.log_param("seen", len(frame))
            ctx.log_artifact("note", b"hello")
            print("rate", rate)
            return {"auc": 0.5 + rate}
        """,
    )
    result = bench.run("train", "SELECT x FROM t;", parameters={"rate": 0.2}, name="first", labels={"team": "risk"})
    run = result.facts["run"]
    assert result.message.startswith("run first completed in ")
    assert result.facts == {"run": run, "state": "completed", "auc": 0.7, "loss": pytest.approx(1 / 3)}
    assert result.table.num_rows == 1
    assert result.table.column_names == ["id", "name", "state", "duration_ms", "auc", "loss"]
    row = bench.row(run)
    assert (row["name"], row["function"], row["function_version"], row["handler"]) == ("first", "train", 1, "train")
    assert (row["state"], row["attempt"], row["labels"]) == ("completed", 1, {"team": "risk"})
    assert row["params"] == {"rate": 0.2, "seen": 10}
    assert row["duration_ms"] > 0 and row["created_at"] <= row["started_at"] <= row["finished_at"]
    assert "rate 0.2" in bench.log(run)
    assert [entry["name"] for entry in bench.rows("FROM catalog.ml.artifacts WHERE run_id = ?", run)] == ["note"]
    edges = bench.rows("SELECT from_kind, from_ref FROM catalog.ml.lineage WHERE to_ref = ? ORDER BY ALL", run)
    assert [tuple(edge.values()) for edge in edges] == [("function", "default.train@1"), ("table", "default.t")]
    kinds = [event.kind for event in bench.events if event.data.get("id") == run]
    assert kinds[:2] == ["run.created", "run.started"] and kinds[-1] == "run.finished"
    assert bench.events[-1].data["metrics"]["auc"] == 0.7


def test_defaults_are_recorded_as_parameters(bench: Any) -> None:
    bench.function("fit", "def fit(ctx, rate=0.1, depth: int = 3, name='gbm', weights=None): pass")
    run = bench.run("fit", parameters={"depth": 5}).facts["run"]
    assert bench.row(run)["params"] == {"rate": 0.1, "depth": 5, "name": "gbm"}


def test_a_failure_shows_the_users_traceback_and_nothing_of_ours(bench: Any) -> None:
    bench.function(
        "train",
        "def train(ctx):\n    return deeper()\n\ndef deeper():\n    raise ValueError('no rows')\n",
        handler="train",
    )
    with pytest.raises(RunFailed) as caught:
        bench.run("train", name="nightly")
    error = caught.value
    row = bench.row(error.details["run_id"])
    assert error.message == "run nightly failed: ValueError: no rows"
    assert error.hint == f"mlbox logs {row['id'][:16]}"
    assert (row["state"], row["error_type"], row["error"]) == ("error", "ValueError", "no rows")
    assert row["traceback"] == error.details["traceback"]
    assert 'train.py", line 2' in row["traceback"] and "deeper" in row["traceback"]
    assert "mlbox/client" not in row["traceback"]
    assert "ValueError: no rows" in bench.log(row["id"])


@pytest.mark.parametrize(
    ("options", "kind", "message", "hint"),
    [
        ({"function": Ref("default", "trian")}, NotFound, "no function 'trian'", "did you mean train?"),
        ({"function": Ref("elsewhere", "train")}, NotFound, "no project 'elsewhere'", None),
        ({"handler": "trane"}, NotFound, "no handler 'trane'", "did you mean train?"),
        ({"runtime": "locl"}, NotFound, "executor 'locl'", "did you mean local?"),
        ({"parameters": {"rat": 1}}, Invalid, "no parameter 'rat'", "train(ctx, frame, rate=0.1)"),
        ({"source": None}, Invalid, "needs 'frame' (rows: RUN ... FROM)", "train(ctx, frame, rate=0.1)"),
        ({"parameters": {"frame": 1}}, Invalid, "'frame' is an input", None),
        ({"source": RunSource(query=Query("SELECT nothing FROM t"))}, MlboxError, "t", None),
        ({"source": RunSource(ref=Ref("default", "missing"))}, NotFound, "missing", None),
        ({"inputs": {"frame": Ref("default", "u")}}, Invalid, "given twice", None),
        ({"inputs": {"more": 7}}, Invalid, "no table or query", None),
        ({"name": "a/b"}, Invalid, "may not hold", None),
        ({"retries": -1}, Invalid, "below 0", None),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(
    bench: Any, options: dict[str, Any], kind: type[MlboxError], message: str, hint: str | None
) -> None:
    bench.function("train", "def train(ctx, frame, rate=0.1): pass")
    whole = {"function": Ref("default", "train"), "source": RunSource(query=Query("SELECT 1 AS x")), **options}
    with pytest.raises(kind) as caught:
        bench.do(StartRun(**whole))
    assert message in caught.value.message
    if hint:
        assert caught.value.hint is not None and hint in caught.value.hint
    assert bench.rows("FROM catalog.ml.runs") == []


def test_a_query_that_fails_while_it_is_read_points_into_the_statement(bench: Any) -> None:
    bench.function("train", "def train(ctx, frame): pass")
    statement = "RUN train FROM (SELECT CAST(s AS INTEGER) AS x FROM (VALUES ('1'), ('one')) v(s))"
    start = statement.index("(") + 1
    query = Query(statement[start:-1], start, statement)
    with pytest.raises(Invalid, match="one") as caught:
        bench.do(StartRun(function=Ref("default", "train"), source=RunSource(query=query)))
    row = bench.row(caught.value.details["run_id"])
    assert (row["state"], row["error_type"]) == ("error", "Invalid")
    assert not list(bench.home.runs.rglob("*.parquet"))
    with pytest.raises(StatementError) as caught_early:
        broken = Query("SELECT FROM WHERE", 16, "RUN train FROM (SELECT FROM WHERE)")
        bench.do(StartRun(function=Ref("default", "train"), source=RunSource(query=broken)))
    assert caught_early.value.where is not None and caught_early.value.where.column > 16


def test_reading_an_input_writes_nothing(bench: Any) -> None:
    bench.catalog.write_data(lambda cursor: cursor.execute("CREATE TABLE data.default.t AS SELECT 1 AS x") and None)
    bench.function("train", "def train(ctx, frame): pass")
    with pytest.raises(MlboxError):
        bench.run("train", "WITH w AS (INSERT INTO t VALUES (2) RETURNING *) SELECT * FROM w")
    assert bench.rows("SELECT count(*) AS n FROM data.default.t") == [{"n": 1}]


def test_an_asynchronous_run_is_cancelled(bench: Any) -> None:
    bench.function("nap", SLEEPER)
    result = bench.run("nap", asynchronous=True, name="long")
    run = result.facts["run"]
    assert result.message == f"run long ({run[:16]}) started"
    wait_until(lambda: bench.runs.log_path(run).exists() and "asleep" in bench.log(run))
    assert bench.do(CancelRun(project="default", run="long")).message == "cancelled run long"
    row = bench.row(run)
    assert (row["state"], row["error"]) == ("cancelled", None)
    with pytest.raises(Conflict, match="it is cancelled"):
        bench.do(CancelRun(project="default", run=run))
    with pytest.raises(NotFound) as caught:
        bench.do(CancelRun(project="default", run="longer"))
    assert caught.value.hint == "did you mean long?"


def test_who_finds_no_slot_waits_and_says_so(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(run_slots=1)
    bench.function("nap", SLEEPER)
    first = bench.run("nap", asynchronous=True).facts["run"]
    wait_until(lambda: bench.row(first)["state"] == "running")
    waiting: list[str] = []
    for _ in range(3):  # each comes when the one before it is in line
        waiting.append(bench.run("nap", asynchronous=True, parameters={"seconds": 0}).facts["run"])
        wait_until(lambda: bench.row(waiting[-1])["reason"])
    wait_until(lambda: bench.row(waiting[2])["reason"] == "waiting for a slot (1 of 1 in use, 2 before it)")
    wait_until(lambda: bench.row(waiting[0])["reason"] == "waiting for a slot (1 of 1 in use)")
    assert bench.row(waiting[0])["state"] == "pending"
    bench.do(CancelRun(project="default", run=waiting[1]))
    assert bench.row(waiting[1])["state"] == "cancelled" and bench.row(waiting[1])["started_at"] is None
    bench.do(CancelRun(project="default", run=first))
    wait_until(lambda: bench.row(waiting[2])["state"] == "completed")
    one, other = bench.row(waiting[0]), bench.row(waiting[2])
    assert one["state"] == "completed" and one["finished_at"] <= other["started_at"]


def test_a_run_is_tried_again(bench: Any, tmp_path: Path) -> None:
    bench.function(
        "flaky",
        f"""
        from pathlib import Path
        def flaky(ctx):
            count = Path({str(tmp_path / "count")!r})
            tries = len(count.read_text()) if count.exists() else 0
            count.write_text("x" * (tries + 1))
            ctx.log_metric("tries", tries + 1)
            if tries < 2:
                raise RuntimeError(f"try {{tries}}")
        """,
        backoff=timedelta(milliseconds=10),
    )
    with pytest.raises(RunFailed, match="try 1"):
        bench.run("flaky", retries=1)
    (tmp_path / "count").unlink()
    result = bench.run("flaky", retries=5)
    row = bench.row(result.facts["run"])
    assert (row["state"], row["attempt"], row["error"], row["traceback"]) == ("completed", 3, None, None)
    attempts = bench.rows(
        "SELECT attempt, state, error FROM catalog.main.run_attempts WHERE run_id = ? ORDER BY attempt", row["id"]
    )
    assert [tuple(entry.values()) for entry in attempts] == [
        (1, "error", "try 0"), (2, "error", "try 1"), (3, "completed", None),
    ]  # fmt: skip
    assert len(bench.rows("FROM catalog.ml.metrics WHERE run_id = ?", row["id"])) == 3


def test_a_run_that_takes_too_long(bench: Any) -> None:
    bench.function("nap", SLEEPER)
    with pytest.raises(RunFailed, match=r"failed: timed out after 0\.5 s"):
        bench.run("nap", timeout=timedelta(seconds=0.5))
    row = bench.rows("FROM catalog.ml.runs")[0]
    assert (row["state"], row["error_type"]) == ("error", "Timeout")


def test_the_same_again(bench: Any) -> None:
    bench.catalog.write_data(lambda cursor: cursor.execute("CREATE TABLE data.default.t AS SELECT 1 AS x") and None)
    bench.function("count", "def count(ctx, frame, plus=0): return {'n': len(frame) + plus}")
    first = bench.do(
        StartRun(
            function=Ref("default", "count"), source=RunSource(ref=Ref("default", "t")), name="first",
            parameters={"plus": 5}, labels={"a": 1},
        )
    )  # fmt: skip
    bench.catalog.write_data(lambda cursor: cursor.execute("INSERT INTO data.default.t VALUES (2)") and None)
    bench.function("count", "def count(ctx, frame, plus=0): return {'n': -1}")
    again = bench.do(Rerun(project="default", run=first.facts["run"][:20]))
    assert again.facts["n"] == first.facts["n"] == 6
    row = bench.row(again.facts["run"])
    assert (row["name"], row["function_version"], row["params"], row["labels"]) == ("first", 1, {"plus": 5}, {"a": 1})
    with pytest.raises(Invalid, match="no steps"):
        bench.do(Rerun(project="default", run="first", from_step="a"))


def test_logging_by_statement(bench: Any, tmp_path: Path) -> None:
    bench.function("nothing", "def nothing(ctx): pass")
    run = bench.run("nothing", name="done").facts["run"]
    (tmp_path / "plot.png").write_bytes(b"png")

    def log(kind: Any, name: str, **more: Any) -> str:
        return str(bench.do(LogToRun(project="default", run="done", kind=kind, name=name, **more)).message)

    assert log("metric", "auc", value=0.9, step=3) == "logged metric auc to run done"
    log("param", "p", value="x")
    log("artifact", "plot", path=str(tmp_path / "plot.png"))
    row = bench.row(run)
    assert (row["state"], row["metrics"], row["params"]) == ("completed", {"auc": 0.9}, {"p": "x"})
    artifact = bench.rows("FROM catalog.ml.artifacts")[0]
    assert (artifact["media_type"], artifact["file_name"], artifact["size"]) == ("image/png", "plot.png", 3)
    with pytest.raises(Invalid, match="not a number"):
        log("metric", "auc", value="high")
    with pytest.raises(Invalid, match="no file"):
        log("artifact", "plot", path=str(tmp_path / "none.png"))
    with pytest.raises(Invalid, match="needs the run"):
        bench.do(LogToRun(project="default", run=None, kind="metric", name="auc", value=1.0))


def test_a_script_without_functions(bench: Any) -> None:
    bench.function("script", "import mlbox\nmlbox.log_metric('answer', 42)\n")
    result = bench.run("script", parameters={"anything": 1})
    assert result.facts["answer"] == 42
    assert bench.row(result.facts["run"])["handler"] is None


def test_prefixes_of_ids(bench: Any) -> None:
    bench.function("nothing", "def nothing(ctx): pass")
    one, other = (bench.run("nothing").facts["run"] for _ in range(2))
    assert bench.runs.find("default", one[:16].upper()).id == one
    assert bench.runs.find("default", other).id == other
    shared = next(length for length in range(32, 0, -1) if one[:length] == other[:length])
    if shared >= 8:
        with pytest.raises(Invalid, match="several runs") as caught:
            bench.runs.find("default", one[:8])
        assert f"{one[:16]} (nothing), {other[:16]} (nothing)" in caught.value.message
    named = bench.run("nothing", name=one[:8]).facts["run"]
    assert bench.runs.find("default", one[:8]).id == named  # a name wins over a prefix


def test_a_dropped_run_leaves_nothing_but_bytes(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(gc_dropped_days=0)
    bench.function("train", "def train(ctx, frame): ctx.log_artifact('note', b'hello'); return {'auc': 1}")
    kept, dropped = (bench.run("train", "SELECT 1 AS x").facts["run"] for _ in range(2))
    assert bench.do(DropRun(project="default", run=dropped)).message == f"dropped run {dropped[:16]}"
    for view in ("metrics", "artifacts"):
        assert {row["run_id"] for row in bench.rows(f"FROM catalog.ml.{view}")} == {kept}
    assert [row["id"] for row in bench.rows("FROM catalog.ml.runs")] == [kept]
    assert (bench.home.runs / dropped).exists() and bench.runs.log_path(dropped).exists()  # for RESTORE
    bench.do(CollectGarbage())
    assert not (bench.home.runs / dropped).exists() and not bench.runs.log_path(dropped).exists()
    assert (bench.home.runs / kept).exists() and bench.runs.log_path(kept).exists()
    with pytest.raises(NotFound):
        bench.do(DropRun(project="default", run=dropped))
    assert "there is no run" in bench.do(DropRun(project="default", run=dropped, if_exists=True)).message


@pytest.mark.parametrize("dropped", ["itself", "its sweep"])
def test_a_run_behind_a_model_is_not_dropped(bench: Any, dropped: str) -> None:
    bench.function("train", "def train(ctx, x=1): return {'auc': x}")
    search = Sweep((SweepParameter("x", (1, 2)),), "auc", "maximize")
    sweep = bench.run("train", sweep=search).facts
    model = models.ModelRow(new_id(), "default", "m", 0, None, now())
    version = models.ModelVersion(
        model_id=model.id, project="default", name="m", version=1, run_id=sweep["best_trial"], digest="0", size=1,
        inputs=(), outputs=(), features=(), created_at=now(),
    )  # fmt: skip
    bench.catalog.write(lambda cursor: models.insert(cursor, model))
    bench.catalog.write(lambda cursor: models.insert_version(cursor, version))
    command = DropRun(project="default", run=sweep["best_trial" if dropped == "itself" else "run"])
    with pytest.raises(Conflict, match=r"is behind model default\.m@1") as caught:
        bench.do(command)
    assert caught.value.hint == "drop the version first: DROP MODEL default.m@1"
    assert len(bench.rows("FROM catalog.ml.runs")) == 3
    bench.catalog.write(lambda cursor: models.delete(cursor, model))
    bench.do(command)


def test_a_run_that_goes_on_is_not_dropped(bench: Any) -> None:
    bench.function("nap", SLEEPER)
    run = bench.run("nap", asynchronous=True).facts["run"]
    with pytest.raises(Conflict, match="cannot be dropped"):
        bench.do(DropRun(project="default", run=run))
    bench.do(CancelRun(project="default", run=run))
    bench.do(DropRun(project="default", run=run))


def test_inputs_from_a_file_a_table_and_a_query(bench: Any, tmp_path: Path) -> None:
    bench.catalog.write_data(
        lambda cursor: cursor.execute("CREATE TABLE data.default.t AS SELECT range AS x FROM range(3)") and None
    )
    (tmp_path / "rows.csv").write_text("x\n1\n2\n")
    bench.function("count", "def count(ctx, a, b, c): return {'a': len(a), 'b': len(b), 'c': len(c)}")
    inputs = {
        "a": str(tmp_path / "rows.csv"),
        "b": RunSource(ref=Ref("default", "t")),
        "c": RunSource(query=Query("SELECT * FROM t, range(2)")),
    }
    result = bench.run("count", inputs=inputs)
    assert {name: result.facts[name] for name in "abc"} == {"a": 2, "b": 3, "c": 6}
    found = bench.rows("SELECT detail, from_kind FROM catalog.ml.lineage WHERE from_kind != 'function' ORDER BY 1")
    assert [tuple(row.values()) for row in found] == [("a", "file"), ("b", "table")]  # one edge a table


def test_a_plan_tells_and_changes_nothing(bench: Any) -> None:
    bench.function("train", "def train(ctx, frame, rate=0.1): pass")
    command = StartRun(function=Ref("default", "train"), source=RunSource(query=Query("SELECT 1 AS x")), name="n")
    plan = bench.runs.plan_start(command, Caller())
    assert [(step.action, step.object, step.detail) for step in plan.steps] == [
        ("read", "input frame", "SELECT 1 AS x"),
        ("create", "run", "n"),
        ("execute", "function default.train@1", "train(ctx, frame, rate=0.1) on local"),
    ]
    assert bench.rows("FROM catalog.ml.runs") == [] and list(bench.home.runs.iterdir()) == []
    first, second = (bench.runs.start(command, plan, Caller()).facts["run"] for _ in range(2))
    assert first != second  # one plan, two runs


def test_a_parameter_of_a_wrong_type_is_no_run(bench: Any) -> None:
    bench.function(
        "f", "def f(depth: int, rate: float = 0.1, word: str = 'a', on: bool = False, other=1): return depth"
    )
    for name, value in (("depth", "deep"), ("depth", 2.5), ("rate", "much"), ("on", "perhaps"), ("word", [1])):
        with pytest.raises(Invalid, match=f"parameter '{name}' of f is .* not ") as told:
            bench.run("f", parameters={"depth": 1, name: value})
        assert "the signature is f(depth: int" in str(told.value.hint) and told.value.option == name
    with pytest.raises(Invalid, match="'depth' of f is 'b'"):
        swept = Sweep(parameters=(SweepParameter(name="depth", values=(1, "b")),), metric="m", goal="maximize")
        bench.run("f", sweep=swept)
    assert bench.rows("FROM catalog.ml.runs") == []
    given = {"depth": "3", "rate": 1, "word": 7, "on": "true", "other": "anything"}
    assert bench.run("f", parameters=given).facts["state"] == "completed"  # nothing is lost by these


def test_options_of_another_runtime_are_told(bench: Any) -> None:
    """A function says them to its own; one that runs elsewhere does not hear them, and whoever asks for it does."""
    bench.function("f", "def f(): return 1", runtime="docker", options={"network": "none", "user": "1000"})
    done = bench.run("f", runtime="local")
    assert "runs on local have no network, user, of the function's own runtime" in done.message
    bench.function("g", "def g(): return 1", options={"prepare_timeout": 60.0})
    assert "runs on" not in bench.run("g").message


def test_of_a_defect_members_read_its_number_and_of_a_store_that_it_is_away(
    bench: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.function("f", "def f(): return 1")
    kept = Unavailable("the store s3://ours is away").kept_from_others("the artifact store is away")
    for error, shown in (
        (RuntimeError("/srv/home/runs"), "the request met a defect of mlbox"),
        (kept, "the artifact store is away"),
    ):

        def breaks(*arguments: Any, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(Attempts, "begin", breaks)
        with pytest.raises(MlboxError) as caught:
            bench.run("f")
        assert str(error) in str(caught.value) and str(error) not in str(caught.value.public.to_dict())
        (row,) = bench.rows("SELECT * FROM catalog.ml.runs ORDER BY created_at DESC LIMIT 1")
        assert row["state"] == "error" and row["reason"].startswith(shown) and str(error) not in str(row)
        assert str(error) in caplog.text
        number = re.search(r"the id (\w{32})", row["reason"])
        assert error is kept or (number is not None and f"(request {number[1]})" in caplog.text)
