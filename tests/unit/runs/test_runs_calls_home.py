from __future__ import annotations

import hashlib
import io
import json
import math
from array import array
from binascii import b2a_base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mlbox.base.clock import now
from mlbox.base.errors import Invalid, NotFound, Unauthorized
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables import artifacts, runs
from mlbox.engine.catalog.tables.runs import RunRow


@pytest.fixture
def run(bench: Any) -> str:
    """A run without a process."""
    return make_run(bench)


def make_run(bench: Any, name: str | None = None) -> str:
    row = RunRow(
        id=new_id(), project="default", name=name, function="f", function_version=1, handler=None, runtime="local",
        state="running", created_at=now(), params={"lr": 0.1}, started_at=now(),
    )  # fmt: skip
    bench.catalog.write(lambda cursor: runs.insert(cursor, row))
    return row.id


def metric(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "metric", "name": name, "value": value, **more}


def issued(bench: Any, run: str) -> str:
    token, kept = bench.runs.calls_home.issue_token("default", run)
    bench.catalog.write(lambda cursor: runs.set_token(cursor, kept))
    return str(token)


def test_a_token_opens_one_run_and_is_kept_as_a_hash(bench: Any, run: str) -> None:
    calls = bench.runs.calls_home
    with bench.catalog.read() as cursor:
        token = issued(bench, run)
        calls.check_token(run, token)
        assert runs.token(cursor, run) == hashlib.sha256(token.encode()).hexdigest()
    other = make_run(bench)
    for run_id, wrong in ((run, token + "x"), (run, ""), (run, None), (other, token), ("nothing", token)):
        with pytest.raises(Unauthorized):
            calls.check_token(run_id, wrong)
    second = issued(bench, run)
    with pytest.raises(Unauthorized):
        calls.check_token(run, token)
    calls.check_token(run, second)


def packed(kind: str, values: list[Any]) -> str:
    return b2a_base64(array(kind, values), newline=False).decode()


def test_packed_points_are_points(bench: Any, run: str) -> None:
    """As the client sends many of one metric; a few of another beside them."""
    count = 2000
    points = {
        "kind": "points",
        "name": "loss",
        "values": packed("d", [math.nan, *[step / 7 for step in range(1, count)]]),
        "steps": packed("q", list(range(count))),
        "at": packed("d", [1767225600.0 + step for step in range(count)]),
    }
    without = {**points, "name": "auc", "values": packed("d", [0.5] * count)}
    del without["steps"]
    events = [metric("few", 1.0, step=1), points, metric("few", 2.0, step=2), without]
    calls = bench.runs.calls_home
    assert calls.accept(run, "b1", events) == 4
    assert calls.accept(run, "b1", events) == 4
    rows = bench.rows(
        "SELECT step, value::VARCHAR AS value, epoch(logged_at) - 1767225600 AS at FROM catalog.ml.metrics "
        "WHERE name = 'loss' ORDER BY step"
    )
    assert [row["step"] for row in rows] == [row["at"] for row in rows] == list(range(count))
    assert [row["value"] for row in rows[:3]] == ["nan", str(1 / 7), str(2 / 7)]
    assert bench.rows(
        "SELECT name, count(*) AS n, count(step) AS steps, count(DISTINCT ordinal) AS ordinals "
        "FROM catalog.main.metrics GROUP BY name ORDER BY name"
    ) == [
        {"name": "auc", "n": count, "steps": 0, "ordinals": count},
        {"name": "few", "n": 2, "steps": 2, "ordinals": 2},
        {"name": "loss", "n": count, "steps": count, "ordinals": count},
    ]
    assert bench.rows("SELECT count(DISTINCT ordinal) AS n FROM catalog.main.metrics") == [{"n": 2 * count + 2}]
    assert bench.row(run)["metrics"] == {"few": 2.0, "auc": 0.5, "loss": (count - 1) / 7}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"values": "####"}, "base64"),
        ({"values": packed("d", [])}, "empty or of different lengths"),
        ({"at": packed("d", [1.0])}, "empty or of different lengths"),
        ({"steps": packed("q", [1])}, "empty or of different lengths"),
        ({"values": [1.0, 2.0]}, "is the base64 of a column"),
        ({"at": packed("d", [math.nan, 1.0])}, "no seconds since 1970"),
        ({"at": packed("d", [1.0, 1e18])}, "no seconds since 1970"),
        ({"values": packed("f", [1.0, 2.0, 3.0])}, "buffer size"),
        ({"name": ""}, "not empty"),
    ],
)
def test_packed_points_that_are_none_are_left_out(bench: Any, run: str, wrong: dict[str, Any], told: str) -> None:
    points = {"kind": "points", "name": "loss", "values": packed("d", [1, 2]), "at": packed("d", [1, 2]), **wrong}
    assert bench.runs.calls_home.accept(run, "b1", [points, metric("auc", 1.0)]) == 1
    assert told in bench.log(run)
    assert bench.rows("SELECT name FROM catalog.ml.metrics") == [{"name": "auc"}]


