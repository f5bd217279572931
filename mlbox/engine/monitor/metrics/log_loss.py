"""Log loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.models.evaluate import EPSILON
from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class LogLoss:
    """−mean( y · ln p + (1 − y) · ln(1 − p) ): cross entropy in nats of probabilities p and labels y of 0 and 1. p is
    kept 2⁻⁵² away from 0 and 1, as scikit-learn does.

    C. Bishop, *Pattern Recognition and Machine Learning*, Springer 2006, 4.3.2.
    """

    capabilities = Capabilities("labels")

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return f"""
            SELECT w, segment, '' AS feature, -fsum(label * ln(p) + (1 - label) * ln(1 - p)) / count(*) AS value,
                count(*) AS n
            FROM (
                SELECT w, segment, label, greatest({EPSILON!r}, least(1 - {EPSILON!r}, prediction)) AS p FROM _labelled
            )
            GROUP BY w, segment
            """


METRICS.add("log_loss", LogLoss())
