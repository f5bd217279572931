"""``ALTER kind name SET (comment = '..', owner = '..')``: the same for every kind that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Plan, Result, Step
from mlbox.base.errors import Invalid
from mlbox.base.events import Bus, Event
from mlbox.engine.catalog.tables import descriptions
from mlbox.engine.workflows.commands import AlterObject

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class Descriptions:
    """Changes what people read about an object."""

    def __init__(self, catalog: Catalog, bus: Bus) -> None:
        self._catalog = catalog
        self._bus = bus

    @staticmethod
    def answers(command: AlterObject) -> bool:
        """Whether nothing else is to be set."""
        _, columns = descriptions.COLUMNS.get(command.kind, ("", ()))
        given = {name.lower() for name in command.options}
        return command.action.lower() == "set" and bool(given) and given <= set(columns)

    def plan_alter(self, command: AlterObject, caller: Caller) -> Plan:
        """The object must be there, and the values texts."""
        changes = {name.lower(): value for name, value in command.options.items()}
        for name, value in changes.items():
            if not isinstance(value, str) and (value is not None or name == "owner"):
                raise Invalid(f"SET {name} needs a text, and it is {value!r}", hint=f"write {name} = 'text'")
        with self._catalog.read() as cursor:
            descriptions.require(cursor, command.kind, command.ref)
        detail = ", ".join(f"{name} {value!r}" for name, value in changes.items())
        return Plan((Step("replace", f"{command.kind} {self._shown(command)}", detail),), {"changes": changes})

    def alter(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        """In one write."""
        changes = plan.resolved["changes"]
        self._catalog.write(lambda cursor: descriptions.change(cursor, command.kind, command.ref, changes))
        kind = command.kind.replace(" ", "_")
        self._bus.publish(Event(f"{kind}.altered", command.ref.project, command.ref.name, {"action": "set"}))
        return Result(f"changed {' and '.join(changes)} of {command.kind} {self._shown(command)}")

    @staticmethod
    def _shown(command: AlterObject) -> str:
        return command.ref.name if command.kind == "project" else str(command.ref)