def test_metrics_keep_their_history_and_the_latest(bench: Any, run: str) -> None:
    calls = bench.runs.calls_home
    events = [metric("loss", 3.0 - step, step=step, at="2026-01-01T00:00:00Z") for step in range(3)]
    assert calls.accept(run, "one", [*events, metric("n", 7)]) == 4
    assert calls.accept(run, "two", [metric("loss", 0.5, step=2), metric("auc", math.nan)]) == 2
    points = bench.rows("SELECT step, value, logged_at FROM catalog.ml.metrics WHERE run_id = ? AND name = 'loss'", run)
    assert [(point["step"], point["value"]) for point in points] == [(0, 3.0), (1, 2.0), (2, 1.0), (2, 0.5)]
    assert points[0]["logged_at"] == datetime(2026, 1, 1, tzinfo=UTC)
    latest = bench.row(run)["metrics"]
    assert (latest["loss"], latest["n"]) == (0.5, 7) and math.isnan(latest["auc"])
    found = bench.rows("SELECT id FROM catalog.ml.runs WHERE TRY_CAST(metrics.loss AS DOUBLE) < 0.6")
    assert [row["id"] for row in found] == [run]


def test_a_batch_counts_once(bench: Any, run: str) -> None:
    calls = bench.runs.calls_home
    data = b"bytes"
    digest = calls.put_blob(run, hashlib.sha256(data).hexdigest(), (data,)).digest
    events = [metric("loss", 1.0), {"kind": "artifact", "name": "a", "artifact_kind": "file", "digest": digest}]
    assert calls.accept(run, "same", events) == calls.accept(run, "same", events) == 2
    assert len(bench.rows("FROM catalog.ml.metrics")) == len(bench.rows("FROM catalog.ml.artifacts")) == 1
    assert calls.accept(make_run(bench), "same", events) == 2  # another run's batch of that id is another
    assert len(bench.rows("FROM catalog.ml.metrics")) == 2


def test_a_big_batch_takes_the_other_way_in(bench: Any, run: str) -> None:
    events = [metric("loss", float(step), step=step if step % 2 else None) for step in range(2000)]
    assert bench.runs.calls_home.accept(run, "big", events) == 2000
    found = bench.rows("SELECT count(*) AS n, sum(value) AS total, count(step) AS steps FROM catalog.ml.metrics")
    assert found == [{"n": 2000, "total": 1999000.0, "steps": 1000}]
    order = bench.rows("SELECT ordinal, value FROM catalog.main.metrics ORDER BY ordinal LIMIT 3")
    assert [(row["ordinal"], row["value"]) for row in order] == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_parameters_and_tags_join_those_that_are_there(bench: Any, run: str) -> None:
    calls = bench.runs.calls_home
    calls.accept(
        run, "one", [{"kind": "param", "name": "depth", "value": 6}, {"kind": "tag", "name": "t", "value": "x"}]
    )
    calls.accept(run, "two", [{"kind": "param", "name": "text", "value": "0.5"}])
    calls.accept(run, "three", [{"kind": "param", "name": "list", "value": [1, "b"]}])
    assert bench.row(run)["params"] == {"lr": 0.1, "depth": 6, "text": "0.5", "list": [1, "b"]}
    assert bench.row(run)["labels"] == {"t": "x"}
    params = {row["name"]: (row["value"], row["number"]) for row in bench.rows("FROM catalog.ml.params")}
    assert params == {"lr": ("0.1", 0.1), "depth": ("6", 6.0), "text": ("0.5", None), "list": ('[1,"b"]', None)}


