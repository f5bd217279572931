"""Sessions and predictors against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_models
import pyarrow as pa
import pytest
from onnx import TensorProto

from mlbox.base.errors import Invalid
from mlbox.engine.models.predict import predict_struct, predict_table
from mlbox.engine.models.sessions import OnnxSession, Predictor

NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize("zipmap", [False, True])
def test_probability_of_class_one_equals_scikit_learn_with_gaps(zipmap: bool) -> None:
    trained = onnx_models.gradient_boosting(zipmap)
    predictor = Predictor(OnnxSession(trained.onnx), NAMES)
    columns = {name: trained.rows[:, index] for index, name in enumerate(NAMES)}
    expected = trained.model.predict_proba(trained.rows)[:, 1]
    assert np.abs(predictor.predict_matrix(columns) - expected).max() < 1e-5
    one = predictor.run([[None if np.isnan(v) else float(v)] for v in trained.rows[5]], 1)
    assert one.prediction == pytest.approx([expected[5]], abs=1e-5)
    both = one.outputs[predictor.output_names[1]]
    assert both.shape == (1, 2) and both.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        lambda: onnx_models.gradient_boosting(False).onnx,
        lambda: onnx_models.regression([1.0, -2.0, 3.0, 0.5], 0.25),
        lambda: onnx_models.gemm(np.eye(4).tolist(), [0.0] * 4, "Softmax", TensorProto.DOUBLE),
        lambda: onnx_models.scaled(2.0, None),
    ],
)
def test_a_bound_row_is_a_call(content: Callable[[], bytes]) -> None:
    predictor = Predictor(OnnxSession(content()), NAMES)
    bound = predictor.bound_row()
    assert bound is not None
    kept: list[Any] = []
    packed: list[bytes] = []
    for values in np.random.default_rng(0).normal(size=(20, 4)).tolist():
        assert bound.fill(values)
        matrix = predictor.matrix_of_row(values)
        assert np.array_equal(bound.seen(), matrix)
        ours, plain = predictor.output_of(bound.run(), 1), predictor.run_matrix(matrix)
        kept.append((ours, plain))
        packed.append(bound.kept())
        in_place = predictor.output_of(bound.run_in_place(), 1)
        assert in_place.prediction.tolist() == plain.prediction.tolist()
    for ours, plain in kept:  # what came before is not written over
        assert ours.prediction.tolist() == plain.prediction.tolist()
        assert {name: array.tolist() for name, array in ours.outputs.items()} == {
            name: array.tolist() for name, array in plain.outputs.items()
        }
    matrix, raw = bound.taken_apart(packed)
    together = predictor.output_of(raw, len(packed))
    assert together.prediction.tolist() == [value for ours, _ in kept for value in ours.prediction.tolist()]
    assert matrix.tolist() == np.random.default_rng(0).normal(size=(20, 4)).astype(matrix.dtype).tolist()
    for name, array in together.outputs.items():
        assert array.tolist() == [value for ours, _ in kept for value in ours.outputs[name].tolist()]


def test_a_row_that_cannot_be_bound() -> None:
    assert Predictor(OnnxSession(onnx_models.gradient_boosting(True).onnx), NAMES).bound_row() is None  # maps
    assert Predictor(OnnxSession(onnx_models.by_column())).bound_row() is None
    bound = Predictor(OnnxSession(onnx_models.regression([1.0, 1.0], 0.0)), ("a", "b")).bound_row()
    assert bound is not None
    assert not bound.fill([1.0]) and not bound.fill([5.0, 10**400])
    assert bound.fill([1.0, 2.0])
    assert bound.run()[0].tolist() == [[3.0]]


def test_columns_are_matched_by_name_in_any_order_and_case() -> None:
    trained = onnx_models.gradient_boosting(False)
    predictor = Predictor(OnnxSession(trained.onnx), NAMES)
    expected = trained.model.predict_proba(trained.rows)[:, 1]
    table = pa.table(
        {"extra": ["x"] * len(trained.rows), **{n.upper(): trained.rows[:, i] for i, n in enumerate(NAMES)}}
    )
    shuffled = table.select(["D", "extra", "B", "A", "C"])
    assert np.abs(predict_table(predictor, shuffled).to_numpy() - expected).max() < 1e-5


def test_structs_with_nulls_of_rows_and_of_fields() -> None:
    predictor = Predictor(OnnxSession(onnx_models.scaled(2.0)), ("x", "y"))
    rows = pa.array(
        [{"x": 1, "y": 2.5}, None, {"x": 3, "y": None}], pa.struct([("x", pa.int32()), ("y", pa.float64())])
    )
    got = predict_struct(predictor, rows).to_pylist()
    assert got == [7.0, None, None]
    decimal = pa.array([{"Y": "1.25", "X": True}], pa.struct([("Y", pa.string()), ("X", pa.bool_())]))
    with pytest.raises(Invalid, match="'y' is given as string"):
        predict_struct(predictor, decimal)


def test_a_missing_feature_is_named_with_the_nearest() -> None:
    predictor = Predictor(OnnxSession(onnx_models.scaled(1.0)), ("distance", "hour"))
    with pytest.raises(Invalid, match="'distance'") as caught:
        predict_table(predictor, pa.table({"distnace": [1.0], "hour": [2.0]}))
    assert caught.value.hint is not None and "distnace" in caught.value.hint


def test_one_input_a_feature_with_whole_numbers_and_text() -> None:
    predictor = Predictor(OnnxSession(onnx_models.by_column()))
    assert predictor.features == ("age", "weight", "city")
    output = predictor.run([[3, 4], [0.5, 2.0], ["Ulm", None]], 2)
    assert output.prediction.tolist() == [1.5, 8.0]
    assert output.outputs["place"].tolist() == ["Ulm", ""]
    with pytest.raises(Invalid, match="'age' has a missing"):
        predictor.run([[None], [1.0], ["x"]], 1)
    with pytest.raises(Invalid, match="'weight'"):
        predictor.run([[1], ["heavy"], ["x"]], 1)


def test_large_whole_numbers_keep_their_digits() -> None:
    predictor = Predictor(OnnxSession(onnx_models.by_column()))
    table = pa.table({"age": [2**53 + 1, 3], "weight": [1.0, 1.0], "city": ["a", "b"]})
    assert predict_table(predictor, table).to_pylist()[1] == 3.0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a usable ONNX model"),
        (b"this is no model", "not a usable ONNX model"),
        (onnx_models.scaled(1.0)[:60], "not a usable ONNX model"),
    ],
)
def test_what_cannot_be_served_says_why(content: bytes, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Invalid, match=reason):
        OnnxSession(content)
    assert capfd.readouterr().err == ""


def test_unnamed_features_of_unknown_number_are_an_error() -> None:
    session = OnnxSession(onnx_models.scaled(1.0, width=None))
    with pytest.raises(Invalid, match="how many features"):
        Predictor(session)
    assert Predictor(session, ("x", "y", "z")).run([[1.0], [2.0], [4.0]], 1).prediction.tolist() == [7.0]


@pytest.mark.parametrize("names", [("x",), ("x", "X"), ("x", "y", "z")])
def test_names_must_fit_the_model(names: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        Predictor(OnnxSession(onnx_models.scaled(1.0)), names)
