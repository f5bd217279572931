"""What a prepared statement will take and give, told before it runs: types of parameters and columns of the result."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlbox.base.command import Query
from mlbox.base.errors import MlboxError
from mlbox.engine.runs.commands import Rerun, StartRun
from mlbox.sql.lexer import Token, tokenize
from mlbox.sql.plain import READING, statement_kind
from mlbox.sql.script import Statement, parse
from mlbox.sql.wire import types as t
from mlbox.sql.wire.bound import Bound, duckdb_type
from mlbox.sql.wire.inference import infer
from mlbox.sql.wire.messages import Field
from mlbox.sql.wire.types import described, of_duckdb

if TYPE_CHECKING:
    from mlbox.sql.wire.statements import Statements

RUN_FIELDS = [described("id", t.TEXT), described("name", t.TEXT), described("state", t.TEXT)]
RUN_FIELDS += [described("duration_ms", t.FLOAT8)]
"""What every run answers; its metrics are known afterwards only."""


def parameters(statements: Statements, statement: Statement, declared: Sequence[int]) -> list[int]:
    """Types of all parameters: those that the client has declared, else inferred, else text."""
    count = max([len(declared), *(number for number, _ in numbered(statement.text))])
    given = [*declared, *([0] * (count - len(declared)))]
    if all(given) or not count:
        return given
    if statement.ours or statements.own(statement):
        inferred: dict[int, int] = {}
    else:
        if not statements.asks_catalog(statement):
            statements.check(statement, [Bound(None, 0)] * count)
        inferred = infer(statements, statement, count)
    return [oid or inferred.get(number, t.TEXT) for number, oid in enumerate(given, 1)]


def numbered(text: str) -> list[tuple[int, Token]]:
    """Parameters ``$1`` of a text, in order, each with its token."""
    if "$" not in text:
        return []
    tokens = [token for token in tokenize(text) if token.kind == "parameter" and token.text[1:].isdigit()]
    return [(int(token.text[1:]), token) for token in tokens if int(token.text[1:]) <= 65_535]


def columns(statements: Statements, statement: Statement, oids: Sequence[int]) -> list[Field] | None:
    """Columns of the result; None when there are none. Nothing is changed."""
    if statements.own(statement):
        answer = statements.run(statement) if re.match(r"\s*SHOW\b", statement.text, re.I) else None
        return answer.fields if answer is not None else None
    nulls = [Bound(None, oid) for oid in oids]
    if statement.ours:
        return _of_ours(statements, statement, nulls)
    asked = statements.context.pg_catalog.answer(statement, nulls, statements.asker())
    if asked is not None:
        return asked.fields
    statements.check(statement, nulls)
    query = Query(statement.text, statement.offset, statement.source)
    if statement_kind(query) in READING:
        if re.match(r"\s*EXPLAIN\b", statement.text, re.I):
            return [described("explain_key", t.TEXT), described("explain_value", t.TEXT)]
        return _describe(statements, statement.text, query, oids)
    returning = _returning(statement)
    return None if returning is None else _describe(statements, returning, Query(returning), oids)


def _of_ours(statements: Statements, statement: Statement, nulls: Sequence[Bound]) -> list[Field] | None:
    command = parse(statement, statements.session.project, [value.value for value in nulls], tolerant=True)
    if isinstance(command, (StartRun, Rerun)):
        return list(RUN_FIELDS)
    if command.role != "viewer" or nulls:
        return None
    answer = statements.run(statement)
    answer.close()
    return answer.fields


def _describe(statements: Statements, text: str, query: Query, oids: Sequence[int]) -> list[Field]:
    """DuckDB's own description: names of the text as it is, types with a NULL of the right type for each parameter."""
    if not oids:
        return [described(name, *of_duckdb(kind)) for name, kind in statements.describe(query)]
    filled, kept = [], 0
    for number, token in numbered(text):
        kind = duckdb_type(oids[number - 1]) if number <= len(oids) else None
        filled.append(text[kept : token.start] + f"(NULL::{kind or 'VARCHAR'})")
        kept = token.stop
    filled.append(text[kept:])
    try:
        found = statements.describe(Query("".join(filled)))
    except MlboxError as error:
        error.where = None
        raise
    try:
        names = [name for name, _ in statements.describe(query, [None] * len(oids))]
    except MlboxError:
        names = [name for name, _ in found]  # without types it cannot be bound
    return [described(name, *of_duckdb(kind)) for name, (_, kind) in zip(names, found, strict=True)]


def _returning(statement: Statement) -> str | None:
    """A query with the columns of a RETURNING clause."""
    tokens = tokenize(statement.text)
    depth = 0
    at = None
    for index, token in enumerate(tokens):
        depth += (token.key in "([{" and token.key != "") - (token.key in ")]}" and token.key != "")
        if depth == 0 and token.key == "RETURNING":
            at = index
    if at is None:
        return None
    start = next((i for i, token in enumerate(tokens) if token.key in ("INTO", "UPDATE", "FROM")), None)
    if start is None or start + 1 >= len(tokens):
        return None
    end = start + 2
    while end + 1 < len(tokens) and tokens[end].key == ".":
        end += 2
    table = statement.text[tokens[start + 1].start : tokens[end - 1].stop]
    return f"SELECT {statement.text[tokens[at].stop :]} FROM {table}"