def test_progress_and_the_finish_that_was_told(bench: Any, run: str) -> None:
    calls = bench.runs.calls_home
    calls.accept(run, "one", [{"kind": "progress", "value": 0.25, "text": "epoch 1"}])
    assert (bench.row(run)["progress"], bench.row(run)["reason"]) == (0.25, "epoch 1")
    calls.accept(run, "two", [{"kind": "finished", "state": "error", "error": {"type": "ValueError", "message": "x"}}])
    assert bench.row(run)["state"] == "running"  # the executor says when it is over
    with bench.catalog.read() as cursor:
        assert runs.get(cursor, run).outcome["error"]["type"] == "ValueError"


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (metric("loss", "high"), "metric 'loss' is not a number: 'high'"),
        (metric("loss", True), "not a number"),
        (metric("loss", None), "not a number"),
        (metric("loss", 1.0, step=1.5), "not a whole number"),
        (metric("loss", 1.0, step=1 << 70), "not a whole number"),
        (metric("loss", 10**400), "too large"),
        (metric("", 1.0), "'name' is a text that is not empty"),
        (metric("x" * 251, 1.0), "more than 250 characters"),
        (metric("loss", 1.0, at="yesterday"), "yesterday"),
        ({"kind": "metrik", "name": "loss"}, "there is no kind 'metrik'"),
        ({"name": "loss"}, "'kind' is a text"),
        (["kind"], "an event is an object"),
        ({"kind": "artifact", "name": "a", "artifact_kind": "picture"}, "known: file, folder"),
        ({"kind": "artifact", "name": "a", "artifact_kind": "file", "digest": "abc"}, "SHA-256"),
        ({"kind": "artifact", "name": "a", "artifact_kind": "file", "digest": "a" * 64}, "bytes have not arrived"),
        ({"kind": "state", "state": "completed"}, "only say that it is running"),
        ({"kind": "finished", "state": "cancelled"}, "completed or error"),
        ({"kind": "progress", "value": "half"}, "from 0 to 1"),
    ],
)
def test_a_wrong_event_is_told_and_does_not_cost_the_others(bench: Any, run: str, event: Any, told: str) -> None:
    calls = bench.runs.calls_home
    assert calls.accept(run, "batch", [metric("good", 1.0), event, metric("good", 2.0)]) == 2
    assert bench.row(run)["metrics"] == {"good": 2.0}
    assert told in bench.log(run)


def test_wrong_batches(bench: Any, run: str) -> None:
    calls = bench.runs.calls_home
    for batch, events in (("", []), (None, []), ("x" * 201, []), ("a", {"kind": "metric"}), ("a", "text")):
        with pytest.raises(Invalid):
            calls.accept(run, batch, events)
    with pytest.raises(NotFound):
        calls.accept("f" * 32, "a", [])


