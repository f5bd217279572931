"""Changes of feature sets."""

from __future__ import annotations

from typing import Any

from mlbox.base.command import Command
from mlbox.engine.features.commands import AlterFeatureSet
from mlbox.sql import writing
from mlbox.sql.column_types import type_text
from mlbox.sql.grammar import StatementSyntax, statement
from mlbox.sql.heads import alter_action
from mlbox.sql.parser import Cursor, finish, one_of
from mlbox.sql.references import identifier, reference
from mlbox.sql.statements.feature_set import column_of, print_column
from mlbox.sql.values import options
from mlbox.sql.writing import Writer


def _alter(cursor: Cursor) -> Command:
    cursor.expect("ALTER", "FEATURE", "SET")
    ref = reference(cursor, "feature set")
    shown = f"ALTER FEATURE SET {ref.name}"
    if cursor.at("RENAME", "TO") or (cursor.at("RENAME") and cursor.peek().key != "COLUMN"):
        return alter_action(cursor, "feature set", ref, ("SUSPEND", "RESUME", "RENAME", "SET"))
    action = one_of(cursor, shown, ("ADD", "ALTER", "RENAME", "DROP", "SET", "SUSPEND", "RESUME"))
    given: dict[str, Any] = {}
    if action == "SET":
        given["options"] = options(cursor, "SET")
    elif action in ("ADD", "ALTER", "RENAME", "DROP"):
        cursor.expect("COLUMN", hint=f"write {shown} {action} COLUMN name")
    if action == "ADD":
        column = column_of(cursor)
        if column.role != "feature":
            cursor.fail("only features are added", "CREATE OR REPLACE FEATURE SET changes keys and times")
        given["column"] = column
    elif action in ("ALTER", "RENAME", "DROP"):
        given["name"] = identifier(cursor, "column")
    if action == "ALTER":
        cursor.expect("TYPE", hint=f"write {shown} ALTER COLUMN {given['name']} TYPE DOUBLE")
        given["type"] = type_text(cursor)
    elif action == "RENAME":
        cursor.expect("TO", hint=f"write {shown} RENAME COLUMN {given['name']} TO new_name")
        given["new_name"] = identifier(cursor, "column")
    new_version = action not in ("SET", "SUSPEND", "RESUME") and cursor.accept("NEW", "VERSION")
    finish(cursor, shown)
    named: Any = "type" if action == "ALTER" else action.lower()
    return AlterFeatureSet(ref=ref, action=named, new_version=new_version, **given)


def _print_alter(command: AlterFeatureSet, write: Writer) -> str:
    name = writing.name(command.name) if command.name else ""
    action = {
        "add": f"ADD COLUMN {print_column(command.column)}" if command.column else "",
        "type": f"ALTER COLUMN {name} TYPE {command.type}",
        "rename": f"RENAME COLUMN {name} TO {writing.name(command.new_name or '')}",
        "drop": f"DROP COLUMN {name}",
        "set": writing.options("SET", command.options) or "SET ()",
    }.get(command.action, command.action.upper())
    return writing.line(
        "ALTER FEATURE SET", write.ref(command.ref), action, "NEW VERSION" if command.new_version else ""
    )


statement(
    StatementSyntax(
        name="ALTER FEATURE SET",
        summary="Change the columns of a feature set as a new version, or what is said about it.",
        syntax="""ALTER FEATURE SET name
    {ADD COLUMN column type [NOT NULL] [CHECK (..)] [DEFAULT value] [COMMENT 'text']
    | ALTER COLUMN column TYPE type [NEW VERSION] | RENAME COLUMN column TO name [NEW VERSION]
    | DROP COLUMN column [NEW VERSION] | SET (key = value, ..) | SUSPEND | RESUME | RENAME TO name}""",
        examples=(
            "ALTER FEATURE SET tx ADD COLUMN channel VARCHAR DEFAULT 'web'",
            "ALTER FEATURE SET tx ALTER COLUMN items TYPE BIGINT",
            "ALTER FEATURE SET tx RENAME COLUMN amount TO euros NEW VERSION",
            "ALTER FEATURE SET tx DROP COLUMN channel NEW VERSION",
            "ALTER FEATURE SET tx SET (owner = 'ana', tags = ['risk'])",
        ),
        starts=(("ALTER", "FEATURE", "SET"),),
        parse=_alter,
        prints={AlterFeatureSet: _print_alter},
        later=("RENAME TO", "SET other than comment, owner and tags"),
    )
)
