"""Profiles of object stores."""

from __future__ import annotations

from mlbox.engine.security.commands import CreateProfile, DropProfile
from mlbox.sql import writing
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import create_clauses, create_head, drop
from mlbox.sql.parser import Cursor
from mlbox.sql.references import reference
from mlbox.sql.statements.source import options, print_options
from mlbox.sql.values import word
from mlbox.sql.writing import Writer


def _create(cursor: Cursor) -> CreateProfile:
    head = create_head(cursor, "PROFILE")
    ref = reference(cursor, "profile")
    found = create_clauses(cursor, "CREATE PROFILE", {"TYPE": word, "WITH": options})
    for clause, example in (("TYPE", "s3"), ("WITH", "(key = $1, secret = $2)")):
        if clause not in found:
            cursor.fail(f"CREATE PROFILE needs {clause}", f"write {clause} {example}")
    return CreateProfile(
        ref=ref,
        type=found["TYPE"].lower(),
        options=found["WITH"].folded(),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        comment=found.get("COMMENT"),
    )


def _print(command: CreateProfile, write: Writer) -> str:
    return write.create(
        "PROFILE",
        command,
        writing.clause("TYPE", writing.word(command.type)),
        print_options("WITH", command.options, secrets=write.secrets),
        writing.comment(command),
    )


statement(
    StatementSyntax(
        name="CREATE PROFILE",
        summary="Keep the credentials of an object store encrypted under a name, for WITH (profile = name).",
        syntax="""CREATE [OR REPLACE] PROFILE [IF NOT EXISTS] name TYPE s3|gcs|azure|http
    WITH (key = {value | SECRET name}, ..) [COMMENT 'text']""",
        examples=(
            "CREATE PROFILE lake TYPE s3 WITH (key = 'AK', secret = SECRET lake_secret, endpoint_url = 'https://s3.corp')",
            "CREATE PROFILE archive TYPE azure WITH (account_name = 'corp', account_key = SECRET azure_key)",
        ),
        starts=(("CREATE", "PROFILE"),),
        parse=_create,
        prints={CreateProfile: _print},
    )
)
drop("profile", DropProfile)
noun(Noun("profile", "profiles"))
