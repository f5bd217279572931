"""Window aggregates: what is declared, as SQL.

    function(column) OVER (PARTITION BY entities ORDER BY k RANGE BETWEEN k - s(k) PRECEDING AND CURRENT ROW)

k is a row's known-at time where the set declares one, else its event time; :mod:`frames` has s. Rows of equal time are
covered alike. ``first`` and ``last`` take rows of equal time in the order of their event times, then of their values;
so every value follows from the rows alone, and a refresh in parts gives what a refresh at once gives.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mlbox.base.errors import Invalid
from mlbox.base.names import quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.commands import Aggregate, Calendar
from mlbox.engine.features.definition import WindowColumn, short
from mlbox.engine.features.frames import AXIS, CALENDAR, frame_sql
from mlbox.engine.features.window_functions import FUNCTIONS


def declared(aggregates: Sequence[Aggregate]) -> tuple[WindowColumn, ...]:
    """One column a window of each aggregate; raises ``Invalid`` for what is unknown or named twice."""
    found: list[WindowColumn] = []
    for aggregate in aggregates:
        _check(aggregate)
        for window in aggregate.windows:
            found.append(_column(aggregate, window))
    names = [column.name.lower() for column in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Invalid(f"two aggregates are called {twice!r}", hint="name them with AS")
    return tuple(found)


def _check(aggregate: Aggregate) -> None:
    function = aggregate.function.lower()
    told = f"{function}({aggregate.column})"
    if function not in FUNCTIONS:
        raise Invalid(f"there is no window aggregate {function!r}", hint=did_you_mean(function, FUNCTIONS))
    if aggregate.column == "*" and function != "count":
        raise Invalid(f"{told} means nothing", hint="only count takes *")
    takes = FUNCTIONS[function].argument
    if takes and (aggregate.argument is None or not 0 <= aggregate.argument <= 1):
        raise Invalid(
            f"{told} needs a number between 0 and 1 after the column", hint=f"{function}({aggregate.column}, 0.95)"
        )
    if not takes and aggregate.argument is not None:
        raise Invalid(f"{told} takes nothing but a column", hint="quantile(column, 0.95) takes a number")
    for window in aggregate.windows:
        if isinstance(window, Calendar):
            _check_calendar(told, window, aggregate.every)
        elif window <= timedelta(0):
            raise Invalid(f"{told}: a window is longer than nothing", hint="OVER (INTERVAL '7 days')")
        elif aggregate.every is not None and (aggregate.every <= timedelta(0) or window % aggregate.every):
            raise Invalid(
                f"{told}: a window of {short(window)} does not consist of whole periods of {short(aggregate.every)}",
                hint="the window must be a multiple of EVERY",
            )


def _check_calendar(told: str, window: Calendar, every: timedelta | None) -> None:
    if window.unit not in CALENDAR:
        raise Invalid(f"{told}: there is no calendar {window.unit!r}", hint=did_you_mean(window.unit, CALENDAR))
    if every is not None:
        raise Invalid(f"{told}: EVERY has no meaning for a calendar window", hint="leave EVERY away")
    try:
        ZoneInfo(window.zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid(f"{told}: there is no time zone {window.zone!r}", hint="such as 'Europe/Berlin'") from None


def _column(aggregate: Aggregate, window: timedelta | Calendar) -> WindowColumn:
    base = aggregate.name or "_".join(
        [
            aggregate.function.lower(),
            "rows" if aggregate.column == "*" else aggregate.column,
            *([] if aggregate.argument is None else [f"{aggregate.argument * 100:g}".replace(".", "_")]),
        ]
    )
    length = window.unit if isinstance(window, Calendar) else short(window)
    name = base if aggregate.name is not None and len(aggregate.windows) == 1 else f"{base}_{length}"
    calendar = window if isinstance(window, Calendar) else None
    longest = CALENDAR[calendar.unit] if calendar else window
    assert isinstance(longest, timedelta)
    return WindowColumn(
        aggregate.function.lower(),
        aggregate.column,
        longest.total_seconds(),
        name,
        every=aggregate.every.total_seconds() if aggregate.every is not None else None,
        calendar=calendar.unit if calendar else None,
        zone=calendar.zone if calendar else None,
        argument=aggregate.argument,
    )


def check_columns(windows: Sequence[WindowColumn], produced: Collection[str]) -> None:
    """Every aggregated column must come out of the query."""
    folded = {name.lower() for name in produced}
    for window in windows:
        if window.column != "*" and window.column.lower() not in folded:
            raise Invalid(
                f"{window.function}({window.column}): the query gives no column {window.column!r}",
                hint=did_you_mean(window.column, produced),
            )


def call(window: WindowColumn, timestamp: str, *, where: str | None = None) -> str:
    """The aggregate as a SQL call, over rows that have :data:`AXIS`; of those alone where a column is true."""
    column = "*" if window.column == "*" else quote(window.column)
    order = f"{AXIS}, {quote(timestamp)}, {column}"
    function = FUNCTIONS[window.function]
    if where is None:
        return function.sql.format(column=column, order=order, argument=window.argument)
    text = function.filtered or function.sql
    return f"{text.format(column=column, order=order, argument=window.argument)} FILTER (WHERE {where})"


def expression(window: WindowColumn, entities: Sequence[str], timestamp: str) -> str:
    """The aggregate as a SQL expression with its frame, over rows that have :data:`AXIS`."""
    keys = ", ".join(quote(name) for name in entities)
    return f"{call(window, timestamp)} OVER (PARTITION BY {keys} ORDER BY {AXIS} {frame_sql(window)})"


def longest(windows: Sequence[WindowColumn]) -> float:
    """Seconds of the longest window; how far back an incremental refresh must read."""
    return max((window.seconds for window in windows), default=0.0)
