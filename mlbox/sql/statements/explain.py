"""EXPLAIN of our statements."""

from __future__ import annotations

from mlbox.engine.catalog.commands import Explain
from mlbox.sql.grammar import StatementSyntax, parse_statement, recognise, statement
from mlbox.sql.parser import Cursor
from mlbox.sql.writing import Writer


def _explain(cursor: Cursor) -> Explain:
    cursor.expect("EXPLAIN")
    analyze = cursor.accept("ANALYZE")
    return Explain(command=parse_statement(cursor), analyze=analyze)


def _print(command: Explain, write: Writer) -> str:
    from mlbox.sql.printing import printed

    verb = "EXPLAIN ANALYZE" if command.analyze else "EXPLAIN"
    return f"{verb} {printed(command.command, write.project, secrets=write.secrets)}"


def _claims(cursor: Cursor) -> bool:
    """``EXPLAIN`` of plain SQL is DuckDB's."""
    cursor.accept("ANALYZE")
    return recognise(cursor) is not None


statement(
    StatementSyntax(
        name="EXPLAIN",
        summary="The plan of a statement; with ANALYZE it is carried out and timed.",
        syntax="EXPLAIN [ANALYZE] statement",
        examples=("EXPLAIN RUN train WITH (lr = 1)", "EXPLAIN ANALYZE REFRESH FEATURE SET tx_1h"),
        starts=(("EXPLAIN",),),
        parse=_explain,
        prints={Explain: _print},
        claims=_claims,
    )
)
