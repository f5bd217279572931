"""Parameters of a statement: ``$1``, ``$name`` and ``?``, and their values as SQL literals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from mlbox.base.command import Query
from mlbox.base.errors import Invalid, StatementError
from mlbox.base.names import literal
from mlbox.base.suggest import did_you_mean
from mlbox.sql.lexer import Token, tokenize

Given = Sequence[Any] | Mapping[str, Any] | None


class Unbound(str):
    """Stands for a parameter whose value comes later (a statement kept as text is only checked)."""


class UnboundNumber(int):
    """The same where a number is wanted."""


class Parameters:
    """The values given with one statement; each ``?`` takes the next number."""

    def __init__(self, given: Given = None, *, tolerant: bool = False) -> None:
        self._values = _by_name(given)
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
        raise Invalid(f"parameter {shown} has no value", hint=_missing(self._values))


def used(text: str, given: Given) -> Given:
    """Of named values those that ``text`` has as ``$name``: a script's others are for its other statements."""
    if not isinstance(given, Mapping):
        return given
    names = {_name(token) for token in _places(text)} if given else set()
    return {name: value for name, value in given.items() if str(name).lstrip("$").lower() in names} or None


def for_query(query: Query, given: Given) -> dict[str, Any] | None:
    """The values that DuckDB wants, by name or number; raises ``StatementError`` for one that is missing."""
    if not given and len(query.text) > _LONG:
        return None  # a long INSERT is not cut into its tokens: DuckDB tells what is missing
    values = _by_name(given)
    found: dict[str, Any] = {}
    asked = 0
    for token in _places(query.text):
        asked += token.text == "?"
        name, shown = (str(asked), f"? (number {asked})") if token.text == "?" else (token.text[1:], token.text)
        if name.lower() not in values:
            raise StatementError(
                f"parameter {shown} has no value", hint=_missing(values), where=query.where(token.start)
            )
        found[name] = values[name.lower()]
    return found or None


def refuse_unused(text: str, given: Given) -> None:
    """Raise ``Invalid`` for a value that no statement of the script ``text`` asks for."""
    if not given:
        return
    places = _places(text)
    if isinstance(given, Mapping):
        names = {_name(token) for token in places}
        for name in given:
            if str(name).lstrip("$").lower() not in names:
                shown = sorted({token.text for token in places})
                hint = did_you_mean(f"${name}", shown) or "write $name where the value belongs, or leave it out"
                raise Invalid(f"the value of ${str(name).lstrip('$')} is used nowhere", hint=hint)
        return
    numbers = [int(token.text[1:]) for token in places if token.text[1:].isdigit()]
    wanted = max([sum(token.text == "?" for token in places), *numbers])
    if len(given) > wanted:
        takes = f"takes {wanted}" if wanted else "takes none"
        raise Invalid(f"{len(given)} values are given, and the text {takes}", hint="write $1, $2, .. or ? for them")


_LONG = 100_000
"""Characters of a text without values beyond which its parameters are not looked for."""


def _places(text: str) -> list[Token]:
    """The parameters in a text."""
    if "$" not in text and "?" not in text:
        return []
    return [token for token in tokenize(text) if token.kind == "parameter"]


def _name(token: Token) -> str:
    return token.text[1:].lower()


def _by_name(given: Given) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {str(name).lstrip("$").lower(): value for name, value in given.items()}
    return {str(number): value for number, value in enumerate(given, 1)}


def _missing(values: Mapping[str, Any]) -> str:
    given = ", ".join("$" + name for name in values)
    return (
        f"given: {given}" if given else "send its value with the statement; on the command line: --param [NAME=]VALUE"
    )


def as_literal(value: Any) -> str:
    """``value`` as SQL text that means the same to DuckDB; raises ``Invalid`` for a type it cannot write."""
    import duckdb

    if value is None:
        return "NULL"
    if isinstance(value, duckdb.Value):  # with its type, from a client that says it
        return f"CAST({as_literal(value.object)} AS {value.type})"
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
