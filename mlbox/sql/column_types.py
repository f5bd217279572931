"""Column types in declarations, kept as the user wrote them."""

from __future__ import annotations

from mlbox.sql.parser import Cursor
from mlbox.sql.references import identifier, is_name


def type_text(cursor: Cursor) -> str:
    """``DOUBLE``, ``DECIMAL(18, 3)``, ``VARCHAR[]``, ``STRUCT(a INT)``, ``TIMESTAMP WITH TIME ZONE``."""
    if not is_name(cursor.token):
        cursor.fail(f"expected a type, found {cursor.found()}", "for example DOUBLE, BIGINT, VARCHAR or TIMESTAMP")
    start = cursor.token.start
    first_index = cursor.index
    first = cursor.advance().key
    while cursor.accept("."):
        cursor.advance()
    if first == "DOUBLE":
        cursor.accept("PRECISION")
    if first in ("CHARACTER", "CHAR", "BIT"):
        cursor.accept("VARYING")
    if cursor.at("("):
        cursor.index = cursor.closing(cursor.index) + 1
    if first in ("TIMESTAMP", "TIME"):
        for zone in ("WITH", "WITHOUT"):
            if cursor.accept(zone):
                cursor.expect("TIME", "ZONE", hint=f"write {first} {zone} TIME ZONE")
    while cursor.at("["):
        cursor.index = cursor.closing(cursor.index) + 1
    for token in cursor.tokens[first_index : cursor.index]:
        if token.kind == "parameter":
            cursor.fail("a type takes no parameters", "write the type out, for example DECIMAL(18, 3)", token)
    return cursor.scope.source[start : cursor.tokens[cursor.index - 1].stop]


def typed_names(cursor: Cursor, what: str) -> tuple[tuple[str, str], ...]:
    """``(a INT, b VARCHAR)``."""
    inner = cursor.enter(what, f"write {what} (name TYPE, ..)")
    found: list[tuple[str, str]] = []
    while True:
        token = inner.token
        name = identifier(inner, "column")
        if name.lower() in (known.lower() for known, _ in found):
            inner.fail(f"{name} is given twice in {what}", "each once", token)
        found.append((name, type_text(inner)))
        if inner.at_end():
            return tuple(found)
        inner.expect(",")
