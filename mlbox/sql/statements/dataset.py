"""CREATE DATASET."""

from __future__ import annotations

from mlbox.engine.features.commands import CreateDataset
from mlbox.sql import writing
from mlbox.sql.grammar import StatementSyntax, statement
from mlbox.sql.heads import create_clauses
from mlbox.sql.parser import Cursor, Reader, verbatim
from mlbox.sql.references import reference
from mlbox.sql.values import options, word
from mlbox.sql.writing import Writer, line


def _create(cursor: Cursor) -> CreateDataset:
    cursor.expect("CREATE", "DATASET")
    ref = reference(cursor, "dataset")
    table: dict[str, Reader] = {
        "ENGINE": word,
        "WITH": options,
        "AS": lambda cursor, clause: verbatim(cursor),
    }
    found = create_clauses(cursor, "CREATE DATASET", table)
    if "AS" not in found:
        cursor.fail("CREATE DATASET needs its query", "end it with AS SELECT ..")
    return CreateDataset(
        ref=ref,
        query=found["AS"],
        engine=found.get("ENGINE", "duckdb").lower(),
        options=found.get("WITH", {}),
        comment=found.get("COMMENT"),
    )


def _print(command: CreateDataset, write: Writer) -> str:
    query = writing.clause("AS", command.query.text)
    engine = writing.clause("ENGINE", writing.word(command.engine if command.engine != "duckdb" else None))
    given = writing.options("WITH", command.options)
    return line(f"CREATE DATASET {write.ref(command.ref)}", engine, given, writing.comment(command), query)


statement(
    StatementSyntax(
        name="CREATE DATASET",
        summary="Keep the rows of a query as the next version of a dataset artifact, with the query and its lineage.",
        syntax="CREATE DATASET name [ENGINE {duckdb | spark}] [WITH (key = value, ..)] [COMMENT 'text'] AS SELECT ..",
        examples=(
            "CREATE DATASET training AS FROM ml.features('v', 'asked')",
            "CREATE DATASET training ENGINE spark WITH (executor_memory = '8g') AS FROM ml.features('v', 'asked')",
        ),
        starts=(("CREATE", "DATASET"),),
        parse=_create,
        prints={CreateDataset: _print},
    )
)
