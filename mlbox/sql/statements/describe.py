"""DESCRIBE: all that is known of one object."""

from __future__ import annotations

from mlbox.base.names import Ref
from mlbox.base.suggest import nearest
from mlbox.engine.catalog.commands import Describe, ShowLineage
from mlbox.sql.grammar import NOUNS, StatementSyntax, statement
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.references import is_name
from mlbox.sql.writing import Writer


def described(cursor: Cursor, what: str) -> tuple[str, Ref]:
    """``kind name[@version]``."""
    for noun in sorted(NOUNS.values(), key=lambda noun: -len(noun.words)):
        if cursor.accept(*noun.words):
            return noun.kind, noun.named_by(cursor, noun.kind)
    kinds = [noun.kind.upper() for noun in NOUNS.values()]
    close = nearest(cursor.token.text, kinds) if cursor.token.kind == "word" else []
    hint = "did you mean " + " or ".join(close) + "?" if close else "kinds: " + ", ".join(sorted(kinds))
    cursor.fail(f"{what} needs a kind of object, found {cursor.found()}", hint)


def _describe(cursor: Cursor) -> Describe:
    cursor.advance()
    kind, ref = described(cursor, "DESCRIBE")
    finish(cursor, "DESCRIBE")
    return Describe(kind=kind, ref=ref)


def _claims(cursor: Cursor) -> bool:
    """``DESCRIBE model`` alone is about a table of that name."""
    token = cursor.token
    return is_name(token, "run") or token.kind in ("string", "parameter", "number") or token.key == "DEFAULT"


def print_described(command: Describe | ShowLineage, write: Writer) -> str:
    """``MODEL m@3``."""
    return f"{command.kind.upper()} {NOUNS[command.kind].prints(command.ref, write)}"


statement(
    StatementSyntax(
        name="DESCRIBE",
        summary="All that is known of one object.",
        syntax="{DESCRIBE | DESC} kind name[@version]",
        examples=("DESCRIBE MODEL m@champion", "DESCRIBE FEATURE SET fraud.customers", "DESC RUN 'a1b2c3d4'"),
        starts=lambda: tuple((verb, *noun.words) for verb in ("DESCRIBE", "DESC") for noun in NOUNS.values()),
        parse=_describe,
        prints={Describe: lambda command, write: f"DESCRIBE {print_described(command, write)}"},
        later=("HUB FUNCTION",),
        claims=_claims,
    )
)
