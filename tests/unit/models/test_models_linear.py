"""Linear models as expressions: which graphs are recognised, and that they say what ONNX Runtime says."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import onnx_models
import pytest
from onnx import TensorProto

from mlbox.engine.models import onnx_graph
from mlbox.engine.models.linear import Linear, linear_of
from mlbox.engine.models.sessions import OnnxSession, Predictor

COEFFICIENTS = [0.5, -1.25, 2.0]
SCALER = ([1.0, -2.0, 0.5], [0.1, 2.0, 1.5])


def of(content: bytes) -> tuple[Linear | None, Predictor]:
    predictor = Predictor(OnnxSession(content))
    return linear_of(content, predictor), predictor


def largest_difference(linear: Linear, predictor: Predictor) -> float:
    """Between the expression in DuckDB and ONNX Runtime, over the value where that is above 1."""
    random = np.random.default_rng(1)
    width = len(linear.coefficients)
    rows = random.normal(size=(3_000, width)) * 3
    table = duckdb.connect().execute(
        f"SELECT {linear.sql([f'x[{index + 1}]' for index in range(width)])} FROM (SELECT unnest($rows) AS x)",
        {"rows": rows.tolist()},
    )
    ours = np.array([row[0] for row in table.fetchall()])
    theirs = predictor.run([rows[:, index] for index in range(width)], len(rows)).prediction
    return float((np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))).max())


@pytest.mark.parametrize(
    ("content", "logistic"),
    [
        (onnx_models.logistic(COEFFICIENTS, 0.25), True),
        (onnx_models.logistic(COEFFICIENTS, 0.25, SCALER), True),
        (onnx_models.regression(COEFFICIENTS, -0.75), False),
        (onnx_models.gemm([COEFFICIENTS], [0.1]), True),
        (onnx_models.gemm([COEFFICIENTS], [0.1], last=None), False),
        (onnx_models.gemm([COEFFICIENTS], [0.1], last="Identity", element=TensorProto.DOUBLE), False),
    ],
)
def test_linear_graphs_are_recognised(content: bytes, logistic: bool) -> None:
    linear, predictor = of(content)
    assert linear is not None
    assert linear.logistic is logistic
    assert largest_difference(linear, predictor) < 1e-6


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("scaled", [True, False])
def test_what_scikit_learn_is_converted_to(zipmap: bool, scaled: bool) -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(0)
    rows = random.normal(loc=2, size=(500, 3)).astype(np.float32)
    model: Any = LogisticRegression()
    if scaled:
        model = make_pipeline(StandardScaler(), model)
    model.fit(rows, rows[:, 0] + random.normal(size=500) > 2)
    types = [("X", FloatTensorType([None, 3]))]
    content = to_onnx(model, initial_types=types, options={id(model): {"zipmap": zipmap}}).SerializeToString()
    linear, predictor = of(content)
    assert linear is not None
    assert largest_difference(linear, predictor) < 1e-6


@pytest.mark.parametrize(
    "content",
    [
        onnx_models.gradient_boosting(zipmap=False).onnx,
        onnx_models.by_column(),
        onnx_models.gemm([COEFFICIENTS, COEFFICIENTS], [0.1, 0.2], last="Softmax"),
        onnx_models.gemm([COEFFICIENTS], [0.1], last="Relu"),
        onnx_models.gemm([COEFFICIENTS], [0.1], last="Floor"),
    ],
)
def test_other_graphs_are_left_to_onnx_runtime(content: bytes) -> None:
    assert of(content)[0] is None


def test_a_graph_that_was_misread_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with ONNX Runtime stands between a wrong reading and a wrong number."""
    read = onnx_graph.read

    def misread(content: bytes) -> Any:
        graph = read(content)
        assert graph is not None
        graph.constants["w"] = graph.constants["w"] * 1.001
        return graph

    monkeypatch.setattr("mlbox.engine.models.linear.read", misread)
    assert of(onnx_models.gemm([COEFFICIENTS], [0.1]))[0] is None


def test_a_missing_value_has_no_prediction() -> None:
    linear, _ = of(onnx_models.regression(COEFFICIENTS, 1.0))
    assert linear is not None
    for gap in ("NULL", "'NaN'::FLOAT"):
        assert duckdb.sql(f"SELECT {linear.sql(['1', gap, '2'])}").fetchall() == [(None,)]


def test_what_is_no_model_is_not_read() -> None:
    """Any bytes: nothing, and no error."""
    content = onnx_models.logistic(COEFFICIENTS, 0.25, SCALER)
    random = np.random.default_rng(0)
    assert onnx_graph.read(b"no model at all") is None
    for _ in range(300):
        cut = bytearray(content[: random.integers(1, len(content))])
        cut[random.integers(0, len(cut))] = random.integers(0, 256)
        onnx_graph.read(bytes(cut))
