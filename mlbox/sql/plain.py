"""Plain SQL: DuckDB's own statements, verbatim, in a transaction that cannot touch the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlbox.base.access import acting
from mlbox.base.command import Caller, Handler, Plan, Query, Result, RunSql, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Forbidden, MlboxError, NotFound, StatementError
from mlbox.base.ids import new_id
from mlbox.base.names import quote
from mlbox.engine.catalog.duckdb_errors import located, translate
from mlbox.engine.security.pressure import Pressure
from mlbox.sql import untyped
from mlbox.sql.definitions import definition, planned
from mlbox.sql.kinds import meant_kind
from mlbox.sql.parameters import for_query
from mlbox.sql.rows import QueryRows, Shown, shown, whole_table
from mlbox.sql.script import REMEMBERED, REMEMBERED_CHARACTERS

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.security.fence import Fence
    from mlbox.sql.transaction import Transaction

READING = frozenset({"SELECT", "EXPLAIN", "RELATION"})
WRITING = frozenset(
    {"INSERT", "UPDATE", "DELETE", "CREATE", "CREATE_FUNC", "DROP", "ALTER", "COPY", "MERGE_INTO", "ANALYZE", "VACUUM"}
)
COUNTED = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE_INTO"})
"""Those whose answer is a number of rows, or the rows of their RETURNING."""
HIDDEN = ("_mlbox", "_sets", "_kept")
"""Schemas of ours in the data file; writing there would bypass the feature store and the prediction log."""


class PlainSql:
    """Carries out ``RunSql``."""

    def __init__(self, catalog: Catalog, fence: Fence, settings: Settings) -> None:
        self._catalog = catalog
        self._fence = fence
        self._member_rows = settings.member_rows
        self._pressure = Pressure(settings.member_memory_mb)

    def handlers(self) -> Iterable[Handler]:
        """One."""
        return (Handler(RunSql, self.plan, self.execute),)

    def plan(self, command: RunSql, caller: Caller) -> Plan:
        """Parse, and decide whether the statement reads or writes."""
        kind, access = statement_kind(command.query), acting()
        if access is not None:
            self._fence.check(command.query, kind, command.project, access)
        if kind in READING:
            untyped.refuse(command.query)
            return Plan((Step("read", command.project, kind),), {"kind": kind})
        if kind not in WRITING:
            raise Forbidden(
                f"{kind.replace('_', ' ')} is not allowed here: every statement is a transaction and a session of "
                "its own",
                hint="settings of the server are in docs/reference/settings.md; files are read with read_parquet('…')"
                if kind in ("SET", "PRAGMA", "LOAD", "ATTACH", "DETACH")
                else "send the statements without BEGIN and COMMIT",
                where=command.query.where(0),
            )
        folded = command.query.text.lower()
        for schema in HIDDEN:
            if schema in folded and _names_schema(command.query, schema):
                raise Forbidden(
                    f"schema {schema} belongs to mlbox and cannot be written to",
                    hint="feature sets take rows by INSERT INTO <set>; the rest is changed by mlbox's own statements",
                    where=command.query.where(folded.index(schema)),
                )
        return Plan((Step("write", command.project, kind),), {"kind": kind})

    def execute(self, command: RunSql, plan: Plan, caller: Caller) -> Result:
        """Run it; a SELECT that turns out to write (``WITH x AS (INSERT …)``) is run again as a writing one."""
        import duckdb

        kind = plan.resolved["kind"]
        if " ".join(command.query.text.upper().split()) == "SHOW TABLES":  # DuckDB adds the views of ml
            command = replace(command, query=Query(f"SHOW TABLES FROM data.{quote(command.project)}"))
        if acting() is not None:
            limit = min(command.row_limit or self._member_rows, self._member_rows)
            command = replace(command, row_limit=limit)
        if command.transaction is not None:
            return self._in_transaction(command.transaction, command, kind)
        if kind == "EXPLAIN" and definition(command.query.text):
            command = replace(command, streamed=False)
            result = self._in_session(command, kind, reading=False)
            return planned(self._catalog, command.query, command.project, result)
        if kind in READING:
            with suppress(duckdb.TransactionException):  # of one that writes; every other error is one of ours by now
                return self._in_session(command, kind, reading=True)
        return self._in_session(command, kind, reading=False)

    def _in_session(self, command: RunSql, kind: str, *, reading: bool) -> Result:
        import duckdb

        with ExitStack() as session:
            cursor = session.enter_context(
                self._catalog.session(command.project, reading=reading and _leaves_nothing(command))
            )
            over = session.enter_context(self._watched(cursor))
            try:
                return self._read(cursor, command, session) if reading else self._write(cursor, command, kind)
            except duckdb.Error as error:
                if over():
                    raise self._pressure.error(command.query.where(0)) from None
                if reading and _writes(error) and acting() is None:
                    raise
                if kind in READING:
                    values = for_query(command.query, command.parameters)
                    told = located(cursor, error, command.query, values)
                    raise self._meant(told, command) from None
                raise translate(error, command.query) from None

    def _meant(self, error: MlboxError, command: RunSql) -> MlboxError:
        """``error``, with the SHOW or DESCRIBE that was meant when its name is no table's."""
        from mlbox.sql.grammar import starts
        from mlbox.sql.misspelt import meant_noun

        if isinstance(error, NotFound):
            text = command.query.text
            meant = meant_noun(text, starts()) or meant_kind(self._catalog, text, command.project)
            error.hint = meant or error.hint
        return error

    def _in_transaction(self, transaction: Transaction, command: RunSql, kind: str) -> Result:
        """Carry out a statement of a session that holds a transaction open."""

        def read(cursor: DuckDBPyConnection, command: RunSql) -> Result:
            with ExitStack() as watch:
                self._watch(watch, cursor, command)
                found = _shown(cursor, command)
                if found is None:
                    return Result("done")
                rows = QueryRows(found, command.query, limit=command.row_limit)
                rows.release = watch.pop_all().close
                return Result(rows=rows)

        def write(cursor: DuckDBPyConnection, command: RunSql) -> Result:
            with ExitStack() as watch:
                self._watch(watch, cursor, command)
                return _written(kind, *fetch(cursor, command))

        if kind not in READING:
            return transaction.write(command, write)
        return transaction.read(command, read, write if acting() is None else None)

    def _watch(self, stack: ExitStack, cursor: DuckDBPyConnection, command: RunSql) -> None:
        """Watch until ``stack`` is closed; what was stopped is told as that."""
        over = stack.enter_context(self._watched(cursor))

        def told(kind: Any, error: BaseException | None, trace: Any) -> None:
            if error is not None and over():
                raise self._pressure.error(command.query.where(0)) from None

        stack.push(told)

    def _watched(self, cursor: DuckDBPyConnection) -> AbstractContextManager[Callable[[], bool]]:
        """Stop a member's statement when it takes too much memory."""
        return nullcontext(lambda: False) if acting() is None else self._pressure.watching(cursor.interrupt)

    def read(self, command: RunSql) -> Result:
        """Rows of a SELECT of ours; what it holds of a user has been judged."""
        return self.execute(command, Plan((), {"kind": "SELECT"}), Caller())

    def _read(self, cursor: DuckDBPyConnection, command: RunSql, session: ExitStack) -> Result:
        """The rows; streamed ones keep transaction and ``session`` open until they are closed."""
        notes = None if command.streamed else self._catalog.sessions.notes(cursor)
        if notes is not None and command.query.text in notes:  # one view and nothing else: nothing that could write
            return _with_rows(*fetch(cursor, command, notes))
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        with ExitStack() as transaction:
            transaction.callback(_rollback, cursor)
            if not command.streamed:
                return _with_rows(*fetch(cursor, command, notes))
            found = _shown(cursor, command)
            if found is None:
                return Result("done")
            rows = QueryRows(found, command.query, limit=command.row_limit)
            session.push(transaction.pop_all())
            rows.release = session.pop_all().close
            return Result(rows=rows)

    def _write(self, cursor: DuckDBPyConnection, command: RunSql, kind: str) -> Result:
        cursor.execute("BEGIN TRANSACTION")
        try:
            claim = new_id()
            cursor.execute("INSERT INTO data._mlbox.claims VALUES (?)", [claim])
            table, truncated = fetch(cursor, command)
            cursor.execute("DELETE FROM data._mlbox.claims WHERE session = ?", [claim])
            cursor.execute("COMMIT")
        except BaseException:
            _rollback(cursor)
            raise
        return _written(kind, table, truncated)


