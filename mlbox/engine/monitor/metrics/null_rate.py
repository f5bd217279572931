"""Change of the share of missing values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class NullRate:
    """Share of rows without a value (NULL, NaN, infinite or absent) in the window minus that in the baseline: from −1
    to 1, positive when more is missing than was. ``n`` is the number of all rows.
    """

    capabilities = Capabilities("histogram", per_feature=True)

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return "SELECT w, segment, feature, missing - base_missing AS value, n FROM _features"


METRICS.add("null_rate", NullRate())
