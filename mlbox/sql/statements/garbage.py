"""COLLECT GARBAGE."""

from __future__ import annotations

from mlbox.engine.catalog.commands import CollectGarbage
from mlbox.sql.grammar import StatementSyntax, statement
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.writing import Writer


def _collect(cursor: Cursor) -> CollectGarbage:
    cursor.expect("COLLECT", "GARBAGE")
    finish(cursor, "COLLECT GARBAGE")
    return CollectGarbage()


def _print(command: CollectGarbage, write: Writer) -> str:
    return "COLLECT GARBAGE"


statement(
    StatementSyntax(
        name="COLLECT GARBAGE",
        summary="Remove caches, folders, logs and runs that the settings gc_.. call old and nothing points at.",
        syntax="COLLECT GARBAGE",
        examples=("COLLECT GARBAGE", "EXPLAIN COLLECT GARBAGE"),
        starts=(("COLLECT", "GARBAGE"),),
        parse=_collect,
        prints={CollectGarbage: _print},
    )
)
