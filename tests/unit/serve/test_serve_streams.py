"""Answers in pieces, over HTTP: real processes whose generators wait, raise, hang and die; real clients that leave."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving_house import DictReader, House, Live, served
from waiting import wait_until

from mlbox.base.command import Query
from mlbox.base.names import Ref

WRITER = """
import os, time
from mlbox import BadInput

def write(text_input, folder="", pieces=3, fails=False, dies=False, hangs=False):
    if text_input == "refuse":
        raise BadInput("no such text", "send another")
    made = 0
    try:
        for word in text_input.split():
            if folder:
                until = time.monotonic() + 30
                while not os.path.exists(os.path.join(folder, str(made))) and time.monotonic() < until:
                    time.sleep(0.005)
            if made == 2:
                if fails: raise ValueError("no more words")
                if dies: os._exit(9)
                if hangs: time.sleep(60)
            yield word + " "
            made += 1
    except GeneratorExit:
        with open(os.path.join(folder, "closed"), "w") as file:
            file.write(str(made))
        raise
"""
CHATTER = """
import asyncio, os

class Chatter:
    features = ("messages", "name")

    async def preprocess(self, inputs):
        return {**inputs, "messages": [m["content"] for m in inputs["messages"]]}

    async def predict(self, inputs):
        try:
            for content in inputs["messages"]:
                if content == "wait":
                    await asyncio.sleep(600)
                yield content
        finally:
            if inputs["name"].startswith("/"):
                open(inputs["name"], "w").close()

    def postprocess(self, piece):
        return {"text_output": piece.upper(), "length": len(piece)}
"""
FLOOD = """
import os, time
def flood(pieces, folder):
    try:
        for number in range(pieces):
            open(os.path.join(folder, "made"), "w").write(str(number))
            yield "x" * 100_000
    except GeneratorExit:
        time.sleep(0.5)  # which it may: it kept nobody waiting
        open(os.path.join(folder, "closed"), "w").close()
        raise
