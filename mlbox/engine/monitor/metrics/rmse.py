"""Root mean squared error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class RootMeanSquaredError:
    """√ mean( (prediction − label)² ), in the unit of the label."""

    capabilities = Capabilities("labels")

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, '' AS feature, sqrt(fsum(pow(prediction - label, 2)) / count(*)) AS value, count(*) AS n
            FROM _labelled GROUP BY w, segment
            """


METRICS.add("rmse", RootMeanSquaredError())
