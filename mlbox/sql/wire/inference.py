"""Types of parameters, inferred from what stands beside them.

DuckDB binds a statement when its values are known; a driver that prepares first (asyncpg) must be told types before.
What is told here decides how the client encodes its values, no more: DuckDB casts them where they are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from mlbox.base.command import Query
from mlbox.base.errors import MlboxError
from mlbox.sql.lexer import Token, quoted_name, tokenize
from mlbox.sql.script import Statement
from mlbox.sql.wire import types as t
from mlbox.sql.wire.catalog.pg_catalog import PARAMETER
from mlbox.sql.wire.types import of_duckdb

if TYPE_CHECKING:
    from mlbox.sql.wire.statements import Statements

_COMPARISONS = frozenset({"=", "<", ">", "<=", ">=", "<>", "!=", "+", "-", "*", "/"})
_TEXTS = frozenset({"LIKE", "ILIKE", "||", "~", "SIMILAR"})
_ALIASES = {"INT": "INTEGER", "TEXT": "VARCHAR", "INT8": "BIGINT", "INT4": "INTEGER", "INT2": "SMALLINT"}
_ALIASES |= {"FLOAT8": "DOUBLE", "FLOAT4": "FLOAT", "REAL": "FLOAT", "BOOL": "BOOLEAN", "BYTEA": "BLOB"}
_ALIASES |= {"NUMERIC": "DECIMAL(38,10)", "DECIMAL": "DECIMAL(38,10)", "LONG": "BIGINT", "STRING": "VARCHAR"}


def infer(statements: Statements, statement: Statement, count: int) -> dict[int, int]:
    """Types by number of the parameter, as far as they can be told."""
    tokens = tokenize(statement.text)
    columns = _Columns(statements, statement.text)
    found = _inserted(tokens, columns)
    for at, token in enumerate(tokens):
        if token.kind != "parameter" or not token.text[1:].isdigit():
            continue
        number = int(token.text[1:])
        if number <= count and number not in found:
            oid = _beside(tokens, at, columns)
            if oid:
                found[number] = oid
    return found


def _beside(tokens: Sequence[Token], at: int, columns: _Columns) -> int | None:
    """The type of the parameter at an index by its neighbours."""
    after, before = _key(tokens, at + 1), _key(tokens, at - 1)
    if after == "::":
        return _type_at(tokens, at + 2)
    if after == "AS" and before == "(" and _key(tokens, at - 2) in ("CAST", "TRY_CAST"):
        return _type_at(tokens, at + 2)
    if before in ("LIMIT", "OFFSET"):
        return t.INT8
    if before in _TEXTS or after in _TEXTS:
        return t.TEXT
    if before in _COMPARISONS:
        return columns.type_of(_name_before(tokens, at - 2))
    if before == "BETWEEN":
        return columns.type_of(_name_before(tokens, at - 2 if _key(tokens, at - 2) != "NOT" else at - 3))
    if before == "AND" and (begin := _back_to(tokens, at - 2, "BETWEEN")) is not None:
        return columns.type_of(_name_before(tokens, begin - 1))
    if before in ("(", ",") and (opened := _list_of_in(tokens, at - 1)) is not None:
        name = _name_before(tokens, opened - (2 if _key(tokens, opened - 2) == "NOT" else 1) - 1)
        return columns.type_of(name)
    if before == "(" and _key(tokens, at - 2) == "ANY":
        element = columns.type_of(_name_before(tokens, at - 4))
        return t.BY_OID[element].array if element in t.BY_OID else None
    if after in _COMPARISONS:
        return columns.type_of(_name_after(tokens, at + 2))
    return None


def _key(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].key if 0 <= at < len(tokens) else ""


def _type_at(tokens: Sequence[Token], at: int) -> int | None:
    name = _key(tokens, at)
    if name == "TIMESTAMP" and [_key(tokens, at + i) for i in (1, 2, 3)] == ["WITH", "TIME", "ZONE"]:
        return t.TIMESTAMPTZ
    oid, _ = of_duckdb(_ALIASES.get(name, name))
    if _key(tokens, at + 1) == "[":
        return t.BY_OID[oid].array if oid in t.BY_OID else None
    return oid


def _name_before(tokens: Sequence[Token], at: int) -> str:
    """The column whose name ends at an index."""
    return _plain(tokens[at]) if 0 <= at < len(tokens) else ""


def _name_after(tokens: Sequence[Token], at: int) -> str:
    while _key(tokens, at + 1) == ".":
        at += 2
    return _plain(tokens[at]) if at < len(tokens) else ""


def _plain(token: Token) -> str:
    if token.kind == "quoted":
        return quoted_name(token.text).lower()
    return token.text.lower() if token.kind == "word" else ""


def _back_to(tokens: Sequence[Token], at: int, word: str) -> int | None:
    """The index of ``word`` within the last expression before."""
    for index in range(at, max(-1, at - 12), -1):
        if tokens[index].key == word:
            return index
        if tokens[index].key in ("AND", "OR", "WHERE"):
            return None
    return None


def _list_of_in(tokens: Sequence[Token], at: int) -> int | None:
    """The index of IN when the bracket around an index opens its list."""
    depth = 0
    for index in range(at, -1, -1):
        key = tokens[index].key
        if key == ")":
            depth += 1
        elif key == "(":
            if depth == 0:
                return index - 1 if _key(tokens, index - 1) == "IN" else None
            depth -= 1
    return None


def _inserted(tokens: Sequence[Token], columns: _Columns) -> dict[int, int]:
    """Parameters that stand alone in the rows of INSERT … VALUES take the types of their columns."""
    keys = [token.key for token in tokens]
    if "VALUES" not in keys or keys[:2] not in (["INSERT", "INTO"], ["INSERT", "OR"]):
        return {}
    values = keys.index("VALUES")
    names = columns.order
    if keys[values - 1] == ")":
        opened = max((index for index in range(values) if keys[index] == "("), default=0)
        names = [_plain(token) for token in tokens[opened + 1 : values - 1] if token.key != ","]
    found: dict[int, int] = {}
    depth = place = 0
    for at in range(values + 1, len(tokens)):
        key = keys[at]
        if key in ("(", "[", "{"):
            depth += 1
            place = 0 if depth == 1 else place
        elif key in (")", "]", "}"):
            depth -= 1
        elif key == "," and depth == 1:
            place += 1
        elif tokens[at].kind == "parameter" and depth == 1 and place < len(names):
            alone = keys[at - 1] in ("(", ",") and _key(tokens, at + 1) in (")", ",")
            oid = columns.type_of(names[place]) if alone else None
            if oid and tokens[at].text[1:].isdigit():
                found[int(tokens[at].text[1:])] = oid
    return found


class _Columns:
    """Columns of the tables that a statement names."""

    def __init__(self, statements: Statements, text: str) -> None:
        self.order: list[str] = []
        self._types: Mapping[str, int] = {}
        names = _tables(statements, text)
        types: dict[str, int] = {}
        for name in names:
            try:
                found = statements.describe(Query(f"FROM {name}"))
            except MlboxError:
                continue
            for column, kind in found:
                types.setdefault(column.lower(), of_duckdb(kind)[0])
                self.order.append(column.lower())
        self._types = types

    def type_of(self, name: str) -> int | None:
        """The type of a column by its name."""
        return self._types.get(name)


def _tables(statements: Statements, text: str) -> list[str]:
    """Tables that a statement names; those of writing statements by their first words."""
    import duckdb

    tokens = tokenize(text)
    keys = [token.key for token in tokens]
    found: list[str] = []
    for word in ("INTO", "UPDATE", "FROM"):
        if word in keys[:4]:
            at = keys.index(word) + 1
            end = at + 1
            while end + 1 < len(keys) and keys[end] == ".":
                end += 2
            found.append(text[tokens[at].start : tokens[end - 1].stop] if at < len(tokens) else "")
            break
    with suppress(duckdb.Error), statements.context.catalog.read() as cursor:
        found += sorted(cursor.get_table_names(PARAMETER.sub("NULL", text), qualified=True))
    return [name for name in found if name]
