"""Two-sample Kolmogorov–Smirnov statistic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class KolmogorovSmirnov:
    """D = sup |F(x) − G(x)| of the distribution functions of baseline and window, taken at the edges of the baseline's
    histogram, where both are known exactly; so it is at most the D of all values, by no more than the largest share
    of one bin. From 0 (the same) to 1.

    N. Smirnov, *Table for Estimating the Goodness of Fit of Empirical Distributions*, Ann. Math. Stat. 19, 1948.
    """

    capabilities = Capabilities("histogram", per_feature=True, drift=True)

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, feature, max(abs(below / n - base_below / base_n)) AS value, any_value(n) AS n
            FROM (
                SELECT *, sum(current) OVER upto AS below, sum(base) OVER upto AS base_below
                FROM _bins WINDOW upto AS (PARTITION BY w, segment, feature ORDER BY bin)
            )
            GROUP BY w, segment, feature
            """


METRICS.add("ks", KolmogorovSmirnov())
