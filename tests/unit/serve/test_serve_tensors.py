"""Tensors of any rank through an endpoint: images, sequences, scalars, in every form that a request may have."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx_models
import pyarrow as pa
import pytest
import tensor_models
from onnx import TensorProto
from serving_house import DictReader, House, Live, served

from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.serve import record, recorded, switching

ONE = np.zeros((1, 3, 4, 4))
ARROW = {"content-type": "application/vnd.apache.arrow.stream"}
IMAGE = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:

    house = House(tmp_path_factory.mktemp("tensors"), Settings(log_flush_ms=20))
    house.model("segmenter", tensor_models.segmenter())
    house.model("segmenter", tensor_models.segmenter(3.0))
    house.model("rater", tensor_models.rater())
    house.model("rater", tensor_models.rater(2.0))
    house.model("sequence", tensor_models.sequence())
    house.model("chooser", tensor_models.chooser())
    house.model("fixed", onnx_models.fixed_batch())
    house.model("bytes", tensor_models.same(TensorProto.UINT8, ["n", 2, "k"]))
    for name in ("segmenter", "rater", "sequence", "chooser", "fixed", "bytes"):
        house.endpoint(name, name)
    house.endpoint("first", "segmenter@1")
    stored: dict[tuple[Any, ...], dict[str, Any]] = {(1,): {"image": IMAGE[1].tolist()}, (3,): {"image": [[1.0]]}}
    house.readers.known["images"] = DictReader(stored, ["id"], ["image"], entity_types={"id": "BIGINT"})
    house.endpoint("stored", "segmenter", enrich=Ref("default", "images"))
    with served(house) as live:
        yield live


def _json(values: np.ndarray, name: str = "image", datatype: str = "FP32", nested: bool = False) -> dict[str, Any]:
    data = values.tolist() if nested else values.ravel().tolist()
    return {"name": name, "shape": list(values.shape), "datatype": datatype, "data": data}


def _binary(
    values: np.ndarray, name: str = "image", datatype: str = "FP32", **more: Any
) -> tuple[bytes, dict[str, str]]:
    raw = values.tobytes()
    tensor = {"name": name, "shape": list(values.shape), "datatype": datatype,
              "parameters": {"binary_data_size": len(raw)}} | more  # fmt: skip
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return head + raw, {"inference-header-content-length": str(len(head))}


def _outputs(answer: Any) -> dict[str, np.ndarray]:
    assert answer.status_code == 200, answer.text
    return {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in answer.json()["outputs"]}


def test_an_image_in_every_form_gives_the_same_image(live: Live) -> None:
    told = live.http.get("/v2/models/segmenter").json()
    assert told["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 4, 4]}]
    assert [(each["name"], each["shape"]) for each in told["outputs"]] == [("mask", [-1, 3, 4, 4]), ("score", [-1, 3])]
    expected = 3 * IMAGE
    for nested in (False, True):
        found = _outputs(live.infer("segmenter", {"inputs": [_json(IMAGE, nested=nested)]}))
        assert list(found) == ["mask", "score"] and np.array_equal(found["mask"], expected)
        assert np.allclose(found["score"], expected.mean(axis=(2, 3)))
    body, headers = _binary(IMAGE)
    answer = live.infer("segmenter", body, headers=headers)
    length = int(answer.headers["inference-header-content-length"])
    assert [each["shape"] for each in json.loads(answer.content[:length])["outputs"]] == [[2, 3, 4, 4], [2, 3]]
    mask = np.frombuffer(answer.content[length : length + IMAGE.nbytes], "<f4")
    assert np.array_equal(mask.reshape(IMAGE.shape), expected)
    packed = live.infer("segmenter", gzip.compress(body), headers={**headers, "content-encoding": "gzip"})
    assert packed.status_code == 200 and packed.content.endswith(answer.content[length:])
    alone = live.infer("segmenter", IMAGE.tobytes(), headers={"inference-header-content-length": "0"})
    assert np.array_equal(_outputs(alone)["mask"], expected)
    rows = live.infer("segmenter", {"rows": [{"image": image} for image in IMAGE.tolist()]}).json()["rows"]
    assert np.array_equal([row["mask"] for row in rows], expected) and len(rows[0]["score"]) == 3
    first = live.http.post("/v2/models/first/versions/1/infer", json={"inputs": [_json(IMAGE)]})
    assert np.array_equal(_outputs(first)["mask"], 2 * IMAGE)


@pytest.mark.parametrize("form", ["fixed", "nested", "lists", "tensor"])
def test_arrow_has_tensors_as_lists(live: Live, form: str) -> None:
    column: Any
    if form == "lists":
        column = pa.array(IMAGE.tolist(), pa.list_(pa.list_(pa.list_(pa.float32()))))
    elif form == "tensor":
        column = pa.FixedShapeTensorArray.from_numpy_ndarray(IMAGE)
    else:
        column = pa.array(IMAGE.ravel())
        for size in (4, 4, 3):
            column = pa.FixedSizeListArray.from_arrays(column, size)
        column = column if form == "fixed" else pa.chunked_array([column[:1], column[1:]])
    table = pa.table({"image": column})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = live.infer("segmenter", sink.getvalue().to_pybytes(), headers=ARROW)
    assert answer.status_code == 200, answer.text
    found = pa.ipc.open_stream(answer.content).read_all()
    assert np.array_equal(found["mask"].to_pylist(), 3 * IMAGE)


def test_inputs_of_different_rank_and_a_scalar(live: Live) -> None:
    told = live.http.get("/v2/models/sequence").json()["inputs"]
    shapes = {each["name"]: each["shape"] for each in told}
    assert shapes == {"steps": [-1, -1, -1], "age": [-1], "scale": []}
    steps = np.arange(12, dtype=np.float64).reshape(2, 3, 2)
    age = _json(np.array([10.0, 20.0]), "age", "FP64")
    for scale in ({"shape": [], "data": [2]}, {"shape": [], "data": 2}, {"shape": [1], "data": [2]}):
        inputs = [_json(steps, "steps", "FP64"), age, {"name": "scale", "datatype": "INT32", **scale}]
        found = _outputs(live.infer("sequence", {"inputs": inputs, "id": "s"}))
        assert np.array_equal(found["states"], 2 * steps)
        assert np.array_equal(found["last"], 2 * steps[:, -1] + [[10], [20]])
    row = live.house.predictions("request_id = 's'")[0]
    assert row["inputs"] == {"steps": steps[0].tolist(), "age": 10.0, "scale": 2} and row["features"] == {"age": 10.0}
    assert row["prediction"] is None and row["outputs"]["last"] == (2 * steps[0, -1] + 10).tolist()


@pytest.mark.parametrize(
    ("element", "datatype", "dtype"),
    [
        (TensorProto.FLOAT16, "FP16", "float16"),
        (TensorProto.DOUBLE, "FP64", "float64"),
        (TensorProto.BOOL, "BOOL", "bool"),
        (TensorProto.UINT8, "UINT8", "uint8"),
        (TensorProto.INT8, "INT8", "int8"),
        (TensorProto.INT16, "INT16", "int16"),
        (TensorProto.UINT64, "UINT64", "uint64"),
        (TensorProto.INT64, "INT64", "int64"),
        (TensorProto.STRING, "BYTES", "object"),
    ],
)
def test_every_type_at_rank_three(live: Live, element: int, datatype: str, dtype: str) -> None:
    import tritonclient.http as triton

    name = f"same_{datatype.lower()}"
    live.house.model(name, tensor_models.same(element, ["n", 2, "k"]))
    live.house.endpoint(name, name)
    values = np.array([[[0, 1, 1], [1, 0, 1]]]).astype(str if dtype == "object" else dtype).astype(dtype)
    assert live.http.get(f"/v2/models/{name}").json()["inputs"][0] == {
        "name": "x", "datatype": datatype, "shape": [-1, 2, -1]}  # fmt: skip
    assert np.array_equal(
        _outputs(live.infer(name, {"inputs": [_json(values, "x", datatype, nested=True)]}))["y"], values
    )
    client = triton.InferenceServerClient(live.server.url.removeprefix("http://"))
    sent = triton.InferInput("x", list(values.shape), datatype)
    sent.set_data_from_numpy(values)
    found = client.infer(name, [sent]).as_numpy("y")
    if dtype == "object":
        found = np.array([value.decode() for value in found.ravel()], object).reshape(found.shape)
    assert found.shape == values.shape and np.array_equal(found, values) and str(found.dtype) == dtype


def test_bf16_comes_as_floats(live: Live) -> None:
    raw = (IMAGE.view(np.uint32) >> 16).astype(np.uint16)
    body, headers = _binary(raw, datatype="BF16")
    answer = live.infer("segmenter", body, headers=headers)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers["inference-header-content-length"])
    mask = np.frombuffer(answer.content[length : length + IMAGE.nbytes], "<f4").reshape(IMAGE.shape)
    assert np.array_equal(mask, 3 * IMAGE)  # whose values are whole and below 128: BF16 has them exactly


def test_a_number_a_row_is_the_prediction(live: Live) -> None:
    answer = live.infer("rater", {"inputs": [_json(IMAGE)]})
    found = _outputs(answer)
    assert list(found) == ["prediction", "rating"] and found["rating"].shape == (2, 1)
    assert found["prediction"].tolist() == (2 * IMAGE.sum(axis=(1, 2, 3))).tolist()


def test_a_model_for_one_row_and_one_whose_output_has_no_rows(live: Live) -> None:
    assert live.http.get("/v2/models/fixed").json()["inputs"][0]["shape"] == [1, 3]
    row = np.array([[1, 2, 3]])
    assert _outputs(live.infer("fixed", {"inputs": [_json(row, "X")]}))["Y"].tolist() == [[1, 2, 3]]
    two = live.infer("fixed", {"inputs": [_json(np.ones((2, 3)), "X")]})
    assert two.status_code == 400 and "input 'X' has shape [2, 3], the model takes [1, 3]" in two.json()["error"]
    points = np.array([[[1, 1], [-1, 1], [2, 2]]])
    assert _outputs(live.infer("chooser", {"inputs": [_json(points, "points")]}))["boxes"].tolist() == [[0, 0], [0, 2]]
    whole = live.infer("chooser", {"rows": [{"points": points[0].tolist()}], "id": "whole"}).json()
    assert whole["rows"] == [{"boxes": [[0, 0], [0, 2]]}]
    assert live.house.predictions("request_id = 'whole'")[0]["outputs"] == {"boxes": [[0, 0], [0, 2]]}
    none = pa.table({"points": pa.array([[[-1.0, 1.0]]], pa.list_(pa.list_(pa.float32())))})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, none.schema) as writer:
        writer.write_table(none)
    empty = live.infer("chooser", sink.getvalue().to_pybytes(), headers=ARROW)
    assert empty.status_code == 200, empty.text
    assert pa.ipc.open_stream(empty.content).read_all()["boxes"].to_pylist() == [[]]
    several = live.infer("chooser", {"rows": [{"points": points[0].tolist()}] * 3})
    assert several.status_code == 400 and "output 'boxes' has shape" in several.json()["error"]


WRONG = [
    ("inner size", np.zeros((1, 3, 4, 5)), {}, "input 'image' has shape [1, 3, 4, 5], the model takes [-1, 3, 4, 4]"),
    ("rank", np.zeros((1, 48)), {}, "input 'image' has shape [1, 48], the model takes [-1, 3, 4, 4]"),
    ("no rows", np.zeros((3, 4, 4)), {}, "input 'image' has shape [3, 4, 4], the model takes"),
    ("other order", np.zeros((1, 4, 4, 3)), {}, "input 'image' has shape [1, 4, 4, 3]"),
    ("too few", ONE, {"shape": [2, 3, 4, 4]}, "'image' has 48 values, its shape [2, 3, 4, 4] needs 96"),
    ("too many", np.zeros_like(IMAGE), {"shape": [1, 3, 4, 4]}, "has 96 values, its shape [1, 3, 4, 4] needs 48"),
    ("negative", ONE, {"shape": [1, -3, -4, 4]}, "'image' has shape [1, -3, -4, 4]; it holds nothing"),
    ("nought", ONE, {"shape": [1, 3, 0, 4]}, "'image' has shape [1, 3, 0, 4]; it holds nothing"),
    ("overflow", ONE, {"shape": [1, 2**62, 2**62, 4]}, "'image' has 48 values"),
    ("rows", ONE, {"shape": [2**40, 3, 4, 4]}, "'image' has 1,099,511,627,776 rows"),
    ("axes", ONE, {"shape": [1] * 17}, "'image' has 17 axes; at most 16"),
    ("texts", ONE, {"datatype": "BYTES", "data": ["a"] * 48}, "datatype BYTES, the endpoint takes FP32"),
    ("a text", ONE, {"data": ["a"] * 48}, "'image': 'a' is not FP32"),
    ("a fraction", ONE, {"datatype": "UINT8", "data": [0.5] * 48}, "'image': 0.5 is not UINT8"),
    ("deep", ONE, {"data": [[1.0] * 48]}, "'image', row 0: a list of 3 lists is needed"),
    ("scalar", ONE, {"shape": [], "data": [1]}, "'image' has shape [], the model takes [-1, 3, 4, 4]"),
    ("name", ONE, {"name": "imgae"}, "the request has no input 'image'"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "change", "says"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_what_is_wrong_with_a_tensor_is_told_by_its_name(
    live: Live, values: Any, change: dict[str, Any], says: str
) -> None:
    answer = live.infer("segmenter", {"inputs": [_json(values) | change], "id": "wrong"})
    assert answer.status_code == 400 and says in answer.json()["error"], answer.text
    assert len(answer.text) < 2000
    if "datatype" not in change and "data" not in change:
        raw, headers = _binary(values.astype("f4"), **change)
        assert live.infer("segmenter", raw, headers=headers).status_code == 400


def test_ragged_lists_are_told_by_their_place(live: Live) -> None:
    nested = IMAGE.tolist()
    nested[1][2][3] = [1.0, 2.0]
    told = live.infer("segmenter", {"inputs": [_json(IMAGE) | {"data": nested}]}).json()["error"]
    assert told == "input 'image', at [1][2][3]: a list of 4 values is needed, as its shape says; there are 2"
    told = live.infer("segmenter", {"rows": [{"image": image} for image in nested]}).json()["error"]
    assert "[1][2][3]: a list of 4 values" in told
    assert (
        live.infer("segmenter", {"rows": [{"image": nested[0]}, {}]})
        .json()["error"]
        .startswith("row 1: 'image' has no")
    )
    mixed = [[[["a", 1] * 2] * 4] * 3]
    assert "several kinds" in live.infer("segmenter", {"rows": [{"image": mixed[0]}]}).json()["error"]
    hint = live.infer("segmenter", {"inputs": [_json(np.zeros((1, 4, 4, 3)))]}).json()["hint"]
    assert "another order" in hint


@pytest.mark.parametrize("size", [0, 47 * 4, 49 * 4, 2**60])
def test_binary_sizes_that_lie(live: Live, size: int) -> None:
    values = np.zeros((1, 3, 4, 4), np.float32)
    body, headers = _binary(values, parameters={"binary_data_size": size})
    answer = live.infer("segmenter", body, headers=headers)
    error = answer.json()["error"]
    assert answer.status_code == 400 and ("'image'" in error or "belong to no input" in error), answer.text
    alone = live.infer("segmenter", values.tobytes()[:-1], headers={"inference-header-content-length": "0"})
    assert alone.status_code == 400 and "48 times FP32" in alone.json()["error"]
    short = live.infer("bytes", {"inputs": [_json(np.full((1, 2, 1), 300), "x", "INT64")]})
    assert short.status_code == 400 and "300 does not fit in UINT8" in short.json()["error"]


def test_small_tensors_are_recorded_whole_and_large_ones_by_what_tells_them_apart(live: Live) -> None:
    live.infer("segmenter", {"inputs": [_json(IMAGE)], "id": "small"}).raise_for_status()
    rows = live.house.predictions("request_id = 'small'")
    assert [row["inputs"] for row in rows] == [{"image": image} for image in IMAGE.tolist()]
    assert rows[1]["outputs"]["mask"] == (3 * IMAGE[1]).tolist() and rows[0]["prediction"] is None
    live.house.model("large", tensor_models.segmenter(1.0, 64))
    live.house.endpoint("large", "large")
    random = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    body, headers = _binary(random)
    live.infer("large", body, headers=headers).raise_for_status()
    rows = live.house.predictions("endpoint = 'large'")
    for image, row in zip(random, rows, strict=True):
        told = row["inputs"]["image"]
        assert told["shape"] == [3, 64, 64] and told["datatype"] == "FP32"
        assert told["sha256"] == hashlib.sha256(image.tobytes()).hexdigest() == row["outputs"]["mask"]["sha256"]
        assert told["min"] == pytest.approx(float(image.min())) and told["mean"] == pytest.approx(
            float(image.mean()), abs=1e-6
        )
        assert len(json.dumps(row["inputs"])) < 400
    assert recorded.LISTED < 3 * 64 * 64


def test_tensors_that_wait_to_be_recorded_are_bounded(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = live.house.endpoints.recorder
    monkeypatch.setattr(record, "HELD", 3 * IMAGE.nbytes)
    live.house.endpoints.flush()
    dropped = recorder.statistics.dropped
    with recorder._flushing:  # the writer waits
        for _ in range(8):
            live.infer("segmenter", {"inputs": [_json(IMAGE)], "id": "many"}).raise_for_status()
        (entry,) = recorder._entries  # as JSON it is beyond the bound alone, and the only one
        assert recorder._held == entry.held > 3 * IMAGE.nbytes
    assert recorder.statistics.dropped == dropped + 7 * len(IMAGE)
    assert len(live.house.predictions("request_id = 'many'")) == len(IMAGE) and recorder._held == 0


def test_requests_are_put_together_where_their_rows_have_one_shape(live: Live) -> None:
    from concurrent.futures import ThreadPoolExecutor

    live.house.endpoint("batched", "segmenter", options={"batch": 16, "batch_delay_ms": 30})
    live.house.model("steps", tensor_models.same(TensorProto.FLOAT, ["n", "t", 2]))
    live.house.endpoint("steps", "steps", options={"batch": 16, "batch_delay_ms": 30})

    def ask(index: int) -> bool:
        values = np.full((1 + index % 2, 3, 4, 4), index, np.float32)
        same = np.array_equal(_outputs(live.infer("batched", {"inputs": [_json(values)]}))["mask"], 3 * values)
        steps = np.full((1, 1 + index % 3, 2), index, np.float32)
        return same and np.array_equal(_outputs(live.infer("steps", {"inputs": [_json(steps, "x")]}))["y"], steps)

    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(ask, range(48)))
    slots = {slot.row.name: slot for slot in live.house.endpoints.directory.slots()}
    assert 0 < slots["batched"].batcher.batches < 48
    wrong = live.infer("batched", {"inputs": [_json(np.zeros((1, 3, 4, 5)))]})
    assert wrong.status_code == 400 and "'image' has shape" in wrong.json()["error"]


def test_a_row_without_a_stored_tensor_leaves_the_others_theirs(live: Live) -> None:
    found = live.infer("stored", {"rows": [{"id": 1}, {"id": 2}, {"id": 1}]})
    assert found.status_code == 200, found.text
    masks = [row["mask"] for row in found.json()["rows"]]
    assert np.array_equal(masks[0], 3 * IMAGE[1]) and masks[2] == masks[0]
    assert set(np.array(masks[1], object).ravel()) == {None}
    alone = live.infer("stored", {"rows": [{"id": 2}]}).json()["rows"][0]["mask"]
    assert alone == masks[1]
    ragged = live.infer("stored", {"rows": [{"id": 1}, {"id": 3}]})
    assert ragged.status_code == 400 and "the stored values of 'image' differ in shape" in ragged.json()["error"]


def test_a_new_version_that_gives_texts_instead_of_numbers(live: Live) -> None:
    """It differs without measure; the endpoint and those behind it move all the same."""
    live.house.model("tells", tensor_models.same(TensorProto.FLOAT, ["n", 2, "k"]), alias="live")
    live.house.model("tells", tensor_models.told(["n", 2, "k"]))
    body = {"inputs": [_json(np.array([[[1.0], [2.0]]]), "x")]}
    for name in ("tells", "tells_too"):
        live.house.endpoint(name, "tells@live")
        live.infer(name, body).raise_for_status()
    live.house.alias("tells", "live", 2)
    switched = [event for event in live.house.events if event.kind == "endpoint.switched"][-2:]
    assert {event.object for event in switched} == {"tells", "tells_too"}
    for event in switched:
        assert (event.data["compared"], event.data["different"], event.data["failed"]) == (1, 1, 0)
        assert live.infer(event.object, body).json()["outputs"][0]["data"] == ["1", "2"]


def test_numbers_and_words_differ_without_measure() -> None:
    numbers, words = np.array([1.0, 2.0]), np.array(["low", "high"], object)
    for before, after in ((numbers, words), (words, numbers), (numbers, words.astype("U"))):
        assert switching._gap(before, after) == math.inf
    assert switching._gap(words, words) == 0.0 and switching._gap(numbers, numbers + 1) == 1.0


def test_traffic_shadow_and_a_new_version(live: Live) -> None:
    live.house.endpoint("split", "segmenter@1", "segmenter@2", weights=[50, 50])
    factors = {float(_outputs(live.infer("split", {"inputs": [_json(IMAGE)]}))["mask"][0, 0, 0, 1]) for _ in range(40)}
    assert factors == {2.0, 3.0}
    live.house.model("moved", tensor_models.segmenter(1.0), alias="champion")
    live.house.model("moved", tensor_models.segmenter(5.0))
    live.house.endpoint("moved", "moved@champion")
    assert _outputs(live.infer("moved", {"inputs": [_json(IMAGE)]}))["mask"][0, 0, 0, 1] == 1.0
    live.house.alias("moved", "champion", 2)
    assert _outputs(live.infer("moved", {"inputs": [_json(IMAGE)]}))["mask"][0, 0, 0, 1] == 5.0
    switched = [event for event in live.house.events if event.kind == "endpoint.switched"][-1]
    assert switched.data["compared"] == switched.data["different"] == 1
    assert switched.data["largest_difference"] == pytest.approx(4 * IMAGE.max())


def test_an_ensemble_of_numbers_from_tensors(live: Live) -> None:
    live.house.endpoint("mean", "rater@1", "rater@2", using="ensemble", ensemble="mean")
    found = _outputs(live.infer("mean", {"inputs": [_json(IMAGE)]}))
    assert found["prediction"].tolist() == (1.5 * IMAGE.sum(axis=(1, 2, 3))).tolist()


def test_openapi_tells_the_shapes(live: Live) -> None:
    told = live.http.get("/v2/models/segmenter/openapi.json").json()
    schema = told["paths"]["/v2/models/default.segmenter/infer"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    row = schema["oneOf"][1]["properties"]["rows"]["items"]["properties"]["image"]
    sizes = []
    while row["type"] == "array":
        sizes.append((row["minItems"], row["maxItems"]))
        row = row["items"]
    assert sizes == [(3, 3), (4, 4), (4, 4)]


CODE = """
class Camera:
    features = ("image",)

    def predict(self, inputs):
        image = inputs["image"]
        assert type(image).__name__ == "ndarray", type(image)
        image[0, 0, 0, 0] += 0  # it is the code's own
        return {"mask": image * 2, "told": [str(image.dtype) + str(image.shape)] * len(image)}

