"""ALTER kind name RENAME TO: for the kinds that others know by id, or by rows that can follow in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Plan, Result, Step
from mlbox.base.errors import AlreadyExists, Conflict
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref, check_name
from mlbox.engine.catalog.tables import descriptions, endpoints, monitors, renames, runs
from mlbox.engine.workflows.commands import AlterObject

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


class Renames:
    """Renames alerts, monitors, models and functions. What names one in its own text is not changed for anybody."""

    def __init__(self, catalog: Catalog, bus: Bus) -> None:
        self._catalog = catalog
        self._bus = bus

    @staticmethod
    def answers(command: AlterObject) -> bool:
        """Whether it is a RENAME of such a kind."""
        return command.action.lower() == "rename" and command.kind in renames.KINDS

    def plan_alter(self, command: AlterObject, caller: Caller) -> Plan:
        """It must be there, the name free, and nothing stand on the old one that cannot follow."""
        check_name(command.new_name or "", command.kind)
        with self._catalog.read() as cursor:
            self._check(cursor, command)
        return Plan((Step("replace", f"{command.kind} {command.ref}", f"its name becomes {command.new_name}"),))

    def alter(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        """In one transaction, lineage and history with it."""
        name = str(command.new_name)

        def write(cursor: DuckDBPyConnection) -> None:
            self._check(cursor, command)
            renames.rename(cursor, command.kind, command.ref, name)

        self._catalog.write(write)
        told = {"action": "rename", "to": name}
        self._bus.publish(Event(f"{command.kind}.altered", command.ref.project, command.ref.name, told))
        return Result(f"{command.kind} {command.ref} is called {command.ref.project}.{name} now")

    def _check(self, cursor: DuckDBPyConnection, command: AlterObject) -> None:
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
        users += renames.mentions(cursor, kind, ref.name)
        if users:
            more = " and others" if len(users) > 5 else ""
            raise Conflict(
                f"{kind} {ref} is named by {', '.join(users[:5])}{more}",
                hint="drop or change them first: their texts are not changed for you",
                details={"users": users},
            )
        if kind == "function":
            mine = (ref.project, ref.name.lower())
            going = [row.label for row in runs.active(cursor) if (row.project, row.function.lower()) == mine]
            if going:
                told = f"function {ref} is running: {', '.join(going[:3])}"
                raise Conflict(told, hint="wait for the end, or cancel it")


def _endpoints(cursor: DuckDBPyConnection, kind: str, ref: Ref) -> list[endpoints.EndpointRow]:
    if kind == "function":
        return endpoints.calling(cursor, ref.project, ref.name)
    return endpoints.using(cursor, ref.project, ref.name) if kind == "model" else []
