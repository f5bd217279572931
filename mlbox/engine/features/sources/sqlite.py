"""SQLite files, opened for reading only."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from mlbox.engine.features.sources.base import SOURCES, Source
from mlbox.engine.features.sources.tables import BATCH, TableSource
from mlbox.engine.features.sources.typed_rows import reader_of

if TYPE_CHECKING:
    import pyarrow


class Sqlite:
    """A path, or ``sqlite:///path``."""

    name = "sqlite"
    schemes: tuple[str, ...] = ("sqlite://", ".sqlite", ".sqlite3", ".db")
    options: tuple[str, ...] = ()
    quotes = '"'

    def stream(self, source: Source, sql: str, whole: str) -> pyarrow.RecordBatchReader:
        """Columns have the types of the values that stand in them: those that SQLite declares bind nothing."""
        path = (source.uri or "").removeprefix("sqlite://").removeprefix("file://")
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
        try:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description]
            types = self._types(connection, whole)
        except BaseException:
            connection.close()
            raise
        return reader_of(names, types, lambda: cursor.fetchmany(BATCH), connection.close)

    def _types(self, connection: sqlite3.Connection, sql: str) -> list[Any]:
        """Of every column the widest of the values that it has."""
        import pyarrow

        cursor = connection.execute(f"SELECT * FROM ({sql}) LIMIT 0")
        names = ['"' + column[0].replace('"', '""') + '"' for column in cursor.description]
        kinds = connection.execute(
            f"SELECT {', '.join(f'group_concat(DISTINCT typeof({name}))' for name in names)} FROM ({sql})"
        ).fetchall()[0]
        found = []
        for told in kinds:
            known = set((told or "").split(",")) - {"null", ""}
            if known <= {"integer"} and known:
                found.append(pyarrow.int64())
            elif known <= {"integer", "real"} and known:
                found.append(pyarrow.float64())
            else:
                found.append(pyarrow.binary() if known == {"blob"} else pyarrow.string())
        return found


SOURCES.add("sqlite", TableSource(Sqlite()))
