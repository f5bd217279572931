"""Cron: five fields (minute, hour, day of month, month, day of week), as crontab(5) reads them.

Day of month and day of week: either matches when both are restricted. 0 and 7 are Sunday.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean

_MONTHS = dict(zip("jan feb mar apr may jun jul aug sep oct nov dec".split(), range(1, 13), strict=True))
_DAYS = dict(zip("sun mon tue wed thu fri sat".split(), range(7), strict=True))
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_YEARS_AHEAD = 12  # the longest gap between two 29ths of February is 8 years (1896, 1904; 2096, 2104)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression. Make it with :meth:`parse`."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either_day: bool
    """Both day fields are restricted, so that one of them suffices."""
    every_hour: bool
    """The hour is ``*`` or ``*/n``: an hour that autumn repeats fires twice."""

    @classmethod
    def parse(cls, text: str) -> Cron:
        """The expression ``text``; raises ``Invalid`` with the field that is wrong or a day that never comes."""
        expression = text.strip().lower()
        if expression.startswith("@"):
            if expression not in MACROS:
                raise Invalid(f"{text.strip()} is not a name for a cron time", hint=did_you_mean(expression, MACROS))
            expression = MACROS[expression]
        parts = expression.split()
        if len(parts) != 5:
            raise Invalid(
                f"a cron time has 5 fields, and '{text}' has {len(parts)}",
                hint="minute hour day-of-month month day-of-week, for example '0 6 * * mon-fri'",
            )
        minutes, hours, days, months, weekdays = (
            _field(part, *field) for part, field in zip(parts, _FIELDS, strict=True)
        )
        found = cls(
            text=text,
            minutes=tuple(sorted(minutes)),
            hours=tuple(sorted(hours)),
            days=frozenset(days),
            months=frozenset(months),
            weekdays=frozenset(day % 7 for day in weekdays),
            either_day=not parts[2].startswith("*") and not parts[4].startswith("*"),
            every_hour=parts[1].startswith("*"),
        )
        found._check_possible()
        return found

    def _check_possible(self) -> None:
        if self.either_day or any(min(self.days) <= _longest(month) for month in self.months):
            return
        raise Invalid(
            f"'{self.text}' never comes: no such month has a day {min(self.days)}",
            hint="correct the day of month or the month",
        )

    def matches_day(self, day: date) -> bool:
        """Whether the expression fires at some time of ``day``."""
        if day.month not in self.months:
            return False
        by_date, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date or by_week if self.either_day else by_date and by_week

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime:
        """The first instant later than ``after`` (aware) that matches on the clocks of ``zone``; in UTC.

        A local time that the change to summer time skips fires when the clocks have jumped (02:30 at 03:30); one that
        comes twice in autumn fires the first time, or both times where the hour is ``*``.
        """
        after = after.astimezone(UTC)
        day = after.astimezone(zone).date() - timedelta(days=1)
        last = date(day.year + _YEARS_AHEAD, 12, 31)
        while day <= last:
            if self.matches_day(day):
                # A skipped time can pass a later one of the same day, so take the smallest.
                found = [instant for instant in self._instants(day, zone) if instant > after]
                if found:
                    return min(found)
            day += timedelta(days=1)
        raise Invalid(f"'{self.text}' does not come in the next {_YEARS_AHEAD} years", hint="correct its day and month")

    def _instants(self, day: date, zone: tzinfo) -> list[datetime]:
        folds = (0, 1) if self.every_hour else (0,)
        return [
            datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).astimezone(UTC)
            for hour in self.hours
            for minute in self.minutes
            for fold in folds
        ]


def _longest(month: int) -> int:
    return 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31


def _field(text: str, name: str, low: int, high: int, words: dict[str, int]) -> set[int]:
    """The numbers of one field: ``*``, ``5``, ``1-5``, ``*/15``, ``10-50/20``, lists of these."""
    found: set[int] = set()
    for item in text.split(","):
        span, slash, step_text = item.partition("/")
        step = 1
        if slash:
            if not step_text.isdecimal() or int(step_text) < 1:
                raise _wrong(item, name, low, high, "the step behind / is a whole number of 1 or more")
            step = int(step_text)
        if span == "*":
            first, last = low, high if name != "day of week" else 6
        else:
            start, dash, end = span.partition("-")
            first = _number(start, item, name, low, high, words)
            if dash:
                last = _number(end, item, name, low, high, words)
                if name == "day of week" and last == 0 and first > 0:
                    last = 7  # fri-sun
            else:
                last = high if slash else first
        if first > last:
            raise _wrong(item, name, low, high, "a range goes from the smaller to the larger")
        found.update(range(first, last + 1, step))
    return found


def _number(text: str, item: str, name: str, low: int, high: int, words: dict[str, int]) -> int:
    number = int(text) if text.isdecimal() else words.get(text, -1)
    if not low <= number <= high:
        raise _wrong(item, name, low, high, None, words)
    return number


def _wrong(item: str, name: str, low: int, high: int, why: str | None, words: dict[str, int] | None = None) -> Invalid:
    allowed = f"{low} to {high}" + (f" or {', '.join(words)}" if words else "")
    return Invalid(
        f"'{item}' is not a valid {name}", hint=why or f"allowed: {allowed}, *, ranges a-b, steps */n, lists a,b"
    )
