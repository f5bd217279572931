"""Models of LightGBM that were not converted to ONNX."""

from __future__ import annotations

from mlbox.serve.runtimes.base import RUNTIMES, Kept

RUNTIMES.add("lightgbm", Kept("lightgbm", ("lightgbm", "numpy")))
