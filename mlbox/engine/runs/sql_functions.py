"""Functions of SQL (``RUNTIME sql``): one query, whose rows are the run's result.

The run is a process like any other, so that waiting for its turn, cancelling, time-outs and restarts of the server are
those of all runs; all it does is to ask here for its query, which DuckDB computes where the data is.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Query
from mlbox.base.errors import Cancelled, Invalid, NotFound
from mlbox.base.names import literal, quote
from mlbox.engine.catalog.duckdb_errors import located, translate
from mlbox.engine.catalog.tables import functions, lineage, runs
from mlbox.engine.runs.calls_home import CallsHome
from mlbox.engine.runs.frames import Frames, FrameSource
from mlbox.engine.runs.source import HandlerInfo, Parameter, Source, digest_of, read_text
from mlbox.engine.storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.runs import RunRow

RUNTIME = "sql"
ENDING = ".sql"
HANDLER = "query"
RESULT = "result"
"""Name of the artifact."""
_BATCH = 100_000
_DESCRIBED_ROWS = 1_000_000
"""Of a larger result the statistics are those of so many rows."""


def read_sql(path: Path) -> Source:
    """A file with one query. Raises ``NotFound``, and ``Invalid`` with the place where it is none."""
    import duckdb

    if not path.is_file():
        raise NotFound(f"there is no file {path}", hint="FROM names a file with one query, or write AS SELECT ..")
    text = read_text(path)
    query = Query(text, 0, text)
    with duckdb.connect() as parsing:
        parsing.execute("SET errors_as_json = true")  # which has the place
        try:
            statements = parsing.extract_statements(text)
        except duckdb.Error as error:
            raise translate(error, query) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise Invalid(
            f"{path.name} is not one query",
            hint="a function of SQL is one SELECT; several statements are a workflow",
        )
    names = sorted(statements[0].named_parameters, key=lambda name: text.find(f"${name}"))
    if any(name.isdigit() for name in names):
        raise Invalid(f"{path.name} has parameters without a name", hint="write $name, and RUN .. WITH (name = ..)")
    handler = HandlerInfo(HANDLER, 1, tuple(Parameter(name) for name in names), None, False)
    return Source(path, path.name, (handler,), (), None, digest_of(path))


class SqlRuns:
    """Answers the processes of such runs."""

    def __init__(self, catalog: Catalog, artifacts: ArtifactStore, frames: Frames, calls: CallsHome) -> None:
        self._catalog = catalog
        self._artifacts = artifacts
        self._frames = frames
        self._calls = calls
        self._going: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()
        calls.on_end.append(self.stop)

    def stop(self, run_id: str) -> None:
        """The run has ended: its query too."""
        with self._lock:
            interrupt = self._going.pop(run_id, None)
        if interrupt is not None:
            interrupt()

    def execute(self, run_id: str) -> dict[str, Any]:
        """Compute the query of a run and keep its rows; how many rows and columns. Errors point into the query.

        Once more, after a restart of the server, is harmless.
        """
        with self._catalog.read() as cursor:
            row = runs.get(cursor, run_id)
            known = functions.get_kept(cursor, row.project, row.function, row.function_version) if row else None
        if row is None or known is None or not known.file.endswith(ENDING):
            raise NotFound(f"run {run_id[:16]} is none of a function of SQL")
        folder = self._catalog.home.runs / run_id
        text = (folder / "code" / known.file).read_text(encoding="utf-8-sig")
        query = Query(text, 0, text)
        target = folder / f"attempt-{row.attempt}" / f"{RESULT}.parquet"
        count = self._write(row, query, target)
        self._link(row, query)
        columns = self._keep(row, target, count)
        return {"rows": count, "columns": columns}

    def _write(self, row: RunRow, query: Query, target: Path) -> int:
        import duckdb
        from pyarrow import parquet

        with self._catalog.session(row.project) as cursor:
            for name, frame in row.request.get("frames", {}).items():
                path = literal(str(self._catalog.home.path / frame["path"]))
                cursor.execute(f"CREATE TEMP VIEW {quote(name)} AS FROM read_parquet({path})")
            with self._lock:
                self._going[row.id] = cursor.interrupt
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            parameters = dict(row.request.get("parameters", {})) or None
            try:
                relation: Any = cursor.sql(query.text, params=parameters)
                _refuse_twins(relation.columns)
                reader = relation.to_arrow_reader(_BATCH)
                count = 0
                with parquet.ParquetWriter(target, reader.schema, compression="zstd") as writer:
                    for batch in reader:
                        count += batch.num_rows
                        writer.write_batch(batch)
                return count
            except duckdb.InterruptException:
                raise Cancelled("the run has ended") from None
            except duckdb.Error as error:
                raise located(cursor, error, query, parameters) from None
            finally:
                with self._lock:
                    self._going.pop(row.id, None)
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")

    def _link(self, row: RunRow, query: Query) -> None:
        """The tables that the query reads are what the run was made from."""
        inputs = {f"{row.project}.{name}" for name in row.request.get("frames", {})}
        # DuckDB names the tables of a text without parameters only
        plain = Query(re.sub(r"\$[A-Za-z_]\w*", "NULL", query.text))
        edges = [
            edge
            for edge in self._frames.edges(row.project, FrameSource(plain), row.id, "read")
            if edge.from_ref not in inputs
        ]

        def record(cursor: DuckDBPyConnection) -> None:
            for edge in edges:
                lineage.record(cursor, edge)

        if edges:
            self._catalog.write(record)

    def _keep(self, row: RunRow, path: Path, count: int) -> int:
        """The artifact; of a result of one row its numbers are metrics."""
        import pyarrow
        from pyarrow import parquet

        from mlbox.client.frames import PARQUET, describe_table
        from mlbox.client.statistics import feature_stats

        file = parquet.ParquetFile(path)
        batches: list[Any] = []
        for batch in file.iter_batches(_BATCH):
            batches.append(batch)
            if sum(each.num_rows for each in batches) >= _DESCRIBED_ROWS:
                break
        table = pyarrow.Table.from_batches(batches, file.schema_arrow)
        metadata = {**describe_table(table), "rows": count, "stats": feature_stats(table)}
        blob = self._artifacts.put_path(path)
        events: list[dict[str, Any]] = [
            {
                "kind": "artifact",
                "name": RESULT,
                "artifact_kind": "dataset",
                "digest": blob.digest,
                "size": blob.size,
                "media_type": PARQUET,
                "file_name": f"{RESULT}.parquet",
                "metadata": metadata,
            },
            {"kind": "metric", "name": "rows", "value": count},
        ]
        if count == 1:
            values = table.slice(0, 1).to_pylist()[0].items()
            events += [
                {"kind": "metric", "name": name, "value": float(value)}
                for name, value in values
                if isinstance(value, int | float | Decimal) and not isinstance(value, bool)
            ]
        self._calls.log((row.project, row.id), events, batch=f"query-{row.attempt}")
        return int(table.num_columns)


def _refuse_twins(columns: list[str]) -> None:
    seen: set[str] = set()
    for name in columns:
        if name.lower() in seen:
            raise Invalid(f"two columns of the query are called {name!r}", hint="name one of them with AS")
        seen.add(name.lower())
