"""Mean label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class LabelMean:
    """The mean of the labels that are known; of labels of 0 and 1, the share of positives."""

    capabilities = Capabilities("labels")

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, '' AS feature, fsum(label) / count(*) AS value, count(*) AS n
            FROM _labelled GROUP BY w, segment
            """


METRICS.add("label_mean", LabelMean())
