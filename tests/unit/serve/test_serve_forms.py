"""Requests and answers in all their forms: every datatype in the binary form, rows, Arrow, packed; and nonsense."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import onnx_models
import pyarrow as pa
import pytest

from mlbox.base.errors import Invalid
from mlbox.serve import codec
from mlbox.serve.simple import columns_of_arrow

Models = Callable[..., bytes]
ARROW = "application/vnd.apache.arrow.stream"
NUMBERS = {
    "BOOL": np.bool_,
    **{f"INT{bits}": getattr(np, f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": getattr(np, f"uint{bits}") for bits in (8, 16, 32, 64)},
    "FP16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "FP32": np.float32,
    "FP64": np.float64,
}


@pytest.fixture
def endpoint(live: Any, scaled: Models) -> Any:
    live.house.model("m", scaled(2.0), "x", "y")
    live.house.endpoint("e", "m")
    return live


@pytest.mark.parametrize("binary", [True, False])
def test_tritonclient_sends_every_datatype(endpoint: Any, binary: bool) -> None:
    import tritonclient.http as triton

    client = triton.InferenceServerClient(endpoint.server.url.removeprefix("http://"))
    for datatype, kind in NUMBERS.items():
        if not binary and datatype in ("FP16", "BF16"):  # the client refuses these in JSON
            continue
        values = np.array([0, 1, 1], kind)
        inputs = []
        for name in ("x", "y"):
            inputs.append(triton.InferInput(name, [3], datatype))
            inputs[-1].set_data_from_numpy(values, binary_data=binary)
        wanted = [triton.InferRequestedOutput("value", binary_data=binary)]
        packed = "gzip" if datatype == "INT64" else None
        result = client.infer("e", inputs, outputs=wanted, response_compression_algorithm=packed)
        assert result.as_numpy("value").tolist() == [0.0, 4.0, 4.0], datatype


def test_rows_of_values_by_name(endpoint: Any) -> None:
    body = {
        "id": "r",
        "rows": [{"x": 1, "y": 0.5}, {"x": 3}],
        "outputs": [{"name": "value"}],
    }
    answer = endpoint.infer("e", body).json()
    assert answer["rows"] == [{"value": 3.0}, {"value": None}]
    assert answer["id"] == "r" and answer["parameters"] == {"features_missing": ["y"]}
    assert endpoint.infer("e", {"rows": [{"x": True, "y": False}]}).json()["rows"][0]["prediction"] == 2.0
    for wrong, says in (
        ({"rows": []}, "no rows"),
        ({"rows": [{"x": [1], "y": 1}]}, "no number"),
        ({"rows": [{"x": 1, "y": 1}, {"x": "a", "y": 1}]}, "row 1"),
        ({"rows": [{"x": 1, "X": 2}]}, "case does not count"),
        ({"rows": [{"x": 1}], "inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]}, "both"),
        ({"rows": [{"z": 1}]}, "the endpoint needs"),
    ):
        refused = endpoint.infer("e", wrong)
        assert refused.status_code == 400 and says in refused.json()["error"], refused.text
    row = endpoint.house.predictions("row_id = 'r/0'")[0]
    assert row["inputs"] == {"x": 1, "y": 0.5}


def test_arrow_in_and_out_for_bulk(live: Any) -> None:
    trained = onnx_models.gradient_boosting(zipmap=False)
    live.house.model("m", trained.onnx, "a", "b", "c", "d")
    live.house.endpoint("e", "m")
    table = pa.table({name: trained.rows[:, index] for index, name in enumerate("abcd")})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = live.infer("e", sink.getvalue().to_pybytes(), headers={"content-type": ARROW})
    assert answer.status_code == 200 and answer.headers["content-type"] == ARROW
    found = pa.ipc.open_stream(answer.content).read_all()
    expected = trained.model.predict_proba(trained.rows)[:, 1]
    assert np.abs(found["prediction"].to_numpy() - expected).max() < 1e-5
    assert found.num_rows == 2000 and found.schema.metadata[b"model_version"] == b"1"
    refused = live.infer("e", b"ARROW1", headers={"content-type": ARROW})
    assert refused.status_code == 400 and "no Arrow stream" in refused.json()["error"]


def test_a_large_answer_is_packed_for_who_takes_it(endpoint: Any) -> None:
    rows = {"rows": [{"x": number, "y": 1} for number in range(2000)]}
    for encoding in ("gzip", "deflate", "identity"):
        answer = endpoint.infer("e", rows, headers={"accept-encoding": encoding})
        assert len(answer.json()["rows"]) == 2000
        assert answer.headers.get("content-encoding") == (None if encoding == "identity" else encoding)


def test_curl(endpoint: Any) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    url = f"{endpoint.server.url}/v2/models/e/infer"
    body = json.dumps({"rows": [{"x": 1, "y": 2}]})
    command = [curl, "-sS", "--compressed", url, "-H", "Content-Type: application/json", "-d", body]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout)["rows"][0]["prediction"] == 6.0


def _valid(chance: random.Random) -> tuple[bytes, int]:
    """A binary request of random tensors."""
    tensors, raws = [], []
    rows = chance.choice((1, 2, 3))
    for index in range(chance.randint(1, 3)):
        datatype = chance.choice([*NUMBERS, "BYTES"])
        if datatype == "BYTES":
            texts = [chance.choice(("", "a", "ü" * 5)).encode() for _ in range(rows)]
            raw = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        else:
            size = codec.DATATYPES[datatype].size
            raw = bytes(chance.randrange(2) for _ in range(size * rows))
        tensors.append(
            {"name": f"t{index}", "shape": [rows], "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}
        )
        raws.append(raw)
    head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
    return head + b"".join(raws), len(head)


def _mutate(chance: random.Random, body: bytes, length: int) -> tuple[bytes, int]:
    """One to three lies: bytes changed, cut, added, doubled; a header length that is wrong."""
    content = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        where = chance.randrange(len(content) + 1) if content else 0
        match chance.randrange(7):
            case 0 if content:
                content[min(where, len(content) - 1)] = chance.randrange(256)
            case 1:
                del content[where:]
            case 2:
                content[where:where] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 9)))
            case 3:
                del content[where : where + chance.randint(1, 9)]
            case 4:
                length = chance.choice((0, 1, length - 1, length + 1, len(content), len(content) + 7, 2**40))
            case 5:
                swaps = (
                    (b'pe": [', b'pe": [-'),
                    (b"[1]", b"[4294967296]"),
                    (b"[2]", b"[1, 2]"),
                    (b"BO", b"FP"),
                )
                old, new = chance.choice(swaps)
                content = bytearray(bytes(content).replace(old, new, 1))
            case _:
                digits = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
                if digits:
                    content[chance.choice(digits)] = ord(chance.choice("0123456789"))
    return bytes(content), length


def _fuzz(times: int, seed: int) -> None:
    """What comes out is a request whose columns hold what they say, or an error that says what is wrong."""
    chance = random.Random(seed)
    good = 0
    for _ in range(times):
        body, length = _valid(chance)
        codec.decode(body, length)
        body, length = _mutate(chance, body, length)
        try:
            request = codec.decode(body, length)
        except Invalid as error:
            assert error.message and len(error.message) < 2000
            continue
        good += 1
        for column in request.columns.values():
            assert len(column.values) == column.rows * column.width and column.rows == request.rows
    assert 0 < good < times


def test_nonsense_in_the_binary_form_is_told_or_right() -> None:
    _fuzz(20_000, seed=6)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_a_million_times_nonsense() -> None:
    _fuzz(1_000_000, seed=7)


def test_nonsense_in_arrow_is_told_or_right() -> None:
    chance = random.Random(1)
    table = pa.table({"a": [1.5, 2.0], "b": ["x", "y"], "c": [True, None]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    whole = sink.getvalue().to_pybytes()
    for _ in range(2000):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            columns = columns_of_arrow(bytes(content[: chance.choice((len(content), chance.randrange(len(content))))]))
        except Invalid:
            continue
        assert all(len(column.values) == column.rows for column in columns.values())


def test_bodies_that_lie_touch_no_other_request(endpoint: Any) -> None:
    """Over one connection: after each refusal the next request is answered."""
    good = {"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
    head = json.dumps({"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP32",
                                   "parameters": {"binary_data_size": 8}}]}).encode()  # fmt: skip
    told = {"inference-header-content-length": str(len(head))}
    lies: list[tuple[bytes, dict[str, str], str]] = [
        (head + b"\0" * 7, told, "7 bytes are left"),
        (head + b"\0" * 9, told, "belong to no input"),
        (head + b"\0" * 8, {"inference-header-content-length": "99999"}, "the body has"),
        (head + b"\0" * 8, {"inference-header-content-length": "-1"}, "is no number"),
        (gzip.compress(b"{}")[:-9], {"content-encoding": "gzip"}, "ends too early"),
        (b'{"inputs": [', {}, "not valid JSON"),
    ]
    with httpx.Client(base_url=endpoint.server.url) as client:
        for body, headers, says in lies:
            refused = client.post("/v2/models/e/infer", content=body, headers=headers)
            assert refused.status_code == 400 and says in refused.json()["error"], (says, refused.text)
            assert client.post("/v2/models/e/infer", json=good).json()["outputs"][0]["data"] == [6.0]
        for headers in ({"content-encoding": "br"}, {"content-type": "text/csv"}, {"content-type": "image/png"}):
            refused = client.post("/v2/models/e/infer", content=b"\x1f\x8b", headers=headers)
            assert refused.status_code == 415 and refused.json()["code"] == "unsupported_media_type"
            assert "not understood" in refused.json()["error"]


def test_an_endpoint_describes_itself(endpoint: Any) -> None:
    told = endpoint.http.get("/v2/models/e/openapi.json").json()
    assert told["openapi"] == "3.1.0" and told["info"]["version"] == "1"
    infer = told["paths"]["/v2/models/default.e/infer"]["post"]
    rows = infer["requestBody"]["content"]["application/json"]["schema"]["oneOf"][1]["properties"]["rows"]
    assert rows["items"]["required"] == ["x", "y"]
    assert rows["items"]["properties"]["x"] == {"type": ["number", "boolean", "null"]}
    for path, operations in told["paths"].items():
        for method in operations:
            assert endpoint.http.request(method, path).status_code in (200, 400), path


def test_rows_made_of_the_description_are_answered(endpoint: Any) -> None:
    """And everything else that it allows gets one of the answers that it names."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    told = endpoint.http.get("/v2/models/e/openapi.json").json()
    infer = told["paths"]["/v2/models/default.e/infer"]["post"]
    numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers()
    good = st.fixed_dictionaries({"x": numbers, "y": numbers}, optional={"z": st.text()})
    json_values = st.recursive(
        st.none() | st.booleans() | numbers | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
    tensor = st.fixed_dictionaries(
        {"name": st.sampled_from(["x", "y", "X"]) | st.text(), "shape": st.lists(st.integers(), max_size=3),
         "datatype": st.sampled_from([*NUMBERS, "BYTES", "FP7"])},
        optional={"data": json_values, "parameters": json_values},
    )  # fmt: skip
    bodies = (
        st.fixed_dictionaries({"rows": st.lists(good, min_size=1, max_size=3)}, optional={"id": st.text()})
        | st.fixed_dictionaries({"inputs": st.lists(tensor, max_size=3)}, optional={"parameters": json_values})
        | json_values
    )

    @settings(max_examples=300, deadline=None, database=None)
    @given(bodies)
    def ask(body: Any) -> None:
        content = json.dumps(body).encode()
        answer = endpoint.infer("e", content)
        assert str(answer.status_code) in infer["responses"], (answer.status_code, answer.text)
        required = {"model_name", "id"} if answer.status_code == 200 else {"error", "code"}
        assert required <= set(answer.json())

    ask()
