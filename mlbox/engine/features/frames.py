"""Which rows a window covers, as SQL: three kinds, one formula each.

The value at time t covers the rows of the same entities with time in [s(t), t], both ends included. With w the length
of the window and p the period of EVERY:

    sliding              s(t) = t - w
    aligned (EVERY p)    s(t) = floor(t / p) * p + p - w     the last w / p buckets, the one of t included
    calendar             s(t) = the start of t's minute, hour, day, week, month, quarter or year

Buckets of EVERY count from 1970-01-01 00:00 UTC; weeks begin on Monday; calendar units are those of a time zone, UTC
without one. s never decreases, so a window may be kept up while time goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from mlbox.base.names import literal
from mlbox.engine.features.definition import WindowColumn, interval

AXIS = "_axis"
"""The column of a row's time while a set is computed."""
CALENDAR = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1, hours=2),
    "week": timedelta(days=7, hours=2),
    "month": timedelta(days=31, hours=2),
    "quarter": timedelta(days=92, hours=2),
    "year": timedelta(days=366, hours=2),
}
"""Unit → what it lasts at most, with a clock that is set back."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def start_sql(window: WindowColumn, time: str) -> str:
    """s(t), where ``time`` is the SQL of t."""
    if window.calendar is not None:
        if window.zone is None:
            return f"date_trunc({literal(window.calendar)}, {time})"
        zone = literal(window.zone)
        return f"(date_trunc({literal(window.calendar)}, {time} AT TIME ZONE {zone}) AT TIME ZONE {zone})"
    return f"{time} - {_before(window, time)}"


def frame_sql(window: WindowColumn) -> str:
    """The frame of a SQL window over rows in the order of :data:`AXIS`."""
    if window.calendar is not None:
        start = start_sql(window, AXIS)
        before = f"to_microseconds(greatest(0, epoch_us({AXIS}) - epoch_us({start})))"
    else:
        before = _before(window, AXIS)
    return f"RANGE BETWEEN {before} PRECEDING AND CURRENT ROW"


def _before(window: WindowColumn, time: str) -> str:
    if window.every is None:
        return interval(window.seconds)
    period, length = round(window.every * 1_000_000), round(window.seconds * 1_000_000)
    into = f"(epoch_us({time}) % {period} + {period}) % {period}"
    return f"to_microseconds({into} + {length - period})"


def start(window: WindowColumn, time: datetime) -> datetime:
    """s(t)."""
    if window.calendar is not None:
        return _calendar_start(window.calendar, time, window.zone)
    length = timedelta(seconds=window.seconds)
    if window.every is None:
        return time - length
    period = timedelta(seconds=window.every)
    return EPOCH + (time - EPOCH) // period * period + period - length


def expiry(window: WindowColumn, first: datetime) -> datetime:
    """The first time from which on a row of time ``first`` is no longer covered."""
    length = timedelta(seconds=window.seconds)
    if window.calendar is not None:
        return _calendar_end(window.calendar, first, window.zone)
    if window.every is None:
        return first + length + _MICROSECOND
    period = timedelta(seconds=window.every)
    return EPOCH + (first - EPOCH) // period * period + length


_STARTS: dict[str, Callable[[datetime], datetime]] = {
    "minute": lambda day: day.replace(second=0, microsecond=0),
    "hour": lambda day: day.replace(minute=0, second=0, microsecond=0),
    "day": lambda day: _midnight(day),
    "week": lambda day: _midnight(day) - timedelta(days=day.weekday()),
    "month": lambda day: _midnight(day).replace(day=1),
    "quarter": lambda day: _midnight(day).replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    "year": lambda day: _midnight(day).replace(month=1, day=1),
}


def _midnight(day: datetime) -> datetime:
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def _calendar_start(unit: str, time: datetime, zone: str | None) -> datetime:
    """As ``date_trunc``: of what the clock of the zone shows."""
    place = ZoneInfo(zone or "UTC")
    shown = time.astimezone(place).replace(tzinfo=None)
    return _STARTS[unit](shown).replace(tzinfo=place).astimezone(UTC)


def _calendar_end(unit: str, time: datetime, zone: str | None) -> datetime:
    """The start of the next unit."""
    place = ZoneInfo(zone or "UTC")
    shown = _STARTS[unit](time.astimezone(place).replace(tzinfo=None))
    steps = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
    after = shown + (timedelta(days=7) if unit == "week" else steps.get(unit, timedelta(0)))
    if unit in ("month", "quarter", "year"):
        months = shown.month - 1 + {"month": 1, "quarter": 3, "year": 12}[unit]
        after = shown.replace(year=shown.year + months // 12, month=months % 12 + 1)
    return after.replace(tzinfo=place).astimezone(UTC)
