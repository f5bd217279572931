"""A session: text in, outcomes out, one statement after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Caller, Command, Dispatcher, Result, RunSql
from mlbox.base.errors import MlboxError
from mlbox.base.underway import current
from mlbox.engine.catalog.commands import CreateProject, Explain, ExportProject, Show, UseProject
from mlbox.engine.features.commands import CreateSource
from mlbox.engine.models.commands import CreateModel
from mlbox.engine.runs.commands import CreateFunction
from mlbox.engine.search.commands import CreateCollection
from mlbox.serve.commands import CreateEndpoint
from mlbox.sql.capture import executed, feature_set_insert
from mlbox.sql.parameters import refuse_unused
from mlbox.sql.script import Statement, parse, split

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

Parameters = Sequence[Any] | Mapping[str, Any] | None


RELATIVE = (CreateCollection, CreateEndpoint, CreateFunction, CreateModel, CreateProject, CreateSource, ExportProject)
"""Commands with paths that start at the session's folder."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one statement gave; ``elapsed_ms`` of wall time."""

    statement: Statement
    command: str
    result: Result
    elapsed_ms: float


class Session:
    """Keeps the project in use; every statement is dispatched as a command."""

    def __init__(
        self,
        catalog: Catalog,
        dispatcher: Dispatcher,
        caller: Caller,
        *,
        row_limit: int | None = None,
        base_folder: str | None = None,
        streamed: bool = False,
    ) -> None:
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._row_limit = row_limit
        self._base_folder = base_folder
        self._streamed = streamed
        self.caller = caller

    @property
    def project(self) -> str:
        """Where names without a project are looked up."""
        return self.caller.project

    def run(self, text: str, parameters: Parameters = None) -> Iterator[Outcome]:
        """Carry out a script, statement by statement; stops at the first error.

        Of a streamed session, the last result may have ``rows`` instead of a table; the caller closes them.
        """
        statements = split(text)
        refuse_unused(text, parameters)
        for statement in statements:
            began = time.perf_counter()
            command = self.command(statement, parameters)
            if self._streamed and isinstance(command, RunSql) and statement is statements[-1]:
                command = replace(command, streamed=True)
            result = self.carry_out(command)
            if result.table is None and result.rows is None and executed(statement):
                result = _as_row(result)
            yield Outcome(statement, command.statement, result, (time.perf_counter() - began) * 1000)

    def command(self, statement: Statement, parameters: Parameters = None) -> Command:
        """The command of a statement, completed with what the session knows."""
        inner = executed(statement)
        if inner is not None:
            return self.command(inner)
        return self._completed(parse(statement, self.project, parameters))

    def _completed(self, command: Command) -> Command:
        if isinstance(command, Explain):
            return replace(command, command=self._completed(command.command))
        if isinstance(command, RunSql):
            captured = feature_set_insert(self._catalog, command)
            return captured or replace(command, row_limit=self._row_limit)
        if isinstance(command, Show):
            return replace(command, row_limit=self._row_limit)
        if isinstance(command, RELATIVE):
            return replace(command, base_folder=self._base_folder)
        return command

    def carry_out(self, command: Command) -> Result:
        """Carry out a command of this session; ``Cancelled`` when that is why it failed."""
        underway = current()
        if underway is None:
            return self._carry_out(command)
        underway.check()
        try:
            return self._carry_out(command)
        except MlboxError:
            underway.check()  # what the interruption broke is told as what it is
            raise

    def _carry_out(self, command: Command) -> Result:
        result = self._dispatcher.dispatch(command, self.caller)
        if isinstance(command, UseProject):
            self.caller = replace(self.caller, project=str(result.facts["project"]))
        return result


def _as_row(result: Result) -> Result:
    """What a statement says, for a client that asked for rows."""
    import pyarrow

    return replace(result, table=pyarrow.table({"message": pyarrow.array([result.message], "string")}))