"""
ENDLESS = """
import os, time
def endless(folder):
    open(os.path.join(folder, "begun"), "a").write("x")
    try:
        while True:
            time.sleep(0.02)
            yield "x"
    except GeneratorExit:
        open(os.path.join(folder, "closed"), "w").close()
        raise
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One house and server for all of this file."""
    house = House(tmp_path_factory.mktemp("streams"))
    house.function("writer", WRITER, "write")
    house.endpoint("writer", function="writer", options={"timeout_ms": 60_000, "processes": 2})
    house.function("chatter", CHATTER, "Chatter")
    house.endpoint("chatter", function="chatter", options={"timeout_ms": 300_000})
    with served(house) as live:
        yield live


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """What the data of each event holds, as it comes."""
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line[6:])


def _all(live: Live, endpoint: str, **fields: Any) -> list[dict[str, Any]]:
    with live.http.stream("POST", f"/v2/models/{endpoint}/generate_stream", json=fields) as reply:
        assert reply.status_code == 200, reply.read()
        return list(_events(reply.iter_lines()))


def _ready(live: Live, endpoint: str) -> bool:
    """Whether a process of its code has nothing to do."""
    runtime = live.house.endpoints.directory.find(endpoint).runtime
    assert runtime is not None
    return any(not process.busy for process in list(runtime.arms[0].predictor._lease.pool._processes))


def _logged(live: Live, request_id: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []

    def there() -> bool:
        rows[:] = live.house.predictions(f"request_id = '{request_id}'")
        return bool(rows)

    wait_until(there)
    (row,) = rows
    return row


def test_a_piece_reaches_the_caller_before_the_next_is_made(shared: Live, tmp_path: Path) -> None:
    body = {"text_input": "one two three", "parameters": {"folder": str(tmp_path)}}
    (tmp_path / "0").touch()  # the answer begins when there is a piece
    with shared.http.stream("POST", "/v2/models/writer/generate_stream", json=body) as reply:
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = _events(reply.iter_lines())
        assert next(events) == {"model_name": "writer", "model_version": "1", "text_output": "one "}
        assert not (tmp_path / "1").exists()  # the generator waits for it still
        for number in (1, 2):
            (tmp_path / str(number)).touch()
            assert next(events)["text_output"] == ("one ", "two ", "three ")[number]
        assert list(events) == []
    row = _logged(shared, reply.headers["x-request-id"])
    assert row["inputs"]["text_input"] == "one two three" and row["status"] == "ok"
    assert row["outputs"]["text_output"] == "one two three " and row["outputs"]["pieces"] == 3
    assert 0 < row["outputs"]["first_ms"] < row["latency_ms"]


def test_generate_and_infer_join_the_pieces(shared: Live) -> None:
    whole = shared.http.post("/v2/models/writer/versions/1/generate", json={"text_input": "a b", "pieces": 9})
    assert whole.json() == {"model_name": "writer", "model_version": "1", "text_output": "a b "}
    texts = {"name": "text_input", "shape": [2], "datatype": "BYTES", "data": ["a b", "c"]}
    (output,) = shared.http.post("/v2/models/writer/infer", json={"inputs": [texts]}).json()["outputs"]
    assert output == {"name": "text_output", "datatype": "BYTES", "shape": [2], "data": ["a b ", "c "]}
    assert shared.http.post("/v2/models/writer/event", json={"text_input": "a"}).json() == {"text_output": "a "}
    messages = [{"role": "user", "content": "hi"}, {"role": "user", "content": "you"}]
    told = shared.http.post("/v2/models/chatter/generate", json={"messages": messages, "name": "n"}).json()
    assert told["text_output"] == "HIYOU" and told["length"] == 3


def test_what_the_code_is_given_needs_not_be_plain(shared: Live) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "user", "content": "you"}]
    fields = {"messages": messages, "name": "n"}
    with shared.http.stream("POST", "/v2/models/chatter/generate_stream", json=fields) as reply:
        events = list(_events(reply.iter_lines()))
    assert [(e["text_output"], e["length"]) for e in events] == [("HI", 2), ("YOU", 3)]
    row = _logged(shared, reply.headers["x-request-id"])
    assert json.loads(row["inputs"]["messages"]) == messages and row["outputs"]["text_output"] == "HIYOU"


def test_what_fails_before_the_first_piece_is_a_plain_error(shared: Live, tmp_path: Path) -> None:
    ask = "/v2/models/writer/generate_stream"
    refused = shared.http.post(ask, json={"text_input": "refuse"})
    assert refused.status_code == 400 and refused.headers["content-type"] == "application/json"
    assert refused.json() == {"error": "no such text", "code": "invalid", "hint": "send another"}
    missing = shared.http.post(ask, json={"folder": "x"})
    assert missing.status_code == 400 and "'text_input'" in missing.json()["error"]
    assert shared.http.post(ask, content=b"[1]").status_code == 400
    assert shared.http.post(ask, content=b"{").status_code == 400
    assert shared.http.post("/v2/models/nobody/generate_stream", json={}).status_code == 404
    assert shared.http.post("/v2/models/writer/versions/7/generate_stream", json={"text_input": "a"}).status_code == 404
    assert shared.http.get(ask).status_code == 405
    waiting = {"text_input": "a", "folder": str(tmp_path)}
    late = shared.http.post(ask, json=waiting, headers={"x-request-timeout-ms": "50"})
    (tmp_path / "0").touch()
    assert late.status_code == 503 and late.json()["code"] == "deadline_exceeded"


@pytest.mark.parametrize(
    ("what", "code", "told"),
    [
        ("fails", "code_failed", "ValueError: no more words (writer.py, line 16)"),
        ("dies", "unavailable", "exit status 9"),
        ("hangs", "deadline_exceeded", "4000 ms"),
    ],
)
def test_what_fails_after_it_is_the_last_event(shared: Live, what: str, code: str, told: str) -> None:
    name = f"bad_{what}"
    limit = 4000 if what == "hangs" else 60_000  # in which a process begins, too
    shared.house.endpoint(name, function="writer", options={"timeout_ms": limit})
    body = {"text_input": "one two three four", what: True}
    predictor = shared.house.endpoints.directory.find(name).runtime.arms[0].predictor
    before = set(predictor._lease.pool.pids())
    with shared.http.stream("POST", f"/v2/models/{name}/generate_stream", json=body) as reply:
        lines = list(reply.iter_lines())
    events = list(_events(iter(lines)))
    assert reply.status_code == 200 and [event.get("text_output") for event in events] == ["one ", "two ", None]
    assert events[-1]["code"] == code and told in events[-1]["error"] and events[-1]["hint"]
    assert lines[-3:-1] == ["event: error", "data: " + json.dumps(events[-1], separators=(",", ":"))]
    row = _logged(shared, reply.headers["x-request-id"])
    assert row["status"] == "error" and told in row["error"]
    wait_until(lambda: what == "fails" or set(predictor._lease.pool.pids()) - before)  # the next process
    assert _all(shared, name, text_input="again")[0]["text_output"] == "again "


def test_a_client_who_goes_away_ends_the_generator(shared: Live, tmp_path: Path) -> None:
    (tmp_path / "0").touch()
    body = {"text_input": "one two three four", "folder": str(tmp_path)}
    with httpx.Client(base_url=shared.server.url, timeout=60) as client:
        with client.stream("POST", "/v2/models/writer/generate_stream", json=body) as reply:
            assert next(_events(reply.iter_lines()))["text_output"] == "one "
    row = _logged(shared, reply.headers["x-request-id"])
    assert row["outputs"]["ended"] == "the caller went away" and row["outputs"]["text_output"] == "one "
    (tmp_path / "1").touch()
    wait_until((tmp_path / "closed").exists)
    assert (tmp_path / "closed").read_text() == "1"
    gone = tmp_path / "gone"
    body = {"messages": [{"content": "a"}, {"content": "wait"}], "name": str(gone)}
    with httpx.Client(base_url=shared.server.url, timeout=60) as client:
        with client.stream("POST", "/v2/models/chatter/generate_stream", json=body) as reply:
            assert next(_events(reply.iter_lines()))["text_output"] == "A"
    wait_until(gone.exists)  # asynchronous code is not waited for until its next piece


def test_who_does_not_read_is_waited_for_and_fills_no_memory(shared: Live, tmp_path: Path) -> None:
    shared.house.function("flood", FLOOD)
    shared.house.endpoint("flood", function="flood", options={"timeout_ms": 5000, "threads": 2})
    body = {"pieces": 5000, "folder": str(tmp_path)}
    with httpx.Client(base_url=shared.server.url, timeout=60) as client:
        with client.stream("POST", "/v2/models/flood/generate_stream", json=body) as reply:
            assert reply.status_code == 200
            assert len(_all(shared, "flood", pieces=40, folder=str(tmp_path / ".."))) == 40  # the other thread's
            wait_until((tmp_path / "closed").exists)  # who takes nothing for so long is not waited for
            assert int((tmp_path / "made").read_text()) < 1000
    row = _logged(shared, reply.headers["x-request-id"])
    assert row["outputs"]["ended"] and len(row["outputs"]["text_output"]) == 64 * 1024


def test_streams_take_no_more_room_than_a_process_has(shared: Live, tmp_path: Path) -> None:
    shared.house.endpoint("narrow", function="writer", options={"timeout_ms": 20_000, "max_queue": 2})
    body = {"text_input": "one two", "folder": str(tmp_path)}

    def ask(_: int) -> int:
        with httpx.Client(base_url=shared.server.url, timeout=60) as client:
            return client.post("/v2/models/narrow/generate_stream", json=body).status_code

    slot = shared.house.endpoints.directory.find("narrow")
    with ThreadPoolExecutor(2) as threads:
        under_way = threads.map(ask, range(2))
        wait_until(lambda: slot.meter.waiting == 2)
        full = shared.http.post("/v2/models/narrow/generate_stream", json=body)
        assert full.status_code == 503 and full.json()["code"] == "overloaded" and full.headers["retry-after"]
        for number in (0, 1):
            (tmp_path / str(number)).touch()
        assert list(under_way) == [200, 200]
    wait_until(lambda: slot.meter.waiting == 0)


def test_a_whole_stream_has_a_limit(shared: Live, tmp_path: Path) -> None:
    (tmp_path / "0").touch()
    body = {"text_input": "one two", "folder": str(tmp_path)}
    headers = {"x-request-timeout-ms": "4000"}
    wait_until(lambda: _ready(shared, "writer"))  # whatever was asked before
    with shared.http.stream("POST", "/v2/models/writer/generate_stream", json=body, headers=headers) as reply:
        events = list(_events(reply.iter_lines()))
    assert events[0]["text_output"] == "one " and events[1]["code"] == "deadline_exceeded"
    assert "4000 ms" in events[1]["error"]


def test_endpoints_that_do_not_stream_generate_too(shared: Live, scaled: Any) -> None:
    shared.house.model("m", scaled(2.0), "x", "y")
    shared.house.endpoint("m", "m@1")
    told = shared.http.post("/v2/models/m/generate", json={"x": 1, "parameters": {"y": 3}}).json()
    assert told["model_name"] == "m" and told["prediction"] == 8.0
    assert _all(shared, "m", x=1, y=3) == [told]
    graph = {"steps": [{"name": "a", "kind": "map", "set": {"text_output": "upper(text_input)"}}]}
    shared.house.endpoint("g", using="graph", graph=json.dumps(graph))
    assert shared.http.post("/v2/models/g/generate", json={"text_input": "a"}).json()["text_output"] == "A"
    assert shared.http.post("/v2/models/m/generate", json={"x": {"a": 1}, "y": 2}).status_code == 400


def test_features_are_looked_up_for_a_stream_too(shared: Live) -> None:
    shared.house.readers.known["who"] = DictReader({("k",): {"name": "Ada"}}, ["id"], ["name"])
    source = "def greet(text_input, name):\n    yield text_input\n    yield ' ' + name\n"
    shared.house.function("greet", source)
    shared.house.endpoint("greet", function="greet", enrich=Ref("default", "who"))
    assert [event["text_output"] for event in _all(shared, "greet", text_input="Hello", id="k")] == ["Hello", " Ada"]


def test_metadata_and_openapi_say_it(shared: Live) -> None:
    assert "generate" in shared.http.get("/v2").json()["extensions"]
    told = shared.http.get("/v2/models/writer").json()
    assert told["outputs"] == [{"name": "text_output", "datatype": "BYTES", "shape": [-1]}]
    assert told["parameters"] == {"streams": True}
    paths = shared.http.get("/v2/models/writer/openapi.json").json()["paths"]
    stream = paths["/v2/models/default.writer/generate_stream"]["post"]
    assert "text/event-stream" in stream["responses"]["200"]["content"]


def test_an_endpoint_that_is_replaced_ends_its_streams_first(shared: Live, tmp_path: Path) -> None:
    shared.house.endpoint("turned", function="writer")
    (tmp_path / "0").touch()
    body = {"text_input": "one two", "folder": str(tmp_path)}
    with shared.http.stream("POST", "/v2/models/turned/generate_stream", json=body) as reply:
        events = _events(reply.iter_lines())
        assert next(events)["text_output"] == "one "
        shared.house.function("writer2", "def write(text_input):\n    yield 'new'\n")
        shared.house.endpoint("turned", function="writer2", replace=True)
        assert _all(shared, "turned", text_input="x")[0]["text_output"] == "new"
        (tmp_path / "1").touch()
        assert [event["text_output"] for event in events] == ["two "]


def test_pieces_that_cannot_be_sent_are_told(shared: Live) -> None:
    source = "def odd(kind):\n    yield {'nan': float('nan'), 'type': object(), 'long': 'x' * 2_000_000}[kind]\n"
    shared.house.function("odd", source)
    shared.house.endpoint("odd", function="odd")
    for kind, told in (("nan", "JSON compliant"), ("type", "object"), ("long", "1,048,576")):
        reply = shared.http.post("/v2/models/odd/generate_stream", json={"kind": kind})
        assert reply.status_code == 500 and reply.json()["code"] == "code_failed" and told in reply.json()["error"]


def test_an_answer_that_is_joined_has_a_limit(shared: Live, tmp_path: Path) -> None:
    shared.house.function("endless", ENDLESS)
    shared.house.endpoint("endless", function="endless")  # no timeout_ms: the limit is the code's own
    slot = shared.house.endpoints.directory.find("endless")
    assert slot.runtime is not None
    slot.runtime.arms[0].predictor.seconds = 4.0
    late = shared.http.post("/v2/models/endless/generate", json={"folder": str(tmp_path)}, timeout=25)
    assert late.status_code == 503 and late.json()["code"] == "deadline_exceeded" and "4000 ms" in late.json()["error"]
    wait_until((tmp_path / "closed").exists)
    wait_until(lambda: slot.meter.waiting == 0)
    assert slot.meter.late == 1


def test_rows_of_a_request_are_some_tasks_not_one_each(shared: Live, tmp_path: Path) -> None:
    slot = shared.house.endpoints.directory.find("writer")
    assert slot.runtime is not None
    predictor = slot.runtime.arms[0].predictor

    async def ask() -> int:
        texts = {"text_input": ["a"] * 5000, "folder": [str(tmp_path)] * 5000}
        asked = asyncio.ensure_future(predictor.ask("predict", texts, 5000))
        while len(asyncio.all_tasks()) < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        many = len(asyncio.all_tasks())
        asked.cancel()
        (tmp_path / "0").touch()
        return many

    assert 3 <= asyncio.run(ask()) <= 12


def test_answers_of_rows_may_name_their_fields_in_any_order(shared: Live) -> None:
    source = "def ordered(x):\n    yield {'a': 'p', 'b': 'q'} if x > 1 else {'b': 'r', 'a': 's'}\n"
    shared.house.function("ordered", source)
    shared.house.endpoint("ordered", function="ordered")
    outputs = shared.rows("ordered", {"x": [1.0, 2.0]}).json()["outputs"]
    assert {each["name"]: each["data"] for each in outputs} == {"a": ["s", "p"], "b": ["r", "q"]}


def test_lists_are_tensors_where_the_code_declares_them(shared: Live) -> None:
    source = """
