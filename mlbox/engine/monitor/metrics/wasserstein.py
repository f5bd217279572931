"""Wasserstein distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class Wasserstein:
    """W₁ = ∫ |F(x) − G(x)| dx of the distribution functions of baseline and window, by the trapezoid rule over the
    baseline's histogram; in the unit of the feature. What lies beyond the histogram counts as lying at its edge.

    S. Vallender, *Calculation of the Wasserstein Distance Between Probability Distributions on the Line*, 1974.
    """

    capabilities = Capabilities("histogram", per_feature=True, drift=True)

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, feature, fsum(width * (abs(d) + abs(before)) / 2 ORDER BY bin) AS value,
                any_value(n) AS n
            FROM (
                SELECT *, coalesce(lag(d) OVER (PARTITION BY w, segment, feature ORDER BY bin), 0) AS before
                FROM (
                    SELECT *, sum(current) OVER upto / n - sum(base) OVER upto / base_n AS d
                    FROM _bins WINDOW upto AS (PARTITION BY w, segment, feature ORDER BY bin)
                )
            )
            GROUP BY w, segment, feature
            """


METRICS.add("wasserstein", Wasserstein())
