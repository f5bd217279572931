"""Statements that are kept as text: read again each time they run, with the parameters of that time."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Caller, Command, Dispatcher, Parser, Query, Result
from mlbox.base.errors import MlboxError, NotFound, Where
from mlbox.engine.catalog.commands import Explain, refuse_private

if TYPE_CHECKING:
    import pyarrow

MADE = frozenset({"project", "function", "feature set", "feature vector", "workflow"})
"""Kinds of what statements are made of, and what seldom comes while others run."""
REFERRED = MADE | {"model", "endpoint", "monitor", "table"}
"""Kinds of references that must exist when a statement is kept. Runs, versions and files come by and by."""
_PARAMETER = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Bodies:
    """Reads and carries out statements kept as text."""

    parser: Parser
    dispatcher: Dispatcher

    def parse(self, body: Query, project: str, parameters: Mapping[str, Any]) -> Command:
        """The command of ``body``. Errors point into the text that ``body`` came from."""
        wanted = {name.lower() for name in _PARAMETER.findall(body.text)}
        used = {name: value for name, value in parameters.items() if name.lower() in wanted}
        try:
            command = self.parser.parse_one(body.text, project, used)
        except MlboxError as error:
            if error.where is not None:
                error.where = body.where(error.where.offset)
            raise
        refuse_private(command)
        return command

    def check(self, body: Query, project: str) -> None:
        """Raise what is wrong with ``body`` as far as that can be known before its parameters are."""
        if not _PARAMETER.search(body.text):
            self.parse(body, project, {})

    def foresee(
        self, body: Query, caller: Caller, parameters: Mapping[str, Any], kinds: Container[str] = REFERRED
    ) -> None:
        """Plan ``body``, which changes nothing; raise ``NotFound``, with the place, for a reference to nothing.

        ``parameters`` may be placeholders. Whatever else the plan fails for depends on them, or on the moment.
        """
        try:
            command = self.parse(body, caller.project, parameters)
            self.dispatcher.dispatch(Explain(command=command), caller)
        except NotFound as error:
            if error.details.get("kind") not in kinds:
                return
            error.where = body.where(_place(body.text, error))
            raise
        except MlboxError:
            return

    def run(self, body: Query, caller: Caller, parameters: Mapping[str, Any]) -> Result:
        """Read and carry out."""
        return self.dispatcher.dispatch(self.parse(body, caller.project, parameters), caller)


def parameters_in(text: str) -> list[str]:
    """The names of the parameters of a statement."""
    return _PARAMETER.findall(text)


def _place(text: str, error: NotFound) -> int:
    """Where in ``text`` the name that was not found stands; its beginning when that cannot be told."""
    where = error.where
    if where is not None and where == Where.at(text, where.offset):
        return where.offset
    name = re.search(rf"(?<!\w){re.escape(str(error.details.get('name', '')))}(?!\w)", text, re.I)
    return name.start() if name and error.details.get("name") else 0


def facts_of(result: Result) -> dict[str, Any]:
    """Named values of a result: its table's first row, its metrics one by one, and its own facts; the last wins."""
    facts: dict[str, Any] = {}
    if result.table is not None:
        facts.update(_first_row(result.table))
    metrics = result.facts.get("metrics")
    if isinstance(metrics, Mapping):
        facts.update({str(name): value for name, value in metrics.items()})
    facts.update(result.facts)
    return facts


def _first_row(table: pyarrow.Table) -> dict[str, Any]:
    if table.num_rows == 0:
        return dict.fromkeys(table.column_names)
    row: dict[str, Any] = table.slice(0, 1).to_pylist()[0]
    return row
