"""Any other object with a predict method."""

from __future__ import annotations

from mlbox.serve.runtimes.base import RUNTIMES, Kept

RUNTIMES.add("pickle", Kept("pickle", ("cloudpickle", "numpy")))
