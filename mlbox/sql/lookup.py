"""What completion asks of the catalog: names of objects, tables, columns, functions, settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from mlbox.base.names import literal


class Named(NamedTuple):
    """A name as it stands in a statement, and a few words about it."""

    name: str
    detail: str = ""


class Lookup(Protocol):
    """Names that statements may use, as seen from the project in use."""

    def objects(self, kind: str) -> Iterable[Named]:
        """Objects of a kind (``model``, ``feature set``, ``project`` ...); those of other projects qualified."""
        ...

    def versions(self, model: str) -> Iterable[Named]:
        """Versions and aliases of a model or function."""
        ...

    def tables(self) -> Iterable[Named]:
        """Tables and views, feature sets among them; ``ml.runs`` for the public views."""
        ...

    def columns(self, table: str) -> Iterable[Named]:
        """Columns of a table, written as in :meth:`tables`; none when there is no such table."""
        ...

    def functions(self) -> Iterable[Named]:
        """Functions and macros, scalar, aggregate and table; ours as ``ml.features``."""
        ...

    def settings(self) -> Iterable[Named]:
        """Settings of DuckDB."""
        ...


class NoLookup:
    """Knows nothing: completion then offers the words of the language."""

    def objects(self, kind: str) -> Iterable[Named]:
        """None."""
        return ()

    def versions(self, model: str) -> Iterable[Named]:
        """None."""
        return ()

    def tables(self) -> Iterable[Named]:
        """None."""
        return ()

    def columns(self, table: str) -> Iterable[Named]:
        """None."""
        return ()

    def functions(self) -> Iterable[Named]:
        """None."""
        return ()

    def settings(self) -> Iterable[Named]:
        """None."""
        return ()


OBJECTS = {
    "project": "SELECT name, comment FROM ml.projects",
    "function": "SELECT project, name, 'v' || max(version) FROM ml.functions GROUP BY ALL",
    "run": "SELECT project, name, state FROM ml.runs WHERE name IS NOT NULL ORDER BY created_at DESC LIMIT 200",
    "model": "SELECT project, name, comment FROM ml.models",
    "source": "SELECT project, name, type FROM ml.sources",
    "feature set": "SELECT project, name, comment FROM ml.feature_sets",
    "feature vector": "SELECT project, name, label FROM ml.feature_vectors",
    "collection": "SELECT project, name, comment FROM ml.collections",
    "endpoint": "SELECT project, name, state FROM ml.endpoints",
    "feed": "SELECT project, name, state FROM ml.feeds",
    "workflow": "SELECT project, name, NULL FROM ml.workflows",
    "schedule": "SELECT project, name, state FROM ml.schedules",
    "monitor": "SELECT project, name, state FROM ml.monitors",
    "alert": "SELECT project, name, state FROM ml.alerts",
}
"""Where the names of a kind stand: of a project (first column) or, with two columns, of the house."""
DROPPED = "dropped "
"""Before a kind: those that RESTORE brings back."""

_TABLES = """SELECT CASE WHEN database_name = 'data' THEN schema_name ELSE 'ml' END, name, kind FROM (
    SELECT database_name, schema_name, table_name AS name, 'table' AS kind FROM duckdb_tables() WHERE NOT internal
    UNION ALL
    SELECT database_name, schema_name, view_name, 'view' FROM duckdb_views() WHERE NOT internal
) WHERE (database_name = 'data' AND NOT starts_with(schema_name, '_'))
    OR (database_name = 'catalog' AND schema_name = 'ml')
ORDER BY ALL"""

_COLUMNS = """SELECT column_name, data_type FROM duckdb_columns()
WHERE lower(schema_name) = lower({schema}) AND lower(table_name) = lower({table})
    AND database_name = CASE WHEN lower({schema}) = 'ml' THEN 'catalog' ELSE 'data' END
ORDER BY column_index"""

_FUNCTIONS = """SELECT DISTINCT CASE WHEN schema_name = 'ml' THEN 'ml.' ELSE '' END || function_name,
    function_type || ' function' FROM duckdb_functions()
WHERE regexp_full_match(function_name, '[a-z][a-z0-9_]*') AND NOT starts_with(function_name, '_') ORDER BY 1"""


class SqlLookup:
    """The same by queries through any door; answers are kept until :meth:`forget`.

    ``ask`` gives the rows of a query, ``project`` the project in use. A door that refuses gives no names.
    """

    def __init__(self, ask: Callable[[str], Sequence[Sequence[Any]]], project: Callable[[], str]) -> None:
        self._ask = ask
        self._project = project
        self._kept: dict[str, list[Sequence[Any]]] = {}

    def forget(self) -> None:
        """Ask anew: after a statement that may have changed something."""
        self._kept.clear()

    def objects(self, kind: str) -> Iterable[Named]:
        """Objects of a kind."""
        if kind.startswith(DROPPED):
            word = literal(kind.removeprefix(DROPPED))
            return self._named(self._rows(f"SELECT DISTINCT project, name, NULL FROM ml.dropped WHERE kind = {word}"))
        rows = self._rows(OBJECTS[kind]) if kind in OBJECTS else []
        if rows and len(rows[0]) == 2:
            return [Named(str(name), str(detail or "")) for name, detail in rows]
        return self._named(rows)

    def versions(self, model: str) -> Iterable[Named]:
        """Versions and aliases, the newest first."""
        project, _, name = model.rpartition(".")
        rows = self._rows(
            "SELECT version, aliases FROM ml.model_versions "
            f"WHERE project = {literal((project or self._project()).lower())} AND lower(name) = lower({literal(name)}) "
            "ORDER BY version DESC"
        )
        aliases = [Named(str(alias), f"version {version}") for version, given in rows for alias in given or ()]
        return [*aliases, *(Named(str(version), "version") for version, _ in rows)]

    def tables(self) -> Iterable[Named]:
        """Tables and views."""
        return self._named(self._rows(_TABLES))

    def columns(self, table: str) -> Iterable[Named]:
        """Columns of a table."""
        schema, _, name = table.replace('"', "").rpartition(".")
        text = _COLUMNS.format(schema=literal(schema or self._project()), table=literal(name))
        return [Named(str(column), str(kind)) for column, kind in self._rows(text)]

    def functions(self) -> Iterable[Named]:
        """Functions and macros."""
        return [Named(str(name), str(kind)) for name, kind in self._rows(_FUNCTIONS)]

    def settings(self) -> Iterable[Named]:
        """Settings of DuckDB."""
        rows = self._rows("SELECT name, description FROM duckdb_settings() ORDER BY name")
        return [Named(str(name), str(detail)) for name, detail in rows]

    def _named(self, rows: Iterable[Sequence[Any]]) -> list[Named]:
        current = self._project().lower()
        found = []
        for project, name, detail in rows:
            own = str(project).lower() == current
            found.append(Named(str(name) if own else f"{project}.{name}", str(detail or "")))
        return found

    def _rows(self, text: str) -> list[Sequence[Any]]:
        if text not in self._kept:
            try:
                self._kept[text] = list(self._ask(text))
            except Exception:  # completion must not disturb who is typing
                return []
        return self._kept[text]
