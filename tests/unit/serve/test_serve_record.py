"""The prediction log: when it writes, what it drops, and what a kill can take."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx_models
import pytest
from serving_house import DictReader, House, tensors
from waiting import wait_until

from mlbox.base.errors import Unavailable
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.serve import record, recorded
from mlbox.serve.codec import Request
from mlbox.serve.endpoint import Answer
from mlbox.serve.feeds.asking import Asker
from mlbox.serve.feeds.events import Event
from mlbox.serve.imputing import Seen
from mlbox.serve.rows import MANY
from mlbox.serve.tensors import DATATYPES, Column

ROW = {"x": [1.0], "y": [1.0]}
HOUR_MS = 3_600_000


@pytest.fixture
def make(tmp_path: Path, scaled: Callable[..., bytes]) -> Iterator[Callable[..., House]]:
    """Houses with an endpoint ``e`` and settings of their own."""
    made: list[House] = []

    def build(**settings: Any) -> House:
        house = House(tmp_path, Settings(**settings))
        made.append(house)
        house.model("m", scaled(1.0), "x", "y")
        house.endpoint("e", "m")
        return house

    yield build
    for house in made:
        house.close()


def ask(url: str, times: int, rows: int = 1) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(times):
            body = {"inputs": tensors({name: values * rows for name, values in ROW.items()})}
            client.post("/v2/models/e/infer", json=body).raise_for_status()


def shown(house: House) -> dict[str, Any]:
    house.endpoints.flush()
    (row,) = house.catalog.rows("SELECT requests, unrecorded FROM catalog.ml.endpoints WHERE name = 'e'")
    return row


def told(house: House) -> list[str]:
    return [event.data["reason"] for event in house.events if event.kind == "endpoint.dropping"]


def test_a_full_buffer_drops_counts_and_tells_once(make: Callable[..., House], serve: Any) -> None:
    house = make(log_flush_ms=HOUR_MS, log_buffer_rows=10)
    url = serve(house).url
    ask(url, 30)
    assert house.endpoints.statistics.dropped == 20
    assert told(house) == ["the buffer is full"]
    assert len(house.predictions()) == 10
    assert shown(house) == {"requests": 30, "unrecorded": 20}
    ask(url, 3, rows=4)  # a request is kept whole or not at all
    assert len(house.predictions()) == 18
    assert shown(house) == {"requests": 33, "unrecorded": 24}


def test_what_cannot_be_written_is_counted_and_told(make: Callable[..., House], serve: Any) -> None:
    house = make(log_flush_ms=HOUR_MS)
    house.catalog.write_data(
        lambda cursor: cursor.execute("ALTER TABLE data._mlbox.predictions RENAME TO away") and None
    )
    ask(serve(house).url, 5)
    house.endpoints.flush()
    assert "predictions" in str(house.endpoints.statistics.last_error)
    (reason,) = told(house)
    assert reason.startswith("they cannot be written")
    house.catalog.write_data(
        lambda cursor: cursor.execute("ALTER TABLE data._mlbox.away RENAME TO predictions") and None
    )
    assert shown(house) == {"requests": 5, "unrecorded": 5}
    assert house.predictions() == []


def broken(endpoint: str, number: int) -> record.Entry:
    """An entry whose inputs no row can be made of."""
    column = Column("X", DATATYPES["FP32"], [10**400, 1], 1, 2, (2,))
    return record.Entry("default", endpoint, f"broken-{number}", record.microseconds(), 1.0,
                        Request({"x": column}, 1, None, None, False), error="wrong")  # fmt: skip


def test_an_entry_that_cannot_be_written_takes_no_other_with_it(make: Callable[..., House], serve: Any) -> None:
    house = make(log_flush_ms=HOUR_MS)
    house.endpoint("other", "m")
    house.endpoint("durable", "m", options={"durable": True})
    url = serve(house).url
    ask(url, 40)
    for number in range(3):
        house.endpoints.recorder.keep(broken("e", number), counts=True)
        ask(url, 7, rows=2)
    house.endpoints.recorder.keep(broken("other", 3), counts=True)
    with httpx.Client(base_url=url, timeout=60) as client:  # who waits for his row is not told of another's
        body = {"inputs": tensors(ROW)}
        for endpoint in ("other", "durable"):
            client.post(f"/v2/models/{endpoint}/infer", json=body).raise_for_status()
    assert len(house.predictions("endpoint = 'e'")) == 40 + 3 * 14
    assert len(house.predictions("endpoint = 'other'")) == 1 and len(house.predictions("endpoint = 'durable'")) == 1
    assert house.endpoints.statistics.dropped == 4
    assert shown(house) == {"requests": 40 + 3 * 8, "unrecorded": 3}
    assert len(told(house)) == 2 and all(reason.startswith("they cannot be written") for reason in told(house))
    assert house.endpoints.recorder._rows == 0 and house.endpoints.recorder._held == 0


def test_where_nothing_can_be_written_what_is_wrong_is_not_looked_for_in_every_row(
    make: Callable[..., House], serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make(log_flush_ms=HOUR_MS)
    ask(serve(house).url, 300)
    recorder, tried = house.endpoints.recorder, []
    write = recorder._write

    def fails(taken: Any) -> None:
        if taken.entries:
            tried.append(len(taken.entries))
            raise OSError("full")
        write(taken)

    monkeypatch.setattr(recorder, "_write", fails)
    house.endpoints.flush()
    assert len(tried) <= record.ATTEMPTS + 2 * record.SEARCHES + 1
    assert house.endpoints.statistics.dropped == 300 and recorder._rows == 0
    monkeypatch.undo()
    assert shown(house) == {"requests": 300, "unrecorded": 300}


def test_the_buffer_is_written_once_an_interval_while_requests_come(make: Callable[..., House], serve: Any) -> None:
    began = time.monotonic()
    house = make(log_flush_ms=100)
    url = serve(house).url
    while house.endpoints.statistics.flushes < 5:
        ask(url, 20)
    assert house.endpoints.statistics.flushes <= (time.monotonic() - began) / 0.1 + 1


def test_a_prediction_waits_for_no_more_than_one_interval(make: Callable[..., House], serve: Any) -> None:
    house = make(log_flush_ms=50)
    url = serve(house).url
    for _ in range(5):
        ask(url, 7)
        asked, flushes = house.endpoints.statistics, house.endpoints.statistics.flushes
        written = asked.written
        wait_until(lambda before=flushes: house.endpoints.statistics.flushes >= before + 2)
        assert house.endpoints.statistics.written >= written
    assert house.endpoints.statistics.written == 35
    assert shown(house) == {"requests": 35, "unrecorded": 0}


def test_a_kill_takes_only_what_has_not_been_written(own_server: Any, scaled: Callable[..., bytes]) -> None:
    (own_server.home.parent / "m.onnx").write_bytes(scaled(1.0))
    own_server.sql(
        f"CREATE MODEL m FROM '{own_server.home.parent}/m.onnx' INPUT (x DOUBLE, y DOUBLE);"
        "CREATE ENDPOINT e USING MODEL m LOG ALL"
    )
    counts = "SELECT (SELECT count(*) FROM ml.predictions), requests, unrecorded FROM ml.endpoints"
    ask(own_server.url, 50)
    wait_until(lambda: own_server.sql(counts)[0]["rows"] == [[50, 50, 0]])  # by itself
    ask(own_server.url, 50)
    own_server.kill()
    own_server.start()
    ((logged, requests, unrecorded),) = own_server.sql(counts)[0]["rows"]
    assert 50 <= logged <= 100
    assert (requests, unrecorded) == (logged, 0)  # rows and counts are of one transaction
    ask(own_server.url, 5)
    own_server.stop()
    own_server.start()
    assert own_server.sql(counts)[0]["rows"] == [[logged + 5, logged + 5, 0]]  # a normal stop loses nothing


def loaded(url: str, endpoints: list[str], stop: threading.Event, rows: int = 1) -> dict[str, set[str]]:
    """Ask all endpoints in turn until ``stop``; ids that were answered, by endpoint."""
    answered: dict[str, set[str]] = {name: set() for name in endpoints}
    with httpx.Client(base_url=url, timeout=60) as client:
        while not stop.is_set():
            for name in endpoints:
                body = {"inputs": tensors({column: values * rows for column, values in ROW.items()})}
                try:
                    reply = client.post(f"/v2/models/{name}/infer", json=body)
                except httpx.TransportError:
                    return answered  # the server was killed
                assert reply.status_code == 200, reply.text
                answered[name].add(reply.json()["id"])
    return answered


@pytest.mark.nightly
def test_a_kill_takes_nothing_that_was_promised_to_be_durable(own_server: Any, scaled: Callable[..., bytes]) -> None:
    (own_server.home.parent / "m.onnx").write_bytes(scaled(1.0))
    own_server.sql(
        f"CREATE MODEL m FROM '{own_server.home.parent}/m.onnx' INPUT (x DOUBLE, y DOUBLE);"
        "CREATE ENDPOINT e USING MODEL m; CREATE ENDPOINT d USING MODEL m WITH (durable = true)"
    )
    stop, promised = threading.Event(), set()
    for _ in range(3):
        with ThreadPoolExecutor(4) as threads:
            asked = [threads.submit(loaded, own_server.url, [name], stop) for name in ("e", "d", "d", "d")]
            time.sleep(2)
            own_server.kill()
            promised |= set[str]().union(*(found.result().get("d", set()) for found in asked))
        own_server.start()
    ids = [row[0] for row in own_server.sql("SELECT request_id FROM ml.predictions WHERE endpoint = 'd'")[0]["rows"]]
    assert promised and promised <= set(ids) and len(set(ids)) == len(ids)
    counts = "SELECT requests, unrecorded, (SELECT count(*) FROM ml.predictions p WHERE p.endpoint = n.name) FROM"
    for requests, unrecorded, rows in own_server.sql(f"{counts} ml.endpoints n")[0]["rows"]:
        assert (requests, unrecorded) == (rows, 0)


@pytest.mark.nightly
def test_more_kinds_of_rows_than_are_kept_while_endpoints_change(own_server: Any, scaled: Callable[..., bytes]) -> None:
    (own_server.home.parent / "m.onnx").write_bytes(scaled(1.0))
    own_server.sql(f"CREATE MODEL m FROM '{own_server.home.parent}/m.onnx' INPUT (x DOUBLE, y DOUBLE)")
    names = [f"e{number}" for number in range(20)]
    for name in names:
        own_server.sql(f"CREATE ENDPOINT {name} USING MODEL m POSTPROCESS (prediction + 1 AS of_{name})")
    stop = threading.Event()
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(loaded, own_server.url, names, stop, MANY + 6) for _ in range(3)]
        for number in range(30):
            name = names[number % 20]
            time.sleep(0.02)
            own_server.sql(f"CREATE OR REPLACE ENDPOINT {name} USING MODEL m POSTPROCESS (prediction AS v{number})")
        stop.set()
        answered = [found.result() for found in asked]
    expected = {(name, key) for found in answered for name, keys in found.items() for key in keys}
    query = "SELECT endpoint, request_id, count(DISTINCT row_id), count(*) FROM ml.predictions GROUP BY ALL"

    def settled() -> bool:
        """What is answered is in the log, or counted as lost where the machine is too busy."""
        (counts,) = own_server.sql(
            "SELECT sum(requests), sum(unrecorded), (SELECT count(*) FROM ml.predictions) FROM ml.endpoints"
        )[0]["rows"]
        return counts[0] == len(expected) and counts[1] + counts[2] == len(expected) * (MANY + 6)

    wait_until(settled)
    rows = own_server.sql(query)[0]["rows"]
    assert rows and all(distinct == count == MANY + 6 for _, _, distinct, count in rows)
    assert {(name, key) for name, key, _, _ in rows} <= expected


@pytest.mark.parametrize("times", [3, MANY], ids=["few, as JSON", "many, as structs"])
def test_the_short_way_records_what_the_general_way_records(make: Callable[..., House], serve: Any, times: int) -> None:
    house = make(log_flush_ms=HOUR_MS)
    house.model("gbm", onnx_models.gradient_boosting(False).onnx, "a", "b", "c", "d")
    house.endpoint("g", "gbm")
    url = serve(house).url
    with httpx.Client(base_url=url, timeout=60) as client:
        for way, more in (("short", {}), ("general", {"parameters": {}})):
            for number in range(times):
                tensor = {"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [number / 8, -1.5, 0.25, number]}
                body = {"inputs": [tensor], "id": f"{way}-{number:03}", **more}
                client.post("/v2/models/g/infer", json=body).raise_for_status()
    recorded = {kept.__class__.__name__ for kept in house.endpoints.recorder._entries}
    assert recorded == {"Kept", "Entry"}
    rows = house.predictions("endpoint = 'g'")
    alike = [
        [
            {name: value for name, value in row.items() if name not in ("request_id", "row_id", "predicted_at",
                                                                        "event_time", "latency_ms")}
            for row in rows if row["request_id"].startswith(way)
        ]
        for way in ("short", "general")
    ]  # fmt: skip
    assert alike[0] == alike[1] and len(alike[0]) == times
    assert alike[0][1]["features"] == {"a": 0.125, "b": -1.5, "c": 0.25, "d": 1.0}
    assert all(row["row_id"] == row["request_id"] and row["latency_ms"] > 0 for row in rows)


def test_texts_that_wait_to_be_recorded_count_by_their_length() -> None:
    text = Column("photo", DATATYPES["BYTES"], ["a" * 10_000, None], 2)
    request = Request({"photo": text}, 2, None, None, False)
    assert 10_000 <= recorded.held(request, None) < 10_500
    outputs = {"said": np.array([["b" * 5_000], [None]], object), "score": np.zeros(2)}
    answer = Answer("m", 1, np.zeros(2), outputs, Seen((), [], []))
    assert 15_000 <= recorded.held(request, answer) < 15_500
    numbers = Request({"x": Column("x", DATATYPES["FP64"], [1.0], 1)}, 1, None, None, False)
    assert recorded.held(numbers, None) == 0  # plain numbers are bounded by the rows


class Clock:
    """Time in which every look at a thread's clock costs it a millisecond; rests are counted, and not slept."""

    def __init__(self) -> None:
        self.rests: list[float] = []
        self.threads: dict[int, float] = {}

    def thread_time(self) -> float:
        thread = threading.get_ident()
        self.threads[thread] = found = self.threads.get(thread, float(len(self.threads))) + 0.001
        return found

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.rests.append(seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def test_who_waits_for_his_row_waits_for_no_rest(
    make: Callable[..., House], serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make(log_flush_ms=HOUR_MS)
    house.endpoint("durable", "m", options={"durable": True})
    url = serve(house).url
    monkeypatch.setattr(record, "time", clock := Clock())
    with httpx.Client(base_url=url, timeout=60) as client:
        client.post("/v2/models/durable/infer", json={"inputs": tensors(ROW)}).raise_for_status()
    assert house.endpoints.statistics.written == 1 and clock.rests == []
    ask(url, 3)
    house.endpoints.recorder._flush()  # as once an interval: nobody waits
    assert house.endpoints.statistics.written == 4 and clock.rests
    rested = len(clock.rests)
    ask(url, 3)
    house.endpoints.flush()
    assert house.endpoints.statistics.written == 7 and len(clock.rests) == rested


def test_rows_that_several_threads_ask_for_rest_by_the_clock_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that has just begun has not worked, whatever its clock says beside another's."""
    monkeypatch.setattr(record, "time", clock := Clock())
    rest = record.Recorder(None, 1.0, 100)._resting(False)
    rest()
    assert clock.rests == []

    def other() -> None:
        rest()
        assert clock.rests == []
        rest()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(other).result()
    assert clock.rests == [pytest.approx(0.004)]
    rest()
    assert clock.rests == [pytest.approx(0.004)] * 2


def test_members_read_of_a_defect_no_more_than_that_it_was_one(
    live: Any, scaled: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At every door, and of a shadow: the log of predictions is read by members."""

    class Broken(DictReader):
        def read(self, *arguments: Any) -> Any:
            raise RuntimeError("IO Error: /srv/home/features.duckdb")

    house = live.house
    house.model("m", scaled(1.0), "x", "y")
    house.readers.known["v"] = Broken({}, ["id"], ["x", "y"], entity_types={"id": "BIGINT"})
    house.endpoint("stored", "m", enrich=Ref("default", "v"))
    told = live.http.post("/v2/models/stored/infer", json={"rows": [{"id": 1}]})
    assert told.status_code == 500 and "met a defect" in told.json()["error"] and "/srv" not in told.text
    asker = Asker(house.endpoints.recorder, house.endpoints.ensure)
    (slot,) = house.endpoints.directory.slots()
    (outcome,) = asyncio.run(asker.ask(slot, [Event("e", '{"id": 1}', {"id": 1})]))
    assert outcome.error is not None and "/srv" not in str(outcome.error.to_dict())
    house.endpoint("followed", "m", shadow=Ref("default", "m"))
    assert live.rows("followed", ROW).status_code == 200
    kept = Unavailable("the store of /srv/home is away").kept_from_others("the store is away")
    runtime = next(slot.runtime for slot in house.endpoints.directory.slots() if slot.row.name == "followed")

    def fails(*arguments: Any) -> Any:
        raise kept

    monkeypatch.setattr(type(runtime), "answer_shadow", fails)
    assert live.rows("followed", ROW).status_code == 200
    wait_until(lambda: len(house.predictions("status = 'error'")) == 3)  # the shadow runs after the answer
    errors = [(row["endpoint"], row["error"]) for row in house.predictions("status = 'error'")]
    met = ("stored", "the request met a defect of mlbox")
    assert sorted(errors) == [("followed", "the store is away"), met, met]
    assert caplog.text.count("RuntimeError: IO Error: /srv/home/features.duckdb") == 2


def test_a_defect_in_a_shadow_stops_nobody(
    live: Any, scaled: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = live.house
    house.model("m", scaled(1.0), "x", "y")
    house.endpoint("followed", "m", shadow=Ref("default", "m"))
    assert live.rows("followed", ROW).status_code == 200
    (slot,) = house.endpoints.directory.slots()

    def fails(*arguments: Any) -> Any:
        raise RuntimeError("IO Error: /srv/home/features.duckdb")

    monkeypatch.setattr(type(slot.runtime), "answer_shadow", fails)
    assert live.rows("followed", ROW).status_code == 200
    wait_until(lambda: house.predictions("status = 'error'"))  # the shadow runs after the answer
    asker = Asker(house.endpoints.recorder, house.endpoints.ensure)
    (outcome,) = asyncio.run(asker.ask(slot, [Event("e", '{"x": 1, "y": 2}', {"x": 1, "y": 2})]))
    assert outcome.error is None and len(outcome.rows) == 1
    errors = [(row["shadow"], row["error"]) for row in house.predictions("status = 'error'")]
    assert errors == [(True, "the request met a defect of mlbox")] * 2
    assert caplog.text.count("RuntimeError: IO Error: /srv/home/features.duckdb") == 2
