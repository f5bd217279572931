"""Values in statements: literals, lists, structs, ``(key = value, ..)``."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn

from mlbox.base.placed import Placed
from mlbox.sql.lexer import RESERVED, quoted_name, string_value
from mlbox.sql.parameters import Unbound, UnboundNumber
from mlbox.sql.parser import Cursor, bound, unquoted
from mlbox.sql.references import is_name
from mlbox.sql.times import instant, interval, is_unit

_VALUES = "a value is a number, a text in quotes, a list, a struct, an interval, a time or a name"
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}


def value(cursor: Cursor, what: str) -> Any:
    """Any value; a bare name is its text."""
    token = cursor.token
    if token.kind == "string":
        cursor.advance()
        return string_value(token.text)
    if token.kind == "parameter":
        if is_unit(cursor.peek()):
            return interval(cursor, what, positive=False)
        cursor.advance()
        return bound(cursor, token)
    if token.kind == "number" or token.key in ("-", "+"):
        if token.kind == "number" and is_unit(cursor.peek()):
            return interval(cursor, what)
        return _number(cursor, what)
    if token.key in ("[", "{"):
        return _list(cursor, what) if token.key == "[" else _struct(cursor, what)
    if token.key in _CONSTANTS:
        cursor.advance()
        return _CONSTANTS[token.key]
    if token.key == "INTERVAL":
        return interval(cursor, what, positive=False)
    if token.key in ("TIMESTAMP", "TIMESTAMPTZ", "DATE") and cursor.peek().kind in ("string", "parameter"):
        return instant(cursor, what)
    if token.key == "(":
        cursor.fail(f"{what}: parentheses are no value", "a list is written [a, b], a struct {'key': value}")
    if is_name(token):
        return _dotted(cursor, what)
    cursor.fail(
        f"{what}: expected a value, found {cursor.found()}",
        f"write '{token.text}' if it is a text" if token.key in RESERVED else _VALUES,
    )


def _dotted(cursor: Cursor, what: str) -> str:
    token = cursor.advance()
    parts = [quoted_name(token.text) if token.kind == "quoted" else token.text]
    if cursor.at("("):
        cursor.fail(f"{what}: {parts[0]}(..) is not a value", _VALUES)
    while cursor.at(".") and is_name(cursor.peek()):
        cursor.advance()
        token = cursor.advance()
        parts.append(quoted_name(token.text) if token.kind == "quoted" else token.text)
    return ".".join(parts)


def _number(cursor: Cursor, what: str) -> int | float:
    first = cursor.token
    sign = -1 if first.key == "-" else 1
    if first.key in ("-", "+"):
        cursor.advance()
    token = cursor.token
    if token.kind == "parameter":
        return sign * number(cursor, what)
    if token.kind != "number":
        cursor.fail(f"{what}: expected a number, found {cursor.found()}", "write a number, such as 1 or 0.5")
    cursor.advance()
    text = token.text.replace("_", "")
    after = cursor.token
    if after.kind == "word" and after.start == token.stop:
        whole = token.text + after.text
        cursor.fail(f"{what}: {whole} is not a number", f"write '{whole}' if it is a text", token)
    try:
        return sign * (int(text) if text.isdigit() else float(text))
    except ValueError:
        cursor.fail(f"{what}: {token.text} is not a number", "write a number, such as 1 or 0.5", token)


def _list(cursor: Cursor, what: str) -> list[Any]:
    cursor.expect("[")
    found: list[Any] = []
    while not cursor.accept("]"):
        if found:
            cursor.expect(",")
        found.append(value(cursor, what))
    return found


def _struct(cursor: Cursor, what: str) -> dict[str, Any]:
    cursor.expect("{")
    found: dict[str, Any] = {}
    while not cursor.accept("}"):
        if found:
            cursor.expect(",")
        token = cursor.token
        key = _key(cursor, what)
        if key in found:
            cursor.fail(f"{what}: {key} is given twice", "each key once", token)
        cursor.expect(":", hint="a struct is written {'key': value}")
        found[key] = value(cursor, what)
    return found


def _key(cursor: Cursor, what: str) -> str:
    token = cursor.token
    if token.kind == "string":
        cursor.advance()
        return string_value(token.text)
    if token.kind not in ("word", "quoted"):
        cursor.fail(f"{what}: expected a key, found {cursor.found()}", f"write {what} (key = value)")
    return _dotted(cursor, what)


def options(cursor: Cursor, what: str) -> dict[str, Any]:
    """``(key = value, ..)``; each key once."""
    return pairs(cursor, what, value)


def pairs(cursor: Cursor, what: str, read: Callable[[Cursor, str], Any]) -> dict[str, Any]:
    """``(key = .., ..)`` with a reader for what follows the equals sign."""
    inner = cursor.enter(what, f"write {what} (key = value)")
    found = Placed(source=cursor.scope.source)
    while not inner.at_end():
        token = inner.token
        key = _key(inner, what)
        if key.lower() in (known.lower() for known in found):
            inner.fail(f"{what}: {key} is given twice", "each key once", token)
        if inner.at("=>") or inner.at(":") or inner.at(":="):
            inner.fail(f"{what}: expected = after {key}, found {inner.found()}", f"write {key} = value")
        inner.expect("=", hint=f"write {key} = value")
        if inner.at("="):
            inner.fail(f"{what}: {key} has two = signs", f"write {key} = value")
        begins = inner.index
        found[key] = read(inner, f"{what} {key}")
        found.offsets[key.lower()] = token.start
        if inner.at_end():
            break
        if not inner.accept(","):
            _no_comma(inner, what, key, begins)
        if inner.at_end():
            inner.fail(f"{what} ends with a comma", "take the comma away")
    return found


def _no_comma(cursor: Cursor, what: str, key: str, begins: int) -> NoReturn:
    message = f"{what}: expected , or ) after {key}, found {cursor.found()}"
    if cursor.token.kind == "operator" and cursor.token.start == cursor.tokens[cursor.index - 1].stop:
        written = unquoted(Cursor(cursor.scope, cursor.tokens, begins, cursor.limit))
        cursor.fail(message, f"write '{written}' if it is a text", cursor.tokens[begins])
    hint = "values are not computed here" if cursor.token.kind == "operator" else "separate the entries by commas"
    cursor.fail(message, hint)


def text(cursor: Cursor, what: str) -> str:
    """A text in quotes."""
    token = cursor.token
    if token.kind == "parameter":
        cursor.advance()
        given = bound(cursor, token)
        if not isinstance(given, str):
            cursor.fail(f"{what} needs a text, and {token.text} is {given!r}", "pass it as text", token)
        return given
    if token.kind != "string":
        shown = unquoted(cursor)
        quotable = token.kind in ("word", "quoted", "number")
        hint = "write '" + shown.strip('"') + "'" if quotable else f"for example {what} 'text'"
        cursor.fail(f"{what} needs a text in quotes, found {shown}", hint)
    cursor.advance()
    return string_value(token.text)


def word(cursor: Cursor, what: str) -> str:
    """A bare word or a text."""
    if is_name(cursor.token):
        return _dotted(cursor, what)
    if cursor.token.kind in ("string", "parameter"):
        return text(cursor, what)
    token = cursor.token
    quoted = f'; if "{token.text}" is the name, write it in quotes' if token.kind == "word" else ""
    cursor.fail(f"{what} needs a name, found {cursor.found()}", f"for example {what} name{quoted}")


def strings(cursor: Cursor, what: str) -> tuple[str, ...]:
    """``('a', 'b')``."""
    given = cursor.token
    inner = cursor.enter(what, f"write {what} ({given.text})" if given.kind == "string" else f"write {what} ('a', 'b')")
    found: list[str] = []
    while not inner.at_end():
        if found:
            inner.expect(",")
        found.append(text(inner, what))
    return tuple(found)


def number(cursor: Cursor, what: str) -> int | float:
    """A number."""
    token = cursor.token
    if token.kind == "parameter":
        cursor.advance()
        given = bound(cursor, token)
        if isinstance(given, Unbound):
            return UnboundNumber(1)
        if isinstance(given, Decimal):
            return float(given)
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            cursor.fail(f"{what} needs a number, and {token.text} is {given!r}", "pass it as a number", token)
        return given
    if token.kind != "number" and token.key not in ("-", "+"):
        quoted = token.kind == "string"
        hint = f"write {string_value(token.text)} without quotes" if quoted else "write a number, such as 1 or 0.5"
        cursor.fail(f"{what} needs a number, found {cursor.found()}", hint)
    return _number(cursor, what)


def count(cursor: Cursor, what: str) -> int:
    """A whole number, 0 or more."""
    token = cursor.token
    found = number(cursor, what)
    if found != found // 1 or found < 0:
        cursor.fail(f"{what} needs a whole number of 0 or more, found {found}", f"for example {what} 2", token)
    return int(found)


def positive(cursor: Cursor, what: str) -> int:
    """A whole number, 1 or more."""
    token = cursor.token
    found = count(cursor, what)
    if found < 1:
        cursor.fail(f"{what} needs a whole number of 1 or more, found {found}", f"for example {what} 4", token)
    return found
