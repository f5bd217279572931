"""Transactions of plain SQL that a session holds open: between BEGIN and COMMIT.

A transaction reads only, until its first write. DuckDB cannot turn a reading transaction into a writing one, so the
first write begins a new one: what was read before may have changed since, as in PostgreSQL's READ COMMITTED. From then
on it sees one state. A writing transaction has written its claim in ``data`` first; DuckDB lets a transaction write one
file, so the catalog stays out of reach. An error ends it, and all that follows is refused until ROLLBACK.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Literal

from mlbox.base.command import Result, RunSql
from mlbox.base.errors import Conflict, MlboxError, NotExecuted, NotFound
from mlbox.base.ids import new_id
from mlbox.base.underway import interrupting
from mlbox.engine.catalog.duckdb_errors import located, translate

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.sql.rows import QueryRows

State = Literal["reading", "writing", "failed", "ended"]
Carry = Callable[["DuckDBPyConnection", RunSql], Result]


class Transaction:
    """One, from BEGIN to its end. Not for two threads at the same time."""

    def __init__(self, catalog: Catalog, *, read_only: bool = False) -> None:
        self._catalog = catalog
        self._read_only = read_only
        self._project = ""
        self._stack = ExitStack()
        self._cursor: DuckDBPyConnection | None = None
        self._rows: HeldRows | None = None
        self._claim = ""
        self._writes = 0
        self._savepoints: list[tuple[str, int]] = []
        self.state: State = "reading"

    def read(self, command: RunSql, carry: Carry, carry_writing: Carry | None) -> Result:
        """Rows of a query; one that turns out to write is carried out again as a writing one, where that is allowed."""
        import duckdb

        try:
            return self._carry(command, carry, reading=True)
        except duckdb.TransactionException as error:
            if "read-only" not in str(error) or self.state == "writing" or carry_writing is None:
                raise self._failed(error, command) from None
            return self.write(command, carry_writing)

    def write(self, command: RunSql, carry: Carry) -> Result:
        """Carry out a writing statement."""
        if self.state == "reading":
            if self._read_only:
                self.fail()
                raise Conflict("cannot write in a read-only transaction", where=command.query.where(0))
            self._begin_writing(command.project)
        self._writes += 1
        return self._carry(command, carry, reading=False)

    def savepoint(self, name: str) -> None:
        """Remember this place, for :meth:`rollback_to`."""
        self._savepoints.append((name, self._writes))

    def release(self, name: str) -> None:
        """Forget a savepoint and those after it."""
        del self._savepoints[self._place(name) :]

    def rollback_to(self, name: str) -> None:
        """Undo what was written after a savepoint, where that is all or nothing: DuckDB undoes whole transactions only.

        Raises ``NotExecuted`` when something was written before the savepoint and something after it.
        """
        place = self._place(name)
        written = self._savepoints[place][1]
        del self._savepoints[place + 1 :]
        if written == 0:
            self._end()
            self._writes = 0
            self.state = "reading"
        elif self.state == "failed" or written != self._writes:
            self.fail()
            raise NotExecuted(
                "what was written after a savepoint cannot be undone alone when something was written before it",
                hint="ROLLBACK undoes the whole transaction",
            )

    def _place(self, name: str) -> int:
        names = [known for known, _ in self._savepoints]
        if name not in names:
            raise NotFound(f"savepoint {name!r} does not exist")
        return len(names) - 1 - names[::-1].index(name)

    def commit(self) -> None:
        """Make it durable. Raises what DuckDB says against it; then nothing of it is left."""
        import duckdb

        if self._cursor is None or self.state != "writing":
            self.rollback()
            return
        self._hold_rows()
        try:
            self._cursor.execute("DELETE FROM data._mlbox.claims WHERE session = ?", [self._claim])
            self._cursor.execute("COMMIT")
        except duckdb.Error as error:
            raise translate(error) from None
        finally:
            self.rollback()

    def rollback(self) -> None:
        """Undo it; harmless when it has ended."""
        self._end()
        self.state = "ended"

    def fail(self) -> None:
        """A statement went wrong: undo at once, and refuse what follows."""
        self._end()
        self.state = "failed"

    def _carry(self, command: RunSql, carry: Carry, *, reading: bool) -> Result:
        import duckdb

        self._hold_rows()
        cursor = self._opened(command.project)
        try:
            with interrupting(cursor.interrupt):
                result = carry(cursor, command)
        except duckdb.TransactionException as error:
            if reading and "read-only" in str(error):
                raise
            raise self._failed(error, command) from None
        except duckdb.Error as error:
            raise self._failed(error, command) from None
        except BaseException:
            self.fail()
            raise
        if result.rows is None:
            return result
        self._rows = HeldRows(result.rows, cursor, self.fail)
        return Result(result.message, facts=result.facts, rows=self._rows)

    def _failed(self, error: Exception, command: RunSql) -> MlboxError:
        told = translate(error, command.query)
        if self._cursor is not None and told.where is None and self.state == "reading":
            with suppress(Exception):
                told = located(self._cursor, error, command.query, command.parameters)
        self.fail()
        return told

    def _opened(self, project: str) -> DuckDBPyConnection:
        """The cursor on which names mean what they mean in ``project``."""
        if self._cursor is not None and project != self._project:
            if self.state == "writing":
                raise Conflict("the project cannot be changed in a transaction that has written", hint="COMMIT first")
            self._end()
        if self._cursor is None:
            self._open(project, "BEGIN TRANSACTION READ ONLY")
        assert self._cursor is not None
        return self._cursor

    def _open(self, project: str, begin: str) -> None:
        self._cursor = self._stack.enter_context(self._catalog.session(project))
        self._cursor.execute(begin)
        self._project = project

    def _begin_writing(self, project: str) -> None:
        self._end()
        self._open(project, "BEGIN TRANSACTION")
        assert self._cursor is not None
        self._claim = new_id()
        self._cursor.execute("INSERT INTO data._mlbox.claims VALUES (?)", [self._claim])
        self.state = "writing"

    def _hold_rows(self) -> None:
        """A cursor computes one result at a time: the rest of the last one is kept in memory."""
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.hold()

    def _end(self) -> None:
        self._hold_rows()
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            with suppress(Exception):
                cursor.execute("ROLLBACK")
        self._stack.close()


class HeldRows:
    """Rows that are computed in a transaction that goes on after them."""

    def __init__(self, rows: QueryRows | Any, cursor: DuckDBPyConnection, on_failure: Callable[[], None]) -> None:
        self._rows = rows
        self._schema = rows.schema
        self._iterator: Iterator[pyarrow.RecordBatch] | None = iter(rows)
        self._kept: deque[pyarrow.RecordBatch] = deque()
        self._cursor = cursor
        self._on_failure = on_failure
        self._error: BaseException | None = None

    @property
    def schema(self) -> pyarrow.Schema:
        """Columns."""
        return self._schema

    @property
    def truncated(self) -> bool:
        """Whether there were more rows than the limit; known at the end."""
        return bool(self._rows.truncated)

    def __iter__(self) -> Iterator[pyarrow.RecordBatch]:
        """Batch by batch, once."""
        while True:
            if self._kept:
                yield self._kept.popleft()
            elif self._error is not None:
                raise self._error
            elif self._iterator is None:
                return
            else:
                batch = self._next()
                if batch is None:
                    return
                yield batch

    def _next(self) -> pyarrow.RecordBatch | None:
        assert self._iterator is not None
        try:
            with interrupting(self._cursor.interrupt):
                batch = next(self._iterator, None)
        except BaseException:
            self._iterator = None
            self._on_failure()
            raise
        if batch is None:
            self._iterator = None
        return batch

    def hold(self) -> None:
        """Take the rest now; an error comes when the rows are taken."""
        while self._iterator is not None:
            try:
                batch = self._next()
            except MlboxError as error:
                self._error = error
                return
            if batch is not None:
                self._kept.append(batch)

    def close(self) -> None:
        """Nobody wants the rest."""
        self._kept.clear()
        if self._iterator is not None:
            self._iterator = None
            self._rows.close()
