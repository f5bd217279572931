"""Fitted models of XGBoost and LightGBM as ONNX, by the converter that users install: the same answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pandas
import pytest

from mlbox.client import artifacts
from mlbox.engine.models.sessions import OnnxSession

NAMES = ["age", "amount", "days", "visits"]
ROWS = numpy.random.default_rng(1).normal(size=(200, 4)).astype("float32")
FRAME = pandas.DataFrame(ROWS, columns=NAMES)
LABEL = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int)
CLASSES = numpy.digitize(ROWS[:, 0], [-0.5, 0.5])
TARGET = ROWS[:, 0] * 100 + 500


def xgboost_of(name: str, target: Any, **options: Any) -> Callable[[], tuple[Any, Any]]:
    def fitted() -> tuple[Any, Any]:
        import xgboost

        model = getattr(xgboost, name)(n_estimators=5, max_depth=3, **options).fit(FRAME, target)
        return model, model.predict_proba(FRAME) if hasattr(model, "predict_proba") else model.predict(FRAME)

    return fitted


def lightgbm_of(name: str, target: Any, **options: Any) -> Callable[[], tuple[Any, Any]]:
    def fitted() -> tuple[Any, Any]:
        import lightgbm

        model = getattr(lightgbm, name)(n_estimators=5, verbose=-1, **options).fit(FRAME, target)
        return model, model.predict_proba(FRAME) if hasattr(model, "predict_proba") else model.predict(FRAME)

    return fitted


def xgboost_booster() -> tuple[Any, Any]:
    import xgboost

    matrix = xgboost.DMatrix(FRAME, label=LABEL)
    model = xgboost.train({"objective": "binary:logistic", "max_depth": 3}, matrix, 5)
    return model, model.predict(matrix)


def lightgbm_booster() -> tuple[Any, Any]:
    import lightgbm

    model = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(FRAME, label=LABEL), 5)
    return model, model.predict(FRAME)


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "xgboost classifier": xgboost_of("XGBClassifier", LABEL),
    "xgboost classes": xgboost_of("XGBClassifier", CLASSES),
    "xgboost regressor": xgboost_of("XGBRegressor", TARGET),
    "xgboost counts": xgboost_of("XGBRegressor", numpy.abs(TARGET), objective="count:poisson"),
    "xgboost forest": xgboost_of("XGBRFClassifier", LABEL),
    "xgboost booster": xgboost_booster,
    "lightgbm classifier": lightgbm_of("LGBMClassifier", LABEL),
    "lightgbm classes": lightgbm_of("LGBMClassifier", CLASSES),
    "lightgbm regressor": lightgbm_of("LGBMRegressor", TARGET),
    "lightgbm booster": lightgbm_booster,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_named_columns_becomes_onnx_and_says_the_same(name: str) -> None:
    model, expected = MODELS[name]()
    names = getattr(model, "feature_names", None) or getattr(model, "feature_name_", None)
    payload = artifacts.model("m", model, None, FRAME, {})
    assert (payload.metadata["framework"], payload.metadata.get("note")) == ("onnx", None)
    assert payload.metadata["feature_names"] == NAMES
    assert isinstance(payload.content, bytes)
    found = numpy.asarray(outputs(payload.content)[-1]).reshape(len(ROWS), -1)
    wanted = numpy.asarray(expected).reshape(len(ROWS), -1)
    assert numpy.allclose(found[:, -1], wanted[:, -1], rtol=1e-4, atol=1e-5)
    assert (getattr(model, "feature_names", None) or getattr(model, "feature_name_", None)) == names  # left as it was
    OnnxSession(payload.content)  # the server can load it


def outputs(content: bytes) -> list[Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options)
    return list(session.run(None, {session.get_inputs()[0].name: ROWS}))
