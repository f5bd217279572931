"""Everything that can be wrong with a request, or behind it: a clear error for its sender, and for nobody else.

Good requests are sent all the while; not one of them may notice.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import onnx
import onnx_models
import pyarrow as pa
import pytest
from serving_house import DictReader, House, Live, served, tensors
from waiting import wait_until

from mlbox.base.errors import MlboxError
from mlbox.base.names import Ref
from mlbox.base.settings import Settings

CODE = """
import time

class Steps:
    def do(self, event):
        if event.get("x") == 1: raise ValueError("unlucky")
        if event.get("x") == 2: time.sleep(600)
        if event.get("x") == 3: return object()
        return event

def score(x):
    if x == 1: raise ValueError("unlucky")
    if x == 2: time.sleep(600)
    if x == 3: return {"prediction": [[1], "two"]}
    if x == 4: return "\\ud800"
    if x == 5: return 10**400
    if x == 6: raise ValueError("\\ud800" + "a" * 1_000_000)
    if x == 7: raise Odd()
    return x

class Odd(Exception):
    def __str__(self): raise ValueError("no text")

def many(inputs):
    return [1, 2, 3]
"""
GOOD = {"inputs": tensors({"x": [1.0], "y": [2.0]})}
X = {"name": "X", "shape": [1, 2], "datatype": "FP32"}


@dataclass
class Bystanders:
    """Clients who ask good questions until they are told to stop."""

    url: str
    wrong: list[str] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(name,)) for name in ("good", "code", "flow")]
        for thread in self._threads:
            thread.start()

    def _ask(self, endpoint: str) -> None:
        body = GOOD if endpoint == "good" else {"inputs": tensors({"x": [9.0]})}
        expected = {"good": 6.0, "code": 9.0, "flow": 9.0}[endpoint]
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post(f"/v2/models/{endpoint}/infer", json=body)
                    if answer.status_code != 200 or answer.json()["outputs"][0]["data"] != [expected]:
                        self.wrong.append(f"{endpoint}: {answer.text}")
                except httpx.HTTPError as error:
                    self.wrong.append(f"{endpoint}: {error!r}")
                self.count += 1

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    house = House(tmp_path_factory.mktemp("bad"), Settings(log_flush_ms=20, body_seconds=2, max_request_mb=1))
    house.readers.known["v"] = DictReader(
        {(7,): {"x": 1.0, "y": 2.0}}, ["id"], ["x", "y"], entity_types={"id": "BIGINT"}
    )
    house.model("m", onnx_models.scaled(2.0), "x", "y")
    house.model("texts", onnx_models.by_column(), "age", "weight", "city")
    house.function("code", CODE, "score")
    house.function("many", CODE, "many")
    house.function("steps", CODE, "Steps")
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))  # and nobody listens
    away = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
    house.endpoint("good", "m")
    house.endpoint("strict", "m", options={"missing": "reject"})
    house.endpoint("texts", "texts")
    house.endpoint("stored", "m", enrich=Ref("default", "v"), options={"missing": "reject"})
    house.endpoint("code", function="code", options={"timeout_ms": 60_000, "processes": 3})
    house.endpoint("hurried", function="code", options={"timeout_ms": 3000})
    house.endpoint("many", function="many")
    for name, options in (("flow", {"timeout_ms": 60_000, "processes": 3}), ("hurried_flow", {"timeout_ms": 3000})):
        house.endpoint(
            name,
            using="graph",
            graph="steps:\n - {name: own, kind: map, function: steps}\n"
            " - {name: prediction, kind: map, set: {prediction: x}}\n",
            options=options,
        )
    house.endpoint("away", using="graph", graph=f"steps:\n - {{name: asked, kind: remote, url: '{away}'}}\n")
    with nobody, served(house) as live:
        yield live


@pytest.fixture(scope="module", autouse=True)
def bystanders(live: Live) -> Iterator[Bystanders]:
    running = Bystanders(live.server.url)
    wait_until(lambda: running.count > 10)
    begun = running.count
    yield running
    wait_until(lambda: running.count > begun + 10)  # they are answered in the end too
    running.stop()
    assert running.wrong == []


def _binary(size: Any, raw: bytes, **more: Any) -> tuple[bytes, dict[str, str]]:
    head = json.dumps({"inputs": [{**X, "parameters": {"binary_data_size": size}, **more}]}).encode()
    return head + raw, {"inference-header-content-length": str(len(head))}


def _arrow(**columns: Any) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


ARROW = {"content-type": "application/vnd.apache.arrow.stream"}
WRONG: list[tuple[str, str, Any, dict[str, str], int, str, str]] = [
    # what, endpoint, body, headers, status, code, says
    ("no such tensor", "good", {"inputs": tensors({"x": [1.0], "z": [1.0]})}, {}, 400, "invalid", "no input 'y'"),
    ("no inputs", "good", {"inputs": []}, {}, 400, "invalid", "no inputs"),
    ("no shape", "good", {"inputs": [{"name": "x", "datatype": "FP32", "data": [1]}]}, {}, 400, "invalid", "`shape`"),
    ("shape", "good", {"inputs": [{**X, "data": [1, 2, 3]}]}, {}, 400, "invalid", "'X' has 3 values"),
    ("width", "good", {"inputs": [{**X, "shape": [1, 3], "data": [1, 2, 3]}]}, {}, 400, "invalid", "'X' has 3 columns"),
    ("rank", "good", {"inputs": [{**X, "shape": [1, 2, 1], "data": [1, 2]}]}, {}, 400, "invalid", "'X' has shape"),
    ("no rows", "good", {"inputs": [{**X, "shape": [0, 2], "data": []}]}, {}, 400, "invalid", "'X' has shape [0, 2]"),
    ("huge shape", "good", {"inputs": [{**X, "shape": [2**62, 2], "data": []}]}, {}, 400, "invalid", "at most"),
    ("huger shape", "good", {"inputs": [{**X, "shape": [2**70, 2], "data": []}]}, {}, 400, "invalid", "at most"),
    ("type", "good", {"inputs": [{**X, "data": ["a", "b"]}]}, {}, 400, "invalid", "'X': 'a' is not FP32"),
    ("datatype", "good", {"inputs": [{**X, "datatype": "FP31", "data": [1, 2]}]}, {}, 400, "invalid", "'FP31'"),
    ("other type", "good", {"inputs": tensors({"x": ["a"], "y": [1]})}, {}, 400, "invalid", "'x' has datatype BYTES"),
    ("text", "texts", {"inputs": tensors({"age": ["a"], "weight": [1.0], "city": ["b"]})}, {}, 400, "invalid", "'age'"),
    ("ragged", "good", {"inputs": [{**X, "shape": [2, 2], "data": [[1, 2], [3]]}]}, {}, 400, "invalid", "row 1"),
    ("null", "strict", {"inputs": tensors({"x": [None], "y": [1.0]})}, {}, 400, "invalid", "no value of 'x'"),
    ("NaN", "strict", _binary(8, b"\0\0\xc0\x7f\0\0\0\0")[0], _binary(8, b"")[1], 400, "invalid", "no value of 'x'"),
    ("NaN in JSON", "good", b'{"rows": [{"x": NaN, "y": 1}]}', {}, 400, "invalid", "not valid JSON"),
    ("bytes left", "good", *_binary(9, bytes(9)), 400, "invalid", "'X': 9 bytes"),
    ("bytes lacking", "good", *_binary(8, bytes(7)), 400, "invalid", "'X': binary_data_size is 8, 7 bytes are left"),
    ("bytes of nobody", "good", *_binary(8, bytes(9)), 400, "invalid", "1 bytes of the body belong to no input"),
    ("negative size", "good", *_binary(-8, bytes(8)), 400, "invalid", "'X': binary_data_size is -8"),
    ("both", "good", *_binary(8, bytes(8), data=[1, 2]), 400, "invalid", "'X' has both"),
    ("head", "good", b"{}", {"inference-header-content-length": "3"}, 400, "invalid", "the body has 2 bytes"),
    ("no number", "good", b"{}", {"inference-header-content-length": "1e3"}, 400, "invalid", "is no number"),
    ("long number", "good", b"{}", {"inference-header-content-length": "9" * 5000}, 400, "invalid", "is no number"),
    ("raw", "good", bytes(9), {"inference-header-content-length": "0"}, 400, "invalid", "a row of 'X', 2 times FP32"),
    ("empty raw", "good", b"", {"inference-header-content-length": "0"}, 400, "invalid", "the body has 0 bytes"),
    ("raw for several", "texts", bytes(8), {"inference-header-content-length": "0"}, 400, "invalid", "one tensor"),
    ("half JSON", "good", b'{"inputs": [', {}, 400, "invalid", "not valid JSON"),
    ("no UTF-8", "good", b'{"id": "\xff"}', {}, 400, "invalid", "not valid JSON"),
    ("deep", "good", b'{"inputs": [], "parameters": {"a": ' + b"[" * 99_999, {}, 400, "invalid", "not valid JSON"),
    ("nothing", "good", b"", {}, 400, "invalid", "not valid JSON"),
    ("half gzip", "good", gzip.compress(b"{}")[:-4], {"content-encoding": "gzip"}, 400, "invalid", "ends too early"),
    ("bomb", "good", gzip.compress(bytes(3 << 20)), {"content-encoding": "gzip"}, 413, "too_large", "unpacked body"),
    ("packing", "good", b"{}", {"content-encoding": "br"}, 415, "unsupported_media_type", "'br'"),
    ("media type", "good", b"<x/>", {"content-type": "text/xml"}, 415, "unsupported_media_type", "text/xml"),
    ("too large", "good", b" " * (2 << 20), {}, 413, "too_large", "1,048,576 bytes"),
    ("no Arrow", "good", b"ARROW1", ARROW, 400, "invalid", "no Arrow stream"),
    ("half Arrow", "good", _arrow(x=[1.0], y=[2.0])[:-150], ARROW, 400, "invalid", "Arrow stream"),
    ("Arrow type", "good", _arrow(x=[{"a": 1}], y=[2.0]), ARROW, 400, "invalid", "'x' is of type"),
    ("row type", "good", {"rows": [{"x": {}, "y": 1}]}, {}, 400, "invalid", "row 0: 'x'"),
    ("row of another kind", "good", {"rows": [{"x": 1, "y": 1}, {"x": "a", "y": 1}]}, {}, 400, "invalid", "row 1: 'x'"),
    ("version", "good/versions/7", GOOD, {}, 404, "not_found", "does not serve version '7'"),
    ("no number of a version", "good/versions/latest", GOOD, {}, 404, "not_found", "does not serve version 'latest'"),
    ("endpoint", "godo", GOOD, {}, 404, "not_found", "no endpoint 'godo'"),
    ("output", "good", {**GOOD, "outputs": [{"name": "valeu"}]}, {}, 400, "invalid", "no output 'valeu'"),
    ("row ids", "good", {**GOOD, "parameters": {"row_ids": ["a", "b"]}}, {}, 400, "invalid", "2 ids for 1 rows"),
    ("time", "good", {**GOOD, "parameters": {"event_time": "soon"}}, {}, 400, "invalid", "ISO 8601"),
    ("time before all", "good", {**GOOD, "parameters": {"event_time": "0001-01-01T00:00:00+14:00"}}, {}, 400, "invalid",
     "ISO 8601"),
    ("time after all", "good", {**GOOD, "parameters": {"event_time": ["9999-12-31T23:59:59-14:00"]}}, {}, 400,
     "invalid", "ISO 8601"),
    ("digits", "good", {"inputs": [{**X, "data": [10**400, 1]}]}, {}, 400, "invalid", "'X': a whole number has more"),
    ("digits alone", "good", {"inputs": tensors({"x": [10**400], "y": [1]})}, {}, 400, "invalid", "'x': a whole"),
    ("digits in rows", "good", {"rows": [{"x": -(10**400), "y": 1}]}, {}, 400, "invalid", "'x': a whole number"),
    ("digits in lists", "good", {"rows": [{"X": [10**400, 1]}]}, {}, 400, "invalid", "'X': a whole number"),
    ("digits for code", "code", {"rows": [{"x": 10**400}]}, {}, 400, "invalid", "'x': a whole number"),
    ("patience", "good", GOOD, {"x-request-timeout-ms": "-1"}, 400, "invalid", "X-Request-Timeout-Ms"),
    ("no entity", "stored", {"inputs": tensors({"other": [1.0]})}, {}, 400, "invalid", "no input 'id'"),
    ("unknown entity", "stored", {"rows": [{"id": 8}]}, {}, 400, "invalid", "no value of 'x', 'y'"),
    ("entity of a wrong type", "stored", {"rows": [{"id": "seven"}]}, {}, 400, "invalid", "'id'"),
    ("code raises", "code", {"rows": [{"x": 1}]}, {}, 500, "code_failed", "ValueError: unlucky (code.py, line"),
    ("code hangs", "hurried", {"rows": [{"x": 2}]}, {}, 503, "deadline_exceeded", "time limit"),
    ("code answers nonsense", "code", {"rows": [{"x": 3}]}, {}, 500, "code_failed", "code"),
    ("code answers too many", "many", {"rows": [{"x": 4}]}, {}, 500, "code_failed", "many"),
    ("code answers no Unicode", "code", {"rows": [{"x": 4}]}, {}, 500, "code_failed", "surrogates not allowed"),
    ("code answers digits", "code", {"rows": [{"x": 5}]}, {}, 500, "code_failed", "more than 64 bits"),
    ("code raises no Unicode", "code", {"rows": [{"x": 6}]}, {}, 500, "code_failed", "ValueError: \\ud800aaa"),
    ("code raises no text", "code", {"rows": [{"x": 7}]}, {}, 500, "code_failed", "Odd: it cannot be shown"),
    ("step raises", "flow", {"rows": [{"x": 1}]}, {}, 500, "code_failed", "ValueError: unlucky (steps.py, line"),
    ("step hangs", "hurried_flow", {"rows": [{"x": 2}]}, {}, 503, "deadline_exceeded", "time limit"),
    ("step answers nonsense", "flow", {"rows": [{"x": 3}]}, {}, 500, "code_failed", "own"),
    ("upstream is down", "away", {"rows": [{"x": 1}]}, {}, 503, "unavailable", "cannot be reached"),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "body", "headers", "status", "code", "says"), [w[1:] for w in WRONG],
                         ids=[w[0] for w in WRONG])  # fmt: skip
def test_what_is_wrong_is_told_to_its_sender(
    live: Live, endpoint: str, body: Any, headers: dict[str, str], status: int, code: str, says: str
) -> None:
    answer = live.infer(endpoint, body, headers=headers)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code), told
    assert says in told["error"], told
    assert "Traceback" not in answer.text and len(told["error"]) < 2000
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1


def test_too_many_digits_in_plain_json(live: Live) -> None:
    """At a path of an endpoint's own, ``event`` and ``generate``; one number of many rows is enough."""
    for path, body in (
        ("good/event", {"x": 10**400, "y": 1}),
        ("good/event", [{"x": 1, "y": 1}, {"x": -(10**400), "y": None}]),
        ("good/event", {"X": [10**400, 1]}),
        ("good/generate", {"x": 10**400, "y": 1}),
        ("code/event", {"x": 10**400}),
    ):
        answer = live.http.post(f"/v2/models/{path}", content=json.dumps(body))
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), answer.text
        assert "a whole number has more digits than fit in FP64" in answer.json()["error"]
    assert live.http.post("/v2/models/good/event", json={"x": 10**300, "y": None}).status_code == 200


