"""The toolkit of printing: names, values and clauses as statements have them, so that they read back as the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from mlbox.base.command import Query
from mlbox.base.errors import Internal
from mlbox.base.names import Ref, literal, quote
from mlbox.sql.lexer import RESERVED

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LEADING = frozenset("IF WORKFLOW PROJECT ENTITY TIMESTAMP TIMESTAMPTZ DATE KNOWN RUN MODEL FEATURE COMMENT".split())
"""Words of ours with which something else may begin where a name stands."""
_UNITS = (("days", timedelta(days=1)), ("hours", timedelta(hours=1)), ("minutes", timedelta(minutes=1)))


class Writer:
    """Writes statements of a project: names of other projects are qualified.

    With ``secrets`` the values of secrets are printed; a log or a plan must not have them.
    """

    def __init__(self, project: str, *, secrets: bool = False) -> None:
        self.project = project
        self.secrets = secrets

    def ref(self, ref: Ref) -> str:
        """``name``, ``project.name``, with ``@version``."""
        version = f"@{version_or_alias(ref.version)}" if ref.version else ""
        if ref.project == self.project:
            return f"{name(ref.name)}{version}"
        return f"{name(ref.project)}.{name(ref.name)}{version}"

    def run(self, ref: Ref) -> str:
        """A run by its id or name."""
        return literal(ref.name) if ref.project == self.project else self.ref(ref)

    def create(self, noun: str, command: Any, *clauses: str) -> str:
        """``CREATE [OR REPLACE] <noun> [IF NOT EXISTS] name ..``."""
        replace = "OR REPLACE" if command.replace else ""
        guard = "IF NOT EXISTS" if command.if_not_exists else ""
        shown = self.ref(command.ref) if hasattr(command, "ref") else name(command.name)
        return line("CREATE", replace, noun, guard, shown, *clauses)


def line(*parts: str) -> str:
    """The parts that there are, with blanks between them."""
    return " ".join(part for part in parts if part)


def clause(words: str, printed: str | None) -> str:
    """``words printed``, or nothing."""
    return f"{words} {printed}" if printed is not None else ""


def name(text: str) -> str:
    """A name, in quotes where it must be."""
    plain = _PLAIN.match(text) and text.upper() not in RESERVED and text.upper() not in _LEADING
    return text if plain else quote(text)


def version_or_alias(given: str) -> str:
    """A version's number, or an alias as a name."""
    return given if given.isdigit() else name(given)


def names(found: Iterable[str]) -> str:
    """``(a, b)``."""
    return f"({', '.join(name(entry) for entry in found)})"


def text(given: str | None) -> str | None:
    """A text in quotes."""
    return None if given is None else literal(given)


def word(given: str | None) -> str | None:
    """A word where it is one, else a text."""
    if given is None:
        return None
    return given if name(given) == given else literal(given)


def query(found: Query | None) -> str | None:
    """``(SELECT ..)``."""
    return None if found is None else f"({found.text})"


def interval(given: timedelta | None) -> str | None:
    """``INTERVAL '2 days'``, exact to the microsecond."""
    if given is None:
        return None
    for unit, length in _UNITS:
        if given and not given % length:
            return f"INTERVAL '{given // length} {unit}'"
    if not given % timedelta(seconds=1):
        return f"INTERVAL '{given // timedelta(seconds=1)} seconds'"
    return f"INTERVAL '{given // timedelta(microseconds=1)} microseconds'"


def instant(given: datetime | None) -> str | None:
    """``TIMESTAMP '2026-01-01 00:00:00+00:00'``."""
    return None if given is None else f"TIMESTAMP '{given.astimezone(UTC).isoformat(sep=' ')}'"


def value(given: Any) -> str:
    """A value as it stands in ``WITH (..)``."""
    if given is None:
        return "NULL"
    if isinstance(given, bool):
        return "TRUE" if given else "FALSE"
    if isinstance(given, str):
        return literal(given)
    if isinstance(given, (int, float, Decimal)):
        return repr(given) if isinstance(given, float) else str(given)
    if isinstance(given, timedelta):
        return str(interval(given))
    if isinstance(given, datetime):
        return str(instant(given))
    if isinstance(given, date):
        return f"DATE '{given.isoformat()}'"
    if isinstance(given, Mapping):
        return "{" + ", ".join(f"{literal(str(key))}: {value(item)}" for key, item in given.items()) + "}"
    if isinstance(given, (list, tuple)):
        return "[" + ", ".join(value(item) for item in given) + "]"
    raise Internal(f"a value of type {type(given).__name__} has no spelling")


def key(given: str) -> str:
    """The key of an option."""
    return given if name(given) == given else literal(given)


def options(words: str, given: Mapping[str, Any]) -> str:
    """``WITH (key = value, ..)``, or nothing."""
    return pairs(words, {entry: value(item) for entry, item in given.items()})


def pairs(words: str, printed: Mapping[str, str]) -> str:
    """``words (key = .., ..)`` of what is printed already, or nothing."""
    return f"{words} ({', '.join(f'{key(entry)} = {item}' for entry, item in printed.items())})" if printed else ""


def comment(command: Any) -> str:
    """``COMMENT 'text'``, or nothing."""
    return clause("COMMENT", text(command.comment))


def statement(found: Query) -> str:
    """A statement inside another one; in parentheses where its own would be taken for them."""
    return f"({found.text})" if found.text.startswith("(") else found.text
