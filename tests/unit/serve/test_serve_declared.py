"""Code that says what it takes and gives: its endpoint tells it, and refuses the rest before the code sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx_models
import pytest
from serving_house import House, Live, served, tensors

from mlbox.base.errors import MlboxError

MODEL = """
import numpy as np

class Model:
    inputs = {"image": ("FP32", [-1, 2, 2, 3]), "age": "INT64", "name": ("BYTES", [-1])}
    outputs = {"embedding": ("FP32", [-1, 3]), "label": ("BYTES", [-1])}
    def __init__(self): self.calls = 0
    def predict(self, inputs):
        self.calls += 1
        image, age = inputs["image"], inputs["age"]
        assert (image.dtype, age.dtype, image.shape[1:]) == ("float32", "int64", (2, 2, 3)), image
        embedding = image.mean(axis=(1, 2)).astype("float64") + age[:, None]
        if age[0] == 99: embedding = embedding[:, :2]
        if age[0] == 98: return {"embedding": embedding}
        label = [str(name) + "!" for name in inputs["name"]]
        return {"embedding": embedding, "label": label, "calls": age * 0 + self.calls}
    def explain(self, inputs):
        return {"brightness": inputs["image"].mean(axis=(1, 2, 3))}
"""
RATER = """
class Model:
    inputs = {"x": ("FP64", [-1]), "y": ("FP32", [-1, 1])}
    outputs = {"score": "FP32"}
    def predict(self, inputs): return {"score": inputs["x"] + inputs["y"][:, 0]}
