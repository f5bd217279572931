"""Graphs behind a real server, with real models, functions and tables."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import pytest
import tensor_models
from serving_house import DictReader, House, Live, served
from stream_rigs import WHY_NOT, batches_of, rig
from waiting import wait_until

from mlbox.base.errors import AlreadyExists, Conflict, Invalid, NotFound
from mlbox.base.names import JSON_COLUMN, Ref
from mlbox.engine.features.sources.base import Source
from mlbox.engine.models.commands import DropModel
from mlbox.serve.remote import INLINE_BYTES

GRAPH = """
steps:
  - {name: stored, kind: enrich, vector: v, impute: {b: 2}}
  - {name: clean, kind: map, function: clean}
  - {name: score, kind: model, model: m@champion, result: score}
  - {name: level, kind: map, set: {level: "CASE WHEN score > 10 THEN 'high' ELSE 'low' END"}}
  - {name: answer, kind: respond}
  - {name: keep, kind: queue, to: table:scored}
  - {name: sorry, kind: map, function: clean, handler: sorry}
on_error: sorry
"""
CODE = """
class Clean:
    def load(self): self.calls = 0
    def do(self, event):
        if event.get("x") == 13: raise ValueError("unlucky")
        return {**event, "x": event["x"] + 1}

def sorry(event):
    return {"sorry": event["error"]["message"]}
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    house = House(tmp_path_factory.mktemp("graphs"))
    house.readers.known["v"] = DictReader({(7,): {"b": 3.0}}, ["id"], ["b"], entity_types={"id": "BIGINT"})
    house.model("m", onnx_models.scaled(1.0), "x", "b", alias="champion")
    house.function("clean", CODE, "Clean")
    house.catalog.write_data(lambda cursor: cursor.execute('CREATE SCHEMA IF NOT EXISTS data."default"'))
    house.endpoint("flow", using="graph", graph=GRAPH, url_path="/flow")
    with served(house) as live:
        yield live


def test_any_json_goes_through_the_graph_and_is_recorded(live: Live) -> None:
    assert live.house.endpoints.asgi.inner_path("/flow") == "/v2/models/default.flow/event"
    reply = live.http.post("/v2/models/flow/event", json={"id": 7, "x": 8})
    assert reply.json() == {"b": 3.0, "id": 7, "x": 9, "score": 12.0, "level": "high"}
    assert live.http.post("/v2/models/flow/event", json={"id": 1, "x": 0}).json()["level"] == "low"
    sorry = live.http.post("/v2/models/flow/event", json={"id": 7, "x": 13})
    assert sorry.status_code == 200 and "ValueError: unlucky (clean.py, line 5)" in sorry.json()["sorry"]
    rows = [row for row in live.house.predictions("endpoint = 'flow'") if row["inputs"] == {"id": 7, "x": 8}]
    assert rows[0]["outputs"]["score"] == 12.0 and rows[0]["features"] == {"id": 7.0, "x": 8.0}

    def kept() -> set[str]:  # of other tests, too
        return {row["x"] for row in live.house.catalog.rows("SELECT event->>'$.x' AS x FROM data.\"default\".scored")}

    wait_until(lambda: {"1", "9"} <= kept())
    assert "13" not in kept()


def test_rows_of_the_protocol_are_events(live: Live) -> None:
    reply = live.rows("flow", {"id": [7.0, 1.0], "x": [1.0, 20.0]}).json()
    by_name = {output["name"]: output["data"] for output in reply["outputs"]}
    assert by_name["score"] == [5.0, 23.0] and by_name["level"] == ["low", "high"]
    assert live.http.get("/v2/models/flow").json()["platform"] == "mlbox_graph"


def test_a_graph_is_drawn(live: Live) -> None:
    drawn = live.http.get("/v2/models/flow/graph")
    assert drawn.headers["content-type"] == "image/svg+xml" and drawn.text.startswith("<svg") and "enrich" in drawn.text
    live.house.model("one", onnx_models.scaled(1.0), "x", "y")
    live.house.endpoint("one", "one")
    assert live.http.get("/v2/models/one/graph").status_code == 404