class Any:
    def predict(self, inputs):
        scale = float(inputs.get("scale", 1))
        return {"prediction": [float(image.sum()) * scale for image in inputs["image"]]}

def row(image, scale=1):
    return float(image.sum()) * scale
"""


@pytest.fixture(scope="module")
def code(live: Live) -> Live:
    for name in ("Camera", "Any", "row"):
        live.house.function(name.lower(), CODE, name)
        live.house.endpoint(f"by_{name.lower()}", using="function", function=name.lower())
    return live


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_a_class_is_given_an_array_of_the_shape_that_was_sent(code: Live, dtype: str) -> None:
    image = (IMAGE % 50).astype(dtype)
    datatype = {"float32": "FP32", "float16": "FP16", "uint8": "UINT8"}[dtype]
    told = f"{dtype}(2, 3, 4, 4)"
    found = _outputs(code.infer("by_camera", {"inputs": [_json(image, datatype=datatype)]}))
    assert list(found) == ["mask", "told"] and found["told"].tolist() == [told] * 2
    assert np.array_equal(found["mask"], 2 * image)
    body, headers = _binary(image, datatype=datatype)
    answer = code.infer("by_camera", body, headers=headers)
    length = int(answer.headers["inference-header-content-length"])
    assert answer.content[length : length + image.nbytes] == (2 * image).tobytes()
    rows = code.infer("by_camera", {"rows": [{"image": each} for each in image.tolist()]}).json()["rows"]
    assert np.array_equal([row["mask"] for row in rows], 2 * image)
    scale = {"name": "scale", "shape": [], "datatype": "FP64", "data": [3]}
    for name in ("by_any", "by_row"):
        found = _outputs(code.infer(name, {"inputs": [_json(image, datatype=datatype), scale]}))
        assert found["prediction"].tolist() == [3.0 * float(each.sum()) for each in image]
    assert code.infer("by_camera", {"inputs": [_json(image, "other", datatype)]}).status_code == 400


def test_a_graph_hands_nested_lists_to_its_models(live: Live) -> None:
    steps = [{"kind": "model", "model": "rater@1", "result": "rating"}, {"kind": "model", "model": "segmenter@1"}]
    graph = json.dumps({"steps": steps})
    live.house.endpoint("flow", using="graph", graph=graph)
    rows = [{"image": image} for image in IMAGE.tolist()]
    for answer in (live.infer("flow", {"inputs": [_json(IMAGE)]}), live.infer("flow", {"rows": rows})):
        assert answer.status_code == 200, answer.text
    found = live.http.post("/v2/models/flow/event", json=rows[1]).json()
    assert found["rating"] == float(IMAGE[1].sum()) and np.array_equal(found["mask"], 2 * IMAGE[1])
    wrong = live.http.post("/v2/models/flow/event", json={"image": [[1.0]]})
    assert wrong.status_code == 400 and "input 'image' has shape [1, 1, 1]" in wrong.json()["error"]


def test_a_scalar_reaches_a_graph_as_a_value(live: Live) -> None:
    steps = [{"kind": "map", "set": {"y": "x * scale"}}, {"kind": "map", "select": {"prediction": "y"}}]
    live.house.endpoint("times", using="graph", graph=json.dumps({"steps": steps}))
    scale = {"name": "scale", "shape": [], "datatype": "FP64", "data": 2}
    for data in (2, [2]):
        inputs = [_json(np.array([1.0, 3.0]), "x", "FP64"), scale | {"data": data}]
        answer = live.infer("times", {"inputs": inputs})
        assert answer.status_code == 200, answer.text
        assert _outputs(answer)["prediction"].tolist() == [2.0, 6.0]
