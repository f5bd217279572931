"""ALTER ENDPOINT e RENAME TO: its address, its monitors and its prediction log follow, and no request fails on it.

The two files have no transaction in common: the catalog notes that predictions have yet to follow, and the next start
sees to it when this server does not get so far.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Plan, Result, Step
from mlbox.base.errors import AlreadyExists, Conflict, MlboxError, NotExecuted
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref, check_name
from mlbox.engine.catalog.tables import deployments, endpoints, renames
from mlbox.engine.workflows.commands import AlterObject
from mlbox.engine.workflows.renames import check
from mlbox.serve.retiring import retire

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.directory import Directory, Slot
    from mlbox.serve.endpoint import Runtime
    from mlbox.serve.workers.spread import Spread


class EndpointRenames:
    """Answers ALTER ENDPOINT .. RENAME TO."""

    def __init__(
        self,
        catalog: Catalog,
        bus: Bus,
        directory: Directory,
        flush: Callable[[], None],
        spread: Spread,
        build: Callable[[EndpointRow], Runtime],
    ) -> None:
        self._catalog = catalog
        self._bus = bus
        self._directory = directory
        self._flush = flush
        self._spread = spread
        self._build = build

    def plan_alter(self, command: AlterObject, caller: Caller) -> Plan:
        """The name must be free, also in the prediction log, and nothing call the old one that cannot follow."""
        if command.action.lower() != "rename":
            raise NotExecuted(
                f"ALTER ENDPOINT {command.action.upper()} is not executed by this version",
                hint="possible is SET (comment = ..)",
            )
        check_name(command.new_name or "", "endpoint")
        with self._catalog.read() as cursor:
            row = self._check(cursor, command)
        detail = f"its name becomes {command.new_name}, its address /v2/models/{row.project}.{command.new_name}"
        if row.options.get("sticky"):
            detail += "; callers are dealt to its models anew"
        return Plan((Step("replace", f"endpoint {command.ref}", detail),))

    def alter(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        """Requests to the old name find nothing from now on; those under way are answered."""
        ref, name = command.ref, str(command.new_name)
        slot = self._directory.get(ref.project, ref.name)
        runtime: Runtime | None = None
        before = slot.runtime if slot is not None else None
        if slot is not None and before is not None:  # what cannot be built is told before anything changes
            runtime = self._build(replace(slot.row, name=name))

        def write(cursor: DuckDBPyConnection) -> EndpointRow:
            self._check(cursor, command)
            renames.rename(cursor, "endpoint", ref, name)
            found = endpoints.get(cursor, ref.project, name)
            assert found is not None
            return found

        row = self._catalog.write(write)
        if slot is not None:
            self._move(slot, row, before, runtime)
        self._flush()
        self.complete()
        self._bus.publish(Event("endpoint.altered", ref.project, ref.name, {"action": "rename", "to": name}))
        url = f"/v2/models/{row.project}.{name}/infer"
        return Result(f"endpoint {ref} is called {row.project}.{name} now and answers at {url}", facts={"url": url})

    def complete(self) -> None:
        """What was predicted under old names follows; at the start what a stopped server has left."""
        with self._catalog.read() as cursor:
            waiting = renames.unfinished(cursor)
        for project, old, new in waiting:
            move = partial(renames.move_predictions, project=project, old=old, new=new)
            self._catalog.write_data(move, behind=True)
            self._catalog.write(partial(renames.finish, project=project, old=old))

    def _check(self, cursor: DuckDBPyConnection, command: AlterObject) -> EndpointRow:
        ref, new = command.ref, Ref(command.ref.project, str(command.new_name))
        check(cursor, command)
        if new.name.lower() != ref.name.lower() and renames.has_traffic(cursor, new):
            raise AlreadyExists(
                f"there is an endpoint {new} no more, but its predictions are kept", hint="choose another name"
            )
        deployed = deployments.of_endpoint(cursor, ref.project, ref.name)
        if deployed:
            where = " and ".join(each.engine for each in deployed)
            raise Conflict(f"endpoint {ref} is deployed on {where}", hint=f"UNDEPLOY ENDPOINT {ref} first")
        row = endpoints.get(cursor, ref.project, ref.name)
        assert row is not None
        return row

    def _move(self, slot: Slot, row: EndpointRow, before: Runtime | None, runtime: Runtime | None) -> None:
        with slot.lock:
            old = slot.row
            slot.take(row)
            replaced = slot.runtime
            if replaced is not before:  # it has followed an alias meanwhile
                runtime = replaced
                with suppress(MlboxError):
                    runtime = self._build(row)
            if runtime is not None:
                slot.runtime = runtime
                slot.swaps += 1
        if runtime is not replaced:
            retire(replaced)
        self._spread.offer(row)
        self._directory.rename(old.project, old.name, slot)
        if row.name.lower() != old.name.lower():
            self._spread.withdraw(old.project, old.name, row)
