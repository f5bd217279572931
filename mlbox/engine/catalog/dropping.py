"""DROP of what is one row under its name and has nothing that stands on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.command import Caller, Plan, Result, Step
from mlbox.base.events import Bus, Event
from mlbox.engine.catalog.tables import dropped, projects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.base.names import Ref
    from mlbox.engine.catalog.database import Catalog


class Table(Protocol):
    """A module of ``engine/catalog/tables``."""

    @property
    def get(self) -> Callable[[DuckDBPyConnection, str, str], Any]:
        """The row, or nothing."""

    @property
    def require(self) -> Callable[[DuckDBPyConnection, str, str], Any]:
        """The row; raises ``NotFound``."""

    @property
    def delete(self) -> Callable[[DuckDBPyConnection, str, str], None]:
        """Take the row away."""


class Drop(Protocol):
    """The command."""

    @property
    def ref(self) -> Ref:
        """What is dropped."""

    @property
    def if_exists(self) -> bool:
        """Whether it may be missing."""


def missing(what: str) -> Plan:
    """The plan of DROP IF EXISTS of what is not there (``model shop.m``)."""
    return Plan((Step("reuse", what, "does not exist"),), outcome=Result(f"there is no {what}"))


@dataclass(frozen=True, slots=True)
class Dropping:
    """Plans and executes it; what was dropped can be restored."""

    catalog: Catalog
    bus: Bus
    kind: str
    table: Table
    stays: str = ""
    """What is not dropped with it."""

    def plan(self, command: Drop, caller: Caller) -> Plan:
        """Check; change nothing. Raises ``NotFound``, unless it need not exist."""
        ref = command.ref
        with self.catalog.read() as cursor:
            projects.require(cursor, ref.project)
            if command.if_exists and self.table.get(cursor, ref.project, ref.name) is None:
                return missing(f"{self.kind} {ref}")
            self.table.require(cursor, ref.project, ref.name)
        return Plan((Step("drop", f"{self.kind} {ref}", self.stays),))

    def drop(self, command: Drop, plan: Plan, caller: Caller) -> Result:
        """In one transaction."""
        ref = command.ref

        def write(cursor: DuckDBPyConnection) -> None:
            dropped.bury_named(cursor, self.kind, ref.project, ref.name, caller.user)
            self.table.delete(cursor, ref.project, ref.name)

        self.catalog.write(write)
        self.bus.publish(Event(f"{self.kind}.dropped", ref.project, ref.name, {}))
        return Result(f"dropped {self.kind} {ref}")
