"""Sources of rows."""

from __future__ import annotations

from mlbox.engine.features.commands import CreateSource, DropSource
from mlbox.sql import writing
from mlbox.sql.bodies import query_rest
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alter, create_clauses, create_head, drop
from mlbox.sql.parser import Cursor, Reader
from mlbox.sql.references import reference
from mlbox.sql.values import options, text, word
from mlbox.sql.writing import Writer

_CLAUSES: dict[str, Reader] = {"TYPE": word, "FROM": text, "WITH": options}


def _create(cursor: Cursor) -> CreateSource:
    head = create_head(cursor, "SOURCE")
    ref = reference(cursor, "source")

    def query(inner: Cursor, clause: str) -> object:
        return query_rest(inner, clause, _CLAUSES)

    found = create_clauses(cursor, "CREATE SOURCE", {**_CLAUSES, "AS": query})
    if ("FROM" in found) == ("AS" in found):
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
        writing.options("WITH", command.options),
        writing.comment(command),
        writing.clause("AS", command.query.text if command.query else None),
    )


statement(
    StatementSyntax(
        name="CREATE SOURCE",
        summary="Name where rows come from: files, a stream, a database, a query.",
        syntax="""CREATE [OR REPLACE] SOURCE [IF NOT EXISTS] name
    [TYPE csv|parquet|delta|kafka|redis|nats|amqp|mqtt|http|postgres|..]
    {FROM 'uri' | AS SELECT ..} [WITH (key = value, ..)] [COMMENT 'text']""",
        examples=(
            "CREATE SOURCE tx TYPE kafka FROM 'kafka://broker:9092/tx' WITH (group_id = 'mlbox', format = json)",
            "CREATE SOURCE big AS SELECT * FROM transactions WHERE amount > 1000",
        ),
        starts=(("CREATE", "SOURCE"),),
        parse=_create,
        prints={CreateSource: _print},
    )
)
drop("source", DropSource)
alter("source", "SUSPEND", "RESUME", "RENAME", "SET")
noun(Noun("source", "sources"))
