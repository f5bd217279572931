"""Secrets."""

from __future__ import annotations

from mlbox.engine.security.commands import DropSecret, SetSecret
from mlbox.sql import writing
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import drop_if_exists
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.references import identifier, is_name, project_name
from mlbox.sql.values import text
from mlbox.sql.writing import Writer


def _project(cursor: Cursor, shown: str) -> str:
    project = cursor.scope.project
    if cursor.accept("IN"):
        cursor.expect("PROJECT", hint="write IN PROJECT name")
        project = project_name(cursor)
    finish(cursor, shown)
    return project


def _set(cursor: Cursor) -> SetSecret:
    cursor.expect("SET", "SECRET")
    name = identifier(cursor, "secret")
    cursor.expect("=", hint=f"write SET SECRET {name} = 'value', or = $1 to keep the value out of the text")
    if cursor.token.kind not in ("string", "parameter"):
        cursor.fail("the value of a secret is a text in quotes or a parameter", f"write SET SECRET {name} = $1")
    value = text(cursor, f"SET SECRET {name}")
    return SetSecret(project=_project(cursor, "SET SECRET"), name=name, value=value)


def _print_project(project: str, write: Writer) -> str:
    return f"IN PROJECT {writing.name(project)}" if project != write.project else ""


def _print_set(command: SetSecret, write: Writer) -> str:
    value = str(writing.text(command.value)) if write.secrets else "$value"
    return writing.line(f"SET SECRET {writing.name(command.name)} = {value}", _print_project(command.project, write))


def _print_drop(command: DropSecret, write: Writer) -> str:
    guard = "IF EXISTS" if command.if_exists else ""
    return writing.line("DROP SECRET", guard, writing.name(command.name), _print_project(command.project, write))


statement(
    StatementSyntax(
        name="SET SECRET",
        summary="Keep a value encrypted under a name; functions get it by SECRETS (name).",
        syntax="SET SECRET name = 'value' [IN PROJECT project]",
        examples=("SET SECRET api_key = 'abc' IN PROJECT fraud",),
        starts=(("SET", "SECRET"),),
        parse=_set,
        prints={SetSecret: _print_set},
        claims=lambda cursor: is_name(cursor.token),
    )
)


def _drop(cursor: Cursor) -> DropSecret:
    cursor.expect("DROP", "SECRET")
    if_exists = drop_if_exists(cursor, "DROP SECRET")
    name = identifier(cursor, "secret")
    return DropSecret(project=_project(cursor, "DROP SECRET"), name=name, if_exists=if_exists)


def _claims(cursor: Cursor) -> bool:
    """``DROP SECRET name FROM storage`` is DuckDB's."""
    cursor.accept("IF", "EXISTS")
    return cursor.peek().key != "FROM"


statement(
    StatementSyntax(
        name="DROP SECRET",
        summary="Forget a secret.",
        syntax="DROP SECRET [IF EXISTS] name [IN PROJECT project]",
        examples=("DROP SECRET api_key",),
        starts=(("DROP", "SECRET"),),
        parse=_drop,
        prints={DropSecret: _print_drop},
        claims=_claims,
    )
)
noun(Noun("secret", "secrets"))
