"""The function hub."""

from __future__ import annotations

from mlbox.engine.hub.commands import InstallFunction, PublishFunction
from mlbox.sql import writing
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.references import is_name, reference
from mlbox.sql.values import text


def _install(cursor: Cursor) -> InstallFunction:
    cursor.expect("INSTALL", "FUNCTION")
    ref = reference(cursor, "function", version=True)
    hub = text(cursor, "FROM") if cursor.accept("FROM") else None
    finish(cursor, "INSTALL FUNCTION")
    return InstallFunction(ref=ref, hub=hub)


statement(
    StatementSyntax(
        name="INSTALL FUNCTION",
        summary="Make a function of a hub one of the project's.",
        syntax="INSTALL FUNCTION name[@version] [FROM 'hub']",
        examples=("INSTALL FUNCTION describe", "INSTALL FUNCTION auto_trainer FROM 'git+https://host/hub'"),
        starts=(("INSTALL", "FUNCTION"),),
        parse=_install,
        prints={
            InstallFunction: lambda command, write: writing.line(
                "INSTALL FUNCTION", write.ref(command.ref), writing.clause("FROM", writing.text(command.hub))
            )
        },
        claims=lambda cursor: is_name(cursor.token, "function"),
    )
)


def _publish(cursor: Cursor) -> PublishFunction:
    cursor.expect("PUBLISH")
    cursor.expect("FUNCTION", hint="write PUBLISH FUNCTION name TO 'hub'")
    ref = reference(cursor, "function", version=True)
    cursor.expect("TO", hint=f"write PUBLISH FUNCTION {ref.name} TO 'hub'")
    hub = text(cursor, "TO")
    finish(cursor, "PUBLISH FUNCTION")
    return PublishFunction(ref=ref, hub=hub)


statement(
    StatementSyntax(
        name="PUBLISH FUNCTION",
        summary="Put a function of the project into a hub.",
        syntax="PUBLISH FUNCTION name[@version] TO 'hub'",
        examples=("PUBLISH FUNCTION train TO '/srv/hub'",),
        starts=(("PUBLISH",),),
        parse=_publish,
        prints={
            PublishFunction: lambda command, write: (
                f"PUBLISH FUNCTION {write.ref(command.ref)} TO {writing.text(command.hub)}"
            )
        },
    )
)
noun(Noun("hub function", "hub"))
