"""DEPLOY and UNDEPLOY ENDPOINT."""

from __future__ import annotations

from mlbox.serve.deploy.commands import DeployEndpoint, UndeployEndpoint
from mlbox.sql import writing
from mlbox.sql.grammar import StatementSyntax, statement
from mlbox.sql.parser import Cursor, finish, one_of
from mlbox.sql.references import reference
from mlbox.sql.values import options
from mlbox.sql.writing import Writer, line

_ENGINES = ("DOCKER", "KUBERNETES")


def _deploy(cursor: Cursor) -> DeployEndpoint:
    cursor.expect("DEPLOY", "ENDPOINT")
    ref = reference(cursor, "endpoint")
    cursor.expect("ON", hint="write ON DOCKER or ON KUBERNETES")
    engine = one_of(cursor, "ON", _ENGINES).lower()
    given = options(cursor, "WITH") if cursor.accept("WITH") else {}
    finish(cursor, "DEPLOY ENDPOINT")
    return DeployEndpoint(ref=ref, engine=engine, options=given)


def _print_deploy(command: DeployEndpoint, write: Writer) -> str:
    with_options = writing.options("WITH", command.options)
    return line("DEPLOY ENDPOINT", write.ref(command.ref), "ON", command.engine.upper(), with_options)


def _undeploy(cursor: Cursor) -> UndeployEndpoint:
    cursor.expect("UNDEPLOY", "ENDPOINT")
    ref = reference(cursor, "endpoint")
    engine = one_of(cursor, "ON", _ENGINES).lower() if cursor.accept("ON") else None
    force = bool(cursor.accept("FORCE"))
    finish(cursor, "UNDEPLOY ENDPOINT")
    return UndeployEndpoint(ref=ref, engine=engine, force=force)


def _print_undeploy(command: UndeployEndpoint, write: Writer) -> str:
    where = f"ON {command.engine.upper()}" if command.engine else ""
    return line("UNDEPLOY ENDPOINT", write.ref(command.ref), where, "FORCE" if command.force else "")


statement(
    StatementSyntax(
        name="DEPLOY ENDPOINT",
        summary="Put replicas of an endpoint on Docker or Kubernetes; said again, they become what it is now.",
        syntax="""DEPLOY ENDPOINT name ON {DOCKER | KUBERNETES}
    [WITH ({replicas = n | max_replicas = n | cpu = n | memory = '1GB' | image = 'image' | namespace = 'name'
     | port = n | wait = seconds | features = 'store' or 'home' | dry_run = true}, ..)]""",
        examples=(
            "DEPLOY ENDPOINT score ON DOCKER WITH (image = 'shop/mlbox:1', port = 8080)",
            "DEPLOY ENDPOINT score ON KUBERNETES WITH (replicas = 2, max_replicas = 6, cpu = 0.5, memory = '1GB')",
        ),
        starts=(("DEPLOY", "ENDPOINT"),),
        parse=_deploy,
        prints={DeployEndpoint: _print_deploy},
    )
)
statement(
    StatementSyntax(
        name="UNDEPLOY ENDPOINT",
        summary="Take the replicas of an endpoint away; their predictions stay, and it goes on answering here. "
        "FORCE forgets the deployment where the engine cannot be reached any more.",
        syntax="UNDEPLOY ENDPOINT name [ON {DOCKER | KUBERNETES}] [FORCE]",
        examples=("UNDEPLOY ENDPOINT score", "UNDEPLOY ENDPOINT score ON KUBERNETES FORCE"),
        starts=(("UNDEPLOY", "ENDPOINT"),),
        parse=_undeploy,
        prints={UndeployEndpoint: _print_undeploy},
    )
)
