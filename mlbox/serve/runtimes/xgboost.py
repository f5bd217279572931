"""Models of XGBoost that were not converted to ONNX."""

from __future__ import annotations

from mlbox.serve.runtimes.base import RUNTIMES, Kept

RUNTIMES.add("xgboost", Kept("xgboost", ("xgboost", "numpy")))
