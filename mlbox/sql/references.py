"""Names in statements: of columns, objects, projects, versions."""

from __future__ import annotations

from mlbox.base.names import Ref, check_name, check_project
from mlbox.sql.lexer import RESERVED, Token, quoted_name, string_value
from mlbox.sql.parameters import Unbound
from mlbox.sql.parser import Cursor, bound, checked, unquoted

_LOOSE = frozenset(
    ("function", "run", "step", "workflow", "schedule", "monitor", "alert", "endpoint", "model", "alias", "metric")
)
"""Objects that plain SQL does not name, so that a word which is reserved there may stand without quotes."""
_STRUCTURE = frozenset(
    """AND AS CASE CREATE DEFAULT DO ELSE END FALSE FOR FROM GROUP IN INTO LIMIT NOT NULL ON OR ORDER SELECT TABLE
    THEN TO TRUE UNION USING WHEN WHERE WITH""".split()
)


def is_name(token: Token, what: str = "") -> bool:
    """Whether the token may stand for a name of ``what``."""
    reserved = _STRUCTURE if what in _LOOSE else RESERVED
    return token.kind == "quoted" or (token.kind == "word" and token.key not in reserved)


def identifier(cursor: Cursor, what: str) -> str:
    """A plain or quoted name."""
    token = cursor.token
    if not is_name(token, what):
        hint = f"write the name of the {what} here"
        if token.kind == "word":
            hint = f'{token.text} is a word of SQL: write the name of the {what} before it, or "{token.text}" in quotes'
        elif token.kind == "string":
            inner = string_value(token.text)
            plain = inner.isidentifier()
            hint = f"write {inner} without quotes" if plain else f'names have double quotes: "{inner}"'
        cursor.fail(f"expected the name of the {what}, found {cursor.found()}", hint)
    cursor.advance()
    text = quoted_name(token.text) if token.kind == "quoted" else token.text
    return str(checked(cursor, token, lambda name: check_name(name, what), text))


def names(cursor: Cursor, what: str) -> tuple[str, ...]:
    """``(a, b)``."""
    inner = cursor.enter(what, f"write {what} (a, b)")
    found: list[str] = []
    while True:
        token = inner.token
        name = identifier(inner, "column")
        if name.lower() in (known.lower() for known in found):
            inner.fail(f"{name} is given twice in {what}", "each once", token)
        found.append(name)
        if inner.at_end():
            return tuple(found)
        inner.expect(",")


def project_name(cursor: Cursor) -> str:
    """The name of a project, in lower case."""
    token = cursor.token
    name = token.text if token.key == "DEFAULT" else ""
    if name:
        cursor.advance()
    else:
        name = identifier(cursor, "project")
    if cursor.at("."):
        cursor.fail("a project has a name of one word", "inside a project, objects are written project.name")
    return str(checked(cursor, token, check_project, name))


def reference(cursor: Cursor, what: str, *, version: bool = False) -> Ref:
    """``name`` or ``project.name``, with ``@version`` where ``version`` allows it."""
    token = cursor.token
    if token.key == "DEFAULT" and cursor.peek().key == ".":
        cursor.advance()
        project, name = token.text, ""
    else:
        project, name = cursor.scope.project, identifier(cursor, what)
    if cursor.accept("."):
        project, name = name or project, identifier(cursor, what)
        if cursor.at("."):
            cursor.fail("a name has at most two parts", "write name or project.name", cursor.token)
    return Ref(project.lower(), name, _version(cursor, what, version))


def _version(cursor: Cursor, what: str, allowed: bool) -> str | None:
    if not cursor.at("@"):
        return None
    if not allowed:
        cursor.fail(
            f"a version is not possible here: the {what} is meant as a whole", f"leave @{cursor.peek().text} away"
        )
    cursor.advance()
    return version_text(cursor)


def version_text(cursor: Cursor) -> str:
    """A version number or an alias."""
    token = cursor.token
    if token.kind == "number" and token.text.isdigit():
        cursor.advance()
        return str(int(token.text))
    if token.kind == "parameter":
        cursor.advance()
        value = bound(cursor, token)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value):
            return str(value) if isinstance(value, Unbound) else checked(cursor, token, check_name, str(value))
        cursor.fail(f"{token.text} is {value!r}, not a version", "a version is a whole number or an alias", token)
    if token.kind == "string":
        cursor.fail("a version has no quotes", f"write {string_value(token.text)}")
    if not is_name(token, "alias"):
        cursor.fail(f"expected a version or an alias, found {cursor.found()}", "for example @3 or @champion")
    return identifier(cursor, "alias")


def run_id(cursor: Cursor, what: str) -> str:
    """A run as ``'id'``, a parameter, or its bare name."""
    token = cursor.token
    if token.kind == "string":
        cursor.advance()
        text = string_value(token.text)
        if not text:
            cursor.fail("the run's id is empty", "write an id, its first 8 digits, or the run's name", token)
        return text
    if token.kind == "parameter":
        cursor.advance()
        value = bound(cursor, token)
        if not isinstance(value, str) or not value:
            cursor.fail(f"{token.text} is {value!r}, not a run's id", "pass the id as text", token)
        return value
    if token.kind == "number":
        cursor.fail(f"{what}: a run's id is a text", f"write '{unquoted(cursor)}'")
    if not is_name(token, "run"):
        cursor.fail(f"{what} needs a run's id, found {cursor.found()}", "for example 'a1b2c3d4', or the run's name")
    return identifier(cursor, "run")
