"""Ensembles of models that give tensors: what is averaged, who votes, and what does not go together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import onnx_models
import pytest
import tensor_models
from onnx import TensorProto
from serving_house import House, Live, served, tensors

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref
from mlbox.base.settings import Settings

IMAGE = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
EYE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    house = House(tmp_path_factory.mktemp("ensembles"), Settings(log_flush_ms=20))
    for factor in (1.0, 4.0):
        house.model("segmenter", tensor_models.segmenter(factor))
    house.model("small", tensor_models.segmenter(1.0, size=2))
    house.model("rater", tensor_models.rater())
    house.model("chooser", tensor_models.chooser())
    house.model("chooser", tensor_models.chooser("Less"))
    house.model("told", tensor_models.told(["n", 3, 4, 4]))
    for element in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8):
        house.model("same", tensor_models.same(element, ["n", 2, "k"]))
    for bias in ([0.0, 0.0, 0.0], [100.0, 0.0, 0.0], [0.0, 100.0, 0.0], [0.0, 101.0, 0.0]):
        house.model("scorer", tensor_models.scorer(EYE, bias))
    house.model("two", tensor_models.scorer([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0]))
    for bias in ([0.0, 0.0], [0.0, 1.0]):
        house.model("tabular", onnx_models.gemm([[1.0, 0.0], [0.0, 1.0]], bias, last=None), "a", "b")
    with served(house) as live:
        yield live


def ask(live: Live, endpoint: str, values: np.ndarray, name: str = "image", **more: Any) -> httpx.Response:
    tensor = {"name": name, "shape": list(values.shape), "datatype": "FP32", "data": values.ravel().tolist()}
    return live.infer(endpoint, {"inputs": [tensor], **more})


def outputs(answer: httpx.Response) -> dict[str, np.ndarray]:
    assert answer.status_code == 200, answer.text
    return {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in answer.json()["outputs"]}


def ensemble(live: Live, kind: str, *models: str, name: str = "e", **more: Any) -> None:
    live.house.endpoint(name, *models, using="ensemble", ensemble=kind, replace=True, **more)


@pytest.mark.parametrize(("kind", "factor"), [("mean", 2.5), ("weighted", 1.75)])
def test_tensors_are_averaged_element_by_element(live: Live, kind: str, factor: float) -> None:
    ensemble(live, kind, "segmenter@1", "segmenter@2", weights=[3.0, 1.0])
    answer = ask(live, "e", IMAGE, id=f"of-{kind}")
    found = outputs(answer)
    assert [each["datatype"] for each in answer.json()["outputs"]] == ["FP32", "FP32"]
    assert list(found) == ["mask", "score"] and np.array_equal(found["mask"], factor * IMAGE)
    assert np.allclose(found["score"], factor * IMAGE.mean(axis=(2, 3)))
    told = live.http.get("/v2/models/e").json()["outputs"]
    assert told == [
        {"name": "mask", "datatype": "FP32", "shape": [-1, 3, 4, 4]},
        {"name": "score", "datatype": "FP32", "shape": [-1, 3]},
    ]
    rows = live.house.predictions(f"request_id = 'of-{kind}'")
    assert [row["model"] for row in rows] == ["segmenter@1+segmenter@2"] * 2 and rows[0]["prediction"] is None
    assert np.allclose(rows[1]["outputs"]["score"], factor * IMAGE[1].mean(axis=(1, 2)))
    by_row = live.infer("e", {"rows": [{"image": IMAGE[1].tolist()}]}).json()["rows"]
    assert np.array_equal(by_row[0]["mask"], factor * IMAGE[1])


def test_floats_keep_their_type_and_whole_numbers_become_floats(live: Live) -> None:
    values = np.array([[[1, 2], [3, 5]]], np.float32)
    for version, datatype in ((2, "FP16"), (3, "FP64")):
        ensemble(live, "mean", f"same@{version}", f"same@{version}")
        told = live.http.get("/v2/models/e").json()["outputs"]
        assert told == [{"name": "y", "datatype": datatype, "shape": [-1, 2, -1]}]
        answer = ask(live, "e", values, "x")
        assert answer.json()["outputs"][0]["datatype"] == datatype
        assert np.array_equal(outputs(answer)["y"], values)


def test_a_vote_is_for_the_class_of_the_highest_score(live: Live) -> None:
    """The first says what the image says: class 2; the second always 0, the others always 1."""
    ensemble(live, "vote", "scorer@1", "scorer@2", "scorer@3", "scorer@4")
    found = outputs(ask(live, "e", IMAGE, id="vote"))
    assert found["scorer@1"].tolist() == [2, 2] and found["scorer@2"].tolist() == [0, 0]
    assert found["prediction"].tolist() == [1, 1]
    assert [each["name"] for each in live.http.get("/v2/models/e").json()["outputs"]][:2] == ["prediction", "scorer@1"]
    assert [row["prediction"] for row in live.house.predictions("request_id = 'vote'")] == [1, 1]
    ensemble(live, "vote", "scorer@1", "scorer@2")
    assert outputs(ask(live, "e", IMAGE))["prediction"].tolist() == [0, 0]  # of as many votes, the least class


def test_a_row_without_a_score_is_no_vote(live: Live) -> None:
    gone = np.full((1, 3, 4, 4), np.nan, np.float32)
    ensemble(live, "vote", "scorer@1", "scorer@2")
    raw, head = gone.tobytes(), {"name": "image", "shape": [1, 3, 4, 4], "datatype": "FP32"}
    text = json.dumps({"inputs": [{**head, "parameters": {"binary_data_size": len(raw)}}]}).encode()
    headers = {"inference-header-content-length": str(len(text))}
    answer = live.infer("e", text + raw, headers=headers).json()
    assert [each["data"] for each in answer["outputs"]] == [[None], [None], [None]]


def test_scores_of_columns_vote_too_whatever_else_is_in_the_request(live: Live) -> None:
    ensemble(live, "vote", "tabular@1", "tabular@2")
    for rows in ([[1.0, 0.5]], [[1.0, 0.5], [0.0, 9.0]]):
        columns = {name: [row[index] for row in rows] for index, name in enumerate("ab")}
        found = outputs(live.infer("e", {"inputs": tensors(columns)}))
        assert (found["tabular@1"][0], found["tabular@2"][0]) == (0, 1)
        assert found["prediction"].tolist() == [1, 1][: len(rows)]


@pytest.mark.parametrize(
    ("kind", "models", "says"),
    [
        ("mean", ["segmenter@1", "small@1"], "tensor 'mask' is FP32 [-1, 3, 4, 4] of segmenter@1, and FP32 [-1, 3, 2"),
        ("mean", ["same@1", "same@2"], "tensor 'y' is FP32 [-1, 2, -1] of same@1, and FP16 [-1, 2, -1] of same@2"),
        ("mean", ["segmenter@1", "scorer@1"], "segmenter@1 gives a tensor 'mask', and scorer@1 does not"),
        ("weighted", ["scorer@1", "segmenter@1"], "scorer@1 gives a tensor 'logits', and segmenter@1 does not"),
        ("mean", ["rater@1", "segmenter@1"], "rater@1 gives a number for each row, and segmenter@1 tensors only"),
        ("mean", ["told@1", "told@1"], "output 'y' of told@1 is of texts, which have no mean"),
        ("vote", ["same@1", "scorer@1"], "same@1 gives y FP32 [-1, 2, -1], which is no vote for a class"),
        ("vote", ["scorer@1", "two@1"], "scorer@1 scores 3 classes in 'logits'; two@1 scores 2 classes in 'logits'"),
    ],
)
def test_what_cannot_be_combined_is_refused_by_name(live: Live, kind: str, models: list[str], says: str) -> None:
    with pytest.raises(Invalid) as refused:
        ensemble(live, kind, *models, name="never")
    assert says in refused.value.message


def test_a_stack_of_tensors_is_refused_with_what_to_do(live: Live) -> None:
    with pytest.raises(Invalid, match="segmenter@1 gives tensors") as refused:
        ensemble(live, "stack", "segmenter@1", "segmenter@2", name="never", meta=Ref("default", "tabular", "1"))
    assert "MEAN or WEIGHTED" in str(refused.value.hint)


def test_shapes_that_differ_only_when_they_are_asked_fail_the_request_alone(live: Live) -> None:
    ensemble(live, "mean", "chooser@1", "chooser@2")
    points = np.array([[[1, 0], [2, 0], [-1, 0]]], np.float32)
    answer = ask(live, "e", points, "points")
    assert answer.status_code == 500 and answer.json()["code"] == "code_failed"
    told = "tensor 'boxes' is int64 [2, 2] of chooser@1, and int64 [1, 2] of chooser@2"
    assert told in answer.json()["error"]
    assert outputs(ask(live, "e", points[:, 1:], "points"))["boxes"].tolist() == [[0, 0.5]]
