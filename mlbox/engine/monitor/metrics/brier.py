"""Brier score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class Brier:
    """mean( (p − y)² ) of probabilities p and labels y of 0 and 1; 0 is perfect.

    G. Brier, *Verification of Forecasts Expressed in Terms of Probability*, Monthly Weather Review 78(1), 1950.
    """

    capabilities = Capabilities("labels")

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, '' AS feature, fsum(pow(prediction - label, 2)) / count(*) AS value, count(*) AS n
            FROM _labelled GROUP BY w, segment
            """


METRICS.add("brier", Brier())