"""
FUNCTION = """
def predict(inputs): return {"sum": inputs["steps"].sum(axis=(1, 2))}
predict.inputs = {"steps": ("INT32", [-1, 2, -1])}
"""
IMAGE = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)
OTHERS = tensors({"age": [1.0, 2.0]})[0] | {"datatype": "INT64", "data": [1, 2]}, tensors({"name": ["a", "b"]})[0]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    house = House(tmp_path_factory.mktemp("declared"))
    for name, source, handler in (("model", MODEL, "Model"), ("rater", RATER, "Model"), ("steps", FUNCTION, None)):
        house.function(name, source, handler)
        house.endpoint(name, function=name)
    house.model("linear", onnx_models.regression([1.0, 2.0], 0.0), "x", "y")
    house.endpoint("linear", "linear")
    with served(house) as live:
        yield live


FLOAT = {**OTHERS[0], "datatype": "FP64"}


def _image(values: Any = IMAGE, **change: Any) -> dict[str, Any]:
    values = np.asarray(values)
    told = {"name": "image", "shape": list(values.shape), "datatype": "FP32", "data": values.ravel().tolist()}
    return {**told, **change}


def test_metadata_and_openapi_tell_what_the_code_declares(live: Live) -> None:
    told = live.http.get("/v2/models/model").json()
    assert told["inputs"] == [
        {"name": "image", "datatype": "FP32", "shape": [-1, 2, 2, 3]},
        {"name": "age", "datatype": "INT64", "shape": [-1]},
        {"name": "name", "datatype": "BYTES", "shape": [-1]},
    ]
    assert told["outputs"] == [
        {"name": "embedding", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
    ]
    assert live.http.get("/v2/models/rater").json()["outputs"] == [
        {"name": "prediction", "datatype": "FP64", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
    ]
    assert live.http.get("/v2/models/steps").json()["inputs"] == [
        {"name": "steps", "datatype": "INT32", "shape": [-1, 2, -1]}
    ]
    paths = live.http.get("/v2/models/model/openapi.json").json()["paths"]
    infer = paths["/v2/models/default.model/infer"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    row = infer["oneOf"][1]["properties"]["rows"]["items"]
    assert row["required"] == ["image", "age", "name"]
    image, sizes = row["properties"]["image"], []
    while image["type"] == "array":
        sizes.append((image["minItems"], image["maxItems"]))
        image = image["items"]
    assert sizes == [(2, 2), (2, 2), (3, 3)]
    assert "/v2/models/default.model/explain" in paths
    assert "/v2/models/default.rater/explain" not in live.http.get("/v2/models/rater/openapi.json").json()["paths"]


def test_code_is_given_what_it_declares_in_every_form(live: Live) -> None:
    expected = IMAGE.mean(axis=(1, 2)) + np.array([[1], [2]])
    raw = IMAGE.astype("f2").tobytes()
    tensor = {"name": "image", "shape": [2, 2, 2, 3], "datatype": "FP16", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor, *OTHERS]}).encode()
    rows = [{"image": image.tolist(), "age": age, "name": name}
            for image, age, name in zip(IMAGE, (1, 2), "ab", strict=True)]  # fmt: skip
    answers = [
        live.infer("model", {"inputs": [_image(), *OTHERS]}),
        live.infer("model", {"inputs": [_image(datatype="FP64"), *OTHERS]}),
        live.infer("model", head + raw, headers={"inference-header-content-length": str(len(head))}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        embedding, label, calls = answer.json()["outputs"]
        assert (embedding["name"], embedding["datatype"], embedding["shape"]) == ("embedding", "FP32", [2, 3])
        assert np.allclose(np.array(embedding["data"]).reshape(2, 3), expected)
        assert label["data"] == ["a!", "b!"] and calls["name"] == "calls"
    found = live.infer("model", {"rows": rows}).json()["rows"]
    assert np.allclose([row["embedding"] for row in found], expected) and "prediction" not in found[0]
    rated = live.rows("rater", {"x": [1.0, 2.0], "y": [0.5, 0.5]}).json()["outputs"]
    assert [(each["name"], each["datatype"], each["data"]) for each in rated] == [
        ("prediction", "FP64", [1.5, 2.5]),
        ("score", "FP32", [1.5, 2.5]),
    ]


WRONG: list[tuple[str, list[Any], str]] = [
    ("shape", [_image(np.zeros((2, 2, 2, 4))), *OTHERS], "'image' has shape [2, 2, 2, 4], the model takes [-1, 2,"),
    ("order", [_image(np.zeros((2, 3, 2, 2))), *OTHERS], "input 'image' has shape [2, 3, 2, 2]"),
    ("plain", [_image(np.zeros(2)), *OTHERS], "input 'image' has shape [2], the model takes [-1, 2, 2, 3]"),
    ("name", [_image(name="img"), *OTHERS], "the request has no input 'image'"),
    ("alone", [_image(name="img")], "the request has no input 'image', 'age', 'name'"),
    ("texts", [_image(datatype="BYTES", data=["a"] * 24), *OTHERS], "has datatype BYTES, the endpoint takes FP32"),
    ("number", [_image(), OTHERS[0], {**OTHERS[0], "name": "name"}], "has datatype INT64, the endpoint takes BYTES"),
    ("fraction", [_image(), {**FLOAT, "data": [1.5, 2]}, OTHERS[1]], "'age' has a missing or broken"),
    ("gap", [_image(), {**FLOAT, "data": [None, 2]}, OTHERS[1]], "'age' has a missing or broken"),
    ("wide", [_image(), {**OTHERS[0], "shape": [2, 2], "data": [1] * 4}, OTHERS[1]], "'age' has shape [2, 2]"),
    ("large", [_image(), {**OTHERS[0], "datatype": "UINT64", "data": [2**63, 1]}, OTHERS[1]], "does not fit in INT64"),
    ("huge", [_image(), {**FLOAT, "data": [2.0**63, 1]}, OTHERS[1]], "does not fit in INT64"),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "says"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_what_does_not_fit_is_refused_before_the_code_sees_it(live: Live, inputs: list[Any], says: str) -> None:
    def calls() -> int:
        return int(live.infer("model", {"inputs": [_image(), *OTHERS]}).json()["outputs"][2]["data"][0])

    before = calls()
    answer = live.infer("model", {"inputs": inputs})
    assert answer.status_code == 400 and says in answer.json()["error"], answer.text
    assert calls() == before + 1


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (99, "gave 'embedding' as float64 [2, 2], its outputs declare FP32 [-1, 3]"),
        (98, "gave no output 'label', which its outputs declare"),
    ],
)
def test_answers_that_are_not_as_declared_are_the_codes_fault(live: Live, age: int, says: str) -> None:
    answer = live.infer("model", {"inputs": [_image(), {**OTHERS[0], "data": [age, 2]}, OTHERS[1]]})
    assert answer.status_code == 500 and answer.json()["code"] == "code_failed" and says in answer.json()["error"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("inputs = {'x': ('FP33', [-1])}", "inputs gives 'x' the unknown datatype 'FP33'"),
        ("inputs = {'x': ('FP32', [2, 3])}", "inputs gives 'x' the shape [2, 3], whose first axis is the rows"),
        ("inputs = {'x': ('FP32', [-1, 0])}", "inputs['x'] is ('FP32', [-1, 0]), which is no datatype with a shape"),
        ("inputs = {'x': 7}", "inputs['x'] is 7, which is no datatype with a shape"),
        ("features = ('a',)\n    inputs = {'x': 'FP32'}", "inputs has 'x', which is none of its features"),
        ("outputs = {'prediction': ('FP32', [-1, 2])}", "the output 'prediction' is a number for each row"),
    ],
)
def test_declarations_that_say_nothing_are_refused_when_the_endpoint_is_made(
    live: Live, source: str, says: str, request: pytest.FixtureRequest
) -> None:
    name = f"wrong{abs(hash(request.node.name))}"
    live.house.function(
        name, f"class Model:\n    {source}\n    def predict(self, inputs): return inputs['x']\n", "Model"
    )
    with pytest.raises(MlboxError) as refused:
        live.house.endpoint(name, function=name)
    assert says in refused.value.message


def test_explain_is_of_classes_that_have_it(live: Live) -> None:
    body = {"inputs": [_image(), *OTHERS]}
    told = live.http.post("/v2/models/model/explain", json=body).json()
    assert told["outputs"][-1]["name"] == "brightness"
    assert np.allclose(told["outputs"][-1]["data"], IMAGE.mean(axis=(1, 2, 3)))
    wrong = live.http.post("/v2/models/model/explain", json={"inputs": [_image(np.zeros((2, 2, 2, 4))), *OTHERS]})
    assert wrong.status_code == 400 and "'image'" in wrong.json()["error"]
    none = live.http.post("/v2/models/rater/explain", json={"inputs": tensors({"x": [1.0], "y": [1.0]})})
    assert none.status_code == 400 and "has no explain" in none.json()["error"]
    for path in ("linear/explain", "linear/versions/1/explain"):
        onnx = live.http.post(f"/v2/models/{path}", json={"inputs": tensors({"x": [1.0], "y": [1.0]})})
        assert onnx.status_code == 400 and "explains nothing" in onnx.json()["error"]
        assert "class with a method explain" in onnx.json()["hint"]
