"""ALTER RUN: what people say of a run, before and after its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import Invalid, NotFound
from mlbox.base.events import Bus, Event
from mlbox.base.names import check_name
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import projects, runs
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs.commands import ChangeRun
from mlbox.engine.runs.ledger import Ledger
from mlbox.engine.runs.requests import plain

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

COLUMNS = ("note", "name")


class Remarks:
    """Changes notes, names and labels of runs."""

    def __init__(self, catalog: Catalog, ledger: Ledger, bus: Bus) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._bus = bus

    def handlers(self) -> Iterable[Handler]:
        """One."""
        return (Handler(ChangeRun, self.plan, self.change),)

    def plan(self, command: ChangeRun, caller: Caller) -> Plan:
        """Find the run; what is to be set must be a text, and what goes must be there."""
        with self._catalog.read() as cursor:
            projects.require(cursor, command.project)
        row = self._ledger.find(command.project, command.run)
        columns = {name.lower(): value for name, value in command.options.items()}
        for name, value in columns.items():
            if name not in COLUMNS:
                hint = did_you_mean(name, COLUMNS) or "note and name; SET LABELS (key = value) sets labels"
                raise Invalid(f"a run has no {name!r} that can be set", hint=hint)
            if value is not None and not isinstance(value, str):
                raise Invalid(f"SET {name} needs a text, and it is {value!r}", hint=f"write {name} = 'text'")
        if columns.get("name") is not None:
            check_name(columns["name"], "run name")
        for label in command.without:
            if label not in row.labels:
                raise NotFound(f"run {row.label} has no label {label!r}", hint=did_you_mean(label, row.labels))
        told = [f"{name} {value!r}" for name, value in {**columns, **command.labels}.items()]
        told += [f"without {label}" for label in command.without]
        return Plan((Step("replace", f"run {row.label}", ", ".join(told)),), {"row": row, "columns": columns})

    def change(self, command: ChangeRun, plan: Plan, caller: Caller) -> Result:
        """In one write."""
        row: RunRow = plan.resolved["row"]

        def write(cursor: DuckDBPyConnection) -> None:
            now_there = runs.get(cursor, row.id)
            if now_there is None:
                raise NotFound(f"run {row.label} is gone")
            changes: dict[str, Any] = dict(plan.resolved["columns"])
            if command.labels or command.without:
                labels = {**now_there.labels, **plain(command.labels)}
                changes["labels"] = {name: value for name, value in labels.items() if name not in command.without}
            runs.change(cursor, row.id, changes)

        self._catalog.write(write)
        self._bus.publish(Event("run.altered", row.project, row.name or row.id, {"id": row.id}))
        return Result(f"changed run {row.label}", facts={"run": row.id})
