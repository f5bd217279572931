"""COLLECT GARBAGE of artifact bytes: what nothing points at goes, also while others log the very same bytes."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlbox.base.clock import now
from mlbox.base.errors import Conflict, NotFound
from mlbox.base.ids import new_id
from mlbox.base.names import Ref
from mlbox.engine.catalog.commands import CollectGarbage
from mlbox.engine.catalog.tables import references, runs
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs.commands import DropFunction, DropRun
from mlbox.engine.storage.artifacts import ArtifactStore, Blob

NOT_BYTES = {
    ("functions", "digest"),
    ("run_tokens", "digest"),
    ("run_inputs", "digest"),
    ("tokens", "digest"),
}
"""Columns that are called so and hold no SHA-256 of stored bytes."""
CODE = "def work(ctx, text='x'):\n    ctx.log_artifact('a', text.encode())\n"


def plan(bench: Any) -> dict[str, str]:
    """Objects that would go, and why."""
    handler = next(entry for entry in bench.runs.handlers() if entry.command is CollectGarbage)
    return {step.object: step.detail for step in handler.plan(CollectGarbage(), None).steps}


def backdate(path: Path, days: float = 2) -> None:
    """As if it had been written earlier."""
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def age_all(bench: Any) -> None:
    """All bytes and claims are old."""
    for path in bench.home.artifacts.rglob("*"):
        if path.is_file():
            backdate(path)


def idle_run(bench: Any) -> str:
    """A run that has ended."""
    row = RunRow(
        id=new_id(), project="default", name=None, function="f", function_version=1, handler=None, runtime="local",
        state="completed", created_at=now(), finished_at=now(),
    )  # fmt: skip
    bench.catalog.write(lambda cursor: runs.insert(cursor, row))
    return row.id


def log(bench: Any, run: str, data: bytes) -> str:
    """As a process of the run does: the bytes, then the event that names them."""
    digest = hashlib.sha256(data).hexdigest()
    calls = bench.runs.calls_home
    calls.put_blob(run, digest, (data,))
    event = {"kind": "artifact", "name": "a", "artifact_kind": "file", "digest": digest, "size": len(data)}
    assert calls.accept(run, new_id(), [event]) == 1
    return digest


def test_every_column_with_digests_is_known_to_the_mark(bench: Any) -> None:
    """A table that begins to point at bytes must be told to ``references``, or its bytes would be swept."""
    rows = bench.rows(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'catalog' "
        "AND schema_name = 'main' AND (column_name = 'code' OR contains(column_name, 'digest'))"
    )
    found = {(row["table_name"], row["column_name"]) for row in rows}
    assert found == {*references.POINTING, *NOT_BYTES}


def test_only_what_nothing_points_at_goes(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(gc_dropped_days=0)
    bench.function("work", CODE)
    kept = bench.run("work").facts["run"]
    gone = bench.run("work", parameters={"text": "gone" * 1000}).facts["run"]
    twice = [idle_run(bench), idle_run(bench)]
    (shared,) = {log(bench, run, b"of two runs") for run in twice}
    digests = {row["run_id"]: row["digest"] for row in bench.rows("SELECT run_id, digest FROM catalog.ml.artifacts")}
    for run in (gone, twice[0]):
        bench.do(DropRun(project="default", run=run))
    age_all(bench)
    assert set(plan(bench)) == {f"dropped run {run}" for run in (gone, twice[0])}  # their artifacts can be restored
    bench.do(CollectGarbage())
    stray = bench.artifacts.put_bytes(b"of nobody")
    assert list(plan(bench)) == ["artifact bytes 1 of 5 objects"]  # the stray one is young
    age_all(bench)
    told = plan(bench)
    assert list(told) == ["artifact bytes 2 of 5 objects"] and "nothing points at them" in next(iter(told.values()))
    assert bench.artifacts.has(stray.digest)  # a plan changes nothing
    result = bench.do(CollectGarbage())
    assert result.facts == {"collected": 1, "bytes": 4009}
    assert not bench.artifacts.has(stray.digest) and not bench.artifacts.has(digests[gone])
    assert bench.artifacts.read(digests[kept]) == b"x" and bench.artifacts.read(shared) == b"of two runs"
    bench.do(DropFunction(ref=Ref("default", "work")))  # its code stays for the runs that it made
    age_all(bench)
    assert list(plan(bench)) == ["dropped function default.work"]
    bench.do(CollectGarbage())
    assert plan(bench) == {"everything": "there is no garbage"}
    bench.do(DropRun(project="default", run=kept))
    bench.do(CollectGarbage())
    assert list(plan(bench)) == ["code of function default.work@1", "artifact bytes 1 of 3 objects"]
    bench.do(CollectGarbage())
    assert list(plan(bench)) == ["artifact bytes 1 of 2 objects"]
    bench.function("work", CODE)  # numbers are not given again: lineage tells of the first
    assert bench.rows("SELECT version FROM catalog.ml.functions") == [{"version": 2}]


def test_bytes_of_a_run_that_goes_on_stay(bench: Any) -> None:
    """It may have sent them long ago, and name them when the server is there again."""
    run = idle_run(bench)
    bench.catalog.write(
        lambda cursor: runs.change(cursor, run, {"state": "running", "created_at": now() - timedelta(days=9)})
    )
    blob = bench.artifacts.put_bytes(b"sent, and not named yet")
    backdate(bench.artifacts.path(blob.digest), 8)
    assert plan(bench) == {"everything": "there is no garbage"}
    bench.catalog.write(lambda cursor: runs.change(cursor, run, {"state": "completed"}))
    assert list(plan(bench)) == ["artifact bytes 1 of 1 objects"]


def test_broken_uploads_go_and_a_copy_of_the_home_holds_the_rest(bench: Any) -> None:
    left = bench.artifacts.incoming / new_id()
    left.write_bytes(b"half")
    assert plan(bench) == {"everything": "there is no garbage"}
    backdate(left)
    assert list(plan(bench)) == ["uploads 1 broken off"]
    blob = bench.artifacts.put_bytes(b"of nobody")
    backdate(bench.artifacts.path(blob.digest))
    with bench.artifacts.claims.hold():
        result = bench.do(CollectGarbage())
    assert "1 stay: artifact bytes" in result.message and "being copied" in result.message
    assert bench.artifacts.has(blob.digest) and not left.exists()


def test_logging_the_same_bytes_while_they_are_swept(make_bench: Callable[..., Any]) -> None:
    """Old bytes that nothing points at are logged by some threads while others collect: what was acknowledged is there,
    and what nobody logged goes."""
    bench = make_bench()
    data = [b"%d of many" % number for number in range(120)]
    for content in data:
        backdate(bench.artifacts.path(bench.artifacts.put_bytes(content).digest))
    (row,) = [idle_run(bench)]
    logged: list[str] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def work(numbers: range) -> None:
        try:
            for number in numbers:
                logged.append(log(bench, row, data[number]))
        except BaseException as error:
            failures.append(error)

    def collect() -> None:
        try:
            while not done.is_set():
                bench.do(CollectGarbage())
        except BaseException as error:
            failures.append(error)

    loggers = [threading.Thread(target=work, args=(range(start, 100, 2),)) for start in range(2)]
    collectors = [threading.Thread(target=collect) for _ in range(2)]
    for thread in (*loggers, *collectors):
        thread.start()
    for thread in loggers:
        thread.join()
    done.set()
    for thread in collectors:
        thread.join()
    bench.do(CollectGarbage())
    assert not failures
    assert len(logged) == 100 and all(bench.artifacts.has(digest) for digest in logged)
    left = {kept.digest for kept in bench.artifacts.all()}
    assert left == set(logged)  # the other twenty went


class Stopped(Exception):
    """As if the process had ended here."""


def test_an_end_in_the_middle_leaves_less_to_collect(bench: Any) -> None:
    for number in range(10):
        backdate(bench.artifacts.path(bench.artifacts.put_bytes(b"%d" % number).digest))
    run = idle_run(bench)
    digest = log(bench, run, b"kept")
    delete, count = bench.artifacts.delete, 0

    def dies(digest: str) -> bool:
        nonlocal count
        count += 1
        if count > 4:
            raise Stopped
        return bool(delete(digest))

    bench.artifacts.delete = dies
    with pytest.raises(Stopped):
        bench.do(CollectGarbage())
    bench.artifacts.delete = delete
    assert list(plan(bench)) == ["artifact bytes 6 of 7 objects"]
    bench.do(CollectGarbage())
    assert [kept.digest for kept in bench.artifacts.all()] == [digest]


def test_a_claim_survives_the_process_and_ends(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    blob: Blob = store.put_bytes(b"bytes")
    backdate(store.path(blob.digest))
    assert store.claim(blob.digest)
    again = ArtifactStore(tmp_path)
    before = time.time() - 3600
    assert not again.claims.sweep(blob.digest, before, again.delete) and again.has(blob.digest)
    backdate(tmp_path / "claims" / blob.digest)
    assert again.claims.sweep(blob.digest, before, again.delete) and not again.has(blob.digest)
    assert not store.claim(blob.digest)
    with pytest.raises(NotFound):
        store.open(blob.digest)
    with store.claims.hold(), pytest.raises(Conflict):
        store.claims.sweep(blob.digest, before, store.delete)
