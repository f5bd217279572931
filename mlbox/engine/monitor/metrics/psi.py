"""Population stability index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities, whole_number

EPSILON = 1e-4
"""An empty bin counts as this share, since the logarithm of 0 has no value. 0.0001 is the field's habit."""


class PopulationStabilityIndex:
    """PSI = Σ (cᵢ − bᵢ) · ln(cᵢ / bᵢ) over the bins of the baseline's histogram, with shares b of the baseline and c of
    the window; an empty share is 0.0001. Below 0.1 little has changed, above 0.25 much.

    N. Siddiqi, *Credit Risk Scorecards*, Wiley 2006. Of windows with n rows and a baseline with m, B bins and no drift
    the expectation is about (B − 1) · (1/n + 1/m) (B. Yurdakul, *Statistical Properties of PSI*, 2018), so ask for
    rows enough: ``WHEN psi > 0.2 AND n >= 1000``.

    Option ``bins``: join the histogram's bins to at most this many with about equal shares of the baseline.
    """

    capabilities = Capabilities("histogram", per_feature=True, drift=True, options=frozenset({"bins"}))

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        bins = whole_number(options, "bins", 2, 100)
        below = "(sum(base) OVER (PARTITION BY w, segment, feature ORDER BY bin) - base)"
        group = "bin" if bins is None else f"least({bins - 1}, floor({bins} * {below} / base_n))"
        return f"""
            SELECT w, segment, feature, fsum((c - b) * ln(c / b) ORDER BY joined) AS value, any_value(n) AS n
            FROM (
                SELECT w, segment, feature, joined, n, greatest(sum(current) / n, {EPSILON}) AS c,
                    greatest(sum(base) / base_n, {EPSILON}) AS b
                FROM (SELECT *, {group} AS joined FROM _bins)
                GROUP BY w, segment, feature, n, base_n, joined
            )
            GROUP BY w, segment, feature
            """


METRICS.add("psi", PopulationStabilityIndex())
