"""Nothing that is logged is lost, whatever the server does meanwhile."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from mlbox.client.outbox import Outbox
from mlbox.client.spool import discard, read_batches, read_blobs
from mlbox.client.transport import Refused, Transport, Undelivered


@pytest.fixture
def outbox(receiver: Any, tmp_path: Path) -> Outbox:
    transport = Transport(receiver.url, receiver.token, str(receiver.server_file))
    return Outbox(transport, "r1", str(tmp_path / "spool"))


def metrics(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {"kind": "metric", "name": "loss", "value": float(number), "step": number} for number in range(start, count)
    ]


def test_all_events_arrive_in_order_and_the_spool_is_empty_afterwards(
    receiver: Any, outbox: Outbox, tmp_path: Path
) -> None:
    events = metrics(25_000)
    for event in events:
        outbox.add(event)
    assert outbox.close(30) == 0
    assert receiver.events == events
    assert list(read_batches(tmp_path / "spool")) == []


def test_events_are_sent_without_being_asked_for(receiver: Any, outbox: Outbox) -> None:
    outbox.add({"kind": "progress", "value": 0.5})
    wait_until(lambda: receiver.events == [{"kind": "progress", "value": 0.5}])


def test_a_lost_answer_makes_a_repeat_of_the_same_batch(receiver: Any, outbox: Outbox) -> None:
    receiver.lose_answers = 3
    events = metrics(10)
    for event in events:
        outbox.add(event)
    assert outbox.close(30) == 0
    assert receiver.events == events
    assert receiver.repeats >= 1


def test_a_server_that_comes_back_elsewhere_gets_everything(receiver: Any, outbox: Outbox, tmp_path: Path) -> None:
    for event in metrics(100):
        outbox.add(event)
    assert outbox.flush(30)
    receiver.stop()
    for event in metrics(1000, start=100):
        outbox.add(event)
    assert not outbox.flush(0.6)
    # on disk, so that a kill loses nothing
    wait_until(lambda: sum(len(batch.events) for batch in read_batches(tmp_path)) == 900)
    receiver.start()
    assert outbox.close(30) == 0
    assert receiver.events == metrics(1000)


def test_what_cannot_be_delivered_stays_for_the_server_to_take_over(
    receiver: Any, outbox: Outbox, tmp_path: Path
) -> None:
    receiver.stop()
    outbox.add({"kind": "metric", "name": "auc", "value": 0.7})
    data = b"a picture"
    digest = hashlib.sha256(data).hexdigest()
    outbox.put_blob(digest, data)
    outbox.add({"kind": "artifact", "name": "roc", "digest": digest})
    assert outbox.close(0.5) >= 2
    batches = list(read_batches(tmp_path))
    assert [event for batch in batches for event in batch.events] == [
        {"kind": "metric", "name": "auc", "value": 0.7},
        {"kind": "artifact", "name": "roc", "digest": digest},
    ]
    assert [(blob.digest, Path(blob.path).read_bytes()) for blob in read_blobs(tmp_path)] == [(digest, data)]
    for batch in batches:
        discard(batch.path)
        discard(batch.path)
    assert list(read_batches(tmp_path)) == []
    receiver.start()


def test_a_blob_that_was_kept_is_delivered_before_the_event_that_names_it(
    receiver: Any, outbox: Outbox, tmp_path: Path
) -> None:
    receiver.stop()
    file = tmp_path / "model.bin"
    file.write_bytes(b"first")
    digest = hashlib.sha256(b"first").hexdigest()
    outbox.put_blob(digest, str(file))
    outbox.add({"kind": "artifact", "name": "model", "digest": digest})
    file.write_bytes(b"changed later")
    receiver.start()
    assert outbox.close(30) == 0
    assert receiver.blobs == {digest: b"first"}
    assert receiver.of_kind("artifact")[0]["digest"] == digest


def test_a_wrong_digest_is_refused_at_once(outbox: Outbox) -> None:
    with pytest.raises(Refused, match="hash differs"):
        outbox.put_blob("0" * 64, b"other bytes")
    outbox.close(5)


def test_a_half_written_batch_is_not_read(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "00000000000000000001-1-00000001-a.batch.json.new").write_text('{"batch": "a", "ev')
    (spool / "00000000000000000002-1-00000002-b.batch.json").write_text('{"batch": "b", "events": [')
    (spool / "00000000000000000003-1-00000003-c.batch.json").write_text('{"batch": "c", "events": []}')
    assert [batch.batch for batch in read_batches(spool)] == ["c"]


def test_nobody_answering_is_said_with_the_address(receiver: Any) -> None:
    receiver.stop()
    with pytest.raises(Undelivered, match=receiver.url):
        Transport(receiver.url).request("GET", "/health")
    receiver.start()


AT_THE_END = """
import atexit, mlbox, threading
def late():
    if KIND == "late":
        mlbox.log_metric("late", 1)