class Seer:
    inputs = {"image": ("FP32", [-1, 3]), "words": ("BYTES", [-1])}
    def predict(self, inputs):
        yield {"sum": sum(inputs["image"]), "words": inputs["words"]}
"""
    shared.house.function("seer", source, "Seer")
    shared.house.endpoint("seer", function="seer")
    body = {"image": [1, 2, 3], "words": ["a", {"b": 1}]}
    told = shared.http.post("/v2/models/seer/generate", json=body).json()
    assert told.get("sum") == 6.0 and told["words"] == ["a", {"b": 1}], told
    assert _all(shared, "seer", **body)[0]["sum"] == 6.0
    wrong = shared.http.post("/v2/models/seer/generate_stream", json=body | {"image": [1, 2]})
    assert wrong.status_code == 400 and "'image'" in wrong.json()["error"] and "[-1, 3]" in wrong.json()["error"]


def test_what_preprocess_makes_of_a_nested_field_is_what_the_code_is_given(shared: Live) -> None:
    shared.house.function("echo", "def echo(messages):\n    yield str(messages)\n")
    shared.house.endpoint("echo", function="echo", preprocess=Query("upper(messages) AS messages"))
    assert _all(shared, "echo", messages=["a", "b"])[0]["text_output"] == '["A","B"]'


def test_a_new_version_does_not_run_generators_again(shared: Live, tmp_path: Path) -> None:
    for number in (1, 2):
        source = f"def again(file):\n    open(file, 'a').write('x')\n    yield '{number}'\n"
        shared.house.function("again", source)
        shared.house.endpoint("again", function="again", replace=number == 2)
        body = {"file": str(tmp_path / "asked")}
        assert shared.http.post("/v2/models/again/generate", json=body).json()["text_output"] == str(number)
        assert (tmp_path / "asked").read_text() == "x" * number
    assert not shared.house.endpoints.directory.find("again").recent


def test_a_shadow_is_asked_after_the_one_event_of_what_does_not_stream(shared: Live, scaled: Any) -> None:
    shared.house.model("dark", scaled(2.0), "x", "y")
    shared.house.model("dark", scaled(3.0), "x", "y")
    shared.house.endpoint("dark", "dark@1", shadow=Ref("default", "dark", "2"))
    assert _all(shared, "dark", x=1, y=3)[0]["prediction"] == 8.0
    wait_until(lambda: len(shared.house.predictions("endpoint = 'dark'")) == 2)


def test_the_server_answers_while_a_process_does_not_read(shared: Live, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    source = """
import ctypes
def held(text, gate=""):
    yield "begun"
    if gate:
        ctypes.PyDLL(None).open(gate.encode(), 0)  # keeps the interpreter's lock until somebody writes
    yield str(len(text))
"""
    shared.house.function("held", source, "held")
    shared.house.endpoint("held", function="held", options={"timeout_ms": 40_000, "threads": 3})
    runtime = shared.house.endpoints.directory.find("held").runtime
    assert runtime is not None
    pool = runtime.arms[0].predictor._lease.pool

    def ask(**fields: str) -> str:
        with httpx.Client(base_url=shared.server.url, timeout=60) as client:
            return str(client.post("/v2/models/held/generate", json=fields).json()["text_output"])

    def under_way(many: int) -> bool:
        return len(pool._processes[0].busy) == many

    with ThreadPoolExecutor(3) as threads:
        try:
            asked = [threads.submit(ask, text="", gate=str(tmp_path / "gate"))]
            wait_until(lambda: under_way(1))
            time.sleep(1)  # it is in C by then
            for many, text in ((2, "x" * 20_000_000), (3, "y")):
                asked.append(threads.submit(ask, text=text))
                wait_until(lambda many=many: under_way(many))
                for _ in range(3):
                    assert shared.http.get("/v2/health/live", timeout=10).status_code == 200
        finally:
            with open(tmp_path / "gate", "w"):
                pass
        assert [each.result() for each in asked] == ["begun0", "begun20000000", "begun1"]
