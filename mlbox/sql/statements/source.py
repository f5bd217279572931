"""Sources of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.base.object_stores import CREDENTIALS
from mlbox.engine.features.commands import AlterSource, CreateSource, DropSource
from mlbox.engine.security.secret_names import SecretName
from mlbox.sql import writing
from mlbox.sql.bodies import query_rest
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alter_action, create_clauses, create_head, drop
from mlbox.sql.parser import Cursor, Reader, finish
from mlbox.sql.references import identifier, is_name, reference
from mlbox.sql.values import pairs, text, value, word
from mlbox.sql.writing import Writer


def _value(cursor: Cursor, what: str) -> Any:
    """A value, or ``SECRET name``."""
    if cursor.at("SECRET") and is_name(cursor.peek()):
        cursor.advance()
        return SecretName(identifier(cursor, "secret"))
    return value(cursor, what)


def options(cursor: Cursor, clause: str) -> dict[str, Any]:
    """Values by key; a value may be the name of a secret."""
    return pairs(cursor, clause, _value)


def print_options(words: str, given: Mapping[str, Any], *, secrets: bool = False) -> str:
    """The same as text; credentials that stand there themselves only with ``secrets``."""
    return writing.pairs(words, {key: _printed(key, item, secrets=secrets) for key, item in given.items()})


def _printed(key: str, item: Any, *, secrets: bool) -> str:
    if isinstance(item, SecretName):
        return f"SECRET {writing.name(item.name)}"
    return f"${key.lower()}" if key.lower() in CREDENTIALS and not secrets else writing.value(item)


_CLAUSES: dict[str, Reader] = {"TYPE": word, "FROM": text, "WITH": options}


def _create(cursor: Cursor) -> CreateSource:
    head = create_head(cursor, "SOURCE")
    ref = reference(cursor, "source")

    def query(inner: Cursor, clause: str) -> object:
        return query_rest(inner, clause, _CLAUSES)

    found = create_clauses(cursor, "CREATE SOURCE", {**_CLAUSES, "AS": query})
    neither = "TYPE" in found and "FROM" not in found and "AS" not in found  # pushed into; else the type refuses it
    if ("FROM" in found) == ("AS" in found) and not neither:
        problem = "has FROM and AS" if "FROM" in found else "needs FROM or AS"
        cursor.fail(f"CREATE SOURCE {problem}", "give either FROM 'uri' or AS SELECT ..")
    return CreateSource(
        ref=ref,
        type=found["TYPE"].lower() if "TYPE" in found else None,
        uri=found.get("FROM"),
        query=found.get("AS"),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        options=found.get("WITH", {}),
        comment=found.get("COMMENT"),
    )


def _print(command: CreateSource, write: Writer) -> str:
    return write.create(
        "SOURCE",
        command,
        writing.clause("TYPE", writing.word(command.type)),
        writing.clause("FROM", writing.text(command.uri)),
        print_options("WITH", command.options, secrets=write.secrets),
        writing.comment(command),
        writing.clause("AS", command.query.text if command.query else None),
    )


statement(
    StatementSyntax(
        name="CREATE SOURCE",
        summary="Name where rows come from: files, a stream, a database, a query.",
        syntax="""CREATE [OR REPLACE] SOURCE [IF NOT EXISTS] name
    [TYPE csv|parquet|delta|kafka|redis|nats|amqp|mqtt|http|postgres|..]
    [WITH (key = {value | SECRET name}, ..)] [COMMENT 'text'] [FROM 'uri' | AS SELECT ..]""",
        examples=(
            "CREATE SOURCE flights FROM 'data/flights_*.csv' WITH (nullstr = 'NA')",
            "CREATE SOURCE tx FROM 'kafka://broker:9092/tx' WITH (username = 'ana', password = SECRET kafka_password)",
            "CREATE SOURCE clicks FROM 'redis://localhost:6379/clicks' WITH (start = latest)",
            "CREATE SOURCE orders FROM 'amqp://ana@broker/shop/orders' WITH (password = SECRET rabbit_password)",
            "CREATE SOURCE app TYPE http",
            "CREATE SOURCE big WITH (watermark = updated_at) AS SELECT * FROM transactions WHERE amount > 1000",
        ),
        starts=(("CREATE", "SOURCE"),),
        parse=_create,
        prints={CreateSource: _print},
    )
)
drop("source", DropSource)


def _alter(cursor: Cursor) -> AlterSource:
    cursor.expect("ALTER", "SOURCE")
    ref = reference(cursor, "source")
    if cursor.at("SET"):
        cursor.advance()
        given = options(cursor, "SET")
        finish(cursor, "ALTER SOURCE")
        return AlterSource(ref=ref, action="set", options=given)
    found = alter_action(cursor, "source", ref, ("SUSPEND", "RESUME", "RENAME", "SET"))
    action: Any = found.action
    return AlterSource(ref=ref, action=action, new_name=found.new_name)


def _print_alter(command: AlterSource, write: Writer) -> str:
    action = command.action.upper()
    if command.new_name is not None:
        action = f"RENAME TO {writing.name(command.new_name)}"
    elif command.action == "set":
        action = print_options("SET", command.options, secrets=write.secrets) or "SET ()"
    return f"ALTER SOURCE {write.ref(command.ref)} {action}"


statement(
    StatementSyntax(
        name="ALTER SOURCE",
        summary="Change a source, or stop reading from it.",
        syntax="ALTER SOURCE name {SUSPEND | RESUME | RENAME TO name | SET (key = {value | SECRET name}, ..)}",
        examples=(
            "ALTER SOURCE x SUSPEND",
            "ALTER SOURCE x RESUME",
            "ALTER SOURCE x RENAME TO y",
            "ALTER SOURCE x SET (owner = 'ana', password = SECRET x_password)",
        ),
        starts=(("ALTER", "SOURCE"),),
        parse=_alter,
        prints={AlterSource: _print_alter},
    )
)
noun(Noun("source", "sources"))
