"""COLLECT GARBAGE: what is old goes, what something points at stays."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from fresh_home import fresh_home
from waiting import wait_until

from mlbox.base.clock import now
from mlbox.base.ids import new_id
from mlbox.cli.main import main
from mlbox.engine.catalog.commands import CollectGarbage
from mlbox.engine.catalog.tables import runs
from mlbox.engine.models.mapped import MappedModels
from mlbox.engine.runs.commands import CancelRun

CODE = "def work(ctx, seconds=0):\n    import time\n    print('on', flush=True)\n    time.sleep(seconds)\n"


def steps(bench: Any) -> list[tuple[str, str]]:
    """What would go: action and object."""
    handler = next(entry for entry in bench.runs.handlers() if entry.command is CollectGarbage)
    return [(step.action, step.object) for step in handler.plan(CollectGarbage(), None).steps]


def age(bench: Any, run: str, days: int) -> None:
    """Put the end of a run back."""
    finished = now() - timedelta(days=days)
    bench.catalog.write(lambda cursor: runs.change(cursor, run, {"finished_at": finished}))


def old_file(path: Path, days: int) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def test_a_fresh_home_has_none(bench: Any) -> None:
    bench.function("work", CODE)
    bench.run("work")
    assert steps(bench) == [("reuse", "everything")]
    result = bench.do(CollectGarbage())
    assert result.message == "collected 0 things, 0 bytes" and result.table.num_rows == 0


def test_folders_and_logs_go_to_the_trash_and_then_away(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(gc_run_folder_days=10, gc_log_days=20)
    bench.function("work", CODE)
    older, younger, fresh = (bench.run("work").facts["run"] for _ in range(3))
    age(bench, older, 21)
    age(bench, younger, 11)
    stray = new_id()
    (bench.home.logs / f"{stray}.log").write_text("of a run that is not there\n")
    (bench.home.logs / "server.log").write_text("not a run's\n")
    wanted = [("drop", f"run folder {run}") for run in sorted((older, younger))]
    wanted += [("drop", f"log {run}") for run in sorted((older, stray))]
    assert steps(bench) == wanted
    assert (bench.home.runs / older).is_dir()  # a plan changes nothing
    result = bench.do(CollectGarbage())
    assert result.facts["collected"] == 4 and result.facts["bytes"] > 0
    assert [path.name for path in bench.home.runs.iterdir()] == [fresh]
    assert not bench.runs.log_path(older).exists() and bench.runs.log_path(younger).exists()
    assert (bench.home.logs / "server.log").exists()
    kept = list((bench.home.path / "trash").rglob(f"{older}.log"))
    assert [path.read_text() for path in kept] == ["on\n"]
    assert bench.row(older)["state"] == "completed"  # the run itself is known as before
    (batch,) = (bench.home.path / "trash").iterdir()
    old_file(batch, 8)
    assert steps(bench) == [("drop", f"trash {batch.name}")]
    bench.do(CollectGarbage())
    assert not batch.exists()


def test_old_runs_go_by_age_and_by_number(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(gc_runs_days=5, gc_runs_keep=2, gc_dropped_days=0)
    bench.function("work", CODE)
    ids = [bench.run("work").facts["run"] for _ in range(4)]
    age(bench, ids[3], 6)
    assert [name for _, name in steps(bench)][:3] == [f"run {ids[0]}", f"run {ids[1]}", f"run {ids[3]}"]
    bench.do(CollectGarbage())
    assert [row["id"] for row in bench.rows("SELECT id FROM catalog.ml.runs")] == [ids[2]]
    assert bench.runs.log_path(ids[0]).exists()  # they could be restored until now
    assert sorted(steps(bench)) == [("drop", f"dropped run {ids[number]}") for number in (0, 1, 3)]
    bench.do(CollectGarbage())
    assert not bench.runs.log_path(ids[0]).exists() and steps(bench) == [("reuse", "everything")]
    assert [path.name for path in bench.home.runs.iterdir()] == [ids[2]]


def test_what_is_in_use_stays(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(gc_cache_days=1, gc_runs_keep=1)
    bench.function("built", CODE, requirements=("six",))
    run = bench.run("built", asynchronous=True, parameters={"seconds": 600}).facts["run"]
    wait_until(lambda: bench.row(run)["state"] == "running")
    (marker,) = bench.home.environments.glob("*/mlbox-environment.json")
    old_file(marker, 2)
    copy = bench.home.cache / "client-0123456789abcdef.zip"
    copy.write_bytes(b"of another version")
    assert steps(bench) == [("drop", f"client {copy.name}")]  # neither the run, nor its folder, nor its environment
    bench.do(CancelRun(project="default", run=run))
    assert steps(bench) == [("drop", f"environment {marker.parent.name}"), ("drop", f"client {copy.name}")]
    bench.run("built")
    assert steps(bench) == [("drop", f"run {run}"), ("drop", f"client {copy.name}")]  # it was used just now
    old_file(marker, 2)
    bench.do(CollectGarbage())
    assert not marker.parent.exists() and not copy.exists()
    assert bench.run("built").facts["state"] == "completed"  # and it is built again


def test_the_command_line_says_what_and_how_much(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = fresh_home(tmp_path / "home").path
    (home / "logs").mkdir(exist_ok=True)
    stray = new_id()
    (home / "logs" / f"{stray}.log").write_text("x" * 2_000_000)

    def gc(*flags: str) -> str:
        assert main(["--home", str(home), "gc", *flags]) == 0
        return capsys.readouterr().out

    assert gc("--dry-run") == f"log {stray}: 2 MB; its run is not there any more\nnothing was removed\n"
    assert json.loads(gc("--dry-run", "--json"))[0]["object"] == f"log {stray}"
    wanted = f"log {stray}: 2,000,000 bytes; its run is not there any more\ncollected 1 thing, 2 MB\n"
    assert gc() == wanted
    assert gc() == "there is no garbage\n"


def test_a_run_that_begins_meanwhile_keeps_its_folder_and_log(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collection has read which runs there are; then one comes, before it has looked at the folders."""
    bench.function("work", CODE)
    begun: list[str] = []
    ends = runs.ends

    def and_then_one_begins(cursor: Any) -> Any:
        found = ends(cursor)
        begun.append(bench.run("work").facts["run"])
        return found

    monkeypatch.setattr(runs, "ends", and_then_one_begins)
    assert steps(bench) == [("reuse", "everything")]
    assert begun and (bench.home.runs / begun[0]).is_dir() and bench.runs.log_path(begun[0]).exists()


