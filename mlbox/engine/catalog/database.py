"""The catalog: DuckDB, opened by its one owner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base import processors
from mlbox.base.access import Access, acting, is_said
from mlbox.base.clock import now
from mlbox.base.errors import HomeError, StatementError
from mlbox.base.home import Home
from mlbox.base.names import DEFAULT_PROJECT, literal, quote
from mlbox.base.settings import Settings
from mlbox.base.underway import interrupting
from mlbox.engine.catalog import migrations, run_logs
from mlbox.engine.catalog.duckdb_errors import located, translate
from mlbox.engine.catalog.journal import Journal
from mlbox.engine.catalog.known_projects import KnownProjects
from mlbox.engine.catalog.sessions import Sessions
from mlbox.engine.catalog.tables import projects
from mlbox.engine.catalog.tables.run_memory import RunMemory
from mlbox.engine.catalog.writer import Writer

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

    from mlbox.base.command import Query

T = TypeVar("T")


class Catalog:
    """One DuckDB instance with ``catalog.duckdb`` attached as ``catalog`` and ``features.duckdb`` as ``data``."""

    def __init__(self, connection: DuckDBPyConnection, home: Home, settings: Settings) -> None:
        self.home = home
        self.connection = connection
        """The root connection; for registering functions only."""
        self.fenced = False
        """Whether DuckDB was locked when the home was opened, so that members may be let in."""
        self._idle: list[DuckDBPyConnection] = []
        self._lock = threading.Lock()
        self.sessions = Sessions(self.cursor)
        self.shared = False
        """Whether the home has members; told by them."""
        self.projects = KnownProjects(self.read)
        self.run_memory = RunMemory()
        self.journal = Journal(self.run_memory)
        """For operations that are ``journaled``."""
        self._metadata = Writer(self.cursor(), "catalog", settings.commit_batch, self.journal)
        self._data = Writer(self.cursor(), "data", settings.commit_batch)
        # What a thread that lets others go first has for long on a full machine, nobody should have to wait for.
        turn = threading.Lock()
        self._log = Writer(self.cursor(), "log", settings.commit_batch, behind=True, turn=turn)
        self._awaited_log = Writer(self.cursor(), "awaited-log", settings.commit_batch, turn=turn)

    @classmethod
    def open(cls, home: Home, settings: Settings | None = None) -> Catalog:
        """Open a home: attach, migrate (a copy first), make the views. Raises ``HomeError``."""
        import duckdb

        settings = settings or Settings()
        home.create()
        config: dict[str, Any] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            # The newest of a million runs: their time is read first, then the wide rows of those that are shown.
            "late_materialization_max_rows": 10_000,
            # Fields of VARIANT in columns of their own from the first thousands of runs on, not from 30,000.
            "variant_minimum_shredding_size": 2_048,
            # A checkpoint writes the last 122,880 rows of a table again: at 16 MB a prediction is written three times.
            "checkpoint_threshold": "64MB",
        }
        if settings.memory_limit:
            config["memory_limit"] = settings.memory_limit
        if settings.threads:
            config["threads"] = settings.threads
        connection = duckdb.connect(":memory:", config=config)
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            if not settings.threads:
                _use_no_more_than(connection, processors.usable())
            _attach(connection, home.data_file, "data")
            _attach(connection, home.catalog_file, "catalog")
            _migrate(connection, home)
        except BaseException:
            connection.close()
            raise
        run_logs.register(connection, home.logs)
        catalog = cls(connection, home, settings)
        catalog.journal.load(connection)
        _ensure_default_project(catalog)
        return catalog

    def close(self) -> None:
        """Commit what is queued and close the files."""
        self._metadata.close()
        self._data.close()
        self._log.close()
        self._awaited_log.close()
        with self._lock:
            for cursor in self._idle:
                cursor.close()
            self._idle.clear()
        self.sessions.close()
        for database in ("catalog", "data"):
            with suppress(Exception):
                self.connection.execute(f"CHECKPOINT {database}")
        self.connection.close()

    def cursor(self) -> DuckDBPyConnection:
        """A cursor of the caller's own; it closes it."""
        cursor = self.connection.cursor()
        cursor.execute("SET errors_as_json = true")
        return cursor

    def write(self, operation: Callable[[DuckDBPyConnection], T], *, journaled: bool = False) -> T:
        """Run ``operation`` in a transaction on ``catalog.duckdb``; returns when it is durable. One that is
        ``journaled`` knows runs by ``run_memory`` alone and says by ``journal`` what it has to say of them."""
        return self._metadata.write(operation, journaled=journaled)

    def submit(self, operation: Callable[[DuckDBPyConnection], T], *, patient: bool = False) -> Future[T]:
        """As :meth:`write`, without waiting; a ``patient`` operation lets others go first."""
        return self._metadata.submit(operation, patient=patient)

    def write_data(
        self, operation: Callable[[DuckDBPyConnection], T], *, behind: bool = False, awaited: bool = False
    ) -> T:
        """Run a short ``operation`` in a transaction on ``features.duckdb``; with ``behind``, for predictions and their
        counts, on a thread that lets those go first that answer, unless what it writes is ``awaited``."""
        log = self._awaited_log if awaited else self._log
        return (log if behind else self._data).write(operation)

    def submit_data(self, operation: Callable[[DuckDBPyConnection], T]) -> Future[T]:
        """As :meth:`write_data`, without waiting."""
        return self._data.submit(operation)

    @contextmanager
    def transaction_data(self) -> Iterator[DuckDBPyConnection]:
        """A transaction on ``features.duckdb`` for long work, beside the writer; DuckDB tells of conflicts."""
        cursor = self.cursor()
        try:
            cursor.execute("BEGIN TRANSACTION")
            try:
                with interrupting(cursor.interrupt):
                    yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(Exception):
                    cursor.execute("ROLLBACK")
                raise
        finally:
            cursor.close()

    @contextmanager
    def read(self) -> Iterator[DuckDBPyConnection]:
        """A pooled cursor for reading."""
        self._settle()
        with self._lock:
            cursor = self._idle.pop() if self._idle else None
        cursor = cursor or self.cursor()
        try:
            yield cursor
        except BaseException:
            cursor.close()  # it may hold an unfinished result
            raise
        with self._lock:
            if len(self._idle) < 8:
                self._idle.append(cursor)
                return
        cursor.close()

    def rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """All rows of a query of ours as dictionaries."""
        with self.read() as cursor:
            result = cursor.execute(sql, parameters)
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def row(self, sql: str, parameters: Any = ()) -> dict[str, Any] | None:
        """The first row, or nothing."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def session(self, project: str, *, reading: bool = False) -> AbstractContextManager[DuckDBPyConnection]:
        """A cursor on which names mean what they mean in ``project``.

        With ``reading`` it may be one that was used before: the caller ends its transaction and leaves nothing behind.
        """
        self._settle()
        return self.sessions.open(project, self._acting(project), reading=reading)

    def _settle(self) -> None:
        """Whoever reads finds in the tables of runs what was acknowledged."""
        if self.journal.unsettled and not self._metadata.is_here():
            self._metadata.write(lambda cursor: None)

    def _acting(self, project: str) -> Access | None:
        """For whom a session is. Where nobody said it (work in the background), ``project`` is all it sees."""
        if not is_said() and self.shared:
            return Access("", {project.lower(): "viewer"})
        return acting()

    def session_of(self, key: str) -> tuple[str, Access | None]:
        """Project and member of an open session, for functions that are called inside its queries.

        The key cannot be guessed. Cursors of the house have none; nobody else's statement runs on them.
        """
        return self.sessions.of(key)

    def query(self, project: str, query: Query, parameters: Any = None) -> pyarrow.Table:
        """Rows of the user's SQL, read-only; DuckDB's errors point into the user's text."""
        import duckdb

        _check_single(query)
        with self.session(project, reading=True) as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                relation = cursor.sql(query.text, params=parameters or None)
                if relation is None:
                    raise StatementError("a query was expected here", where=query.where(0))
                return relation.to_arrow_table()
            except duckdb.Error as error:
                raise located(cursor, error, query, parameters or None) from None
            finally:
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")

    def describe(self, project: str, query: Query, parameters: Any = None) -> list[tuple[str, str]]:
        """Columns of the user's SQL as (name, DuckDB type), without running it."""
        import duckdb

        _check_single(query)
        prefix = "DESCRIBE "
        with self.session(project) as cursor:
            try:
                rows = cursor.execute(prefix + query.text, parameters).fetchall()
            except duckdb.Error as error:
                raise translate(error, query.within(prefix)) from None
        return [(row[0], row[1]) for row in rows]