atexit.register(late)
if KIND == "never":
    mlbox.current()
"""


@pytest.mark.parametrize("kind", ["late", "never"])
def test_what_is_logged_first_when_the_interpreter_ends_arrives(
    receiver: Any, tmp_path: Path, other_python: Path, kind: str
) -> None:
    """From Python 3.12 on no thread can be started any more then."""
    script = tmp_path / "work.py"
    script.write_text(f"import mlbox\nmlbox.current()\nKIND = {kind!r}\n{AT_THE_END}")
    receiver.spec = {"run_id": "r1"}
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLBOX_RUN_ID": "r1",
        "MLBOX_URL": receiver.url,
        "MLBOX_TOKEN": receiver.token,
        "MLBOX_RUN_FOLDER": str(tmp_path),
    }
    done = subprocess.run([other_python, script], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert [event["name"] for event in receiver.of_kind("metric")] == (["late"] if kind == "late" else [])


def test_points_of_a_metric_travel_packed(receiver: Any, outbox: Outbox, tmp_path: Path) -> None:
    points = [("loss", number / 7, number, 1700000000.25 + number) for number in range(1000)]
    odd = [("odd", float(number), 1 if number % 2 else None, 1700000000.0) for number in range(20)]
    huge = [("huge", float("nan"), 1 << 70, 1700000000.0)] * 20
    few = [("few", float("-inf"), None, 1700000000.0)]
    for point in [*points, *odd, *huge, *few]:
        outbox.add(point)
    outbox.add({"kind": "tag", "name": "team", "value": "blue"})
    assert outbox.close(30) == 0
    sent = [event["kind"] for event in receiver.events]
    assert sent == ["points", *["metric"] * 41, "tag"]
    found = receiver.of_kind("metric")
    assert [(e["name"], e["value"], e["step"], e["at"]) for e in found[:1000]] == points
    assert [e.get("step") for e in found[1000:1020]] == [step for _, _, step, _ in odd]
    assert [(e["value"], e["step"]) for e in found[1020:1040]] == [("NaN", 1 << 70)] * 20
    assert found[1040]["value"] == "-Infinity" and "step" not in found[1040]


CHILDREN = """
import multiprocessing, sys
import mlbox
def work(number):
    mlbox.log_metric("child", number, step=number)
if __name__ == "__main__":
    mlbox.log_metric("parent", 1)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        pool.map(work, range(20))
        pool.close()
        pool.join()
    mlbox.log_metric("parent", 2)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_processes_log_to_the_same_run(receiver: Any, tmp_path: Path, method: str) -> None:
    script = tmp_path / "work.py"
    script.write_text(CHILDREN)
    receiver.spec = {"run_id": "r1"}
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "MLBOX_RUN_ID": "r1",
        "MLBOX_URL": receiver.url,
        "MLBOX_TOKEN": receiver.token,
        "MLBOX_RUN_FOLDER": str(tmp_path),
    }
    subprocess.run([sys.executable, str(script), method], env=environment, check=True, timeout=60)
    logged = receiver.of_kind("metric")
    assert sorted(event["step"] for event in logged if event["name"] == "child") == list(range(20))
    assert [event["value"] for event in logged if event["name"] == "parent"] == [1.0, 2.0]