def test_weights_that_workers_map_go_with_their_model(bench: Any, tmp_path: Path) -> None:
    content = onnx_models.wide()
    (tmp_path / "wide.onnx").write_bytes(content)
    bench.function(
        "keep", f"def work(ctx):\n    ctx.log_artifact('m', open({str(tmp_path / 'wide.onnx')!r}, 'rb').read())\n"
    )
    bench.run("keep")
    digest = hashlib.sha256(content).hexdigest()
    mapped = MappedModels.of(bench.home)
    kept, gone = (mapped.find(each, lambda: content) for each in (digest, "0" * 64))
    assert kept is not None and gone is not None
    foreign = kept.parent.with_name(f"{digest}-0123456789ab")
    foreign.mkdir()
    left = kept.parent.with_name("1" * 64 + "-x.new")
    left.mkdir()
    old_file(left, 31)
    result = bench.do(CollectGarbage())
    assert {row["name"]: row["why"] for row in result.table.to_pylist()} == {
        "0" * 12: "there is no such model any more",
        digest[:12]: "of another version of ONNX Runtime, or another processor",
        "1" * 12: "the process that made it is not there any more",
    }
    assert sum(result.table["bytes"].to_pylist()) > len(content) // 2
    assert list(kept.parent.parent.iterdir()) == [kept.parent]
    old_file(kept.parent, 31)
    assert steps(bench) == [("drop", f"mapped model {digest[:12]}")]
    assert mapped.find(digest, lambda: content) == kept  # which a worker has just loaded
    assert steps(bench) == [("reuse", "everything")]
