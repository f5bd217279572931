"""How endpoints behave under load: batches, limits, deadlines, durability, and versions that change meanwhile."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import Any

import httpx
import numpy as np
import pytest
from serving_house import House, Server, tensors
from waiting import wait_until

from mlbox.base.errors import Invalid
from mlbox.base.settings import Settings
from mlbox.serve.meter import Meter, exposition
from mlbox.serve.workers.counting import Counted

Models = Callable[..., bytes]


def _post(client: httpx.Client, endpoint: str, x: float, **more: Any) -> httpx.Response:
    body = {"inputs": tensors({"x": [x], "y": [0.0]}), **more}
    return client.post(f"/v2/models/{endpoint}/infer", json=body)


def test_requests_of_one_batch_keep_their_own_answers_and_errors(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(2.0), "x", "y")
    live.house.endpoint("e", "m", options={"batch": 8, "batch_delay_ms": 300})

    def ask(number: int) -> tuple[int, Any]:
        if number % 5 == 4:  # no y
            return number, live.rows("e", {"x": [1.0]})
        return number, _post(live.http, "e", float(number), id=f"r{number}")

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(60)))
    for number, answer in answers:
        if number % 5 == 4:
            assert answer.status_code == 400 and "'y'" in answer.json()["error"]
        else:
            assert answer.json()["outputs"][0]["data"] == [2.0 * number] and answer.json()["id"] == f"r{number}"
    slot = live.house.endpoints.directory.get("default", "e")
    assert 0 < slot.batcher.batches < 48  # 48 good requests went in fewer calls
    logged = {row["request_id"]: row["prediction"] for row in live.house.predictions("status = 'ok'")}
    assert logged == {f"r{number}": 2.0 * number for number in range(60) if number % 5 != 4}


def test_a_model_that_fails_on_one_row_of_a_batch_fails_that_request_only(live: Any) -> None:
    import onnx_models

    live.house.model("m", onnx_models.lookup([5.0, 6.0, 7.0]), "a", "b")
    live.house.endpoint("e", "m", options={"batch": 16, "batch_delay_ms": 50})

    def ask(number: int) -> Any:
        row = {"a": [float(number % 4)], "b": [0.0]}  # there is no index 3
        return live.rows("e", row)

    with ThreadPoolExecutor(8) as pool:
        for number, answer in enumerate(pool.map(ask, range(16))):
            if number % 4 == 3:
                assert answer.status_code == 400 and "the model failed" in answer.json()["error"]
            else:
                assert answer.json()["outputs"][0]["data"] == [5.0 + number % 4]


def test_a_defect_that_one_request_of_a_batch_meets_is_not_that_of_the_others(
    live: Any, scaled: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m", options={"batch": 4, "batch_delay_ms": 1000})
    runtime = live.house.endpoints.directory.get("default", "e").runtime
    conclude = runtime.conclude

    def concluded(arm: Any, seen: Any, output: Any, request: Any) -> Any:
        if output.prediction[0] == 2.0:
            raise RuntimeError("of ours")
        return conclude(arm, seen, output, request)

    monkeypatch.setattr(runtime, "conclude", concluded)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: _post(live.http, "e", float(number), id=f"r{number}"), range(4)))
    assert [answer.status_code for answer in answers] == [200, 200, 500, 200]


def test_more_than_the_queue_takes_is_refused_at_once_and_the_rest_is_answered(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m", options={"max_queue": 4, "batch": 64, "batch_delay_ms": 1})
    assert live.rows("e", {"x": [1.0], "y": [1.0]}).status_code == 200
    slot = live.house.endpoints.directory.get("default", "e")
    meter, batcher = slot.meter, slot.batcher
    batcher._delay = 600.0  # until the test says so

    def compute() -> None:
        """As when the delay is over."""
        for key, gathering in list(batcher._gathering.items()):
            batcher._begin(key, gathering)

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(_post, live.http, "e", float(number)) for number in range(4)]
        wait_until(lambda: sum(len(each.waiting) for each in list(batcher._gathering.values())) == 4)
        for number in range(4, 24):
            shed = _post(live.http, "e", float(number))
            assert (shed.status_code, shed.json()["code"]) == (503, "overloaded")
            assert int(shed.headers["retry-after"]) >= 1
        live.server.soon(compute)
        for number, answer in enumerate(asked):
            assert answer.result().json()["outputs"][0]["data"] == [float(number)]
    assert (meter.shed, meter.waiting) == (20, 0)


def test_a_caller_says_for_how_long_he_waits(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m", options={"batch": 64, "batch_delay_ms": 500})
    rows = {"x": [1.0], "y": [2.0]}
    late = live.infer("e", {"inputs": tensors(rows)}, headers={"x-request-timeout-ms": "20"})
    assert late.status_code == 503 and late.json()["code"] == "deadline_exceeded"
    assert live.infer("e", {"inputs": tensors(rows)}, headers={"x-request-timeout-ms": "9000"}).status_code == 200
    for wrong in ("soon", "-1", "nan", "0"):
        answer = live.infer("e", {"inputs": tensors(rows)}, headers={"x-request-timeout-ms": wrong})
        assert answer.status_code == 400 and "X-Request-Timeout-Ms" in answer.json()["error"]


def test_slow_clients_are_ended_and_hold_nobody(tmp_path: Any, scaled: Models) -> None:
    house = House(tmp_path, Settings(log_flush_ms=20, body_seconds=1))
    server = Server(house.endpoints.asgi)
    try:
        house.model("m", scaled(1.0), "x", "y")
        house.endpoint("e", "m")
        slow = []
        for _ in range(50):
            connection = socket.create_connection(("127.0.0.1", server.port))
            head = "POST /v2/models/e/infer HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
            slow.append(connection)
        with httpx.Client(base_url=server.url, timeout=60) as client:
            assert _post(client, "e", 3.0).json()["outputs"][0]["data"] == [3.0]
        for connection in slow:
            connection.settimeout(60)
            with connection, HTTPResponse(connection) as answer:
                answer.begin()
                assert answer.status == 408 and b"request_timeout" in answer.read()
        wait_until(lambda: house.endpoints.directory.get("default", "e").meter.waiting == 0)
    finally:
        server.stop()
        house.close()


def test_missing_values_are_refused_where_the_endpoint_says_so(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m", options={"missing": "reject"})
    answer = live.rows("e", {"x": [1.0, 2.0], "y": [None, 1.0]})
    assert answer.status_code == 400 and "'y'" in answer.json()["error"]
    assert live.rows("e", {"x": [1.0], "y": [1.0]}).status_code == 200


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 0},
        {"batch": 2.5},
        {"batch_delay_ms": 3},
        {"batch": 8, "batch_delay_ms": -1},
        {"max_queue": 0},
        {"durable": "yes"},
        {"missing": "drop"},
    ],
)
def test_options_that_make_no_sense_are_refused(house: House, scaled: Models, options: dict[str, Any]) -> None:
    house.model("m", scaled(1.0), "x", "y")
    with pytest.raises(Invalid):
        house.endpoint("e", "m", options=options)


def test_durable_and_a_sampled_log_contradict_each_other(house: House, scaled: Models) -> None:
    house.model("m", scaled(1.0), "x", "y")
    with pytest.raises(Invalid, match="every prediction"):
        house.endpoint("e", "m", options={"durable": True}, log_percent=10.0)


def test_nothing_that_a_durable_endpoint_has_acknowledged_is_lost_by_a_kill(own_server: Any, scaled: Models) -> None:
    (own_server.home.parent / "m.onnx").write_bytes(scaled(1.0))
    own_server.sql(
        f"CREATE MODEL m FROM '{own_server.home.parent}/m.onnx' INPUT (x DOUBLE, y DOUBLE);"
        "CREATE ENDPOINT e USING MODEL m WITH (durable = true)"
    )
    acknowledged: list[str] = []

    def ask(worker: int) -> None:
        with httpx.Client(base_url=own_server.url, timeout=60) as client:
            for number in range(10_000):
                name = f"w{worker}-{number}"
                try:
                    if _post(client, "e", 1.0, id=name).status_code != 200:
                        return
                except httpx.HTTPError:
                    return
                acknowledged.append(name)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 60)
    own_server.kill()
    for thread in threads:
        thread.join()
    own_server.start()
    rows = own_server.sql("SELECT request_id FROM ml.predictions")[0]["rows"]
    assert set(acknowledged) <= {row[0] for row in rows}


def test_a_durable_answer_that_cannot_be_recorded_is_an_error(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m", options={"durable": True})
    assert live.rows("e", {"x": [1.0], "y": [1.0]}).status_code == 200
    catalog = live.house.catalog
    catalog.write_data(lambda cursor: cursor.execute("ALTER TABLE data._mlbox.predictions RENAME TO away") and None)
    answer = live.rows("e", {"x": [1.0], "y": [1.0]})
    catalog.write_data(lambda cursor: cursor.execute("ALTER TABLE data._mlbox.away RENAME TO predictions") and None)
    assert answer.status_code == 503 and "not recorded" in answer.json()["error"]
    assert live.rows("e", {"x": [1.0], "y": [1.0]}).status_code == 200


def _moves_under_load(live: Any, scaled: Models, moves: int, **more: Any) -> None:
    """Version k multiplies by k, so that an answer tells which version has computed it."""
    for factor in (1.0, 2.0):
        live.house.model("m", scaled(factor), "x", "y", alias="live")
    live.house.endpoint("e", "m@live", **more)
    wrong: list[Any] = []
    counts = [0] * 4
    stop = threading.Event()

    def ask(worker: int) -> None:
        body = {
            "one": {"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}]},
            "columns": {"inputs": tensors({"x": [1.0], "y": [2.0]})},
        }["one" if worker % 2 else "columns"]
        content = json.dumps(body).encode()
        with httpx.Client(base_url=live.server.url, timeout=30) as client:
            while not stop.is_set():
                answer = client.post("/v2/models/e/infer", content=content)
                told = answer.json() if answer.status_code == 200 else {}
                if not told or told["outputs"][0]["data"] != [3.0 * int(told["model_version"])]:
                    wrong.append(answer.text)
                counts[worker] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(counts))
    for number in range(moves):
        live.house.alias("m", "live", 1 + number % 2)
        expected = [3.0 * (1 + number % 2)]  # who asks after the move gets the new version
        assert live.rows("e", {"x": [1.0], "y": [2.0]}).json()["outputs"][0]["data"] == expected
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert live.house.endpoints.directory.get("default", "e").swaps == moves


@pytest.mark.parametrize("options", [{}, {"batch": 8, "batch_delay_ms": 1}], ids=["plain", "batched"])
def test_an_alias_moves_under_load_without_a_failed_or_mixed_answer(
    live: Any, scaled: Models, options: dict[str, Any]
) -> None:
    _moves_under_load(live, scaled, 20, options=options)


@pytest.mark.nightly
def test_an_alias_moves_200_times_under_load(live: Any, scaled: Models) -> None:
    _moves_under_load(live, scaled, 200)


def test_a_new_version_is_compared_with_the_old_one_on_recent_requests(live: Any, scaled: Models) -> None:
    for factor in (1.0, 1.5):
        live.house.model("m", scaled(factor), "x", "y")
    live.house.alias("m", "live", 1)
    live.house.endpoint("e", "m@live")
    for number in range(3):
        live.rows("e", {"x": [float(number)], "y": [0.0]}).raise_for_status()
    live.house.alias("m", "live", 2)
    (event,) = [event for event in live.house.events if event.kind == "endpoint.switched"]
    assert event.data == {"version": "2", "compared": 3, "different": 2, "failed": 0, "largest_difference": 1.0}


def test_counters_in_prometheus_text(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m")
    for _ in range(3):
        live.rows("e", {"x": [1.0, 2.0], "y": [1.0, 1.0]}).raise_for_status()
    assert live.rows("e", {"x": [1.0]}).status_code == 400
    endpoints = live.house.endpoints
    lines = exposition(endpoints.directory.slots(), endpoints.statistics, Counted()).splitlines()
    labels = 'project="default",endpoint="e"'
    assert f"mlbox_endpoint_requests_total{{{labels}}} 4" in lines
    assert f"mlbox_endpoint_errors_total{{{labels}}} 1" in lines
    assert f"mlbox_endpoint_in_flight{{{labels}}} 0" in lines
    assert f"mlbox_endpoint_latency_seconds_count{{{labels}}} 4" in lines
    assert f'mlbox_endpoint_latency_seconds_bucket{{{labels},le="+Inf"}} 4' in lines
    assert f'mlbox_model_latency_seconds_count{{{labels},model="m",version="1"}} 3' in lines
    assert f'mlbox_endpoint_info{{{labels},version="1"}} 1' in lines


def test_latency_of_each_arm(live: Any, scaled: Models) -> None:
    """What a version has answered stays its own when another one takes its place."""
    for factor in (1.0, 2.0, 3.0):
        live.house.model("m", scaled(factor), "x", "y")
    live.house.alias("m", "live", 1)
    live.house.endpoint("e", "m@live")
    for version in (1, 2, 3):
        live.house.alias("m", "live", version)
        for _ in range(version):
            live.rows("e", {"x": [1.0], "y": [1.0]}).raise_for_status()
    endpoints = live.house.endpoints
    meter = endpoints.directory.find("e").meter
    assert {key: latency.requests for key, latency in meter.arms.items()} == {("m", v): v for v in (1, 2, 3)}
    more = Meter()
    for version in range(3, 30):
        more.note(0.01, 1, False, ("m", version))
    meter.add(more)
    assert [version for _, version in meter.arms] == list(range(14, 30)) and meter.requests == 33


def test_the_short_way_answers_what_the_general_way_answers(live: Any, scaled: Models) -> None:
    """An unknown parameter sends a request the general way."""
    live.house.model("m", scaled(1.7), "x", "y")
    live.house.endpoint("e", "m")
    values = np.random.default_rng(3).normal(size=8).tolist()
    for shape, data in (([1, 2], values[:2]), ([4, 2], values), ([1, 2], [1, 2])):
        tensor = {"name": "X", "shape": shape, "datatype": "FP64", "data": data}
        short = live.infer("e", {"inputs": [tensor], "id": "a"})
        general = live.infer("e", {"inputs": [tensor], "id": "a", "parameters": {"own": 1}})
        assert short.json() == general.json() and short.status_code == 200
    first, second = live.house.predictions()[:2]
    assert {**first, "latency_ms": 0, "predicted_at": 0, "event_time": 0, "row_id": 0} == {
        **second, "latency_ms": 0, "predicted_at": 0, "event_time": 0, "row_id": 0,
    }  # fmt: skip


def test_a_caller_who_goes_away_leaves_nothing_behind(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m", options={"batch": 64, "batch_delay_ms": 200})

    async def leave() -> None:
        async with httpx.AsyncClient(base_url=live.server.url) as client:
            body = {"inputs": tensors({"x": [1.0], "y": [1.0]})}
            with pytest.raises(httpx.TimeoutException):
                await client.post("/v2/models/e/infer", json=body, timeout=0.02)

    asyncio.run(leave())
    began = time.monotonic()
    assert live.rows("e", {"x": [4.0], "y": [1.0]}).json()["outputs"][0]["data"] == [5.0]
    assert time.monotonic() > began
    wait_until(lambda: live.house.endpoints.directory.get("default", "e").meter.waiting == 0)
