"""Kullback–Leibler divergence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities
from mlbox.engine.monitor.metrics.psi import EPSILON


class KullbackLeibler:
    """KL = Σ cᵢ · ln(cᵢ / bᵢ), the divergence of the window from the baseline in nats, over the bins of the baseline's
    histogram; an empty share is 0.0001, as for psi, which is its symmetric form.

    S. Kullback, R. Leibler, *On Information and Sufficiency*, Ann. Math. Stat. 22(1), 1951.
    """

    capabilities = Capabilities("histogram", per_feature=True, drift=True)

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return f"""
            SELECT w, segment, feature, fsum(c * ln(c / b) ORDER BY bin) AS value, any_value(n) AS n
            FROM (
                SELECT *, greatest(current / n, {EPSILON}) AS c, greatest(base / base_n, {EPSILON}) AS b FROM _bins
            )
            GROUP BY w, segment, feature
            """


METRICS.add("kl", KullbackLeibler())
