"""Window aggregates: what is declared, as SQL.

The value at a row with time k (its known-at time where the set declares one, else its event time) covers the rows of the
same entities with time in [k - w, k], rows of equal time included:

    f(column) OVER (PARTITION BY entities ORDER BY k RANGE BETWEEN w PRECEDING AND CURRENT ROW)
"""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.base.errors import Invalid
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
    "first": "first_value({column})",
    "last": "last_value({column})",
    "stddev": "stddev_samp({column})",
    "var": "var_samp({column})",
}


def declared(aggregates: Sequence[Aggregate]) -> tuple[WindowColumn, ...]:
    """One column a window of each aggregate; raises ``Invalid`` for what is unknown or named twice."""
    found: list[WindowColumn] = []
    for aggregate in aggregates:
        function = aggregate.function.lower()
        if function not in FUNCTIONS:
            raise Invalid(f"there is no window aggregate {function!r}", hint=did_you_mean(function, FUNCTIONS))
        if aggregate.column == "*" and function != "count":
            raise Invalid(f"{function}(*) means nothing", hint="only count takes *")
        if aggregate.every is not None:
            raise Invalid(
                f"{function}({aggregate.column}) … EVERY: aligned buckets are not executed by this version",
                hint="leave EVERY away for the exact sliding window",
            )
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


def expression(window: WindowColumn, entities: Sequence[str], axis: str) -> str:
    """The aggregate as a SQL expression with its frame."""
    column = "*" if window.column == "*" else quote(window.column)
    call = FUNCTIONS[window.function].format(column=column)
    keys = ", ".join(quote(name) for name in entities)
    return (
        f"{call} OVER (PARTITION BY {keys} ORDER BY {quote(axis)} "
        f"RANGE BETWEEN {interval(window.seconds)} PRECEDING AND CURRENT ROW)"
    )


def longest(windows: Sequence[WindowColumn]) -> float:
    """Seconds of the longest window; how far back an incremental refresh must read."""
    return max((window.seconds for window in windows), default=0.0)