def _leaves_nothing(command: RunSql) -> bool:
    """Whether the session is as it was when the transaction is over. Rows that are streamed may be left half read."""
    return not command.streamed and "setseed" not in command.query.text.lower()


def _writes(error: Exception) -> bool:
    """Whether a statement failed because it writes."""
    import duckdb

    return isinstance(error, duckdb.TransactionException) and "read-only" in str(error)


def _written(kind: str, table: pyarrow.Table | None, truncated: bool) -> Result:
    """What a writing statement answers: a count, or the rows of its RETURNING."""
    if table is not None and table.column_names == ["Count"] and table.num_rows == 1:
        count = table.column(0)[0].as_py()
        return Result(f"{kind.lower().replace('_', ' ')}: {counted(count, 'row')}", facts={"rows": count})
    if table is None or table.num_columns == 0 or _told_nothing(kind, table):
        return Result(f"{kind.lower().replace('_', ' ')}: done")
    return _with_rows(table, truncated)


def _told_nothing(kind: str, table: pyarrow.Table) -> bool:
    """Whether the table is what DuckDB gives for a statement without a result."""
    return kind not in COUNTED and table.num_rows == 0 and table.column_names in (["Success"], ["Count"])


def statement_kind(query: Query) -> str:
    """DuckDB's name for the kind of the statement; raises ``StatementError`` where it cannot be parsed."""
    import duckdb

    try:
        found = (_kinds_again if len(query.text) <= REMEMBERED_CHARACTERS else _kinds)(query.text)
    except duckdb.Error as error:
        raise _syntax(error, query) from None
    if len(found) != 1:
        raise StatementError("one statement was expected", where=query.where(0))
    return found[0]


