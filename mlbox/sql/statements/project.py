"""Projects."""

from __future__ import annotations

from mlbox.base.names import Ref
from mlbox.base.suggest import nearest
from mlbox.engine.catalog.commands import CreateProject, DropProject, UseProject
from mlbox.engine.workflows.commands import AlterObject
from mlbox.sql import writing
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alter_action, create_clauses, create_head, drop_if_exists, print_alter
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.references import project_name
from mlbox.sql.values import options, text
from mlbox.sql.writing import Writer


def _project_ref(cursor: Cursor, kind: str) -> Ref:
    name = project_name(cursor)
    return Ref(name, name)


noun(Noun("project", "projects", _project_ref, lambda ref, write: str(writing.name(ref.name))))


def _print_create(command: CreateProject, write: Writer) -> str:
    source = writing.clause("FROM", writing.text(command.source))
    given = writing.options("WITH", command.options)
    return write.create("PROJECT", command, source, given, writing.comment(command))


def _create(cursor: Cursor) -> CreateProject:
    head = create_head(cursor, "PROJECT")
    name = project_name(cursor)
    found = create_clauses(cursor, "CREATE PROJECT", {"FROM": text, "WITH": options})
    return CreateProject(
        name=name,
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        source=found.get("FROM"),
        options=found.get("WITH", {}),
        comment=found.get("COMMENT"),
    )


statement(
    StatementSyntax(
        name="CREATE PROJECT",
        summary="Make a project: a schema of its own for features, functions, runs, models and endpoints. FROM makes "
        "it out of what EXPORT PROJECT wrote, all or nothing, or carries out the project.sql of a folder.",
        syntax="""CREATE [OR REPLACE] PROJECT [IF NOT EXISTS] name
    [FROM 'archive.zip' | FROM 'folder' | FROM 'git+url[@ref][#folder]' | FROM 'mlflow+url']
    [WITH (key = value, ..)] [COMMENT 'text']""",
        examples=(
            "CREATE PROJECT fraud",
            "CREATE OR REPLACE PROJECT fraud WITH (owner = 'ana', retention = INTERVAL '90 days') COMMENT 'card fraud'",
            "CREATE PROJECT IF NOT EXISTS flights FROM 'examples/flights'",
            "CREATE PROJECT IF NOT EXISTS churn FROM 'mlflow+sqlite:///home/ana/mlflow.db'",
        ),
        starts=(("CREATE", "PROJECT"),),
        parse=_create,
        prints={CreateProject: _print_create},
    )
)


def _use(cursor: Cursor) -> UseProject:
    cursor.expect("USE")
    if not cursor.accept("PROJECT") and cursor.peek().kind == "word" and nearest(cursor.token.text, ["PROJECT"]):
        cursor.fail(f"USE has no {cursor.token.text}", "did you mean USE PROJECT?", cursor.token)
    name = project_name(cursor)
    finish(cursor, "USE PROJECT")
    return UseProject(name=name)


statement(
    StatementSyntax(
        name="USE PROJECT",
        summary="Look names up in this project from now on.",
        syntax="USE [PROJECT] name",
        examples=("USE PROJECT fraud", "USE fraud"),
        starts=(("USE",),),
        parse=_use,
        prints={UseProject: lambda command, write: f"USE PROJECT {writing.name(command.name)}"},
    )
)


def _refuse_set(cursor: Cursor) -> UseProject:
    cursor.expect("SET")
    if cursor.token.key in ("SESSION", "GLOBAL", "LOCAL"):
        cursor.advance()
    cursor.fail(f"SET {cursor.token.text} is not available: names are looked up in a project", "write USE PROJECT name")


statement(
    StatementSyntax(
        name="SET SEARCH_PATH",
        summary="Refused: the project decides where names are looked up; see USE PROJECT.",
        syntax="USE PROJECT name",
        examples=(),
        starts=tuple(
            ("SET", *scope, setting)
            for scope in ((), ("SESSION",), ("GLOBAL",), ("LOCAL",))
            for setting in ("SEARCH_PATH", "SCHEMA")
        ),
        parse=_refuse_set,
    )
)


def _print_drop(command: DropProject, write: Writer) -> str:
    guard, cascade = "IF EXISTS" if command.if_exists else "", "CASCADE" if command.cascade else ""
    return writing.line("DROP PROJECT", guard, writing.name(command.name), cascade, "PURGE" if command.purge else "")


def _drop(cursor: Cursor) -> DropProject:
    cursor.expect("DROP", "PROJECT")
    if_exists = drop_if_exists(cursor, "DROP PROJECT")
    name = project_name(cursor)
    cascade, purge = cursor.accept("CASCADE"), cursor.accept("PURGE")
    if purge and cursor.at("CASCADE"):
        cursor.fail("PURGE comes last", f"write DROP PROJECT {name} CASCADE PURGE")
    finish(cursor, "DROP PROJECT")
    return DropProject(name=name, if_exists=if_exists, cascade=cascade, purge=purge)


statement(
    StatementSyntax(
        name="DROP PROJECT",
        summary="Drop an empty project; with CASCADE also all that it holds: runs end, endpoints answer no more. All "
        "or nothing, also when the server is killed meanwhile; refused while another project uses something of it. "
        "RESTORE PROJECT brings it back within some days (setting gc_dropped_days); with PURGE nothing of it is kept, "
        "and what is kept of one that was dropped before goes.",
        syntax="DROP PROJECT [IF EXISTS] name [CASCADE] [PURGE]",
        examples=("DROP PROJECT fraud CASCADE", "DROP PROJECT fraud CASCADE PURGE"),
        starts=(("DROP", "PROJECT"),),
        parse=_drop,
        prints={DropProject: _print_drop},
    )
)


def _alter(cursor: Cursor) -> AlterObject:
    cursor.expect("ALTER", "PROJECT")
    ref = _project_ref(cursor, "project")
    if cursor.at("RENAME"):
        cursor.fail("a project is not renamed", "make a new one, or give it a COMMENT")
    return alter_action(cursor, "project", ref, ("SET",))


statement(
    StatementSyntax(
        name="ALTER PROJECT",
        summary="Change options of a project.",
        syntax="ALTER PROJECT name SET (key = value, ..)",
        examples=("ALTER PROJECT fraud SET (owner = 'ana')",),
        starts=(("ALTER", "PROJECT"),),
        parse=_alter,
        prints={AlterObject: print_alter},
        later=("SET other than comment and owner",),
    )
)
