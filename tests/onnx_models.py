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


def gradient_boosting(zipmap: bool, seed: int = 0, columns: int = 4, trees: int = 30) -> Trained:
    """A histogram gradient boosting classifier over float32 columns, a tenth of whose values are missing."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(seed)
    rows = random.normal(size=(2_000, columns)).astype(np.float32)
    label = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=len(rows)) > 0.3).astype(int)
    rows[random.random(rows.shape) < 0.1] = np.nan
    model = HistGradientBoostingClassifier(max_iter=trees, random_state=seed).fit(rows, label)
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


def lookup(table: list[float]) -> bytes:
    """``value = table[sum of the row]``; the whole call fails when a row's sum is no index."""
    nodes = [
        helper.make_node("ReduceSum", ["X", "axes"], ["total"], keepdims=1),
        helper.make_node("Cast", ["total"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["value"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        helper.make_tensor("table", TensorProto.FLOAT, [len(table)], table),
    ]
    source = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])
    result = helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])
    return _model(nodes, [source], [result], constants)


def perceptron(columns: int, hidden: int) -> bytes:
    """Two hidden layers: a call reads all weights, however few its rows."""
    random = np.random.default_rng(0)
    nodes, constants, source, width = [], [], "X", columns
    for number, size in enumerate((hidden, hidden, 1)):
        weights = random.normal(size=(width, size)).astype(np.float32) / np.sqrt(width)
        constants.append(helper.make_tensor(f"w{number}", TensorProto.FLOAT, weights.shape, weights.ravel().tolist()))
        last = number == 2
        nodes.append(helper.make_node("MatMul", [source, f"w{number}"], ["value" if last else f"m{number}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"m{number}"], [f"r{number}"]))
        source, width = f"r{number}", size
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, columns])]
    outputs = [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])]
    return _model(nodes, inputs, outputs, constants)


OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any]) -> bytes:
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def logistic(
    coefficients: list[float], intercept: float, scaler: tuple[list[float], list[float]] | None = None
) -> bytes:
    """As scikit-learn's logistic regression is converted: label and probabilities, a scaler before it if given."""
    nodes = []
    source = "X"
    if scaler is not None:
        nodes.append(helper.make_node("Scaler", ["X"], ["S"], domain="ai.onnx.ml", offset=scaler[0], scale=scaler[1]))
        source = "S"
    nodes += [
        helper.make_node(
            "LinearClassifier",
            [source],
            ["label", "raw"],
            domain="ai.onnx.ml",
            coefficients=[*(-value for value in coefficients), *coefficients],
            intercepts=[-intercept, intercept],
            classlabels_ints=[0, 1],
            post_transform="LOGISTIC",
        ),
        helper.make_node("Normalizer", ["raw"], ["probabilities"], domain="ai.onnx.ml", norm="L1"),
    ]
    width = len(coefficients)
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
    ]
    return _model(nodes, [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, width])], outputs, [])


def classes(coefficients: list[list[float]], intercepts: list[float], labels: list[int]) -> bytes:
    """A linear classifier of several classes: label and probabilities by softmax."""
    node = helper.make_node(
        "LinearClassifier",
        ["X"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        coefficients=[float(value) for row in coefficients for value in row],
        intercepts=intercepts,
        classlabels_ints=labels,
        post_transform="SOFTMAX",
    )
    source = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(coefficients[0])])
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(labels)]),
    ]
    return _model([node], [source], outputs, [])


def regression(coefficients: list[float], intercept: float, element: int = TensorProto.FLOAT) -> bytes:
    """As scikit-learn's linear regression is converted."""
    node = helper.make_node(
        "LinearRegressor", ["X"], ["value"], domain="ai.onnx.ml", coefficients=coefficients, intercepts=[intercept]
    )
    source = helper.make_tensor_value_info("X", element, [None, len(coefficients)])
    return _model([node], [source], [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])], [])


def gemm(weights: Any, bias: Any, last: str | None = "Sigmoid", element: int = TensorProto.FLOAT) -> bytes:
    """As PyTorch's ``Linear`` is exported: weights ``[outputs, features]``, transposed, then ``last``."""
    numbers = np.asarray(weights, dtype=np.float64)
    constants = [
        helper.make_tensor("w", element, numbers.shape, numbers.reshape(-1).tolist()),
        helper.make_tensor("b", element, [len(numbers)], np.asarray(bias).tolist()),
    ]
    nodes = [helper.make_node("Gemm", ["X", "w", "b"], ["g" if last else "value"], transB=1)]
    if last:
        nodes.append(helper.make_node(last, ["g"], ["value"]))
    source = helper.make_tensor_value_info("X", element, [None, numbers.shape[1]])
    result = helper.make_tensor_value_info("value", element, [None, len(numbers)])
    return _model(nodes, [source], [result], constants)


def text_embedding(texts: list[str], width: int = 4) -> bytes:
    """A text as one string in, a vector out: term frequencies in ``texts``, their first components."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    fitted = make_pipeline(TfidfVectorizer(lowercase=False), TruncatedSVD(width, random_state=0)).fit(texts)
    made = to_onnx(fitted, initial_types=[("text", StringTensorType([None, 1]))], target_opset=17)
    found: bytes = made.SerializeToString()
    return found


def wide(width: int = 1200, layers: int = 2, columns: int = 2) -> bytes:
    """A network with large weights, ``[n, columns]`` to ``[n, 1]``: some megabytes for 1200."""
    random = np.random.default_rng(0)
    sizes = [columns, *[width] * (layers + 1), 1]
    nodes, weights, last = [], [], "X"
    for number, (rows, cells) in enumerate(zip(sizes, sizes[1:], strict=False)):
        values = (random.normal(size=(rows, cells)) / rows**0.5).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(values, f"w{number}"))
        name = "value" if number == len(sizes) - 2 else f"h{number}"
        nodes.append(helper.make_node("MatMul", [last, f"w{number}"], [name if name == "value" else f"m{number}"]))
        if name != "value":
            nodes.append(helper.make_node("Relu", [f"m{number}"], [name]))
        last = name
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, columns])]
    outputs = [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "wide", inputs, outputs, weights)
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    )
