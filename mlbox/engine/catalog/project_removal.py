"""DROP PROJECT: all or nothing, and completed after a crash.

The first transaction takes the project's row away and leaves a tombstone. Before it is durable nothing is lost; after
it the project is gone for everybody, and what it held is put aside for RESTORE PROJECT, or removed with PURGE, step by
step. Each step can be repeated: the rows by which it finds its work go last, in one transaction with the tombstone.
What a stopped server has left is done at the next start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import Conflict, Invalid, MlboxError, Unavailable
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.names import DEFAULT_PROJECT
from mlbox.engine.catalog.commands import DropProject
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import (
    collections,
    dropped,
    dropped_projects,
    endpoints,
    kept_projects,
    projects,
    runs,
)
from mlbox.engine.catalog.tables.dropped import Tombstone
from mlbox.engine.catalog.tables.dropped_projects import Half

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

_log = logging.getLogger("mlbox")


@dataclass(frozen=True, slots=True)
class Beside:
    """What a project has beside the two files, by the ids of what it belongs to."""

    runs: frozenset[str] = frozenset()
    collections: frozenset[str] = frozenset()


class ProjectRemoval:
    """Answers DROP PROJECT.

    ``users`` name what stands elsewhere on a project. ``ending`` are called in their order when it is gone: each ends
    what works in the project; all of it again after a crash. ``deleting`` are called when nothing is kept of it.
    """

    def __init__(self, catalog: Catalog, bus: Bus) -> None:
        self._catalog = catalog
        self._bus = bus
        self.users: list[Callable[[str], Iterable[str]]] = [self._endpoints_elsewhere]
        self.ending: list[Callable[[str], None]] = []
        self.deleting: list[Callable[[Beside], None]] = []
        self.purge: Callable[[Tombstone], None] = self._unkept
        """Deletes what is kept of a dropped project; told by who keeps it."""
        self.changing = threading.RLock()
        """Held while a project comes, goes or comes back: its schema and its rows are in two files."""

    def handlers(self) -> Iterable[Handler]:
        """One."""
        return (Handler(DropProject, self.plan, self.drop),)

    def plan(self, command: DropProject, caller: Caller) -> Plan:
        """A project that holds something goes only with CASCADE; never one on which something elsewhere stands."""
        name = command.name.lower()
        with self._catalog.read() as cursor:
            exists, half = projects.exists(cursor, name), dropped_projects.exists(cursor, name)
            kept = dropped.find(cursor, name, "project") if command.purge and not exists else []
            if not exists and (half or kept):
                steps = [Step("drop", f"project {name}", "what is left of it")] if half else []
                steps += [Step("drop", f"dropped project {name}", f"kept since {_day(each)}") for each in kept]
                return Plan(tuple(steps), {"kept": kept})
            if not exists and command.if_exists:
                return missing(f"project {name}")
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
        last = "for good" if command.purge else "RESTORE PROJECT brings it back, until the garbage is collected"
        steps.append(Step("drop", f"project {name}", f"schema data.{name}; {last}"))
        return Plan(tuple(steps))

    def drop(self, command: DropProject, plan: Plan, caller: Caller) -> Result:
        """``Unavailable`` when the project is gone but something of it could not be removed yet."""
        name = command.name.lower()
        with self._catalog.read() as cursor:
            there = projects.exists(cursor, name)
        if there:
            self.remove(name, caller, keep=not command.purge)
        else:
            self.finish(name)
            if command.purge:
                self._purge_kept(name)
        return Result(f"dropped project {name}")

    def remove(self, name: str, caller: Caller, *, keep: bool = False) -> None:
        """A project with all that it holds; with ``keep`` it can be restored for some days."""
        half = Half(name, now(), caller.user, new_id() if keep else None)

        def bury(cursor: DuckDBPyConnection) -> None:
            dropped_projects.insert(cursor, half)
            if half.drop_id is not None:
                kept_projects.bury_row(cursor, half.drop_id, name)
            projects.delete_row(cursor, name)

        with self.changing:
            with self._catalog.read() as cursor:
                there = projects.exists(cursor, name)
            if there:  # or somebody else has dropped it meanwhile
                self._catalog.write(bury)
                self._catalog.projects.forget(name)
            self.finish(name)

    def finish(self, name: str) -> None:
        """Put aside or remove what is left of a dropped project; nothing happens when nothing is."""
        with self.changing:
            with self._catalog.read() as cursor:
                half = dropped_projects.get(cursor, name)
            if half is None:
                return
            try:
                self._finish_beside(half)
            except Exception as error:
                raise Unavailable(
                    f"project {name} is dropped, but not all that it held could be removed: {error}",
                    hint=f"DROP PROJECT {name} again, or the next start of the server, removes the rest",
                ) from error
            # behind the events of the project, which are patient too
            self._catalog.submit(lambda cursor: _finish_rows(cursor, half), patient=True).result()
        self._bus.publish(Event("project.dropped", name, name))

    def _finish_beside(self, half: Half) -> None:
        """Everything but the rows of the catalog."""
        for end in self.ending:
            end(half.name)
        if half.drop_id is None:
            self._delete_beside(half.name)
        with self._catalog.transaction_data() as data:
            if half.drop_id is not None:
                kept_projects.bury_data(data, half.drop_id, half.name)
            projects.delete_data(data, half.name)
        self._catalog.sessions.forget(half.name)

    def _delete_beside(self, name: str) -> None:
        with self._catalog.read() as cursor:
            mine = [row.id for row in collections.every(cursor) if row.project == name]
            beside = Beside(frozenset(runs.ids_of(cursor, name)), frozenset(mine))
        for delete in self.deleting:
            delete(beside)

    def _purge_kept(self, name: str) -> None:
        with self._catalog.read() as cursor:
            kept = dropped.find(cursor, name, "project")
        for found in kept:
            self.purge(found)

    def _unkept(self, found: Tombstone) -> None:
        self._catalog.write(lambda cursor: dropped.forget(cursor, found))

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


def _finish_rows(cursor: DuckDBPyConnection, half: Half) -> None:
    """The rows of the catalog, and with them the last that tells of work to do."""
    if half.drop_id is not None:
        kept_projects.bury_rows(cursor, half.drop_id, half.name)
        told = {"project": half.name, "kind": "project", "name": half.name, "object": half.name}
        stone = Tombstone(id=half.drop_id, dropped_at=half.dropped_at, dropped_by=half.dropped_by, **told)
        dropped.bury(cursor, stone)
    projects.delete_rows(cursor, half.name)
    dropped_projects.delete(cursor, half.name)


def _day(found: Tombstone) -> str:
    return f"{found.dropped_at:%Y-%m-%d %H:%M} UTC"