def test_artifact_versions_grow_when_the_bytes_differ(bench: Any, run: str) -> None:
    calls = bench.runs.calls_home
    for batch, data in (("1", b"a"), ("2", b"a"), ("3", b"b"), ("4", b"a")):
        blob = calls.put_blob(run, hashlib.sha256(data).hexdigest(), io.BytesIO(data))
        event = {
            "kind": "artifact", "name": "Model", "artifact_kind": "model", "digest": blob.digest, "size": 999,
            "metadata": {"framework": "onnx", "feature_names": ["a"]},
        }  # fmt: skip
        calls.accept(run, batch, [{**event, "name": "model" if batch == "2" else "Model"}])
    found = bench.rows("SELECT version, size, metadata FROM catalog.ml.artifacts ORDER BY id")
    assert [row["version"] for row in found] == [1, 1, 2, 3]
    assert found[0]["size"] == 1 and found[0]["metadata"]["feature_names"] == ["a"]
    with bench.catalog.read() as cursor:
        assert artifacts.of_run(cursor, run, kind="model")[0].version == 3
        assert artifacts.of_run(cursor, run, name="none") == []
        assert artifacts.find(cursor, "default", "MODEL").version == 3
        assert artifacts.find(cursor, "default", "model", 2).digest == hashlib.sha256(b"b").hexdigest()


def test_a_blob_under_a_wrong_hash_is_refused(bench: Any, run: str) -> None:
    wrong = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(Invalid):
        bench.runs.calls_home.put_blob(run, wrong, (b"bytes",))
    assert not bench.artifacts.has(wrong)


def test_metric_events_are_few(bench: Any, run: str) -> None:
    for number in range(50):
        bench.runs.calls_home.accept(run, str(number), [metric("loss", float(number))])
    told = [event for event in bench.events if event.kind == "run.metric"]
    first, last = told[0], told[-1]
    assert first.data["metrics"] == {"loss": 0.0}
    assert 1 <= len(told) <= 1 + (last.at - first.at).total_seconds() * 5 + 1


def test_what_a_process_left_is_taken_in_once(bench: Any, run: str, make_spool: Callable[..., Any]) -> None:
    folder = bench.home.runs / run / "attempt-1"
    digest = make_spool(folder, b"left", "one", [metric("loss", 1.0)])
    artifact = {"kind": "artifact", "name": "a", "artifact_kind": "file", "digest": digest}
    make_spool(folder, b"left", "two", [artifact])
    calls = bench.runs.calls_home
    calls.accept(run, "one", [metric("loss", 1.0)])  # had arrived, the answer was lost
    assert calls.accept_leftovers(run, folder) == 2
    assert calls.accept_leftovers(run, folder) == 0
    assert len(bench.rows("FROM catalog.ml.metrics")) == len(bench.rows("FROM catalog.ml.artifacts")) == 1


@pytest.fixture
def make_spool() -> Callable[..., str]:
    from mlbox.client.spool import Spool

    def make(folder: Any, data: bytes, batch: str, events: list[dict[str, Any]]) -> str:
        spool = Spool(folder / "spool")
        digest = hashlib.sha256(data).hexdigest()
        spool.keep_blob(digest, data)
        spool.write(batch, json.dumps({"batch": batch, "events": events}).encode())
        return digest

    return make


def test_many_runs_at_once_lose_nothing(bench: Any) -> None:
    import threading

    ids = [make_run(bench) for _ in range(4)]
    failures: list[BaseException] = []

    def send(run_id: str, sender: int) -> None:
        try:
            for number in range(8):
                events = [metric("loss", float(number), step=number), metric(f"m{sender}", float(number))]
                for _ in range(2):  # each batch arrives twice
                    bench.runs.calls_home.accept(run_id, f"{sender}-{number}", events)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(run_id, sender)) for run_id in ids for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    counts = bench.rows("SELECT run_id, count(*) AS n FROM catalog.ml.metrics GROUP BY ALL")
    assert {row["run_id"]: row["n"] for row in counts} == dict.fromkeys(ids, 4 * 8 * 2)
    for run_id in ids:
        assert bench.row(run_id)["metrics"] == {"loss": 7.0, **{f"m{sender}": 7.0 for sender in range(4)}}
