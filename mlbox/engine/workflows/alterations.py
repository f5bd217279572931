"""ALTER kind name: suspend, resume, rename. Each kind answers for its own objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mlbox.base.command import Caller, Handler, Plan, Result
from mlbox.base.errors import NotExecuted
from mlbox.engine.catalog.tables.descriptions import COLUMNS
from mlbox.engine.workflows.commands import AlterObject
from mlbox.engine.workflows.descriptions import Descriptions
from mlbox.engine.workflows.renames import Renames


class Alterable(Protocol):
    """Who answers ALTER for a kind of object."""

    def plan_alter(self, command: AlterObject, caller: Caller) -> Plan:
        """Check; change nothing."""
        ...

    def alter(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        """Do it."""
        ...


class Alterations:
    """The one handler of ``AlterObject``: finds who answers for the kind."""

    def __init__(self, descriptions: Descriptions, renames: Renames) -> None:
        self._renames = renames
        self._kinds: dict[str, Alterable] = {}
        self._descriptions = descriptions

    def add(self, kind: str, alterable: Alterable) -> None:
        """``alterable`` answers for ``kind`` (``schedule``, ``monitor``)."""
        self._kinds[kind.lower()] = alterable

    @property
    def kinds(self) -> list[str]:
        """The kinds that somebody answers for."""
        return sorted({*self._kinds, *COLUMNS})

    def handlers(self) -> Iterable[Handler]:
        """The command it answers."""
        return (Handler(AlterObject, self._plan, self._execute),)

    def _plan(self, command: AlterObject, caller: Caller) -> Plan:
        return self._find(command).plan_alter(command, caller)

    def _execute(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        return self._find(command).alter(command, plan, caller)

    def _find(self, command: AlterObject) -> Alterable:
        if self._descriptions.answers(command):
            return self._descriptions
        if self._renames.answers(command):
            return self._renames
        found = self._kinds.get(command.kind.lower())
        if found is None:
            raise NotExecuted(
                f"ALTER {command.kind.upper()} {command.action.upper()} is not executed by this version",
                hint=self._possible(command.kind),
            )
        return found

    def _possible(self, kind: str) -> str:
        _, columns = COLUMNS.get(kind, ("", ()))
        if columns:
            return f"possible is SET ({', '.join(f'{column} = ..' for column in columns)})"
        return f"it works for: {', '.join(self.kinds)}"
