"""Cron times and time zones in statements, checked when they are read."""

from __future__ import annotations

from mlbox.base.cron import Cron
from mlbox.base.suggest import nearest
from mlbox.sql.parameters import Unbound
from mlbox.sql.parser import Cursor, checked
from mlbox.sql.values import text


def cron(cursor: Cursor, what: str) -> str:
    """A cron time in quotes, valid."""
    token = cursor.token
    if token.kind not in ("string", "parameter"):
        cursor.fail(f"{what} needs a cron time in quotes, found {cursor.found()}", f"for example {what} '0 * * * *'")
    given = text(cursor, what)
    if not isinstance(given, Unbound):
        checked(cursor, token, Cron.parse, given)
    return given


def timezone(cursor: Cursor, what: str) -> str:
    """The name of a time zone, one that is known here."""
    from zoneinfo import ZoneInfo, available_timezones

    token = cursor.token
    given = text(cursor, what)
    if isinstance(given, Unbound):
        return "UTC"
    try:
        ZoneInfo(given)
    except (ValueError, OSError, LookupError):
        close = nearest(given, available_timezones())
        hint = "did you mean " + " or ".join(close) + "?" if close else "for example 'Europe/Berlin' or 'UTC'"
        cursor.fail(f"there is no time zone '{given}'", hint, token)
    return given
