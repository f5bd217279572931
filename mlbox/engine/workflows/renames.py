"""ALTER kind name RENAME TO: for the kinds that others know by id, or by rows that can follow in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Plan, Result, Step
from mlbox.base.errors import AlreadyExists, Conflict
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref, check_name
from mlbox.engine.catalog.tables import descriptions, endpoints, monitors, renames, runs, workflows
from mlbox.engine.workflows import definition
from mlbox.engine.workflows.commands import AlterObject

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


class Renames:
    """Renames alerts, monitors, models, functions and workflows. What names one in its own text is not changed for
    anybody."""

    def __init__(self, catalog: Catalog, bus: Bus) -> None:
        self._catalog = catalog
        self._bus = bus

    @staticmethod
    def answers(command: AlterObject) -> bool:
        """Whether it is a RENAME of such a kind; an endpoint is renamed by who serves it."""
        return command.action.lower() == "rename" and command.kind in renames.KINDS and command.kind != "endpoint"

    def plan_alter(self, command: AlterObject, caller: Caller) -> Plan:
        """It must be there, the name free, and nothing stand on the old one that cannot follow."""
        check_name(command.new_name or "", command.kind)
        with self._catalog.read() as cursor:
            check(cursor, command)
            if command.kind == "workflow":
                row = workflows.require(cursor, command.ref.project, command.ref.name)
                definition.renamed(row.definition, row.plan, str(command.new_name))
        return Plan((Step("replace", f"{command.kind} {command.ref}", f"its name becomes {command.new_name}"),))

    def alter(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        """In one transaction, lineage and history with it."""
        name = str(command.new_name)

        def write(cursor: DuckDBPyConnection) -> None:
            check(cursor, command)
            renames.rename(cursor, command.kind, command.ref, name)
            if command.kind == "workflow":
                _rewrite(cursor, command.ref.project, name)

        self._catalog.write(write)
        told = {"action": "rename", "to": name}
        self._bus.publish(Event(f"{command.kind}.altered", command.ref.project, command.ref.name, told))
        return Result(f"{command.kind} {command.ref} is called {command.ref.project}.{name} now")


def _rewrite(cursor: DuckDBPyConnection, project: str, name: str) -> None:
    row = workflows.require(cursor, project, name)
    workflows.rewrite(cursor, project, name, *definition.renamed(row.definition, row.plan, name))


def check(cursor: DuckDBPyConnection, command: AlterObject) -> None:
    """``NotFound``, ``AlreadyExists`` when the name is not free, ``Conflict`` when something names or uses it."""
    kind, ref, name = command.kind, command.ref, str(command.new_name)
    descriptions.require(cursor, kind, ref)
    if name.lower() != ref.name.lower():
        kept = renames.kept_under(cursor, kind, Ref(ref.project, name))
        if kept:
            told = "already" if renames.KINDS[kind].table in kept else "no more, but its records are kept"
            raise AlreadyExists(f"there is a {kind} {ref.project}.{name} {told}", hint="choose another name")
    users = [f"endpoint {row.project}.{row.name}" for row in _endpoints(cursor, kind, ref)]
    if kind == "model":
        users += [
            f"monitor {row.project}.{row.name}" for row in monitors.watching(cursor, "model", ref.project, ref.name)
        ]
    own = ref.project if kind in ("workflow", "endpoint") else None  # others of these kinds can call it
    users += renames.mentions(cursor, kind, ref.name, own)
    if users:
        more = " and others" if len(users) > 5 else ""
        raise Conflict(
            f"{kind} {ref} is named by {', '.join(users[:5])}{more}",
            hint="drop or change them first: their texts are not changed for you",
            details={"users": users},
        )
    going = _going(cursor, kind, ref)
    if going:
        raise Conflict(f"{kind} {ref} is running: {', '.join(going[:3])}", hint="wait for the end, or cancel it")


def _going(cursor: DuckDBPyConnection, kind: str, ref: Ref) -> list[str]:
    """Runs under way, which will tell of themselves under the name that they began with."""
    if kind == "workflow":
        return [run[:16] for run in workflows.going(cursor, ref.project, ref.name)]
    mine = (ref.project, ref.name.lower())
    if kind != "function":
        return []
    return [row.label for row in runs.active(cursor) if (row.project, row.function.lower()) == mine]


def _endpoints(cursor: DuckDBPyConnection, kind: str, ref: Ref) -> list[endpoints.EndpointRow]:
    if kind == "function":
        return endpoints.calling(cursor, ref.project, ref.name)
    return endpoints.using(cursor, ref.project, ref.name) if kind == "model" else []
