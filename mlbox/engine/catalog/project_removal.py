"""DROP PROJECT: all or nothing, and completed after a crash.

The first transaction takes the project's row away and leaves a tombstone. Before it is durable nothing is lost; after
it the project is gone for everybody, and what it held is removed step by step. Each step can be repeated: the rows by
which it finds its work go last, in one transaction with the tombstone. What a stopped server has left is removed at
the next start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import Conflict, Invalid, MlboxError, Unavailable
from mlbox.base.events import Bus, Event
from mlbox.base.names import DEFAULT_PROJECT
from mlbox.engine.catalog.commands import DropProject
from mlbox.engine.catalog.tables import dropped_projects, endpoints, projects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

_log = logging.getLogger("mlbox")


class ProjectRemoval:
    """Answers DROP PROJECT.

    ``users`` name what stands elsewhere on a project. ``ending`` are called in their order when it is gone: each ends
    what works in the project and removes what it holds outside of the two files; all of it again after a crash.
    """

    def __init__(self, catalog: Catalog, bus: Bus) -> None:
        self._catalog = catalog
        self._bus = bus
        self.users: list[Callable[[str], Iterable[str]]] = [self._endpoints_elsewhere]
        self.ending: list[Callable[[str], None]] = []

    def handlers(self) -> Iterable[Handler]:
        """One."""
        return (Handler(DropProject, self.plan, self.drop),)

    def plan(self, command: DropProject, caller: Caller) -> Plan:
        """A project that holds something goes only with CASCADE; never one on which something elsewhere stands."""
        name = command.name.lower()
        with self._catalog.read() as cursor:
            exists, half = projects.exists(cursor, name), dropped_projects.exists(cursor, name)
            if not exists and half:
                return Plan((Step("drop", f"project {name}", "what is left of it"),), {"exists": True})
            if not exists and command.if_exists:
                return Plan((Step("reuse", f"project {name}", "does not exist"),), {"exists": False})
            projects.require(cursor, name)
            held = projects.contents(cursor, name)
        if name == DEFAULT_PROJECT:
            raise Invalid("the project default cannot be dropped", hint="drop what it holds instead")
        if caller.door == "workflow" and caller.project == name:
            raise Conflict("a workflow cannot drop the project in which it runs", hint="run it from another project")
        if held and not command.cascade:
            told = ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in held.items())
            raise Conflict(f"project {name} is not empty: {told}", hint=f"DROP PROJECT {name} CASCADE drops all of it")
        self._refuse_used(name)
        steps = [Step("drop", table.replace("_", " "), f"{count} of them") for table, count in held.items()]
        return Plan((*steps, Step("drop", f"project {name}", f"schema data.{name}")), {"exists": True})

    def drop(self, command: DropProject, plan: Plan, caller: Caller) -> Result:
        """``Unavailable`` when the project is gone but something of it could not be removed yet."""
        name = command.name.lower()
        if not plan.resolved["exists"]:
            return Result(f"there is no project {name}")
        self.remove(name, caller)
        return Result(f"dropped project {name}")

    def remove(self, name: str, caller: Caller) -> None:
        """A project with all that it holds."""

        def bury(cursor: DuckDBPyConnection) -> None:
            dropped_projects.insert(cursor, name, now(), caller.user)
            projects.delete_row(cursor, name)

        self._catalog.write(bury)
        self._catalog.projects.forget(name)
        self.finish(name)

    def finish(self, name: str) -> None:
        """Remove what is left of a dropped project; nothing happens when nothing is."""
        with self._catalog.read() as cursor:
            if not dropped_projects.exists(cursor, name):
                return
        try:
            for end in self.ending:
                end(name)
            with self._catalog.transaction_data() as data:
                projects.delete_data(data, name)
            self._catalog.sessions.forget(name)
        except Exception as error:
            raise Unavailable(
                f"project {name} is dropped, but not all that it held could be removed: {error}",
                hint=f"DROP PROJECT {name} again, or the next start of the server, removes the rest",
            ) from error

        def forget(cursor: DuckDBPyConnection) -> None:
            projects.delete_rows(cursor, name)
            dropped_projects.delete(cursor, name)

        self._catalog.submit(forget, patient=True).result()  # behind the events of the project, which are patient too
        self._bus.publish(Event("project.dropped", name, name))

    def complete(self) -> None:
        """At open: what a server that was stopped in the middle has left."""
        with self._catalog.read() as cursor:
            left = dropped_projects.names(cursor)
        for name in left:
            try:
                self.finish(name)
            except MlboxError as error:  # one project's trouble must not keep the home from opening
                _log.warning("%s", error.message)

    def _refuse_used(self, name: str) -> None:
        found = sorted(user for users in self.users for user in users(name))
        if found:
            raise Conflict(
                f"project {name} is used by {', '.join(found[:5])}{' and others' if len(found) > 5 else ''}",
                hint="drop or change them first: CASCADE drops only what the project itself holds",
                details={"users": found},
            )

    def _endpoints_elsewhere(self, name: str) -> Iterable[str]:
        with self._catalog.read() as cursor:
            rows = endpoints.load(cursor)
        for row in rows:
            used = {share.project for share in row.models} | ({row.vector[0]} if row.vector else set())
            if row.project != name and name in used:
                yield f"endpoint {row.project}.{row.name}"
