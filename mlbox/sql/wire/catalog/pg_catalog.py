"""Answers queries about PostgreSQL's catalog from a DuckDB of its own, which holds nothing but names.

So clients may ask what they like without touching the user's data, nothing of ours stands in the user's schemas, and
statements that name a table of the user never come here.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.command import Query
from mlbox.base.errors import MlboxError
from mlbox.base.names import literal
from mlbox.base.underway import interrupting
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.sql.script import Statement
from mlbox.sql.wire.answers import Answer
from mlbox.sql.wire.bound import Bound
from mlbox.sql.wire.catalog import functions, relations, snapshot
from mlbox.sql.wire.catalog.rewriting import rewritten
from mlbox.sql.wire.session_settings import SessionSettings

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

_QUERY = re.compile(r"\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*\(*\s*(?:SELECT|WITH|TABLE)\b", re.I | re.S)
_VECTORS = frozenset({"indkey", "indoption", "indclass", "indcollation", "proargtypes"})
_CALL = re.compile(r'"?([a-z_]\w*)"?\(.*\)', re.S)
_NAMES = {"_session_user": "current_user", "_regclass": "regclass", "_regtype": "regtype", "count_star": "count"}
PARAMETER = re.compile(r"\$\d+\b")
"""DuckDB tells the tables of a statement only where it has no parameters."""
_SET_CONFIG = re.compile(r"\bset_config\(\s*('[^']*'|\$\d+)\s*,\s*('[^']*'|\$\d+)\s*,", re.I)
_LONGEST = 50_000
_REMEMBERED = 1000
_MEMBERS = 8
"""Sets of projects for which names are kept at hand."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and from where: what the functions of a session tell."""

    database: str
    user: str
    project: str
    settings: SessionSettings
    sees: frozenset[str] | None = None
    """Projects that a member may see; None is all."""


class PgCatalog:
    """One for a server; made when the first client asks."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._numbers = snapshot.Numbers()
        self._lock = threading.Lock()
        self._shown: OrderedDict[frozenset[str] | None, _Shown] = OrderedDict()
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
            shown = self._for(asker.sees)
            shown.refresh(snapshot.take(self._catalog, self._numbers, asker.sees))
            cursor = shown.connection.cursor()
        try:
            with interrupting(cursor.interrupt):
                table = self._table(cursor, text, bound, asker)
            _set_configured(text, bound, asker)
        except duckdb.Error as error:
            told: MlboxError = translate(error)
            told.where = Query(statement.text, statement.offset, statement.source).where(0)
            raise told from None
        finally:
            cursor.close()
        return Answer("SELECT", table.schema, table.to_batches())

    def _table(self, cursor: DuckDBPyConnection, text: str, bound: Sequence[Bound], asker: Asker) -> pyarrow.Table:
        import pyarrow

        _introduce(cursor, asker)
        relation = cursor.sql(text, params=[value.for_duckdb() for value in bound] or None)
        table = _vectors_as_text(relation.to_arrow_table())
        return pyarrow.Table.from_arrays(table.columns, schema=_schema(table.schema))

    def _for(self, sees: frozenset[str] | None) -> _Shown:
        """What those who see the same projects are shown."""
        if sees not in self._shown:
            self._shown[sees] = _Shown(_made())
            while len(self._shown) > _MEMBERS:
                self._shown.popitem(last=False)
        self._shown.move_to_end(sees)
        return self._shown[sees]

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

        names: set[str] | None = None
        found = rewritten(text)
        for filler in ("NULL", "''"):  # which of them can be bound is seen by trying
            with suppress(duckdb.Error):
                names = self._for(None).connection.get_table_names(PARAMETER.sub(filler, found), qualified=True)
                break
        if names is None:
            return None
        tables = {name.partition(" AS ")[0].replace('"', "").lower() for name in names}
        if any(not _is_catalog(name) for name in tables):
            return None
        called = {match.group().lower() for match in functions.CALLED.finditer(found)}
        return found if tables or found != text or called & set(functions.MACROS) else None


class _Shown:
    """A DuckDB with the names that somebody may see."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self.connection = connection
        self._held: dict[str, list[snapshot.Row]] = {}

    def refresh(self, found: snapshot.Snapshot) -> None:
        """Our objects as they are now."""
        self.connection.execute("BEGIN TRANSACTION")
        for name, rows in found.tables.items():
            if rows != self._held.get(name):
                _fill(self.connection, name, rows)
                self._held[name] = rows
        self.connection.execute("COMMIT")


def _made() -> DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "memory_limit": "512MB",
            "python_enable_replacements": "false",
            "threads": 1,
        },
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


def _schema(schema: pyarrow.Schema) -> pyarrow.Schema:
    """Calls are named by their functions; UINTEGER is the type of the numbers of objects."""
    import pyarrow

    fields = []
    for column in schema:
        listed = pyarrow.types.is_list(column.type)
        is_oid = pyarrow.types.is_uint32(column.type.value_type if listed else column.type)
        marks = {b"mlbox:type": b"OID[]" if listed else b"OID"} if is_oid else None
        fields.append(column.with_name(_name(column.name)).with_metadata(marks))
    return pyarrow.schema(fields)


def _vectors_as_text(table: pyarrow.Table) -> pyarrow.Table:
    """Columns of type int2vector and oidvector are written ``1 2``, not ``{1,2}``."""
    import pyarrow

    for index, column in enumerate(table.schema):
        if column.name in _VECTORS and pyarrow.types.is_list(column.type):
            texts = [None if row is None else " ".join(map(str, row)) for row in table.column(index).to_pylist()]
            table = table.set_column(index, column.name, pyarrow.array(texts, pyarrow.string()))
    return table


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
