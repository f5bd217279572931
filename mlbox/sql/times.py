"""Intervals and instants in statements."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from mlbox.base.suggest import nearest
from mlbox.sql.lexer import RESERVED, Token, string_value
from mlbox.sql.parameters import Unbound
from mlbox.sql.parser import Cursor, bound

_UNITS: dict[str, timedelta] = {
    **dict.fromkeys(("us", "usec", "usecs", "microsecond", "microseconds"), timedelta(microseconds=1)),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), timedelta(milliseconds=1)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
}
_NO_LENGTH = frozenset("mon mons month months quarter quarters y yr year years decade decades".split())
FULL_UNITS = ("seconds", "minutes", "hours", "days", "weeks", "milliseconds", "microseconds")
_INTERVAL_HINT = "write INTERVAL '5 minutes' or 5 MINUTES"
_INSTANT_HINT = "write TIMESTAMP '2026-01-31 12:00:00'"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time whose parameter is bound later."""


def is_unit(token: Token) -> bool:
    """Whether the token is a unit of time, so that a number before it is an interval."""
    return token.kind == "word" and token.text.lower() in _UNITS


def interval(cursor: Cursor, what: str, *, positive: bool = True) -> timedelta:
    """``INTERVAL '2 days'``, ``INTERVAL 5 MINUTES``, ``5 MINUTES`` or ``'5 minutes'``; more than nothing."""
    first = cursor.token
    try:
        found = _interval(cursor, what)
    except OverflowError:
        cursor.fail(f"{what}: the interval is too long", _INTERVAL_HINT, first)
    if positive and found <= timedelta(0):
        cursor.fail(f"{what} needs an interval longer than nothing", _INTERVAL_HINT, first)
    return found


def _interval(cursor: Cursor, what: str) -> timedelta:
    cursor.accept("INTERVAL")
    token = cursor.token
    if token.kind == "parameter":
        found = _bound_interval(cursor, what, token)
    elif token.kind == "string":
        cursor.advance()
        inner = string_value(token.text)
        if is_unit(cursor.token) and inner.strip().replace(".", "", 1).isdigit():
            inner += " " + cursor.advance().text
        found = _interval_text(cursor, what, inner, token)
    elif token.kind == "number":
        found = _bare_interval(cursor, what)
    else:
        hint = f"write {what} 1 {token.text}" if is_unit(token) else _INTERVAL_HINT
        cursor.fail(f"{what} needs an interval, found {cursor.found()}", hint)
    return found


def _bound_interval(cursor: Cursor, what: str, token: Token) -> timedelta:
    """``$wait`` as a text or an interval, ``$n MINUTES`` as a number or a text with one."""
    cursor.advance()
    given = bound(cursor, token)
    unit = cursor.advance().text if is_unit(cursor.token) else ""
    if isinstance(given, Unbound):
        return timedelta(seconds=1)
    if isinstance(given, timedelta) and not unit:
        return given
    if isinstance(given, str):
        return _interval_text(cursor, what, f"{given} {unit}".strip(), token)
    if unit and isinstance(given, (int, float)) and not isinstance(given, bool):
        return given * _unit(cursor, what, unit, token)
    hint = "pass a number, such as 5" if unit else "pass a text like '5 minutes'"
    cursor.fail(f"{what} needs an interval, and {token.text} is {given!r}", hint, token)


def _bare_interval(cursor: Cursor, what: str) -> timedelta:
    token = cursor.token
    amount = _amount(cursor)
    unit = cursor.token
    if unit.kind != "word" or unit.key in RESERVED:
        hint = f"add a unit: {token.text} MINUTES, {token.text} HOURS, {token.text} DAYS"
        cursor.fail(f"{what} needs an interval, found {token.text}", hint, token)
    found = amount * _unit(cursor, what, unit.text, unit)
    cursor.advance()
    return found


def _amount(cursor: Cursor) -> float:
    return float(cursor.advance().text.replace("_", ""))


def _unit(cursor: Cursor, what: str, unit: str, at: Token) -> timedelta:
    folded = unit.lower()
    if folded in _UNITS:
        return _UNITS[folded]
    if folded in _NO_LENGTH:
        hint = "write it in days, for example INTERVAL '30 days'"
        cursor.fail(f"{what}: a {folded.rstrip('s')} has no fixed length", hint, at)
    close = nearest(folded, FULL_UNITS)
    hint = "did you mean " + " or ".join(close) + "?" if close else "units: " + ", ".join(FULL_UNITS)
    cursor.fail(f"{what}: {unit} is not a unit of time", hint, at)


def _interval_text(cursor: Cursor, what: str, given: str, at: Token) -> timedelta:
    """``1 day 2 hours``, ``90m``, ``01:30:00``."""
    words = _numbers_and_words(given)
    total, index = timedelta(0), 0
    while index < len(words):
        if ":" in words[index]:
            total += _clock(cursor, what, words[index], at)
            index += 1
            continue
        try:
            amount = float(words[index])
        except ValueError:
            amount = None
        if amount is None or index + 1 >= len(words):
            cursor.fail(f"{what}: '{given}' is not an interval", _INTERVAL_HINT, at)
        total += amount * _unit(cursor, what, words[index + 1], at)
        index += 2
    if not words:
        cursor.fail(f"{what}: the interval is empty", _INTERVAL_HINT, at)
    return total


def _numbers_and_words(given: str) -> list[str]:
    found: list[str] = []
    for part in given.split():
        digits = len(part) - len(part.lstrip("+-0123456789.:_"))
        found += [piece for piece in (part[:digits], part[digits:]) if piece]
    return found


def _clock(cursor: Cursor, what: str, given: str, at: Token) -> timedelta:
    parts = given.split(":")
    try:
        hours, minutes, seconds = int(parts[0]), int(parts[1]), float(parts[2]) if len(parts) > 2 else 0.0
    except ValueError:
        cursor.fail(f"{what}: '{given}' is not an interval", _INTERVAL_HINT, at)
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def instant(cursor: Cursor, what: str) -> datetime:
    """``TIMESTAMP '..'``, ``DATE '..'`` or ``'..'``, aware; without a zone it is UTC."""
    if cursor.token.key in ("TIMESTAMP", "TIMESTAMPTZ", "DATE"):
        cursor.advance()
    token = cursor.token
    given: Any
    if token.kind == "parameter":
        cursor.advance()
        given = bound(cursor, token)
        if isinstance(given, Unbound):
            return EPOCH
    elif token.kind == "string":
        cursor.advance()
        given = string_value(token.text)
    else:
        cursor.fail(f"{what} needs a time, found {cursor.found()}", _INSTANT_HINT)
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given.strip())
        except ValueError:
            cursor.fail(f"{what}: '{given}' is not a time", _INSTANT_HINT, token)
    elif isinstance(given, date) and not isinstance(given, datetime):
        given = datetime(given.year, given.month, given.day)
    if not isinstance(given, datetime):
        cursor.fail(f"{what} needs a time, and {token.text} is {given!r}", _INSTANT_HINT, token)
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
