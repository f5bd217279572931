"""Number of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class LabelCount:
    """How many rows of the window have a label that was known at the time of evaluation."""

    capabilities = Capabilities("labels")

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, '' AS feature, count(*)::DOUBLE AS value, count(*) AS n
            FROM _labelled GROUP BY w, segment
            """


METRICS.add("n_labels", LabelCount())
