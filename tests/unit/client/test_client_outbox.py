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
    assert sum(len(batch.events) for batch in read_batches(tmp_path)) == 900  # on disk, so that a kill loses nothing
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
