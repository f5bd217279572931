"""Statements that are kept as text: read again each time they run, with the parameters of that time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Caller, Command, Dispatcher, Parser, Query, Result
from mlbox.base.errors import MlboxError

if TYPE_CHECKING:
    import pyarrow

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
            return self.parser.parse_one(body.text, project, used)
        except MlboxError as error:
            if error.where is not None:
                error.where = body.where(error.where.offset)
            raise

    def check(self, body: Query, project: str) -> None:
        """Raise what is wrong with ``body`` as far as that can be known before its parameters are."""
        if not _PARAMETER.search(body.text):
            self.parse(body, project, {})

    def run(self, body: Query, caller: Caller, parameters: Mapping[str, Any]) -> Result:
        """Read and carry out."""
        return self.dispatcher.dispatch(self.parse(body, caller.project, parameters), caller)


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
