"""The functions that can be aggregated over windows. A new one is an entry here.

NULL values are left out by all but ``first`` and ``last``; without a value ``count`` and ``approx_distinct`` are 0
and the others NULL. ``stddev`` and ``var`` are those of a sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowFunction:
    """``sql`` is the call, with ``{column}``, ``{order}`` (of rows of equal time) and ``{argument}`` in it."""

    sql: str
    summary: str
    argument: bool = False
    """Whether it takes a number between 0 and 1 after the column."""
    filtered: str | None = None
    """The same as a call that can take a FILTER, where ``sql`` cannot."""
    error: float | None = None
    """For a sketch: its stated error, relative (of a count) or in rank (of a quantile)."""


FUNCTIONS: Mapping[str, WindowFunction] = {
    "count": WindowFunction("count({column})", "Values that are not NULL; count(*) counts rows"),
    "sum": WindowFunction("sum({column})", "Sum"),
    "sum_squares": WindowFunction("sum(CAST({column} AS DOUBLE) * {column})", "Sum of squares, as DOUBLE"),
    "sqr": WindowFunction("sum(CAST({column} AS DOUBLE) * {column})", "The same as sum_squares"),
    "avg": WindowFunction("avg({column})", "Mean"),
    "min": WindowFunction("min({column})", "Smallest value"),
    "max": WindowFunction("max({column})", "Largest value"),
    "first": WindowFunction(
        "first_value({column} ORDER BY {order})",
        "Value of the earliest row",
        filtered="arg_min_null({column}, row({order}))",
    ),
    "last": WindowFunction(
        "last_value({column} ORDER BY {order})",
        "Value of the latest row",
        filtered="arg_max_null({column}, row({order}))",
    ),
    "stddev": WindowFunction("stddev_samp({column})", "Sample standard deviation"),
    "var": WindowFunction("var_samp({column})", "Sample variance"),
    "approx_distinct": WindowFunction(
        "approx_count_distinct({column})", "Different values, approximately (HyperLogLog)", error=0.05
    ),
    "quantile": WindowFunction(
        "approx_quantile({column}, {argument})",
        "The value below which a part of the rows lies (t-digest)",
        argument=True,
        error=0.05,
    ),
}
