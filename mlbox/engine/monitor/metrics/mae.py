"""Mean absolute error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class MeanAbsoluteError:
    """mean( |prediction − label| ), in the unit of the label."""

    capabilities = Capabilities("labels")

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, '' AS feature, fsum(abs(prediction - label)) / count(*) AS value, count(*) AS n
            FROM _labelled GROUP BY w, segment
            """


METRICS.add("mae", MeanAbsoluteError())
