"""Models whose inputs and outputs are bfloat16, asked by others' clients and compared with a model of float32."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_models import _model
from serving_house import House, Live, served, tensors

from mlbox.base.settings import Settings
from mlbox.engine.models.bfloat16 import bits_of, floats_of

BF16 = ml_dtypes.bfloat16
VALUES = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)


def times(factor: float, shape: list[Any], source: int, target: int) -> bytes:
    """``y = x * factor``, computed in float32 whatever the types of its ends are."""
    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["wide", "factor"], ["product"]),
        helper.make_node("Cast", ["product"], ["y"], to=target),
    ]
    ends = [helper.make_tensor_value_info(name, kind, shape) for name, kind in (("x", source), ("y", target))]
    constants = [helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])]
    return _model(nodes, ends[:1], ends[1:], constants)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    house = House(tmp_path_factory.mktemp("bfloat16"), Settings(log_flush_ms=20))
    narrow, wide = TensorProto.BFLOAT16, TensorProto.FLOAT
    for name, shape, source, target in (
        ("narrow", ["n", 3, "k"], narrow, narrow),
        ("wide", ["n", 3, "k"], wide, wide),
        ("opening", ["n", 3, "k"], narrow, wide),
        ("closing", ["n", 3, "k"], wide, narrow),
        ("columns", ["n", 2], narrow, narrow),
    ):
        house.model(name, times(2.7, shape, source, target), *(("a", "b") if name == "columns" else ()))
        house.endpoint(name, name)
    with served(house) as live:
        yield live


@pytest.mark.parametrize("model", ["narrow", "opening", "closing"])
def test_tritonclient_asks_a_model_of_bfloat16(live: Live, model: str) -> None:
    import tritonclient.http as triton

    told = live.http.get(f"/v2/models/{model}").json()
    taken, given_back = told["inputs"][0]["datatype"], told["outputs"][0]["datatype"]
    assert (taken, given_back) == {"narrow": ("BF16", "BF16"), "opening": ("BF16", "FP32")}.get(model, ("FP32", "BF16"))
    client = triton.InferenceServerClient(live.server.url.removeprefix("http://"))
    sent = triton.InferInput("x", list(VALUES.shape), "BF16")
    sent.set_data_from_numpy(VALUES.astype(BF16))
    answer = client.infer(model, [sent])
    reference = triton.InferInput("x", list(VALUES.shape), "FP32")
    reference.set_data_from_numpy(VALUES.astype(BF16).astype(np.float32))
    expected = client.infer("wide", [reference]).as_numpy("y")
    found = answer.as_numpy("y").astype(np.float32)
    assert answer.get_output("y")["datatype"] == given_back and found.shape == VALUES.shape
    if given_back == "BF16":
        assert np.array_equal(found, expected.astype(BF16).astype(np.float32))
    assert np.allclose(found, expected, rtol=2**-8)


def test_floats_are_rounded_for_it_and_json_has_numbers(live: Live) -> None:
    """Strict clients refuse BF16 in JSON; here it is a number like FP16, rounded to the nearest."""
    for datatype in ("BF16", "FP32", "FP64"):
        tensor = {"name": "x", "shape": list(VALUES.shape), "datatype": datatype, "data": VALUES.ravel().tolist()}
        output = live.infer("narrow", {"inputs": [tensor]}).json()["outputs"][0]
        assert (output["datatype"], output["shape"]) == ("BF16", list(VALUES.shape))
        expected = (VALUES.astype(BF16).astype(np.float32) * np.float32(2.7)).astype(BF16)
        assert np.array_equal(np.array(output["data"], np.float32), expected.astype(np.float32).ravel())


def test_features_and_the_prediction_log(live: Live) -> None:
    assert [each["datatype"] for each in live.http.get("/v2/models/columns").json()["inputs"]] == ["BF16", "BF16"]
    answer = live.infer("columns", {"inputs": tensors({"a": [1.0, 0.5], "b": [2.0, 3.0]}), "id": "log"}).json()
    one, three = (float(np.float32(x * np.float32(2.7)).astype(BF16)) for x in (1.0, 0.5))
    assert answer["outputs"][0] == {"name": "prediction", "shape": [2], "datatype": "FP64", "data": [one, three]}
    rows = live.house.predictions("request_id = 'log'")
    assert [row["prediction"] for row in rows] == [one, three] and rows[0]["features"] == {"a": 1.0, "b": 2.0}


def test_bytes_that_lie_are_told(live: Live) -> None:
    raw = VALUES.astype(BF16).tobytes()[:-1]
    tensor = {"name": "x", "shape": [2, 3, 5], "datatype": "BF16", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    answer = live.infer("narrow", head + raw, headers={"inference-header-content-length": str(len(head))})
    assert answer.status_code == 400
    assert answer.json()["error"] == "input 'x': 59 bytes, its shape [2, 3, 5] of BF16 needs 60"


@given(st.lists(st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.00390625, 1.01171875, 3.4e38])))
def test_rounding_is_that_of_everybody_else(values: list[float]) -> None:
    array = np.array(values, np.float32)
    with np.errstate(all="ignore"):
        expected = array.astype(BF16)
    found = floats_of(bits_of(array))
    assert np.array_equal(found, expected.astype(np.float32), equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(array)) or np.isnan(array).any()
