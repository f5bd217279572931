"""Frames of callers into feature sets: files that come with a request, read once."""

from __future__ import annotations

from collections.abc import Iterable

from mlbox.base.command import Caller, Handler, Plan, Query, Result
from mlbox.base.names import literal, quote
from mlbox.engine.features.commands import IngestFrame, InsertFeatures
from mlbox.engine.features.sets import FeatureSets


class Framing:
    """Answers :class:`IngestFrame` as INSERT INTO by name."""

    def __init__(self, sets: FeatureSets) -> None:
        self._sets = sets

    def handlers(self) -> Iterable[Handler]:
        """The command it answers."""
        return (Handler(IngestFrame, self.plan, self.execute),)

    def plan(self, command: IngestFrame, caller: Caller) -> Plan:
        """The set must take rows."""
        return self._sets.plan_insert(_as_insert(command), caller)

    def execute(self, command: IngestFrame, plan: Plan, caller: Caller) -> Result:
        """All of them or none."""
        return self._sets.insert(_as_insert(command), plan, caller)


def _as_insert(command: IngestFrame) -> InsertFeatures:
    names = ", ".join(quote(name) for name in command.columns)
    text = f"SELECT {names} FROM read_{command.format}({literal(command.frame or '')})"
    if command.frame is None:
        text = "SELECT " + ", ".join(f"NULL AS {quote(name)}" for name in command.columns)
    return InsertFeatures(ref=command.ref, query=Query(text), columns=command.columns)
