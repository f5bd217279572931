"""Statements of one connection: to the session and its dispatcher, with transactions and settings around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mlbox.base.access import Access, acting_for
from mlbox.base.command import Caller, Command, Query, RunSql
from mlbox.base.errors import MlboxError, NotFound
from mlbox.base.names import DEFAULT_PROJECT
from mlbox.engine.catalog.commands import UseProject
from mlbox.engine.catalog.tables import projects
from mlbox.sql.script import Statement
from mlbox.sql.session import Session
from mlbox.sql.transaction import Transaction
from mlbox.sql.wire import copying
from mlbox.sql.wire.answers import Answer, of_result
from mlbox.sql.wire.bound import Bound
from mlbox.sql.wire.catalog.pg_catalog import Asker
from mlbox.sql.wire.context import Introduction, WireContext
from mlbox.sql.wire.errors import InFailedTransaction, InTransaction
from mlbox.sql.wire.messages import parameter_status
from mlbox.sql.wire.own import OwnStatements
from mlbox.sql.wire.run_log import following
from mlbox.sql.wire.session_settings import SERVER_VERSION, SessionSettings
from mlbox.sql.wire.tags import tag_of

OUR_DATABASES = frozenset({"", "mlbox", "postgres", DEFAULT_PROJECT})
"""Names of databases that mean the project ``default``; any other is a project."""
_RANKS = ("debug", "log", "notice", "warning", "error")


class Statements:
    """Carries out statements and answers. For one thread at a time."""

    def __init__(
        self,
        context: WireContext,
        who: Introduction,
        user: str,
        send: Callable[[bytes], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self.context = context
        self.database = who.database or "mlbox"
        self.settings = SessionSettings(
            server_version=f"{SERVER_VERSION} (mlbox {context.version})", session_authorization=who.user
        )
        for name, value in who.settings.items():
            self.settings.start_with(name, value)
        self.access = context.members.access(user)
        """What the member may do; None for the owner."""
        project = context.members.project_for(user, _project(context, who, self.access))
        self.session = Session(context.catalog, context.dispatcher, Caller(user=user, project=project, door="postgres"))
        self.transaction: Transaction | None = None
        self.forget: Callable[..., None] = lambda name=None: None
        """Closes a prepared statement, or all; set by the conversation."""
        self._user = who.user
        self._send = send
        self._tell = tell
        self._own = OwnStatements(self)

    @property
    def status(self) -> str:
        """As ReadyForQuery tells it."""
        if self.transaction is None:
            return "I"
        return "E" if self.transaction.state == "failed" else "T"

    @property
    def search_path(self) -> str:
        """As ``SHOW search_path`` tells it."""
        return f"{self.session.project}, ml"

    def run(self, statement: Statement, bound: Sequence[Bound] = ()) -> Answer:
        """Carry out one statement. Its rows are taken from the answer, which is closed then."""
        if self.status == "E" and not self._own.ends_transaction(statement):
            raise InFailedTransaction(
                "current transaction is aborted, commands ignored until end of transaction block", hint="ROLLBACK"
            )
        own = self._own.find(statement)
        if own is not None:
            return own()
        copied = None if statement.ours else copying.recognise(statement)
        if copied is not None:
            return copying.answer(copied, self.run(copied.query, bound), self.settings.zone)
        asked = None if statement.ours else self.context.pg_catalog.answer(statement, bound, self.asker())
        if asked is not None:
            return asked
        return self._dispatch(statement, bound)

    def own(self, statement: Statement) -> bool:
        """Whether the wire answers the statement itself."""
        return self._own.find(statement) is not None

    def asks_catalog(self, statement: Statement) -> bool:
        """Whether the statement is about PostgreSQL's catalog alone."""
        return not statement.ours and self.context.pg_catalog.recognises(statement)

    def asker(self) -> Asker:
        """Who asks the catalog."""
        sees = None if self.access is None else frozenset(self.access.roles)
        return Asker(self.database, self._user, self.session.project, self.settings, sees)

    def check(self, statement: Statement, bound: Sequence[Bound]) -> None:
        """Refuse what a member may not do, before anything is told about the statement."""
        if self.access is not None:
            self.context.dispatcher.plan(self.command(statement, bound), self.session.caller)

    def describe(self, query: Query, parameters: Any = None) -> list[tuple[str, str]]:
        """Columns of a query that was checked, as (name, DuckDB type)."""
        with acting_for(self.access):
            return self.context.catalog.describe(self.session.project, query, parameters)

    @property
    def seconds(self) -> float | None:
        """So long a statement may take."""
        return self.context.members.time_limit(self.session.caller.user, self.settings.timeout)

    def command(self, statement: Statement, bound: Sequence[Bound]) -> Command:
        """The command of a statement with the values of its parameters."""
        if statement.ours:
            return self.session.command(statement, [value.for_statement() for value in bound] or None)
        command = self.session.command(statement, [value.for_duckdb() for value in bound] or None)
        return replace(command, streamed=True, transaction=self.transaction) if isinstance(command, RunSql) else command

    def begin(self, *, read_only: bool) -> str:
        """Open a transaction; the warning when there is one already."""
        if self.transaction is not None:
            return "there is already a transaction in progress"
        read_only = read_only or self.settings.get("default_transaction_read_only") in ("on", "true")
        self.transaction = Transaction(self.context.catalog, read_only=read_only)
        return ""

    def commit(self) -> tuple[str, str]:
        """End the transaction: the tag, which is ROLLBACK for a failed one, and a warning."""
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return "COMMIT", "there is no transaction in progress"
        if transaction.state == "failed":
            transaction.rollback()
            return "ROLLBACK", ""
        transaction.commit()
        return "COMMIT", ""

    def rollback(self) -> str:
        """Undo the transaction; the warning when there is none."""
        transaction, self.transaction = self.transaction, None
        if transaction is None:
            return "there is no transaction in progress"
        transaction.rollback()
        return ""

    def report(self, *names: str | None) -> None:
        """Tell the client settings that have changed."""
        for name in names:
            if name is not None:
                self._send(parameter_status(name, self.settings.get(name)))

    def tell(self, line: str, severity: str = "NOTICE") -> None:
        """A line for the user, unless ``client_min_messages`` is above it; may come from any thread."""
        least = self.settings.get("client_min_messages").lower().rstrip("12345")
        if least not in _RANKS or _RANKS.index(severity.lower()) >= _RANKS.index(least):
            self._tell(line, severity)

    def _dispatch(self, statement: Statement, bound: Sequence[Bound]) -> Answer:
        command = self.command(statement, bound)
        if isinstance(command, RunSql):
            result = self.session.carry_out(command)
            return of_result(result, tag_of(statement, result))
        reads = command.role == "viewer" or isinstance(command, UseProject)
        if self.transaction is not None and not reads:
            raise InTransaction(
                f"{command.statement} cannot run inside a transaction: it is not undone by ROLLBACK",
                hint="switch the driver to autocommit, or send it before BEGIN",
            )
        with self._log_told(command):
            result = self.session.carry_out(command)
        notices = () if reads and result.table is not None else (result.message,) if result.message else ()
        return of_result(result, command.statement, notices)

    @contextmanager
    def _log_told(self, command: Command) -> Iterator[None]:
        if command.role == "viewer":
            yield
            return
        with following(self.context.bus, self.context.logs, self.tell):
            yield


def _project(context: WireContext, who: Introduction, access: Access | None) -> str:
    """The project that the name of the database means."""
    name = who.database.lower()
    if name in OUR_DATABASES:
        return DEFAULT_PROJECT
    with context.catalog.read() as cursor:
        if name == who.user.lower() and not projects.exists(cursor, name):
            return DEFAULT_PROJECT  # clients that are told no database take the name of the user
        if access is not None and not access.sees(name):
            raise NotFound(f"there is no project {name!r}", hint="or you have no role in it")
        try:
            projects.require(cursor, name)
        except MlboxError as error:
            error.hint = f"connect to the database mlbox, or to a project; {error.hint or ''}".rstrip("; ")
            raise
    return name
