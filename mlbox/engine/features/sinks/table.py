"""A table of the project: ``table:name``. It is made of the first rows; later ones are inserted by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlbox.base.errors import Invalid, MlboxError
from mlbox.base.names import check_name, quote
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.features.sinks.base import SINKS, Row, Sink, Target

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


class TableSink:
    """One table."""

    def __init__(self, catalog: Catalog, project: str, name: str) -> None:
        self._catalog = catalog
        self._name = name
        self._table = f"data.{quote(project)}.{quote(name)}"

    def write(self, rows: Sequence[Row]) -> None:
        """In one transaction."""
        import duckdb
        import pyarrow

        if not rows:
            return
        names = list(dict.fromkeys(name for row in rows for name in row))
        try:
            given = pyarrow.table({name: pyarrow.array([row.get(name) for row in rows]) for name in names})
        except (pyarrow.ArrowException, TypeError) as error:
            raise Invalid(f"the rows for table {self._name} fit together in no table: {error}") from None

        def insert(cursor: DuckDBPyConnection) -> None:
            cursor.register("_sink_rows", given)
            try:
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {self._table} AS FROM _sink_rows LIMIT 0")
                cursor.execute(f"INSERT INTO {self._table} BY NAME FROM _sink_rows")
            finally:
                cursor.unregister("_sink_rows")

        try:
            self._catalog.write_data(insert)
        except duckdb.Error as error:
            told: MlboxError = translate(error)
            raise Invalid(f"table {self._name} does not take the rows: {told.message}", hint=told.hint) from None

    def close(self) -> None:
        """Nothing is open."""


class _Kind:
    def check(self, target: Target) -> None:
        """A name, and no option."""
        check_name(target.uri.partition(":")[2], "table name")
        if target.options:
            raise Invalid("a table has no options")

    def open(self, target: Target) -> Sink:
        """Made with the first rows."""
        assert target.catalog is not None
        return TableSink(target.catalog, target.project, target.uri.partition(":")[2])


SINKS.add("table", _Kind())
