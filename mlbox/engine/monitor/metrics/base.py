"""What a metric is: SQL over the relations of a window. A new metric is one file in this package.

A metric's SELECT gives ``w, segment, feature, value, n``; ``w`` is the start of the window, ``segment`` the part of its
rows, ``feature`` empty for a metric of the whole window, ``n`` the rows that the value rests on. It may read:

``_bins``
    ``w, segment, feature, bin, width, base, base_n, current, n``: one row for each bin of the baseline's histogram of a
    feature: ``base`` and ``current`` are counts in the bin, ``base_n`` and ``n`` their sums over the bins (both > 0),
    ``width`` the bin's width. The outer bins take everything beyond the histogram's edges.
``_features``
    ``w, segment, feature, missing, base_missing, n``: shares of rows without a value (0 to 1), and all rows.
``_rows``
    ``w, segment, row_id, prediction``: every row.
``_labelled``
    ``w, segment, prediction, label``: rows whose label was known at the time of evaluation, both finite; only of
    windows with enough of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mlbox.base.errors import Invalid
from mlbox.base.registry import Registry
from mlbox.base.suggest import did_you_mean

Needs = Literal["histogram", "rows", "labels"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """``needs``: what it is computed from. ``drift``: 0 when baseline and window agree, larger as they part."""

    needs: Needs
    per_feature: bool = False
    drift: bool = False
    options: frozenset[str] = frozenset()


class Metric(Protocol):
    """A metric. Its docstring holds formula and source."""

    capabilities: Capabilities

    def sql(self, options: Mapping[str, Any]) -> str:
        """A SELECT of ``w, segment, feature, value, n``; raises ``Invalid`` for an option that is wrong."""
        ...


METRICS: Registry[Metric] = Registry("drift metric", "mlbox.engine.monitor.metrics")


def checked(name: str, options: Mapping[str, Any]) -> Metric:
    """The metric, if it is there and takes the options."""
    metric = METRICS.get(name.lower())
    for option in options:
        if option not in metric.capabilities.options:
            known = metric.capabilities.options
            hint = did_you_mean(option, known) if known else f"{name} takes none"
            raise Invalid(f"metric {name} has no option {option!r}", hint=hint)
    metric.sql(options)
    return metric


def whole_number(options: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    """The option as a whole number in a range; ``None`` when it is not given."""
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Invalid(f"{name} = {value!r} must be a whole number from {low} to {high}")
    return value
