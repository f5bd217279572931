"""ONNX models whose inputs and outputs are tensors of any rank, for the tests of serving."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx_models import _model

FLOAT = TensorProto.FLOAT


def _info(name: str, shape: list[Any], element: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, element, shape)


def segmenter(factor: float = 2.0, size: int = 4) -> bytes:
    """An image to an image: ``mask [N, 3, size, size] = factor * image``, and ``score [N, 3]``, the means."""
    nodes = [
        helper.make_node("Mul", ["image", "factor"], ["mask"]),
        helper.make_node("ReduceMean", ["mask"], ["score"], axes=[2, 3], keepdims=0),
    ]
    constants = [helper.make_tensor("factor", FLOAT, [1], [factor])]
    shape = ["n", 3, size, size]
    return _model(nodes, [_info("image", shape)], [_info("mask", shape), _info("score", ["n", 3])], constants)


def rater(factor: float = 1.0, size: int = 4, name: str = "image") -> bytes:
    """An image to a number: the sum of its values times ``factor``, ``[N, 1]``."""
    nodes = [
        helper.make_node("ReduceSum", [name, "axes"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "factor"], ["product"]),
        helper.make_node("Unsqueeze", ["product", "one"], ["rating"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, 2, 3]), "axes"),
        numpy_helper.from_array(np.array([1]), "one"),
        helper.make_tensor("factor", FLOAT, [1], [factor]),
    ]
    return _model(nodes, [_info(name, ["n", 3, size, size])], [_info("rating", ["n", 1])], constants)


def sequence() -> bytes:
    """Inputs of different rank: ``steps [N, T, F]`` with T and F free, ``age [N]`` and a scalar ``scale``; it gives
    ``states [N, T, F] = steps * scale`` and ``last [N, F] = the last step + age``."""
    nodes = [
        helper.make_node("Mul", ["steps", "scale"], ["states"]),
        helper.make_node("Gather", ["states", "end"], ["ends"], axis=1),
        helper.make_node("Unsqueeze", ["age", "one"], ["wide"]),
        helper.make_node("Add", ["ends", "wide"], ["last"]),
    ]
    constants = [helper.make_tensor("end", TensorProto.INT64, [], [-1]), numpy_helper.from_array(np.array([1]), "one")]
    inputs = [_info("steps", ["n", "t", "f"]), _info("age", ["n"]), _info("scale", [])]
    return _model(nodes, inputs, [_info("states", ["n", "t", "f"]), _info("last", ["n", "f"])], constants)


def same(element: int, shape: list[Any]) -> bytes:
    """``y = x``, of any type and shape."""
    return _model([helper.make_node("Identity", ["x"], ["y"])], [_info("x", shape, element)],
                  [_info("y", shape, element)], [])  # fmt: skip


def chooser(test: str = "Greater") -> bytes:
    """``boxes [K, 2]``: of ``[N, 2]`` those whose first value is above 0 (``Less``: below), however many there are."""
    nodes = [
        helper.make_node("Gather", ["points", "zero"], ["first"], axis=2),
        helper.make_node(test, ["first", "nought"], ["is"]),
        helper.make_node("NonZero", ["is"], ["found"]),
        helper.make_node("Transpose", ["found"], ["boxes"]),
    ]
    constants = [helper.make_tensor("zero", TensorProto.INT64, [], [0]), helper.make_tensor("nought", FLOAT, [], [0.0])]
    return _model(nodes, [_info("points", ["n", "p", 2])], [_info("boxes", ["k", 2], TensorProto.INT64)], constants)


def told(shape: list[Any]) -> bytes:
    """``y``: the numbers of ``x`` as texts."""
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.STRING)]
    return _model(nodes, [_info("x", shape)], [_info("y", shape, TensorProto.STRING)], [])


def rater_with_more() -> bytes:
    """As ``rater``, and beside it ``image [N, 3, 4, 4]`` doubled and ``total``, a scalar, of all rows."""
    nodes = [
        helper.make_node("ReduceSum", ["image", "axes"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "one"], ["rating"]),
        helper.make_node("Add", ["image", "image"], ["twice"]),
        helper.make_node("ReduceSum", ["image"], ["total"], keepdims=0),
    ]
    constants = [numpy_helper.from_array(np.array([1, 2, 3]), "axes"), numpy_helper.from_array(np.array([1]), "one")]
    shape = ["n", 3, 4, 4]
    outputs = [_info("rating", ["n", 1]), _info("twice", shape), _info("total", [])]
    return _model(nodes, [_info("image", shape)], outputs, constants)


def scorer(scores: list[list[float]], bias: list[float]) -> bytes:
    """Scores ``logits [N, C]`` of an image ``[N, 3, 4, 4]``: the means of its channels times ``scores [3, C]`` and
    ``bias``; no label, no probability."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["means", "scores", "bias"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(scores, np.float32), "scores"),
        numpy_helper.from_array(np.array(bias, np.float32), "bias"),
    ]
    output = _info("logits", ["n", len(bias)])
    return _model(nodes, [_info("image", ["n", 3, 4, 4])], [output], constants)
