"""DELETE ENTITY."""

from __future__ import annotations

from mlbox.engine.features.commands import DeleteEntity
from mlbox.sql import writing
from mlbox.sql.grammar import StatementSyntax, statement
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.references import project_name, reference
from mlbox.sql.values import options
from mlbox.sql.writing import Writer, line


def _delete(cursor: Cursor) -> DeleteEntity:
    cursor.expect("DELETE", "ENTITY")
    opening = cursor.token
    entity = options(cursor, "DELETE ENTITY")
    if not entity:
        cursor.fail("DELETE ENTITY needs the entity", "write DELETE ENTITY (customer = 7) FROM ..", opening)
    cursor.expect("FROM", hint="write FROM FEATURE SET name, or FROM PROJECT name")
    if cursor.accept("PROJECT"):
        command = DeleteEntity(entity=entity, project=project_name(cursor))
    else:
        cursor.expect("FEATURE", "SET", hint="write FROM FEATURE SET name, or FROM PROJECT name")
        command = DeleteEntity(entity=entity, ref=reference(cursor, "feature set"))
    finish(cursor, "DELETE ENTITY")
    return command


def _print(command: DeleteEntity, write: Writer) -> str:
    place = f"FEATURE SET {write.ref(command.ref)}" if command.ref else f"PROJECT {writing.name(command.project)}"
    return line(writing.options("DELETE ENTITY", command.entity), "FROM", place)


statement(
    StatementSyntax(
        name="DELETE ENTITY",
        summary="Delete an entity: offline in all versions, online, and the predictions that name it.",
        syntax="DELETE ENTITY (column = value, ..) FROM {FEATURE SET name | PROJECT name}",
        examples=(
            "DELETE ENTITY (customer = 7) FROM PROJECT shop",
            "DELETE ENTITY (customer = 7, shop = 'Bern') FROM FEATURE SET visits",
        ),
        starts=(("DELETE", "ENTITY"),),
        parse=_delete,
        prints={DeleteEntity: _print},
    )
)
