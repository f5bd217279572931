"""Predictors of tensors, over Arrow: lists of any depth, rows that are NULL, and what they refuse."""

from __future__ import annotations

import numpy as np
import onnx_models
import pyarrow as pa
import pytest
import tensor_models

from mlbox.base.errors import Invalid
from mlbox.engine.models import predict
from mlbox.engine.models.predict import Rows, predict_table
from mlbox.engine.models.sessions import OnnxSession
from mlbox.engine.models.tensor_predictor import predictor_for

IMAGES = np.random.default_rng(0).normal(size=(7, 3, 4, 4)).astype(np.float32)
LISTS = pa.array(IMAGES.tolist(), pa.list_(pa.list_(pa.list_(pa.float32()))))


def test_lists_of_a_table_are_tensors_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = predictor_for(OnnxSession(tensor_models.rater()))
    monkeypatch.setattr(predict, "VALUES", 2 * 48)  # two images a call
    expected = IMAGES.sum(axis=(1, 2, 3))
    assert np.allclose(predict_table(predictor, pa.table({"image": LISTS, "more": range(7)})), expected, rtol=1e-5)
    rows = pa.StructArray.from_arrays([LISTS], ["image"], mask=pa.array([index == 2 for index in range(7)]))
    found = Rows(predictor).predict(rows).to_pylist()
    assert found[2] is None and found[3:] == pytest.approx(expected[3:], rel=1e-5)


def test_of_outputs_that_nobody_asks_for_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be as large as the images, and one without rows cannot be joined."""
    predictor = predictor_for(OnnxSession(tensor_models.rater_with_more()))
    monkeypatch.setattr(predict, "VALUES", 2 * 48)
    rows = pa.StructArray.from_arrays([LISTS], ["image"], mask=pa.array([index == 2 for index in range(7)]))
    asked = Rows(predictor)
    expected = IMAGES.sum(axis=(1, 2, 3))
    found = asked.predict(rows).to_pylist()
    assert found[2] is None and found[3:] == pytest.approx(expected[3:], rel=1e-5)
    assert list(asked._output(rows)[1].outputs) == [predictor.chosen] == ["rating"]


def test_rows_that_are_all_null() -> None:
    rows = pa.StructArray.from_arrays([LISTS[:2]], ["image"], mask=pa.array([True, True]))
    asked = Rows(predictor_for(OnnxSession(tensor_models.rater())))
    assert asked.predict(rows).to_pylist() == [None, None]
    assert [row["probabilities"] for row in asked.predict_all(rows).to_pylist()] == [None, None]


def test_a_model_for_one_row_is_asked_row_by_row() -> None:
    predictor = predictor_for(OnnxSession(onnx_models.fixed_batch()))
    assert predictor.fixed_rows == 1 and predictor.tensors[0].sql_type == "FLOAT[3]"
    with pytest.raises(Invalid, match=r"gives Y FLOAT\[3\], and no number for each row"):
        predict_table(predictor, pa.table({"X": [[1.0, 2.0, 3.0]]}))


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array([[1.0], [1.0, 2.0]]), "lists of 1 and of 2 values"),
        (pa.array([[1.0], None]), "a row without a list"),
        (pa.array([[[[1.0]]]]), r"has shape \[1, 1, 1, 1\], the model takes \[-1, 3, 4, 4\]"),
        (pa.array([1.0]), r"has shape \[1\]"),
        (pa.array([["a"]]), "is given as string"),
    ],
)
def test_lists_that_are_no_such_tensor_are_refused(column: pa.Array, says: str) -> None:
    with pytest.raises(Invalid, match=f"'image'.*{says}"):
        predict_table(predictor_for(OnnxSession(tensor_models.rater())), pa.table({"image": column}))
