"""Projects: a schema of tables, and a name under which everything else stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import AlreadyExists, Conflict, Invalid
from mlbox.base.events import Bus, Event
from mlbox.base.names import DEFAULT_PROJECT, check_project, quote
from mlbox.engine.catalog.commands import CreateProject, DropProject, UseProject
from mlbox.engine.catalog.tables import projects

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class Projects:
    """Answers CREATE, USE and DROP PROJECT. ``on_drop`` are called with the name of a project that goes, ``dropped``
    with that of one that is gone."""

    def __init__(self, catalog: Catalog, bus: Bus) -> None:
        self._catalog = catalog
        self._bus = bus
        self.on_drop: list[Callable[[str], None]] = []
        self.dropped: list[Callable[[str], None]] = []

    def handlers(self) -> Iterable[Handler]:
        """Three."""
        return (
            Handler(UseProject, self.plan_use, self.use),
            Handler(CreateProject, self.plan_create, self.create),
            Handler(DropProject, self.plan_drop, self.drop),
        )

    def plan_create(self, command: CreateProject, caller: Caller) -> Plan:
        """The name must be free or its repetition allowed."""
        name = check_project(command.name)
        if command.source:
            raise Invalid(
                "CREATE PROJECT … FROM a source is not executed by this version",
                hint="create the project, then run its script: mlbox sql project.sql",
            )
        with self._catalog.read() as cursor:
            exists = projects.exists(cursor, name)
        if exists and not (command.if_not_exists or command.replace):
            raise AlreadyExists(
                f"project {name} exists already", hint=f"CREATE PROJECT IF NOT EXISTS {name}, or USE PROJECT {name}"
            )
        action = "reuse" if exists and not command.replace else "replace" if exists else "create"
        return Plan((Step(action, f"project {name}", f"schema data.{name}"),), {"exists": exists, "name": name})

    def create(self, command: CreateProject, plan: Plan, caller: Caller) -> Result:
        """The schema first: a schema without a row is harmless, a row without a schema is not."""
        name = plan.resolved["name"]
        if plan.resolved["exists"] and not command.replace:
            return Result(f"project {name} exists already", facts={"project": name})
        row = projects.ProjectRow(
            name, command.comment, str(command.options.get("owner", caller.user)), now(), None, command.options
        )
        self._catalog.write_data(
            lambda cursor: cursor.execute(f"CREATE SCHEMA IF NOT EXISTS data.{quote(name)}") and None
        )
        self._catalog.write(lambda cursor: projects.upsert(cursor, row))
        self._bus.publish(Event("project.created", name, name))
        return Result(f"created project {name}", facts={"project": name})

    def plan_use(self, command: UseProject, caller: Caller) -> Plan:
        """It must be there."""
        with self._catalog.read() as cursor:
            projects.require(cursor, command.name)
        return Plan((Step("read", f"project {command.name.lower()}", "names are looked up here"),))

    def use(self, command: UseProject, plan: Plan, caller: Caller) -> Result:
        """Which project; who keeps a session takes it from there."""
        name = command.name.lower()
        return Result(f"using project {name}", facts={"project": name})

    def plan_drop(self, command: DropProject, caller: Caller) -> Plan:
        """A project that holds something goes only with CASCADE."""
        name = command.name.lower()
        with self._catalog.read() as cursor:
            if command.if_exists and not projects.exists(cursor, name):
                return Plan((Step("reuse", f"project {name}", "does not exist"),), {"exists": False})
            projects.require(cursor, name)
            held = projects.contents(cursor, name)
        if name == DEFAULT_PROJECT:
            raise Invalid("the project default cannot be dropped", hint="drop what it holds instead")
        if held and not command.cascade:
            told = ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in held.items())
            raise Conflict(f"project {name} is not empty: {told}", hint=f"DROP PROJECT {name} CASCADE drops all of it")
        steps = [Step("drop", table.replace("_", " "), f"{count} of them") for table, count in held.items()]
        return Plan((*steps, Step("drop", f"project {name}", f"schema data.{name}")), {"exists": True})

    def drop(self, command: DropProject, plan: Plan, caller: Caller) -> Result:
        """The catalog's rows go in one transaction; then the data, which nothing names any more."""
        name = command.name.lower()
        if not plan.resolved["exists"]:
            return Result(f"there is no project {name}")
        for hook in self.on_drop:
            hook(name)
        self._catalog.write(lambda cursor: projects.delete(cursor, name))
        with self._catalog.transaction_data() as cursor:
            projects.delete_data(cursor, name)
        self._catalog.sessions.forget(name)
        for hook in self.dropped:
            hook(name)
        self._bus.publish(Event("project.dropped", name, name))
        return Result(f"dropped project {name}")
