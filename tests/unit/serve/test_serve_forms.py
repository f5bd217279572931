"""Requests and answers in all their forms: every datatype in the binary form, rows, Arrow, packed; and nonsense."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import onnx_models
import pyarrow as pa
import pytest
from examples_of import examples

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


@pytest.mark.parametrize("binary", [True, False])
def test_texts_go_in_and_out(live: Any, binary: bool) -> None:
    import tritonclient.http as triton

    live.house.model("texts", onnx_models.by_column(), "age", "weight", "city")
    live.house.endpoint("texts", "texts")
    client = triton.InferenceServerClient(live.server.url.removeprefix("http://"))
    cities = ["Köln", "", "a\nb"]
    inputs = []
    for name, datatype, values in (
        ("age", "INT64", np.array([1, 2, 2**40])),
        ("weight", "FP32", np.array([0.5, 2, 1], np.float32)),
        ("city", "BYTES", np.array(cities, object)),
    ):
        inputs.append(triton.InferInput(name, [3, 1], datatype))
        inputs[-1].set_data_from_numpy(values.reshape(3, 1), binary_data=binary)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("place", "value")]
    answer = client.infer("texts", inputs, outputs=wanted)
    place = [text.decode() if isinstance(text, bytes) else text for text in answer.as_numpy("place").ravel().tolist()]
    assert place == cities and answer.as_numpy("value").ravel().tolist() == [0.5, 4.0, float(2**40)]


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
        ({"rows": [{"x": [1, 2], "y": 1}]}, "'x' has shape [1, 2]; a feature is [n] or [n, 1]"),
        ({"rows": [{"x": 1, "y": 1}, {"x": "a", "y": 1}]}, "row 1"),
        ({"rows": [{"x": 1, "X": 2}]}, "case does not count"),
        ({"rows": [{"x": 1}], "inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]}, "both"),
        ({"rows": [{"z": 1}]}, "the endpoint needs"),
    ):
        refused = endpoint.infer("e", wrong)
        assert refused.status_code == 400 and says in refused.json()["error"], refused.text
    row = endpoint.house.predictions("row_id = 'r/0'")[0]
    assert row["inputs"] == {"x": 1, "y": 0.5}


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"instances": [{"x": 1, "y": 2}]}, "call 'instances' \"rows\""),
        ({"dataframe_records": [{"x": 1, "y": 2}]}, "call 'dataframe_records' \"rows\""),
        ({"instances": [[1, 2]]}, "'instances' is the form of another server"),
        ({"dataframe_split": {"columns": ["x"], "data": [[1]]}}, "'dataframe_split' is the form of another server"),
        ({"x": 1, "y": 2}, 'put the values into "rows"'),
        ({}, 'send {"rows"'),
    ],
)
def test_forms_of_other_servers_are_told_ours(endpoint: Any, body: dict[str, Any], hint: str) -> None:
    answer = endpoint.http.post("/v2/models/e/infer", json=body)
    assert answer.status_code == 400 and answer.json()["error"] == "the request has no inputs"
    assert answer.json()["hint"].startswith(hint)


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
    gaps = json.loads(found.schema.metadata[b"parameters"])["features_missing"]
    assert gaps == ["a", "b", "c", "d"]
    matrix = pa.table({"X": pa.FixedSizeListArray.from_arrays(pa.array(trained.rows.ravel()), 4)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, matrix.schema) as writer:
        writer.write_table(matrix)
    answer = live.infer("e", sink.getvalue().to_pybytes(), headers={"content-type": ARROW})
    assert pa.ipc.open_stream(answer.content).read_all()["prediction"].equals(found["prediction"])
    refused = live.infer("e", b"ARROW1", headers={"content-type": ARROW})
    assert refused.status_code == 400 and "no Arrow stream" in refused.json()["error"]


def test_one_tensor_alone_needs_no_json(endpoint: Any) -> None:
    """A raw binary request: a header of length 0, and the matrix."""
    values = np.array([[1, 2], [3, 4], [5, np.nan]], np.float32)
    headers = {"inference-header-content-length": "0", "content-type": "application/octet-stream"}
    answer = endpoint.infer("e", values.tobytes(), headers=headers).json()
    assert answer["outputs"][0]["data"] == [6.0, 14.0, None] and answer["parameters"] == {"features_missing": ["y"]}
    packed = {**headers, "content-encoding": "gzip"}
    assert endpoint.infer("e", gzip.compress(values[:1].tobytes()), headers=packed).json()["outputs"][0]["shape"] == [1]


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
    with httpx.Client(base_url=endpoint.server.url, timeout=60) as client:
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

    @settings(max_examples=examples(300), deadline=None, database=None)
    @given(bodies)
    def ask(body: Any) -> None:
        content = json.dumps(body).encode()
        answer = endpoint.infer("e", content)
        assert str(answer.status_code) in infer["responses"], (answer.status_code, answer.text)
        required = {"model_name", "id"} if answer.status_code == 200 else {"error", "code"}
        assert required <= set(answer.json())

    ask()