def test_a_hint_says_what_next(live: Live) -> None:
    for body, hint in (
        ({"inputs": tensors({"x": [1.0], "yy": [1.0]})}, "did you mean it by yy"),
        ({"inputs": [{**X, "datatype": "FP31", "data": [1, 2]}]}, "did you mean"),
        ({**GOOD, "outputs": [{"name": "valeu"}]}, "outputs: prediction, value"),
        ({"rows": []}, '{"rows":'),
    ):
        assert hint in live.infer("good", body).json()["hint"]
    assert "did you mean good?" in live.infer("godo", GOOD).json()["hint"]
    assert "it serves 1" in live.infer("good/versions/7", GOOD).json()["hint"]


def test_a_body_that_breaks_off_or_goes_on_too_long(live: Live) -> None:
    """One that breaks off is nobody's; of one that goes on, what follows its length is another request, a wrong one."""
    content = json.dumps(GOOD).encode()
    head = (
        "POST /v2/models/good/infer HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live.server.port)) as connection:
        connection.sendall(head.format(len(content) + 10).encode() + content)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(30)
        assert not re.match(rb"HTTP/1.1 200", connection.recv(4096))
    with socket.create_connection(("127.0.0.1", live.server.port)) as connection:
        connection.sendall(head.format(len(content)).encode() + content + b"and more\r\n\r\n")
        connection.settimeout(30)
        told = b""
        while part := connection.recv(65536):
            told += part
        assert told.startswith(b"HTTP/1.1 200") and told.count(b"HTTP/1.1 400") == 1
    with socket.create_connection(("127.0.0.1", live.server.port)) as connection:  # in chunks, without an end
        connection.sendall(head.replace("Content-Length: {}", "Transfer-Encoding: chunked").encode())
        connection.settimeout(30)
        answer = b""
        try:
            for _ in range(64):
                connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            answer = connection.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            answer = b"HTTP/1.1 413"  # it was refused and closed before all was sent
        assert answer.startswith(b"HTTP/1.1 413")


def _too_new(ir: bool = False) -> bytes:
    model = onnx.load_from_string(onnx_models.scaled(1.0))
    if ir:
        model.ir_version = 99
    else:
        model.opset_import[0].version = 99
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a usable ONNX model"),
        (b"this is no model", "not a usable ONNX model"),
        (onnx_models.scaled(1.0)[:-40], "not a usable ONNX model"),
        (_too_new(), "Opset 99 is under development"),
        (_too_new(ir=True), "Unsupported model IR version: 99"),
    ],
    ids=["empty", "not a model", "cut off", "opset too new", "format too new"],
)
def test_a_file_that_is_no_model_is_refused_when_it_is_registered(live: Live, content: bytes, says: str) -> None:
    with pytest.raises(MlboxError) as refused:
        live.house.model("wrong", content, "x", "y")
    assert refused.value.http_status == 400 and says in refused.value.message and refused.value.hint
    assert "onnxruntime_src" not in refused.value.message  # where in its source it failed is of no use to anybody