def test_bad_events_are_told(live: Live) -> None:
    url = "/v2/models/flow/event"
    assert live.http.post(url, content=b"{nonsense").json()["code"] == "invalid"
    unknown = live.http.post(url, json={"x": 1})
    assert unknown.status_code == 200 and "the event has no id" in unknown.json()["sorry"]  # it is the graph's to say
    assert live.http.get(url).status_code == 405


def test_it_follows_the_alias_and_holds_what_it_uses(live: Live) -> None:
    with pytest.raises(Conflict, match=r"used by endpoint default\.flow"):
        live.house.do(DropModel(ref=Ref("default", "m")))
    live.house.model("m", onnx_models.scaled(100.0), "x", "b")
    assert live.http.post("/v2/models/flow/event", json={"id": 7, "x": 1}).json()["score"] == 5.0
    live.house.alias("m", "champion", 2)
    assert live.http.post("/v2/models/flow/event", json={"id": 7, "x": 1}).json()["score"] == 500.0
    live.house.alias("m", "champion", 1)
    edges = live.house.catalog.rows("SELECT from_kind, from_ref FROM catalog.ml.lineage WHERE to_ref = 'default.flow'")
    found = {(edge["from_kind"], edge["from_ref"]) for edge in edges}
    assert {("model", "default.m@1"), ("function", "default.clean@1"), ("feature vector", "default.v")} <= found


def test_a_plain_path_serves_models_too(live: Live, scaled: Callable[..., bytes]) -> None:
    live.house.model("n", scaled(2.0), "x", "y")
    live.house.endpoint("plain", "n", url_path="/plain")
    url = "/v2/models/plain/event"
    assert live.http.post(url, json={"x": 1, "y": 2.5}).json() == {"prediction": 7.0, "value": 7.0}
    many = live.http.post(url, json=[{"x": 1, "y": 1}, {"x": 2, "y": None}]).json()
    assert many == [{"prediction": 4.0, "value": 4.0}, {"prediction": None, "value": None}]
    assert live.http.post(url, json=[1]).status_code == 400
    assert live.http.post(url, json={"x": "a", "y": 1}).status_code == 400
    with pytest.raises(AlreadyExists, match="PATH '/plain' is that of endpoint default.plain"):
        live.house.endpoint("other", "n", url_path="/plain")
    for path in ("/sql/x", "/v2/models", "/a b", "/a/../b", "/"):
        with pytest.raises(Invalid, match="PATH"):
            live.house.endpoint("other", "n", url_path=path)


def test_a_graph_that_names_what_is_not_there_is_refused_at_its_place(live: Live) -> None:
    for step, says in (
        ("{kind: model, model: nosuch}", "there is no model default.nosuch"),
        ("{kind: map, function: nosuch}", "there is no function 'nosuch'"),
        ("{kind: enrich, vector: nosuch}", "there is no feature vector"),
        ("{kind: queue, to: 'ftp://x'}", "no place that rows are written to"),
        ("{kind: queue, to: 'kafka://broker'}", "does not name broker and topic"),
        ("{kind: map, function: clean, handler: Nosuch}", "Nosuch"),
    ):
        with pytest.raises((Invalid, NotFound), match=says):
            live.house.endpoint("bad", using="graph", graph="steps:\n - " + step + "\n")
    with pytest.raises(NotFound, match="there is no file"):
        live.house.endpoint("bad", using="graph", graph="nosuch.yaml")
    assert live.http.get("/v2/models/bad").status_code == 404


@pytest.mark.skipif(bool(WHY_NOT["kafka"]), reason=WHY_NOT["kafka"])
def test_events_go_to_a_stream(live: Live, tmp_path: Path) -> None:
    with rig("kafka", tmp_path) as stream:
        uri, _ = stream.address
        steps = f"steps:\n - {{kind: queue, to: '{uri}'}}\n"
        live.house.endpoint("streamed", using="graph", graph=steps)
        for number in range(3):
            assert live.http.post("/v2/models/streamed/event", json={"n": number}).json() == {"n": number}
        source = Source("", "default", "s", "kafka", uri)
        found: list[Any] = []
        batches = batches_of(source)
        wait_until(lambda: found.extend(next(batches).rows.column(JSON_COLUMN).to_pylist()) or len(found) == 3)
        batches.close()
        assert sorted(found) == ['{"n": 0}', '{"n": 1}', '{"n": 2}']


