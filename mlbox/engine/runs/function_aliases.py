"""Aliases of versions of functions: ``RUN f@stable`` takes the version that the alias points at then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import NotFound
from mlbox.base.names import check_alias
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import functions
from mlbox.engine.runs.commands import SetFunctionAlias
from mlbox.engine.runs.functions import Functions

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class FunctionAliases:
    """Moves and drops them."""

    def __init__(self, catalog: Catalog, functions: Functions) -> None:
        self._catalog = catalog
        self._functions = functions

    def handlers(self) -> Iterable[Handler]:
        """One."""
        return (Handler(SetFunctionAlias, self.plan, self.set),)

    def plan(self, command: SetFunctionAlias, caller: Caller) -> Plan:
        """The function and the version must be there, and the alias when it is to go."""
        alias = check_alias(command.alias)
        row = self._functions.require(command.ref.at(command.version))
        with self._catalog.read() as cursor:
            known = functions.aliases(cursor, row.project, row.name)
        shown = f"function {command.ref.at(alias)}"
        if command.version is None:
            if alias not in known:
                raise NotFound(f"function {command.ref} has no alias {alias!r}", hint=did_you_mean(alias, known))
            return Plan((Step("drop", shown, f"now version {known[alias]}"),), {"row": row})
        detail = f"to version {row.version}" + (f", now {known[alias]}" if alias in known else "")
        return Plan((Step("move", shown, detail),), {"row": row})

    def set(self, command: SetFunctionAlias, plan: Plan, caller: Caller) -> Result:
        """In one write; the next RUN takes it."""
        row, alias = plan.resolved["row"], command.alias.lower()
        version = None if command.version is None else row.version
        self._catalog.write(lambda cursor: functions.set_alias(cursor, row.project, row.name, alias, version))
        if version is None:
            return Result(f"dropped alias {command.ref.at(alias)}")
        return Result(f"{command.ref.at(alias)} is version {version} now", facts={"version": version})
