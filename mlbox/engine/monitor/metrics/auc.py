"""Area under the ROC curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.engine.models.evaluate import auc_sql
from mlbox.engine.monitor.metrics.base import METRICS, Capabilities


class Auc:
    """The chance that a positive row is predicted higher than a negative one, ties counting half: the Mann–Whitney
    statistic U / (n₊ · n₋). A label of 1 is positive. No value while one class is absent.

    J. Hanley, B. McNeil, *The Meaning and Use of the Area under a ROC Curve*, Radiology 143(1), 1982.
    """

    capabilities = Capabilities("labels")

    def sql(self, options: Mapping[str, Any]) -> str:
        """See the class."""
        auc = auc_sql("_labelled", "prediction", "label", by=("w", "segment"))
        return f"SELECT w, segment, '' AS feature, auc AS value, n FROM ({auc})"


METRICS.add("auc", Auc())
