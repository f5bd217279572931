"""Mean prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class PredictionMean:
    """The mean of the predictions; of probabilities, the share of positives that the model expects."""

    capabilities = Capabilities("rows")

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, '' AS feature, fsum(prediction) / count(*) AS value, count(*) AS n
            FROM (FROM _rows WHERE isfinite(prediction)) GROUP BY w, segment
            """


METRICS.add("prediction_mean", PredictionMean())
