"""Logged models: signature, names and statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from mlbox.client import artifacts
from mlbox.client.failures import MlboxClientError
from mlbox.client.onnx import read_signature


@pytest.fixture(scope="module")
def training_set() -> Any:
    import pandas

    random = numpy.random.default_rng(1)
    return pandas.DataFrame(random.normal(size=(200, 3)).astype("float32"), columns=["wind", "delay", "rain"])


@pytest.fixture(scope="module")
def classifier(training_set: Any) -> Any:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(training_set.to_numpy(), training_set["wind"] > 0)
    return to_onnx(fitted, training_set.to_numpy()[:1])


def test_the_signature_is_what_the_runtime_says(classifier: Any) -> None:
    import onnxruntime

    data = classifier.SerializeToString()
    session = onnxruntime.InferenceSession(data)
    signature = read_signature(data)
    for found, known in ((signature.inputs, session.get_inputs()), (signature.outputs, session.get_outputs())):
        assert [(entry["name"], entry["type"]) for entry in found] == [(entry.name, entry.type) for entry in known]
    assert signature.inputs[0]["shape"] == [None, 3]


def test_weights_are_not_inputs_and_kinds_are_told() -> None:
    import onnx
    from onnx import TensorProto, helper

    double = helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["batch", 2])
    weight = helper.make_tensor_value_info("w", TensorProto.DOUBLE, [2])
    text = helper.make_tensor_value_info("carrier", TensorProto.STRING, None)
    out = helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["batch", 2])
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "g",
        [double, weight, text],
        [out],
        [helper.make_tensor("w", TensorProto.DOUBLE, [2], [1.0, 2.0])],
    )
    signature = read_signature(helper.make_model(graph).SerializeToString())
    assert isinstance(graph, onnx.GraphProto)
    assert signature.inputs == [
        {"name": "x", "type": "tensor(double)", "shape": [None, 2]},
        {"name": "carrier", "type": "tensor(string)", "shape": None},
    ]


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x80\x04\x95pickle", b"PK\x03\x04", b"\x3a\xff\xff\xff\x7f"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MlboxClientError, match="not an ONNX model"):
        read_signature(data)


def test_a_cut_model_is_refused(classifier: Any) -> None:
    data = classifier.SerializeToString()
    with pytest.raises(MlboxClientError, match="not an ONNX model"):
        read_signature(data[: len(data) // 2])


@pytest.mark.parametrize("form", ["object", "bytes", "path"])
def test_a_model_carries_names_statistics_and_metrics(
    classifier: Any, training_set: Any, tmp_path: Path, form: str
) -> None:
    data = classifier.SerializeToString()
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    value = {"object": classifier, "bytes": data, "path": path}[form]
    payload = artifacts.model("delay", value, training_set=training_set, metrics={"auc": numpy.float64(0.5)})
    assert payload.content == data
    assert (payload.kind, payload.media_type, payload.file_name) == ("model", "application/onnx", "delay.onnx")
    assert payload.metadata["framework"] == "onnx"
    assert payload.metadata["feature_names"] == ["wind", "delay", "rain"]
    assert payload.metadata["feature_stats"]["rain"]["count"] == 200
    assert payload.metadata["metrics"] == {"auc": 0.5}


def test_arrays_take_the_given_names(classifier: Any, training_set: Any) -> None:
    names = ["a", "b", "c"]
    payload = artifacts.model("m", classifier, feature_names=names, training_set=training_set.to_numpy())
    assert list(payload.metadata["feature_stats"]) == names
    assert payload.metadata["feature_stats"]["b"]["mean"] == pytest.approx(
        float(training_set["delay"].mean()), rel=1e-5
    )


def test_wrong_names_and_other_objects_are_refused(classifier: Any) -> None:
    with pytest.raises(MlboxClientError, match="takes 3 features, 2 names were given"):
        artifacts.model("m", classifier, feature_names=["a", "b"])
    with pytest.raises(MlboxClientError, match="skl2onnx"):
        artifacts.model("m", object())
