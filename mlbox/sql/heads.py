"""What the statements of many nouns share: heads of CREATE, and DROP, ALTER and REFRESH."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlbox.base.command import Command
from mlbox.base.names import Ref
from mlbox.engine.workflows.commands import AlterObject
from mlbox.sql import writing
from mlbox.sql.grammar import StatementSyntax, statement
from mlbox.sql.parser import Clauses, Cursor, Reader, clauses, finish, one_of
from mlbox.sql.references import identifier, reference, version_text
from mlbox.sql.times import EPOCH, instant
from mlbox.sql.values import options, text
from mlbox.sql.writing import Writer


def flag(cursor: Cursor, clause: str) -> bool:
    """A clause of one word."""
    return True


@dataclass(frozen=True, slots=True)
class Head:
    """``CREATE [OR REPLACE] <noun> [IF NOT EXISTS]``."""

    replace: bool
    if_not_exists: bool


def create_head(cursor: Cursor, noun: str) -> Head:
    """Read the head of a CREATE; ``noun`` in capitals."""
    cursor.expect("CREATE")
    replace = cursor.accept("OR", "REPLACE")
    cursor.expect(*noun.split(" "))
    token = cursor.token
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    if not if_not_exists and cursor.at("IF") and cursor.peek().key in ("NOT", "EXISTS"):
        cursor.fail("expected IF NOT EXISTS", f"write CREATE {noun} IF NOT EXISTS name", token)
    if replace and if_not_exists:
        cursor.fail("OR REPLACE and IF NOT EXISTS exclude each other", "take one of them away", token)
    return Head(replace, if_not_exists)


def create_clauses(cursor: Cursor, statement_name: str, table: Mapping[str, Reader]) -> Clauses:
    """The clauses of a CREATE, with the one that all have."""
    return clauses(cursor, statement_name, {**table, "COMMENT": text})


def drop(kind: str, command: Any, *, version: bool = False) -> StatementSyntax:
    """Register ``DROP <kind> [IF EXISTS] name [CASCADE]``."""
    shown = f"DROP {kind.upper()}"
    words = tuple(shown.split(" "))

    def parse(cursor: Cursor) -> Command:
        cursor.expect(*words)
        if_exists = drop_if_exists(cursor, shown)
        ref = reference(cursor, kind, version=version)
        cascade = cursor.accept("CASCADE")
        finish(cursor, shown)
        found: Command = command(ref=ref, if_exists=if_exists, cascade=cascade)
        return found

    return statement(
        StatementSyntax(
            name=shown,
            summary=f"Drop {_with_article(kind)}{' or one version of it' if version else ''}.",
            syntax=f"{shown} [IF EXISTS] name{'[@version]' if version else ''} [CASCADE]",
            examples=(f"{shown} IF EXISTS old", f"{shown} old{'@2' if version else ' CASCADE'}"),
            starts=(words,),
            parse=parse,
            prints={command: print_drop},
        )
    )


def print_drop(command: Any, write: Writer) -> str:
    """``DROP <kind> [IF EXISTS] name [CASCADE]``."""
    guard, cascade = "IF EXISTS" if command.if_exists else "", "CASCADE" if command.cascade else ""
    return writing.line(command.statement, guard, write.ref(command.ref), cascade)


def drop_if_exists(cursor: Cursor, shown: str) -> bool:
    """``[IF EXISTS]``."""
    if cursor.at("IF") and cursor.peek().key == "NOT":
        cursor.fail("expected IF EXISTS", f"write {shown} IF EXISTS name")
    return cursor.accept("IF", "EXISTS")


_ACTIONS = {"SUSPEND": "SUSPEND", "RESUME": "RESUME", "RENAME": "RENAME TO name", "SET": "SET (key = value, ..)"}


def alter_action(cursor: Cursor, kind: str, ref: Ref, actions: tuple[str, ...]) -> AlterObject:
    """``SUSPEND | RESUME | RENAME TO y | SET (..)``, as far as the kind has them; reads to the end."""
    shown = f"ALTER {kind.upper()}"
    action = one_of(cursor, f"{shown} {ref.name}", actions)
    new_name, given = None, {}
    if action == "RENAME":
        cursor.expect("TO", hint=f"write {shown} {ref.name} RENAME TO new_name")
        new_name = identifier(cursor, kind)
        if cursor.at("."):
            cursor.fail("an object stays in its project", "RENAME TO takes a name without a project")
    elif action == "SET":
        given = options(cursor, "SET")
    finish(cursor, shown)
    return AlterObject(kind=kind, ref=ref, action=action.lower(), new_name=new_name, options=given)


def alias_action(cursor: Cursor) -> tuple[str, str | None] | None:
    """``SET ALIAS a = version | SET ALIAS a TO [VERSION] version | DROP ALIAS a``: the alias, and its version or None
    when it goes. None where something else stands."""
    if cursor.accept("DROP", "ALIAS"):
        return identifier(cursor, "alias"), None
    if not cursor.accept("SET", "ALIAS"):
        return None
    alias = identifier(cursor, "alias")
    if cursor.accept("TO"):
        cursor.accept("VERSION")
    else:
        cursor.expect("=", hint=f"write SET ALIAS {alias} = 3 or SET ALIAS {alias} TO VERSION 3")
    return alias, version_text(cursor)


def print_alias(alias: str, version: str | None) -> str:
    """As :func:`alias_action` reads it."""
    if version is None:
        return f"DROP ALIAS {writing.name(alias)}"
    return f"SET ALIAS {writing.name(alias)} = {writing.version_or_alias(version)}"


def print_alter(command: AlterObject, write: Writer) -> str:
    """``ALTER <kind> name <action>``."""
    action = command.action.upper()
    if command.new_name is not None:
        action = f"RENAME TO {writing.name(command.new_name)}"
    elif action == "SET":
        action = writing.options("SET", command.options) or "SET ()"
    shown = writing.name(command.ref.name) if command.kind == "project" else write.ref(command.ref)
    return f"ALTER {command.kind.upper()} {shown} {action}"


def alter(kind: str, *actions: str, later: tuple[str, ...] = ()) -> StatementSyntax:
    """Register ``ALTER <kind> name <action>``; ``later`` as in ``StatementSyntax``."""
    shown = f"ALTER {kind.upper()}"
    words = tuple(shown.split(" "))

    def parse(cursor: Cursor) -> Command:
        cursor.expect(*words)
        return alter_action(cursor, kind, reference(cursor, kind), actions)

    return statement(
        StatementSyntax(
            name=shown,
            summary=f"Change {_with_article(kind)}.",
            syntax=f"{shown} name {{{' | '.join(_ACTIONS[action] for action in actions)}}}",
            examples=tuple(f"{shown} x {_EXAMPLES[action]}" for action in actions),
            starts=(words,),
            parse=parse,
            later=later,
            prints={AlterObject: print_alter},
        )
    )


_EXAMPLES = {"SUSPEND": "SUSPEND", "RESUME": "RESUME", "RENAME": "RENAME TO y", "SET": "SET (owner = 'ana')"}


@dataclass(frozen=True, slots=True)
class RefreshClauses:
    """``[FULL] [FROM 'ts'] [TO 'ts'] [ONLINE]``."""

    full: bool
    start: datetime | None
    end: datetime | None
    online: bool


def refresh_clauses(cursor: Cursor, statement_name: str, *, online: bool = True) -> RefreshClauses:
    """Read what follows the name in a REFRESH."""
    table: dict[str, Reader] = {"FULL": flag, "FROM": instant, "TO": instant}
    if online:
        table["ONLINE"] = flag
    found = clauses(cursor, statement_name, table)
    start, end = found.get("FROM"), found.get("TO")
    if start is not None and end is not None and end <= start and EPOCH not in (start, end):
        cursor.fail("TO is not later than FROM", "FROM is inclusive, TO exclusive", found.places["TO"])
    return RefreshClauses("FULL" in found, start, end, "ONLINE" in found)


def print_refresh(command: Any, write: Writer) -> str:
    """``REFRESH <kind> name [FULL] [FROM 'ts'] [TO 'ts'] [ONLINE]``."""
    return writing.line(
        command.statement,
        write.ref(command.ref),
        "FULL" if command.full else "",
        writing.clause("FROM", writing.instant(command.start)),
        writing.clause("TO", writing.instant(command.end)),
        "ONLINE" if getattr(command, "online", False) else "",
    )


def _with_article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"
