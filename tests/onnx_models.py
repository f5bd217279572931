"""ONNX models made by scikit-learn and by hand, for the tests of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper


@dataclass(frozen=True)
class Trained:
    """A scikit-learn model, its ONNX bytes, and rows with gaps."""

    model: Any
    onnx: bytes
    rows: np.ndarray
    label: np.ndarray


def gradient_boosting(zipmap: bool, seed: int = 0, columns: int = 4) -> Trained:
    """A histogram gradient boosting classifier over float32 columns, a tenth of whose values are missing."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(seed)
    rows = random.normal(size=(2_000, columns)).astype(np.float32)
    label = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=len(rows)) > 0.3).astype(int)
    rows[random.random(rows.shape) < 0.1] = np.nan
    model = HistGradientBoostingClassifier(max_iter=30, random_state=seed).fit(rows, label)
    converted = to_onnx(
        model, initial_types=[("X", FloatTensorType([None, columns]))], options={id(model): {"zipmap": zipmap}}
    )
    return Trained(model, converted.SerializeToString(), rows, label)


def scaled(factor: float, width: int | None = 2, bias: float = 0.0) -> bytes:
    """A regressor: ``value = factor * sum of the row + bias``."""
    nodes = [
        helper.make_node("ReduceSum", ["X", "axes"], ["total"], keepdims=1),
        helper.make_node("Mul", ["total", "factor"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["value"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor]),
        helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias]),
    ]
    source = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, width])
    result = helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])
    return _model(nodes, [source], [result], constants)


def by_column() -> bytes:
    """One input a feature: ``value = age * weight`` (whole number, float), and the text passed on."""
    nodes = [
        helper.make_node("Cast", ["age"], ["years"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["years", "weight"], ["value"]),
        helper.make_node("Identity", ["city"], ["place"]),
    ]
    inputs = [
        helper.make_tensor_value_info("age", TensorProto.INT64, [None, 1]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("city", TensorProto.STRING, [None, 1]),
    ]
    outputs = [
        helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("place", TensorProto.STRING, [None, 1]),
    ]
    return _model(nodes, inputs, outputs, [])


def fixed_batch() -> bytes:
    """A model that takes exactly one row."""
    source = helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, 3])
    result = helper.make_tensor_value_info("Y", TensorProto.FLOAT, [1, 3])
    return _model([helper.make_node("Identity", ["X"], ["Y"])], [source], [result], [])


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any]) -> bytes:
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
