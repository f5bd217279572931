"""Linear models as an SQL expression, so that a query computes them without leaving DuckDB.

A graph is walked once, from its inputs to the output that is the prediction. Every value on the way must be an affine
function of the features, at the end possibly the logistic function of one: ``Scaler``, ``LinearRegressor``,
``LinearClassifier`` of two classes, ``Gemm``, ``MatMul``, ``Add``, ``Sub``, ``Mul``, ``Div`` with constants,
``Sigmoid``. Any other node, and the model is computed by ONNX Runtime. What was read is compared with ONNX Runtime at
random points before it is used, so that a graph that was misunderstood gives no wrong number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.engine.models.onnx_graph import Graph, Node, read

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mlbox.engine.models.sessions import Predictor

    Matrix = npt.NDArray[np.float64]

TOLERANCE = 1e-6
"""How far the expression may be from ONNX Runtime, over the size of the terms: it has 32 bits, we have 64."""
_POINTS = 256


@dataclass(frozen=True, slots=True)
class Linear:
    """``prediction = link(intercept + Σ coefficient · feature)``; features rounded to ``type`` as by the model."""

    coefficients: tuple[float, ...]
    intercept: float
    logistic: bool
    type: str
    """FLOAT or DOUBLE"""

    def sql(self, columns: Sequence[str]) -> str:
        """The expression over SQL expressions of the features; NULL when one of them is NULL or NaN."""
        terms = [repr(self.intercept) + "::DOUBLE"]
        for coefficient, column in zip(self.coefficients, columns, strict=True):
            value = f"CAST({column} AS {self.type})" + ("::DOUBLE" if self.type == "FLOAT" else "")
            terms.append(f"{coefficient!r}::DOUBLE * {value}")
        total = " + ".join(terms)
        return f"nullif({f'1 / (1 + exp(-({total})))' if self.logistic else total}, 'NaN'::DOUBLE)"


def linear_of(content: bytes, predictor: Predictor) -> Linear | None:
    """The model of a file as an expression; nothing when it is not one, or not surely."""
    graph = read(content)
    if graph is None or not predictor.outputs or predictor.tensors_in:
        return None
    if any(not predictor.input_of(index).floating for index in range(len(predictor.features))):
        return None
    try:
        found = _Walk(graph, predictor).result()
    except (_NotLinear, ValueError, IndexError, TypeError, KeyError):
        return None
    return found if found is not None and _agrees(found, predictor) else None


class _NotLinear(Exception):  # an answer, not an error
    pass


@dataclass(frozen=True, slots=True)
class _Affine:
    """``weights [features, columns]`` and ``bias [columns]``; with ``logistic`` its logistic function."""

    weights: Matrix
    bias: Matrix
    logistic: bool = False

    def plain(self) -> _Affine:
        """Itself, where only an affine value will do."""
        if self.logistic:
            raise _NotLinear
        return self


class _Walk:
    """Values of a graph by name."""

    def __init__(self, graph: Graph, predictor: Predictor) -> None:
        import numpy as np

        self._np: Any = np
        self._graph = graph
        self._predictor = predictor
        self._values: dict[str, _Affine] = {}
        width = len(predictor.features)
        eye = np.eye(width)
        if predictor.matrix:
            self._values[predictor.tensors[0].name] = _Affine(eye, np.zeros(width))
        else:
            for index, tensor in enumerate(predictor.tensors):
                self._values[tensor.name] = _Affine(eye[:, index : index + 1], np.zeros(1))

    def result(self) -> Linear | None:
        """What the prediction is made of."""
        for node in self._graph.nodes:
            take = _OPERATORS.get(node.op)
            if take is not None:
                take(self, node)
        value = self._values.get(self._predictor.prediction_output)
        if value is None:
            return None
        columns = value.weights.shape[1]
        if self._predictor.classifies and columns > 2:
            return None
        column = columns - 1 if self._predictor.classifies else 0
        kind = "DOUBLE" if self._predictor.input_of(0).element == "double" else "FLOAT"
        coefficients = tuple(float(weight) for weight in value.weights[:, column])
        return Linear(coefficients, float(value.bias[column]), value.logistic, kind)

    def value(self, name: str) -> _Affine:
        """A value that has been understood."""
        try:
            return self._values[name]
        except KeyError:
            raise _NotLinear from None

    def put(self, node: Node, value: _Affine, output: int = 0) -> None:
        """Name what a node gives."""
        self._values[node.outputs[output]] = value

    def number(self, name: str) -> Any:
        """A constant as doubles, or nothing."""
        found = self._graph.constants.get(name)
        return None if found is None else found.astype(self._np.float64)

    def row(self, name: str, columns: int) -> Any:
        """A constant that holds for every row: one number or one a column."""
        found = self.number(name)
        if found is None:
            raise _NotLinear
        flat = found.reshape(-1)
        if found.ndim > 2 or (found.ndim == 2 and found.shape[0] != 1) or len(flat) not in (1, columns):
            raise _NotLinear
        return self._np.broadcast_to(flat, (columns,))

    def same(self, node: Node) -> None:
        """What changes nothing: a cast, another shape."""
        if node.inputs and node.inputs[0] in self._values:
            self.put(node, self._values[node.inputs[0]])

    def normalizer(self, node: Node) -> None:
        """The shares of two probabilities that add to 1."""
        value = self.value(node.inputs[0])
        if value.logistic and value.weights.shape[1] == 2 and node.attribute("norm") == "L1":
            self.put(node, value)

    def constant(self, node: Node) -> None:
        """A constant that stands among the nodes."""
        values = node.attribute("value")
        if hasattr(values, "shape"):
            self._graph.constants[node.outputs[0]] = values

    def scaler(self, node: Node) -> None:
        """``(x - offset) * scale``"""
        value = self.value(node.inputs[0]).plain()
        columns = value.weights.shape[1]
        offset = self._np.broadcast_to(self._np.array(node.attribute("offset") or [0.0]), (columns,))
        scale = self._np.broadcast_to(self._np.array(node.attribute("scale") or [1.0]), (columns,))
        self.put(node, _Affine(value.weights * scale, (value.bias - offset) * scale))

    def arithmetic(self, node: Node) -> None:
        """With a constant on one side."""
        first, second = node.inputs
        left = first in self._values
        value = self.value(first if left else second).plain()
        other = self.row(second if left else first, value.weights.shape[1])
        if node.op == "Add":
            self.put(node, _Affine(value.weights, value.bias + other))
        elif node.op == "Mul":
            self.put(node, _Affine(value.weights * other, value.bias * other))
        elif node.op == "Sub":
            sign = 1.0 if left else -1.0
            self.put(node, _Affine(value.weights * sign, (value.bias - other) * sign))
        elif left:
            self.put(node, _Affine(value.weights / other, value.bias / other))

    def product(self, node: Node) -> None:
        """``MatMul`` and ``Gemm`` with a constant matrix on the right."""
        value = self.value(node.inputs[0]).plain()
        matrix = self.number(node.inputs[1])
        if matrix is None or matrix.ndim != 2 or node.attribute("transA", 0):
            raise _NotLinear
        matrix = (matrix.T if node.attribute("transB", 0) else matrix) * node.attribute("alpha", 1.0)
        weights, bias = value.weights @ matrix, value.bias @ matrix
        if len(node.inputs) > 2 and node.inputs[2]:
            bias = bias + self.row(node.inputs[2], matrix.shape[1]) * node.attribute("beta", 1.0)
        self.put(node, _Affine(weights, bias))

    def concat(self, node: Node) -> None:
        """Columns side by side."""
        if node.attribute("axis") not in (1, -1):
            raise _NotLinear
        parts = [self.value(name).plain() for name in node.inputs]
        weights = self._np.concatenate([part.weights for part in parts], axis=1)
        self.put(node, _Affine(weights, self._np.concatenate([part.bias for part in parts])))

    def sigmoid(self, node: Node) -> None:
        """The logistic function; nothing linear can follow."""
        value = self.value(node.inputs[0]).plain()
        self.put(node, _Affine(value.weights, value.bias, logistic=True))

    def regressor(self, node: Node) -> None:
        """``LinearRegressor``"""
        if node.attribute("post_transform", "NONE") not in ("NONE", "LOGISTIC"):
            raise _NotLinear
        logistic = node.attribute("post_transform", "NONE") == "LOGISTIC"
        self.put(node, self._scores(node, node.attribute("targets", 1), logistic))

    def classifier(self, node: Node) -> None:
        """``LinearClassifier`` of two classes; its second output is the probabilities."""
        intercepts = node.attribute("intercepts") or []
        classes = len(node.attribute("coefficients")) // len(self._predictor.features) if not intercepts else 0
        transform = node.attribute("post_transform", "NONE")
        scores = self._scores(node, len(intercepts) or classes, logistic=True)
        if transform == "SOFTMAX" and scores.weights.shape[1] == 2:  # of two scores: the logistic of their difference
            weights = (scores.weights - scores.weights[:, ::-1], scores.bias - scores.bias[::-1])
            self.put(node, _Affine(*weights, logistic=True), 1)
        elif transform == "LOGISTIC" and scores.weights.shape[1] <= 2:
            self.put(node, scores, 1)

    def _scores(self, node: Node, count: int, logistic: bool) -> _Affine:
        value = self.value(node.inputs[0]).plain()
        matrix = self._np.array(node.attribute("coefficients")).reshape(count, -1).T
        bias = self._np.array(node.attribute("intercepts") or [0.0] * count)
        return _Affine(value.weights @ matrix, value.bias @ matrix + bias, logistic)


_OPERATORS: dict[str, Callable[[_Walk, Node], None]] = {
    **dict.fromkeys(("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "ZipMap"), _Walk.same),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _Walk.arithmetic),
    **dict.fromkeys(("MatMul", "Gemm"), _Walk.product),
    "Constant": _Walk.constant,
    "Normalizer": _Walk.normalizer,
    "Scaler": _Walk.scaler,
    "Concat": _Walk.concat,
    "Sigmoid": _Walk.sigmoid,
    "LinearRegressor": _Walk.regressor,
    "LinearClassifier": _Walk.classifier,
}


def _agrees(linear: Linear, predictor: Predictor) -> bool:
    """Whether ONNX Runtime says the same at random points, small and large; always the same points."""
    import numpy as np

    random = np.random.default_rng(0)
    width = len(linear.coefficients)
    points = random.normal(size=(_POINTS, width)) * 10.0 ** random.integers(-2, 3, size=(_POINTS, width))
    points = points.astype(np.float64 if linear.type == "DOUBLE" else np.float32).astype(np.float64)
    coefficients = np.array(linear.coefficients)
    ours = points @ coefficients + linear.intercept
    size = np.abs(points) @ np.abs(coefficients) + abs(linear.intercept) + 1
    if linear.logistic:
        with np.errstate(over="ignore"):
            ours = 1 / (1 + np.exp(-ours))
    theirs = predictor.run([points[:, index] for index in range(width)], _POINTS).prediction
    return bool(np.all(np.abs(ours - theirs) <= TOLERANCE * size))
