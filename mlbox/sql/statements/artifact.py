"""Artifacts: how they are named, their aliases and labels, and how one is forgotten."""

from __future__ import annotations

from mlbox.base.command import Command
from mlbox.base.names import Ref
from mlbox.engine.runs.commands import DropArtifact, LabelArtifact, SetArtifactAlias
from mlbox.sql import writing
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alias_action, drop_if_exists, print_alias
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.references import reference, run_id, version_text
from mlbox.sql.values import options, word
from mlbox.sql.writing import Writer


def artifact_reference(cursor: Cursor, kind: str = "artifact") -> Ref:
    """``'name'``, whatever is in it, or ``[project.]name``; with ``@version``, a number or an alias."""
    if cursor.token.kind not in ("string", "parameter"):
        return reference(cursor, kind, version=True)
    name = word(cursor, f"the {kind}")
    return Ref(cursor.scope.project, name, version_text(cursor) if cursor.accept("@") else None)


def print_artifact(ref: Ref, write: Writer) -> str:
    """As :func:`artifact_reference` reads it."""
    if ref.project != write.project:
        return write.ref(ref)
    version = f"@{writing.version_or_alias(ref.version)}" if ref.version else ""
    return f"{writing.text(ref.name)}{version}"


noun(Noun("artifact", "artifacts", artifact_reference, print_artifact))


def words_in(cursor: Cursor, clause: str) -> tuple[str, ...]:
    """``(key, ..)``."""
    inner = cursor.enter(clause, f"write {clause} (key, ..)")
    found: list[str] = []
    while not inner.at_end():
        if found:
            inner.expect(",")
        found.append(word(inner, clause))
    return tuple(found)


def of_run(cursor: Cursor) -> str | None:
    """``[OF [RUN] 'run']``."""
    if not cursor.accept("OF"):
        return None
    cursor.accept("RUN")
    return run_id(cursor, "OF")


def _alter(cursor: Cursor) -> Command:
    cursor.expect("ALTER", "ARTIFACT")
    place = cursor.token
    ref = artifact_reference(cursor)
    command: Command
    if cursor.accept("SET", "LABELS"):
        command = LabelArtifact(ref=ref, labels=options(cursor, "SET LABELS"))
    elif cursor.accept("DROP", "LABELS"):
        command = LabelArtifact(ref=ref, without=words_in(cursor, "DROP LABELS"))
    elif found := alias_action(cursor):
        command = SetArtifactAlias(ref=ref, alias=found[0], version=found[1])
        if ref.version is not None:
            hint = f"write ALTER ARTIFACT '{ref.name}' SET ALIAS name = {ref.version}"
            cursor.fail("an alias is of the artifact and not of a version of it", hint, place)
    else:
        cursor.fail(
            f"ALTER ARTIFACT does not know {cursor.found()} here",
            "SET ALIAS name = 3, DROP ALIAS name, SET LABELS (key = value, ..) or DROP LABELS (key, ..)",
        )
    finish(cursor, "ALTER ARTIFACT")
    return command


def _print_alias(command: SetArtifactAlias, write: Writer) -> str:
    return f"ALTER ARTIFACT {print_artifact(command.ref, write)} {print_alias(command.alias, command.version)}"


def _print_labels(command: LabelArtifact, write: Writer) -> str:
    shown = f"ALTER ARTIFACT {print_artifact(command.ref, write)}"
    if command.without:
        return f"{shown} DROP LABELS ({', '.join(str(writing.word(label)) for label in command.without)})"
    return f"{shown} {writing.options('SET LABELS', command.labels) or 'SET LABELS ()'}"


statement(
    StatementSyntax(
        name="ALTER ARTIFACT",
        summary="Move an alias of an artifact to a version or drop it, or change the labels of a version.",
        syntax="""ALTER ARTIFACT 'name' {SET ALIAS alias = version | SET ALIAS alias TO VERSION version
    | DROP ALIAS alias}
ALTER ARTIFACT 'name'[@version] {SET LABELS (key = value, ..) | DROP LABELS (key, ..)}""",
        examples=(
            "ALTER ARTIFACT 'report' SET ALIAS stable = 2",
            "ALTER ARTIFACT 'plots/roc.png' DROP ALIAS stable",
            "ALTER ARTIFACT 'report'@stable SET LABELS (stage = 'review', reviewer = 'ana')",
        ),
        starts=(("ALTER", "ARTIFACT"),),
        parse=_alter,
        prints={SetArtifactAlias: _print_alias, LabelArtifact: _print_labels},
    )
)


def _drop(cursor: Cursor) -> DropArtifact:
    cursor.expect("DROP", "ARTIFACT")
    if_exists = drop_if_exists(cursor, "DROP ARTIFACT")
    ref = artifact_reference(cursor)
    run = of_run(cursor)
    finish(cursor, "DROP ARTIFACT")
    return DropArtifact(ref=ref, run=run, if_exists=if_exists)


statement(
    StatementSyntax(
        name="DROP ARTIFACT",
        summary="Forget an artifact or one version of it, as all runs logged it or one of them.",
        syntax="DROP ARTIFACT [IF EXISTS] 'name'[@version] [OF [RUN] 'run']",
        examples=("DROP ARTIFACT 'confusion'@2", "DROP ARTIFACT IF EXISTS 'plots/roc.png' OF 'a1b2c3d4'"),
        starts=(("DROP", "ARTIFACT"),),
        parse=_drop,
        prints={
            DropArtifact: lambda command, write: writing.line(
                "DROP ARTIFACT",
                "IF EXISTS" if command.if_exists else "",
                print_artifact(command.ref, write),
                writing.clause("OF", writing.text(command.run) if command.run else None),
            )
        },
    )
)
