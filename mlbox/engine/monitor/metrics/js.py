"""Jensen–Shannon distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class JensenShannon:
    """√( ½ Σ bᵢ log₂(bᵢ / mᵢ) + ½ Σ cᵢ log₂(cᵢ / mᵢ) ) with mᵢ = (bᵢ + cᵢ) / 2 over the bins of the baseline's
    histogram. A metric from 0 (the same) to 1 (nothing in common); empty bins need no smoothing.

    J. Lin, *Divergence Measures Based on the Shannon Entropy*, IEEE Trans. Inf. Theory 37(1), 1991.
    """

    capabilities = Capabilities("histogram", per_feature=True, drift=True)

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        return """
            SELECT w, segment, feature, sqrt(greatest(0, fsum(
                CASE WHEN b > 0 THEN b * log2(2 * b / (b + c)) / 2 ELSE 0 END
                + CASE WHEN c > 0 THEN c * log2(2 * c / (b + c)) / 2 ELSE 0 END
                ORDER BY bin
            ))) AS value, any_value(n) AS n
            FROM (SELECT *, current / n AS c, base / base_n AS b FROM _bins)
            GROUP BY w, segment, feature
            """


METRICS.add("js", JensenShannon())