def _kinds(text: str) -> tuple[str, ...]:
    import duckdb

    return tuple(str(found.type).rpartition(".")[2] for found in duckdb.extract_statements(text))


_kinds_again = lru_cache(REMEMBERED)(_kinds)


def fetch(
    cursor: DuckDBPyConnection, command: RunSql, notes: dict[str, Shown] | None = None
) -> tuple[pyarrow.Table | None, bool]:
    """Rows of a statement, up to its limit, and whether there were more. VARIANT columns come as JSON."""
    found = _shown(cursor, command, notes)
    if found is None:
        return None, False
    if command.row_limit is None:
        return whole_table(found), False
    rows = QueryRows(found, command.query, limit=command.row_limit)
    return rows.table(), rows.truncated


def _shown(cursor: DuckDBPyConnection, command: RunSql, notes: dict[str, Shown] | None = None) -> Shown | None:
    return shown(cursor, command.query, for_query(command.query, command.parameters), notes)


def _rollback(cursor: DuckDBPyConnection) -> None:
    with suppress(Exception):  # there may be none any more
        cursor.execute("ROLLBACK")


def _with_rows(table: pyarrow.Table | None, truncated: bool) -> Result:
    if table is None:
        return Result("done")
    count = table.num_rows
    message = counted(count, "row") + (" (cut; there are more)" if truncated else "")
    return Result(message, table, {"truncated": truncated})


def _names_schema(query: Query, schema: str) -> bool:
    """Whether ``schema`` stands in the text as a name and not inside a string or comment."""
    import duckdb

    raw = query.text.encode()
    starts = [offset for offset, _ in duckdb.tokenize(query.text)] + [len(raw)]
    for (offset, kind), end in zip(duckdb.tokenize(query.text), starts[1:], strict=True):
        word = raw[offset:end].decode(errors="ignore").split("--")[0].strip().strip('"').lower()
        if word == schema and "string" not in str(kind) and "comment" not in str(kind):
            return True
    return False


def _syntax(error: Exception, query: Query) -> Exception:
    """``extract_statements`` tells no position; preparing the text does."""
    import duckdb

    prefix = "EXPLAIN "
    shifted = replace(query, source=query.source or query.text).within(prefix)
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("SET errors_as_json = true")
        connection.execute(shifted.text)
    except duckdb.Error as told:
        return translate(told, shifted)
    finally:
        connection.close()
    return translate(error, query)
