"""Parameters of a statement: ``$1``, ``$name`` and ``?``, and their values as SQL literals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.names import literal
from mlbox.sql.lexer import Token, tokenize

Given = Sequence[Any] | Mapping[str, Any] | None


class Unbound(str):
    """Stands for a parameter whose value comes later (a statement kept as text is only checked)."""


class UnboundNumber(int):
    """The same where a number is wanted."""


class Parameters:
    """The values given with one statement; each ``?`` takes the next number."""

    def __init__(self, given: Given = None, *, tolerant: bool = False) -> None:
        if given is None:
            self._values: dict[str, Any] = {}
        elif isinstance(given, Mapping):
            self._values = {str(name).lstrip("$").lower(): value for name, value in given.items()}
        else:
            self._values = {str(number): value for number, value in enumerate(given, 1)}
        self._tolerant = tolerant
        self._asked = 0

    def deferred(self) -> Parameters:
        """For a statement kept as text: nothing is bound yet, everything may be."""
        return Parameters(tolerant=True)

    def take(self, token: Token) -> Any:
        """The value of a parameter token; raises ``Invalid`` when there is none."""
        if token.text == "?":
            self._asked += 1
            name, shown = str(self._asked), f"? (number {self._asked})"
        else:
            name, shown = token.text[1:].lower(), token.text
        if name in self._values:
            return self._values[name]
        if self._tolerant:
            return Unbound(token.text)
        given = ", ".join("$" + name for name in self._values)
        raise Invalid(
            f"parameter {shown} has no value", hint=f"given: {given}" if given else "send parameters with the statement"
        )


def used(text: str, given: Given) -> Given:
    """Of named values those that ``text`` has as ``$name``: DuckDB refuses the others. Positional ones stay."""
    if not isinstance(given, Mapping):
        return given
    tokens = tokenize(text) if given and "$" in text else []
    names = {token.text[1:].lower() for token in tokens if token.kind == "parameter"}
    return {name: value for name, value in given.items() if str(name).lstrip("$").lower() in names} or None


def as_literal(value: Any) -> str:
    """``value`` as SQL text that means the same to DuckDB; raises ``Invalid`` for a type it cannot write."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        if "\0" in value:
            raise Invalid("a text with a NUL character cannot stand in a query")
        return literal(value)
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    if isinstance(value, (datetime, date, timedelta)):
        return _time(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "'" + "".join(f"\\x{byte:02X}" for byte in bytes(value)) + "'::BLOB"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(str(key))}: {as_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(as_literal(item) for item in value) + "]"
    raise Invalid(
        f"a value of type {type(value).__name__} cannot stand in a query",
        hint="use a number, text, boolean, time, list or struct",
    )


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return f"'{value}'::DOUBLE"
        text = repr(value)
        text = text if "e" in text else text + "e0"  # 0.1 alone is a DECIMAL to DuckDB
    else:
        text = str(value)
    return f"({text})" if text.startswith("-") else text


def _time(value: date | timedelta) -> str:
    if isinstance(value, timedelta):
        return f"to_microseconds({value // timedelta(microseconds=1)})"
    if isinstance(value, datetime):
        return f"{'TIMESTAMP' if value.tzinfo is None else 'TIMESTAMPTZ'} '{value.isoformat(sep=' ')}'"
    return f"DATE '{value.isoformat()}'"
