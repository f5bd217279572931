"""Window aggregates: what is declared, as SQL.

The value at a row with time k (its known-at time where the set declares one, else its event time) covers the rows of
the same entities with time in [k - w, k], rows of equal time included:

    f(column) OVER (PARTITION BY entities ORDER BY k RANGE BETWEEN w PRECEDING AND CURRENT ROW)

``first`` and ``last`` take rows of equal time in the order of their event times, then of their values; so every value
follows from the rows alone, and a refresh in parts gives what a refresh at once gives.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from mlbox.base.errors import Invalid, NotExecuted
from mlbox.base.names import quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.commands import Aggregate
from mlbox.engine.features.definition import WindowColumn, interval, short

FUNCTIONS = {
    "count": "count({column})",
    "sum": "sum({column})",
    "sqr": "sum({column} * {column})",
    "avg": "avg({column})",
    "min": "min({column})",
    "max": "max({column})",
    "first": "first_value({column} ORDER BY {order})",
    "last": "last_value({column} ORDER BY {order})",
    "stddev": "stddev_samp({column})",
    "var": "var_samp({column})",
}
AXIS = "_axis"
"""The column of a row's time while a set is computed."""


def declared(aggregates: Sequence[Aggregate]) -> tuple[WindowColumn, ...]:
    """One column a window of each aggregate; raises ``Invalid`` for what is unknown or named twice."""
    found: list[WindowColumn] = []
    for aggregate in aggregates:
        function = aggregate.function.lower()
        told = f"{function}({aggregate.column})"
        if function not in FUNCTIONS:
            raise Invalid(f"there is no window aggregate {function!r}", hint=did_you_mean(function, FUNCTIONS))
        if aggregate.column == "*" and function != "count":
            raise Invalid(f"{told} means nothing", hint="only count takes *")
        if aggregate.every is not None:
            raise NotExecuted(
                f"{told} … EVERY: aligned buckets are not executed by this version",
                hint="leave EVERY away for the exact sliding window",
            )
        if any(window <= timedelta(0) for window in aggregate.windows):
            raise Invalid(f"{told}: a window is longer than nothing", hint="OVER (INTERVAL '7 days')")
        for window in aggregate.windows:
            base = aggregate.name or f"{function}_{'rows' if aggregate.column == '*' else aggregate.column}"
            plain = aggregate.name is not None and len(aggregate.windows) == 1
            name = base if plain else f"{base}_{short(window)}"
            found.append(WindowColumn(function, aggregate.column, window.total_seconds(), name))
    names = [column.name.lower() for column in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Invalid(f"two aggregates are called {twice!r}", hint="name them with AS")
    return tuple(found)


def check_columns(windows: Sequence[WindowColumn], produced: Collection[str]) -> None:
    """Every aggregated column must come out of the query."""
    folded = {name.lower() for name in produced}
    for window in windows:
        if window.column != "*" and window.column.lower() not in folded:
            raise Invalid(
                f"{window.function}({window.column}): the query gives no column {window.column!r}",
                hint=did_you_mean(window.column, produced),
            )


def expression(window: WindowColumn, entities: Sequence[str], timestamp: str) -> str:
    """The aggregate as a SQL expression with its frame, over rows that have :data:`AXIS`."""
    column = "*" if window.column == "*" else quote(window.column)
    call = FUNCTIONS[window.function].format(column=column, order=f"{AXIS}, {quote(timestamp)}, {column}")
    keys = ", ".join(quote(name) for name in entities)
    return (
        f"{call} OVER (PARTITION BY {keys} ORDER BY {AXIS} "
        f"RANGE BETWEEN {interval(window.seconds)} PRECEDING AND CURRENT ROW)"
    )


def longest(windows: Sequence[WindowColumn]) -> float:
    """Seconds of the longest window; how far back an incremental refresh must read."""
    return max((window.seconds for window in windows), default=0.0)
