"""Accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class Accuracy:
    """The share of rows whose prediction falls on the label's side of 0.5; labels are 0 and 1."""

    capabilities = Capabilities("labels")

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, '' AS feature, count(*) FILTER ((prediction >= 0.5) = (label = 1)) / count(*) AS value,
                count(*) AS n
            FROM _labelled GROUP BY w, segment
            """


METRICS.add("accuracy", Accuracy())
