"""Projects: a schema of tables, and a name under which everything else stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import AlreadyExists
from mlbox.base.events import Bus, Event
from mlbox.base.names import check_project, quote
from mlbox.engine.catalog.commands import CreateProject, UseProject
from mlbox.engine.catalog.project_origins import ProjectOrigin, shown
from mlbox.engine.catalog.project_removal import ProjectRemoval
from mlbox.engine.catalog.tables import projects

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class Projects:
    """Answers CREATE and USE PROJECT, and what belongs to their life: ``removal`` answers DROP PROJECT."""

    def __init__(self, catalog: Catalog, bus: Bus) -> None:
        self._catalog = catalog
        self._bus = bus
        self.removal = ProjectRemoval(catalog, bus)
        self.fill: Callable[[CreateProject, Caller], str] | None = None
        """Makes a project out of its source; told by who can."""
        self.origins: list[ProjectOrigin] = []
        """What FROM may name besides archives, folders and repositories."""

    def handlers(self) -> Iterable[Handler]:
        """Three."""
        return (
            Handler(UseProject, self.plan_use, self.use),
            Handler(CreateProject, self.plan_create, self.create),
            *self.removal.handlers(),
        )

    def plan_create(self, command: CreateProject, caller: Caller) -> Plan:
        """The name must be free or its repetition allowed."""
        name = check_project(command.name)
        with self._catalog.read() as cursor:
            exists = projects.exists(cursor, name)
        if exists and not (command.if_not_exists or command.replace):
            raise AlreadyExists(
                f"project {name} exists already", hint=f"CREATE PROJECT IF NOT EXISTS {name}, or USE PROJECT {name}"
            )
        origin = self._origin(command.source)
        if origin is not None and command.source:
            first = Step("reuse" if exists else "create", f"project {name}", f"from {shown(command.source)}")
            return Plan((first, *origin.look(name, command.source)), {"name": name, "origin": origin})
        if command.source:
            detail = f"from {command.source}"
            return Plan((Step("replace" if exists else "create", f"project {name}", detail),), {"name": name})
        action = "reuse" if exists and not command.replace else "replace" if exists else "create"
        told = Result(f"project {name} exists already", facts={"project": name})
        step = Step(action, f"project {name}", f"schema data.{name}")
        return Plan((step,), {"name": name}, outcome=told if action == "reuse" else None)

    def _origin(self, source: str | None) -> ProjectOrigin | None:
        return next((origin for origin in self.origins if source and origin.matches(source)), None)

    def create(self, command: CreateProject, plan: Plan, caller: Caller) -> Result:
        """The schema first: a schema without a row is harmless, a row without a schema is not."""
        name = plan.resolved["name"]
        origin: ProjectOrigin | None = plan.resolved.get("origin")
        if origin is not None and command.source:
            return self._bring(origin, command, name, caller)
        if command.source:
            assert self.fill is not None
            message = self.fill(command, caller)
            self._bus.publish(Event("project.created", name, name))
            return Result(message, facts={"project": name})
        self._make(command, caller)
        self._bus.publish(Event("project.created", name, name))
        return Result(f"created project {name}", facts={"project": name})

    def _bring(self, origin: ProjectOrigin, command: CreateProject, name: str, caller: Caller) -> Result:
        """What is new in another tool's store; a second time adds what has come since."""
        assert command.source is not None
        made = self.ensure(replace(command, source=shown(command.source)), caller)
        told = origin.bring(name, command.source, caller)
        self._bus.publish(Event("project.created" if made else "project.filled", name, name))
        done = f"created project {name}" if made else f"project {name} exists already"
        return Result(f"{done}; brought in {told}", facts={"project": name})

    def ensure(self, command: CreateProject, caller: Caller) -> bool:
        """Make the project unless it is there; whether it was made."""
        with self._catalog.read() as cursor:
            if projects.exists(cursor, command.name.lower()):
                return False
        self._make(command, caller)
        return True

    def _make(self, command: CreateProject, caller: Caller) -> None:
        name = command.name.lower()
        row = projects.ProjectRow(
            name,
            command.comment,
            str(command.options.get("owner", caller.user)),
            now(),
            command.source,
            command.options,
        )
        with self.removal.changing:
            self.removal.finish(name)  # one of this name that was dropped and has left something
            self._catalog.write_data(
                lambda cursor: cursor.execute(f"CREATE SCHEMA IF NOT EXISTS data.{quote(name)}") and None
            )
            self._catalog.write(lambda cursor: projects.upsert(cursor, row))

    def plan_use(self, command: UseProject, caller: Caller) -> Plan:
        """It must be there."""
        with self._catalog.read() as cursor:
            projects.require(cursor, command.name)
        return Plan((Step("read", f"project {command.name.lower()}", "names are looked up here"),))

    def use(self, command: UseProject, plan: Plan, caller: Caller) -> Result:
        """Which project; who keeps a session takes it from there."""
        name = command.name.lower()
        return Result(f"using project {name}", facts={"project": name})
