"""Answers queries about PostgreSQL's catalog from a DuckDB of its own, which holds nothing but names.

So clients may ask what they like without touching the user's data, nothing of ours stands in the user's schemas, and
statements that name a table of the user never come here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.command import Query
from mlbox.base.errors import MlboxError
from mlbox.base.names import literal
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.sql.script import Statement
from mlbox.sql.wire.answers import Answer
from mlbox.sql.wire.bound import Bound
from mlbox.sql.wire.catalog import functions, relations, snapshot
from mlbox.sql.wire.catalog.rewriting import rewritten
from mlbox.sql.wire.session_settings import SessionSettings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

_QUERY = re.compile(r"\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*\(*\s*(?:SELECT|WITH|TABLE)\b", re.I | re.S)
_CALL = re.compile(r'"?([a-z_]\w*)"?\(.*\)', re.S)
_NAMES = {"_session_user": "current_user", "_regclass": "regclass", "_regtype": "regtype", "count_star": "count"}
_SET_CONFIG = re.compile(r"\bset_config\(\s*('[^']*'|\$\d+)\s*,\s*('[^']*'|\$\d+)\s*,", re.I)
_LONGEST = 50_000
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and from where: what the functions of a session tell."""

    database: str
    user: str
    project: str
    settings: SessionSettings


class PgCatalog:
    """One for a server; made when the first client asks."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._numbers = snapshot.Numbers()
        self._lock = threading.Lock()
        self._connection: DuckDBPyConnection | None = None
        self._held: dict[str, list[snapshot.Row]] = {}
        self._texts: dict[str, str | None] = {}

    def recognises(self, statement: Statement) -> bool:
        """Whether the statement is a query about the catalog alone."""
        return self._translated(statement.text) is not None

    def answer(self, statement: Statement, bound: Sequence[Bound], asker: Asker) -> Answer | None:
        """The rows; None leaves the statement to the session. Raises ``MlboxError``."""
        import duckdb

        text = self._translated(statement.text)
        if text is None:
            return None
        with self._lock:
            self._refresh()
            cursor = self._connected().cursor()
        try:
            _introduce(cursor, asker)
            relation = cursor.sql(text, params=[value.for_duckdb() for value in bound] or None)
            table = relation.to_arrow_table()
            table = table.rename_columns([_name(column) for column in table.column_names])
            _set_configured(text, bound, asker)
        except duckdb.Error as error:
            told: MlboxError = translate(error)
            told.where = Query(statement.text, statement.offset, statement.source).where(0)
            raise told from None
        finally:
            cursor.close()
        return Answer("SELECT", table.schema, table.to_batches())

    def _connected(self) -> DuckDBPyConnection:
        if self._connection is None:
            self._connection = _made()
        return self._connection

    def _refresh(self) -> None:
        """Our objects as they are now."""
        connection = self._connected()
        found = snapshot.take(self._catalog, self._numbers)
        connection.execute("BEGIN TRANSACTION")
        for name, rows in found.tables.items():
            if rows != self._held.get(name):
                _fill(connection, name, rows)
                self._held[name] = rows
        connection.execute("COMMIT")

    def _translated(self, text: str) -> str | None:
        """The query in DuckDB's words when it is about the catalog alone."""
        if len(text) > _LONGEST or not functions.CALLED.search(text) or not _QUERY.match(text):
            return None
        with self._lock:
            if text not in self._texts:
                if len(self._texts) >= _REMEMBERED:
                    self._texts.clear()
                self._texts[text] = self._translate(text)
            return self._texts[text]

    def _translate(self, text: str) -> str | None:
        import duckdb

        try:
            found = rewritten(text)
            names = self._connected().get_table_names(found, qualified=True)
        except (duckdb.Error, MlboxError):
            return None
        tables = {name.partition(" AS ")[0].replace('"', "").lower() for name in names}
        if any(not _is_catalog(name) for name in tables):
            return None
        called = {match.group().lower() for match in functions.CALLED.finditer(found)}
        return found if tables or found != text or called & set(functions.MACROS) else None


def _made() -> DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={"enable_external_access": "false", "threads": 1, "python_enable_replacements": "false"},
    )
    for statement in [*relations.statements(), *functions.statements()]:
        connection.execute(statement)
    connection.execute("SET lock_configuration = true")
    return connection


def _fill(connection: DuckDBPyConnection, name: str, rows: list[snapshot.Row]) -> None:
    import pyarrow

    connection.execute(f"DELETE FROM {name}")
    if not rows:
        return
    columns = [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]
    arrays = [pyarrow.array([row[index] for row in rows]) for index in range(len(columns))]
    connection.register("_incoming", pyarrow.table(arrays, names=columns))
    connection.execute(f"INSERT INTO {name} FROM _incoming")
    connection.unregister("_incoming")


def _name(column: str) -> str:
    """A call is named by its function, as in PostgreSQL."""
    called = _CALL.fullmatch(column)
    return _NAMES.get(called[1], called[1]) if called else column


def _set_configured(text: str, bound: Sequence[Bound], asker: Asker) -> None:
    """``set_config('name', 'value', …)`` with literals or parameters has its effect."""
    for found in _SET_CONFIG.finditer(text):
        name, value = (
            str(bound[int(word[1:]) - 1].value) if word.startswith("$") else word[1:-1] for word in found.groups()
        )
        if asker.settings.knows(name):
            asker.settings.set(name, value)


def _introduce(cursor: DuckDBPyConnection, asker: Asker) -> None:
    """What the functions of the session tell."""
    values = dict(asker.settings.all())
    values["search_path"] = f"{asker.project}, ml"
    pairs = ", ".join(f"{literal(name)}: {literal(value)}" for name, value in values.items())
    lowered = ", ".join(f"{literal(name.lower())}: {literal(value)}" for name, value in values.items())
    for name, value in (("database", asker.database), ("user", asker.user), ("project", asker.project)):
        cursor.execute(f"SET VARIABLE {name} = {literal(value)}")
    cursor.execute(f"SET VARIABLE settings = MAP {{{pairs}}}")
    cursor.execute(f"SET VARIABLE lowered = MAP {{{lowered}}}")
    cursor.execute("SET VARIABLE process = 1")


def _is_catalog(name: str) -> bool:
    schema, _, table = name.rpartition(".")
    if schema in ("", "main"):
        return table in relations.RELATIONS
    return schema == "_information" and table in relations.INFORMATION
