"""Inputs of runs: the rows of a query, streamed into a Parquet file."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.errors import Invalid
from mlbox.base.names import literal
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.catalog.tables.lineage import Edge

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


@dataclass(frozen=True, slots=True)
class FrameSource:
    """What an input is read from: the SQL, and the object that was named, if one was."""

    query: Query
    ref: str | None = None
    kind: str = "table"
    """Kind of that object, as lineage calls it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A written input: file below the home, number of rows, columns as (name, DuckDB type)."""

    path: str
    rows: int
    columns: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """As it is kept with the run."""
        return {"path": self.path, "rows": self.rows, "columns": [list(column) for column in self.columns]}


class Frames:
    """Writes inputs."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def write(self, project: str, source: FrameSource, path: Path) -> Frame:
        """Run the query in ``project``, read-only, and write its rows to ``path``: complete or not there at all.

        The errors of the query point into the user's text.
        """
        import duckdb

        columns = self.columns(project, source)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        prefix = "COPY (\n"
        text = f"{prefix}{_bare(source.query.text)}\n) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
        with self._catalog.session(project) as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                rows = int(cursor.execute(text).fetchall()[0][0])
            except duckdb.Error as error:
                raise translate(error, _shifted(source.query, text, len(prefix))) from None
            finally:
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
        os.replace(temporary, path)
        return Frame(os.path.relpath(path, self._catalog.home.path), rows, columns)

    def columns(self, project: str, source: FrameSource) -> tuple[tuple[str, str], ...]:
        """Names and types of the query's columns, without running it. ``Invalid`` unless it is one query."""
        import duckdb

        with self._catalog.read() as cursor:
            try:
                statements = cursor.extract_statements(source.query.text)
            except duckdb.Error as error:
                raise translate(error, source.query) from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise Invalid(
                "an input is one query",
                hint="FROM table, or FROM (SELECT ..)",
                where=source.query.where(0),
            )
        return tuple(self._catalog.describe(project, source.query))

    def edges(self, project: str, source: FrameSource, run_id: str, name: str) -> list[Edge]:
        """What the run was made from: the named object, and the tables that the query reads."""
        moment = now()
        found = [Edge(project, source.kind, source.ref, "run", run_id, moment, name)] if source.ref else []
        if source.ref and source.kind in ("table", "file"):
            return found
        for table in sorted(self._tables(project, source.query)):
            found.append(Edge(project, "table", table, "run", run_id, moment, name))
        return found

    def _tables(self, project: str, query: Query) -> set[str]:
        """Tables and views of projects in the query, as ``project.name``; none when DuckDB cannot tell."""
        import duckdb

        found: set[str] = set()
        with self._catalog.session(project) as cursor, suppress(duckdb.Error):
            for name in cursor.get_table_names(query.text, qualified=True):
                parts = [part.strip('"') for part in name.split(".")]
                if parts[0] == "data":
                    parts = parts[1:]
                if parts[0] in {"ml", "catalog", "temp", "system", "main"} or len(parts) > 2:
                    continue
                found.add(".".join(parts) if len(parts) == 2 else f"{project}.{parts[0]}")
        return found


def _shifted(query: Query, sent: str, prefix: int) -> Query:
    """What was sent to DuckDB, such that places in it are places in what the user wrote."""
    written = query if query.source else replace(query, offset=0, source=query.text)
    return replace(written.within(" " * prefix), text=sent)


def _bare(text: str) -> str:
    """Without the semicolon that may end it."""
    return text.rstrip().rstrip(";")