def _use_no_more_than(connection: DuckDBPyConnection, threads: int) -> None:
    """By itself DuckDB counts cores that are not ours too; a thread without one costs more than it brings."""
    found = connection.execute("SELECT current_setting('threads')").fetchone()
    if found is not None and threads < found[0]:
        connection.execute(f"SET GLOBAL threads = {threads}")


def _ensure_default_project(catalog: Catalog) -> None:
    """The project that names without one belong to: schema and row."""
    name = DEFAULT_PROJECT
    catalog.write_data(lambda cursor: cursor.execute(f"CREATE SCHEMA IF NOT EXISTS data.{quote(name)}") and None)

    def insert(cursor: DuckDBPyConnection) -> None:
        if not projects.exists(cursor, name):
            projects.upsert(cursor, projects.ProjectRow(name, None, None, now()))

    catalog.write(insert)


def _check_single(query: Query) -> None:
    """One statement, so that a second cannot ride along behind a semicolon."""
    import duckdb

    try:
        count = len(duckdb.extract_statements(query.text))
    except duckdb.Error:
        return  # executing it tells what is wrong, and where
    if count != 1:
        raise StatementError("one statement was expected here", where=query.where(0))


def _attach(connection: DuckDBPyConnection, path: Path, name: str) -> None:
    import duckdb

    try:
        connection.execute(f"ATTACH {literal(str(path))} AS {name}")
    except duckdb.Error as error:
        text = str(error)
        if "lock" in text.lower():
            raise HomeError(
                f"{path} is open in another process",
                hint="only one process may own a home; stop the other one (mlbox down)",
            ) from None
        raise HomeError(
            f"{path} cannot be opened: {text.splitlines()[0]}",
            hint="restore it from a backup, or choose another folder with --home DIR",
        ) from None


def _migrate(connection: DuckDBPyConnection, home: Home) -> None:
    """Both files are checked before either is changed; the catalog goes last."""
    import shutil

    connection.execute("CREATE SCHEMA IF NOT EXISTS catalog.ml")
    plans = {
        database: migrations.check_not_newer(connection, database, path)
        for database, path in (("data", home.data_file), ("catalog", home.catalog_file))
    }
    for database, path in (("data", home.data_file), ("catalog", home.catalog_file)):
        pending = plans[database]
        if pending and pending[0].number > 1:
            connection.execute(f"CHECKPOINT {database}")
            shutil.copy2(path, path.with_name(f"{path.name}.before-{pending[-1].number:04d}"))
        migrations.apply(connection, database, pending)
