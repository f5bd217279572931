"""Models of scikit-learn that were not converted to ONNX."""

from __future__ import annotations

from mlbox.serve.runtimes.base import RUNTIMES, Kept

RUNTIMES.add("sklearn", Kept("sklearn", ("scikit-learn", "numpy")))
