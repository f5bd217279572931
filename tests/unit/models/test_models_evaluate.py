"""Metrics against scikit-learn, in numpy and in SQL."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import onnx_models
import pyarrow as pa
import pytest
from sklearn import metrics

from mlbox.base.errors import Invalid
from mlbox.engine.models.evaluate import auc_sql, evaluate, evaluate_table
from mlbox.engine.models.sessions import OnnxSession, Predictor


def _sample(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    prediction = random.random(3_000)
    if ties:
        prediction = np.round(prediction, 1)
    label = (random.random(3_000) < 0.3 + 0.4 * prediction).astype(float)
    return prediction, label


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_classification_equals_scikit_learn(seed: int, ties: bool) -> None:
    prediction, label = _sample(seed, ties)
    got = evaluate(prediction, label)
    assert got["auc"] == pytest.approx(metrics.roc_auc_score(label, prediction), abs=1e-12)
    assert got["log_loss"] == pytest.approx(metrics.log_loss(label, prediction), abs=1e-9)
    assert got["accuracy"] == pytest.approx(metrics.accuracy_score(label, prediction >= 0.5))
    assert got["n"] == 3_000 and got["positive_rate"] == pytest.approx(label.mean())


@pytest.mark.parametrize("ties", [False, True])
def test_auc_in_sql_equals_scikit_learn_by_group(ties: bool) -> None:
    prediction, label = _sample(7, ties)
    group = np.arange(len(label)) % 3
    connection = duckdb.connect()
    connection.register("scored", pa.table({"p": prediction, "y": label == 1, "g": group}))
    connection.execute("CREATE TABLE t AS SELECT * FROM scored")
    connection.execute("INSERT INTO t VALUES (NULL, true, 0), ('nan', false, 1), (0.5, NULL, 2)")
    whole = connection.execute(auc_sql("t", "p", "y")).fetchall()
    assert whole == [(pytest.approx(metrics.roc_auc_score(label, prediction), abs=1e-12), 3_000)]
    for key, value, count in connection.execute(auc_sql("t", "p", "y", by=["g"])).fetchall():
        mine = group == key
        assert value == pytest.approx(metrics.roc_auc_score(label[mine], prediction[mine]), abs=1e-12)
        assert count == mine.sum()


def test_one_class_only_has_no_auc() -> None:
    assert math.isnan(evaluate([0.2, 0.3], [0, 0], classifies=True)["auc"])
    assert duckdb.sql(auc_sql("(VALUES (0.1, 1), (0.2, 1)) v(p, y)", "p", "y")).fetchall() == [(None, 2)]
    with pytest.raises(Invalid):
        evaluate([float("nan")], [1])


def test_regression_equals_scikit_learn() -> None:
    random = np.random.default_rng(1)
    label = random.normal(size=500)
    prediction = label + random.normal(size=500)
    got = evaluate(prediction, label)
    assert got["rmse"] == pytest.approx(metrics.root_mean_squared_error(label, prediction))
    assert got["mae"] == pytest.approx(metrics.mean_absolute_error(label, prediction))
    assert got["r2"] == pytest.approx(metrics.r2_score(label, prediction))


def test_a_table_is_predicted_and_compared_with_its_label() -> None:
    trained = onnx_models.gradient_boosting(False)
    predictor = Predictor(OnnxSession(trained.onnx), ("a", "b", "c", "d"))
    table = pa.table({**{n: trained.rows[:, i] for i, n in enumerate("abcd")}, "late": trained.label})
    expected = metrics.roc_auc_score(trained.label, trained.model.predict_proba(trained.rows)[:, 1])
    assert evaluate_table(predictor, table)["auc"] == pytest.approx(expected, abs=1e-6)
    two = table.append_column("other", pa.array([0] * len(trained.label)))
    with pytest.raises(Invalid, match="late, other"):
        evaluate_table(predictor, two)
    assert evaluate_table(predictor, two, "LATE")["auc"] == pytest.approx(expected, abs=1e-6)