@pytest.mark.parametrize("form", ["timeout_ms: 700", "", "inner", "both", "nested"])
def test_code_that_hangs_is_ended_with_the_time_of_the_graph(live: Live, form: str) -> None:
    """Whether the graph, the step or the graph around it has the limit, or several do, of which the least counts; the
    next event is answered."""
    name = f"hangs{len(form)}{form[:1]}"
    code = "import time\ndef f(event):\n    time.sleep(600 if event.get('hang') else 0)\n    return {'fine': True}\n"
    live.house.function(name, code, "f")
    step = {"name": "f", "kind": "map", "function": name}
    graph: dict[str, Any] = {"steps": [step]}
    if form == "inner":
        graph = {"steps": [{"name": "within", "kind": "subgraph", "steps": [step]}], "timeout_ms": 700}
    elif form == "both":
        graph = {"steps": [{**step, "timeout_ms": 90_000}], "timeout_ms": 700}
    elif form == "nested":
        inner = {"name": "within", "kind": "subgraph", "steps": [{**step, "timeout_ms": 90_000}], "timeout_ms": 80_000}
        graph = {"steps": [inner], "timeout_ms": 700}
    elif form:
        graph["timeout_ms"] = 700
    else:
        step["timeout_ms"] = 700
    live.house.endpoint(name, using="graph", graph=json.dumps(graph))
    url = f"/v2/models/{name}/event"
    hung = live.http.post(url, json={"hang": True})
    assert (hung.status_code, hung.json()["code"]) == (503, "deadline_exceeded")

    def ended() -> bool:
        return any(
            event.kind == "serving.process_ended" and "the time limit of 700 ms" in str(event.data)
            for event in live.house.events
        )

    wait_until(ended)
    live.house.events.clear()
    wait_until(lambda: live.http.post(url, json={}).json() == {"fine": True})


def test_code_that_hangs_on_a_large_request_is_ended_with_the_time_of_the_graph(live: Live) -> None:
    code = "import time\ndef f(inputs):\n    time.sleep(600 if len(inputs['x']) > 9 else 0)\n    return inputs['x']\n"
    live.house.function("slow", code, "f")
    live.house.endpoint("slow", using="function", function="slow", options={"timeout_ms": 90_000})
    predictor = live.house.endpoints.ensure(live.house.endpoints.directory.find("slow")).arms[0].predictor
    predictor.kept = 0.7
    rows = INLINE_BYTES // 8 + 1
    live.house.events.clear()

    async def ask() -> None:
        async with asyncio.timeout(0.7):
            await predictor.ask("predict", {"x": np.zeros(rows)}, rows)

    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    wait_until(lambda: "700 ms" in str([event for event in live.house.events if event.kind.endswith("process_ended")]))
    wait_until(lambda: live.rows("slow", {"x": [4.0]}).status_code == 200)


@pytest.mark.parametrize("mode", ["traffic", "mean", "vote"])
def test_a_router_of_models_that_give_tensors_says_so(live: Live, mode: str) -> None:
    for factor in (1.0, 2.0):
        live.house.model("drawn", tensor_models.segmenter(factor))
    graph = f"steps: [{{name: r, kind: router, models: [drawn@1, drawn@2], mode: {mode}}}]"
    live.house.endpoint(f"drawn_{mode}", using="graph", graph=graph + "\n")
    answer = live.http.post(f"/v2/models/drawn_{mode}/event", json={"image": np.ones((3, 4, 4)).tolist()})
    assert answer.status_code == 400, answer.text
    assert "gives mask, score and no number" in answer.json()["error"]
