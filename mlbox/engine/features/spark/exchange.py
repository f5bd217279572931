"""The folder through which rows go to Spark and back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.errors import Unavailable
from mlbox.base.ids import new_id
from mlbox.base.names import quote
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.features.sources.base import ARROW
from mlbox.engine.features.spark.plan import Input, SparkPlan

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

BATCH = 100_000
ROWS = 1_000_000
"""Of a file: a task of Spark reads one, or a part of it."""
SAMPLE = 1_000
"""Rows of each table that both engines are asked first."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A folder of one job."""

    folder: Path

    @property
    def job(self) -> Path:
        """What the driver reads."""
        return self.folder / "job.json"

    def send(self, cursor: DuckDBPyConnection, given: Input, part: str) -> tuple[str, int]:
        """Write the rows of an input; the folder and its bytes. Memory holds a batch."""
        import duckdb
        from pyarrow import dataset

        target = self.folder / part / given.name
        try:
            reader = cursor.sql(given.select).to_arrow_reader(BATCH)
            dataset.write_dataset(
                reader,
                target,
                format="parquet",
                max_rows_per_file=ROWS,
                max_rows_per_group=BATCH,
                existing_data_behavior="overwrite_or_ignore",
            )
        except duckdb.Error as error:
            raise translate(error) from None
        files = list(target.glob("*.parquet"))
        if not files:  # Spark wants a schema
            from pyarrow import parquet

            parquet.write_table(reader.schema.empty_table(), target / "part-0.parquet")
        return str(target), sum(file.stat().st_size for file in files)

    def send_sample(self, cursor: DuckDBPyConnection, given: Input) -> tuple[str, int]:
        """Some rows of an input, always the same."""
        select = f"SELECT * FROM ({given.select}) USING SAMPLE reservoir({SAMPLE} ROWS) REPEATABLE (42)"
        return self.send(cursor, replace(given, select=select), "sample")

    def received(self, part: str) -> pyarrow.RecordBatchReader:
        """What Spark has written."""
        from pyarrow import dataset

        return dataset.dataset(self.folder / part, format="parquet").scanner(batch_size=BATCH).to_reader()


def result_sql(plan: SparkPlan) -> str:
    """What Spark has written, by the names and types of DuckDB, from the Arrow batches ``_arrow``."""
    columns = ", ".join(f"CAST(c{n} AS {kind}) AS {quote(name)}" for n, (name, kind) in enumerate(plan.columns))
    return f"SELECT {columns} FROM {ARROW}"


@contextmanager
def exchange(root: Path) -> Iterator[Exchange]:
    """A folder that is gone afterwards. ``Unavailable`` where none can be made."""
    folder = root / new_id()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise Unavailable(
            f"rows cannot be handed to Spark through {root}: {error.strerror}",
            hint="correct the setting spark_exchange",
        ) from None
    try:
        yield Exchange(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
