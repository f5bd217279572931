"""RESTORE."""

from __future__ import annotations

from mlbox.base.names import Ref
from mlbox.engine.catalog.commands import RestoreObject
from mlbox.sql.grammar import NOUNS, StatementSyntax, run_ref, statement
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.references import project_name, reference
from mlbox.sql.statements.artifact import artifact_reference
from mlbox.sql.writing import Writer

VERSIONED = ("function", "model")


def _restore(cursor: Cursor) -> RestoreObject:
    cursor.expect("RESTORE")
    known = sorted(NOUNS.values(), key=lambda noun: len(noun.words), reverse=True)
    found = next((noun for noun in known if cursor.accept(*noun.words)), None)
    if found is None:
        cursor.fail(
            f"RESTORE does not know {cursor.found()} here", "RESTORE RUN 'id', RESTORE MODEL m, RESTORE FUNCTION f .."
        )
    ref: Ref
    if found.kind == "run":
        ref = run_ref(cursor, found.kind)
    elif found.kind == "artifact":
        ref = artifact_reference(cursor)
    elif found.kind == "project":
        project = project_name(cursor)
        ref = Ref(project, project)
    else:
        ref = reference(cursor, found.kind, version=found.kind in VERSIONED)
    finish(cursor, "RESTORE")
    return RestoreObject(kind=found.kind, ref=ref)


def _print(command: RestoreObject, write: Writer) -> str:
    return f"RESTORE {command.kind.upper()} {NOUNS[command.kind].prints(command.ref, write)}"


statement(
    StatementSyntax(
        name="RESTORE",
        summary="Bring back what was dropped within the last days (setting gc_dropped_days); SHOW DROPPED lists it.",
        syntax="RESTORE {RUN 'id' | ARTIFACT 'name'[@version] | {FUNCTION | MODEL} name[@version]"
        " | {SOURCE | FEATURE SET | FEATURE VECTOR | COLLECTION} name"
        " | {ENDPOINT | FEED | WORKFLOW | SCHEDULE | MONITOR | ALERT} name | PROJECT name}",
        examples=(
            "RESTORE RUN 'a1b2c3d4'",
            "RESTORE MODEL m@3",
            "RESTORE ARTIFACT 'plots/roc.png'",
            "RESTORE PROJECT fraud",
        ),
        starts=(("RESTORE",),),
        parse=_restore,
        prints={RestoreObject: _print},
    )
)
