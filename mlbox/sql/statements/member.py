"""Members of projects and their tokens."""

from __future__ import annotations

from mlbox.base.command import Role
from mlbox.engine.security.commands import CreateToken, DropToken, GrantRole, RevokeRole
from mlbox.sql import writing
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import create_clauses, drop_if_exists
from mlbox.sql.parser import Cursor, finish, one_of
from mlbox.sql.references import project_name
from mlbox.sql.values import options, text

_ROLES: dict[str, Role] = {"VIEWER": "viewer", "EDITOR": "editor", "ADMIN": "admin"}


def _role_of(cursor: Cursor, verb: str, preposition: str) -> tuple[Role, str, str]:
    cursor.expect(verb)
    role = _ROLES[one_of(cursor, verb, _ROLES)]
    hint = f"write {verb} {role} ON PROJECT name {preposition} 'user'"
    cursor.expect("ON", "PROJECT", hint=hint)
    project = project_name(cursor)
    cursor.expect(preposition, hint=hint)
    user = text(cursor, preposition)
    finish(cursor, verb)
    return role, project, user


def _grant(cursor: Cursor) -> GrantRole:
    role, project, user = _role_of(cursor, "GRANT", "TO")
    return GrantRole(granted=role, project=project, user=user)


def _revoke(cursor: Cursor) -> RevokeRole:
    role, project, user = _role_of(cursor, "REVOKE", "FROM")
    return RevokeRole(revoked=role, project=project, user=user)


statement(
    StatementSyntax(
        name="GRANT",
        summary="Give a user a role in a project.",
        syntax="GRANT {viewer | editor | admin} ON PROJECT name TO 'user'",
        examples=("GRANT viewer ON PROJECT fraud TO 'ana'",),
        starts=(("GRANT",),),
        parse=_grant,
        prints={
            GrantRole: lambda command, write: (
                f"GRANT {command.granted} ON PROJECT {writing.name(command.project)} TO {writing.text(command.user)}"
            )
        },
    )
)
statement(
    StatementSyntax(
        name="REVOKE",
        summary="Take a role in a project away.",
        syntax="REVOKE {viewer | editor | admin} ON PROJECT name FROM 'user'",
        examples=("REVOKE viewer ON PROJECT fraud FROM 'ana'",),
        starts=(("REVOKE",),),
        parse=_revoke,
        prints={
            RevokeRole: lambda command, write: (
                f"REVOKE {command.revoked} ON PROJECT {writing.name(command.project)} FROM {writing.text(command.user)}"
            )
        },
    )
)


def _create_token(cursor: Cursor) -> CreateToken:
    cursor.expect("CREATE")
    if cursor.at("OR"):
        cursor.fail("a token is not replaced", "CREATE TOKEN FOR 'user' makes a further one; DROP TOKEN ends one")
    cursor.expect("TOKEN")
    cursor.expect("FOR", hint="write CREATE TOKEN FOR 'user'")
    user = text(cursor, "FOR")
    found = create_clauses(cursor, "CREATE TOKEN", {"WITH": options})
    return CreateToken(user=user, options=found.get("WITH", {}), comment=found.get("COMMENT"))


statement(
    StatementSyntax(
        name="CREATE TOKEN",
        summary="A new token of a user, shown once.",
        syntax="CREATE TOKEN FOR 'user' [WITH (key = value, ..)] [COMMENT 'text']",
        examples=("CREATE TOKEN FOR 'ana' COMMENT 'notebook'",),
        starts=(("CREATE", "TOKEN"),),
        parse=_create_token,
        prints={
            CreateToken: lambda command, write: writing.line(
                f"CREATE TOKEN FOR {writing.text(command.user)}",
                writing.options("WITH", command.options),
                writing.comment(command),
            )
        },
    )
)


def _drop_token(cursor: Cursor) -> DropToken:
    cursor.expect("DROP", "TOKEN")
    if_exists = drop_if_exists(cursor, "DROP TOKEN")
    token = text(cursor, "DROP TOKEN")
    finish(cursor, "DROP TOKEN")
    return DropToken(token=token, if_exists=if_exists)


statement(
    StatementSyntax(
        name="DROP TOKEN",
        summary="Refuse a token from now on.",
        syntax="DROP TOKEN [IF EXISTS] 'id'",
        examples=("DROP TOKEN 'a1b2c3d4'",),
        starts=(("DROP", "TOKEN"),),
        parse=_drop_token,
        prints={
            DropToken: lambda command, write: writing.line(
                "DROP TOKEN", "IF EXISTS" if command.if_exists else "", str(writing.text(command.token))
            )
        },
    )
)
noun(Noun("member", "members"))
noun(Noun("token", "tokens"))