def test_a_model_whose_bytes_were_damaged_fails_at_its_own_endpoint_only(own_server: Any) -> None:
    folder = own_server.home.parent
    for name, factor in (("sound", 2.0), ("damaged", 3.0)):
        (folder / f"{name}.onnx").write_bytes(onnx_models.scaled(factor))
        own_server.sql(
            f"CREATE MODEL {name} FROM '{folder}/{name}.onnx' INPUT (x DOUBLE, y DOUBLE); "
            f"CREATE ENDPOINT {name} USING MODEL {name}"
        )
    ((digest,),) = own_server.sql("SELECT digest FROM ml.model_versions WHERE name = 'damaged'")[0]["rows"]
    own_server.stop()
    (file,) = own_server.home.rglob(f"*{digest[4:]}")
    kept = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(kept[:-30])
    own_server.start()
    status, _, body = own_server.request("POST", "/v2/models/damaged/infer", GOOD)
    told = json.loads(body)
    assert (status, told["code"]) == (500, "system_error") and "changed on disk" in told["error"] and told["hint"], told
    assert own_server.request("GET", "/v2/models/damaged/ready")[0] == 500
    assert own_server.request("POST", "/v2/models/sound/infer", GOOD)[0] == 200
    file.write_bytes(kept)
    status, _, body = own_server.request("POST", "/v2/models/damaged/infer", GOOD)
    assert status == 200 and json.loads(body)["outputs"][0]["data"] == [9.0]
