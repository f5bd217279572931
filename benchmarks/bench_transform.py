"""What does it cost that rows go through a function in a process of its own, over calling it here?"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import Table, folder, open_house

ROWS = 2_000_000
ROUNDS = 3
BATCH = 50_000
SELECT = f"""
    SELECT (hash(i) % 100000)::BIGINT AS client, TIMESTAMPTZ '2026-01-01' + to_seconds(i // 4) AS paid_at,
        (hash(i * 7) % 100000) / 100.0::DOUBLE AS amount, 'm' || (hash(i * 5) % 3000) AS merchant, random() AS x
    FROM range({ROWS}) t(i)
"""
COLUMNS = "(ENTITY client BIGINT, TIMESTAMP paid_at, amount DOUBLE NOT NULL, merchant VARCHAR, x DOUBLE)"
CODE = """
import pyarrow.compute as pc

def clean(batch):
    amount = pc.round(pc.multiply(batch.column("amount"), 1.19), 2)
    place = batch.schema.get_field_index("amount")
    return batch.set_column(place, "amount", amount).filter(pc.greater(batch.column("x"), 0.01))
"""


def rate(act: Callable[[], object]) -> float:
    """Rows a second."""
    began = time.perf_counter()
    act()
    return ROWS / (time.perf_counter() - began)


def bare(path: Path, clean: Callable[[Any], Any]) -> None:
    """The same with DuckDB and the function alone, all in this process: read, call, insert."""
    import duckdb

    with duckdb.connect(str(path.with_suffix(".duckdb"))) as reading:
        writing = reading.cursor()
        reading.execute(f"CREATE OR REPLACE TABLE t AS FROM '{path}' LIMIT 0")
        writing.execute("BEGIN")
        for batch in reading.sql(f"FROM '{path}'").to_arrow_reader(BATCH):
            writing.register("made", clean(batch))
            writing.execute("INSERT INTO t BY NAME FROM made")
        writing.execute("COMMIT")


def main() -> None:
    scope: dict[str, Any] = {}
    exec(CODE, scope)
    with folder() as place, open_house(place / "home") as (_, sql):
        path = place / "rows.parquet"
        (place / "clean.py").write_text(CODE)
        sql(f"COPY ({SELECT}) TO '{path}'")
        sql(f"CREATE SOURCE s FROM '{path}'; CREATE FUNCTION clean FROM '{place / 'clean.py'}'")
        through: list[float] = []
        plain: list[float] = []
        alone: list[float] = []
        for _ in range(ROUNDS):
            for clause, samples in (("TRANSFORM clean", through), ("", plain)):
                samples.append(rate(lambda c=clause: sql(f"CREATE FEATURE SET f {COLUMNS} FROM s {c}")))  # type: ignore[misc]
                sql("DROP FEATURE SET f")
            alone.append(rate(lambda: bare(path, scope["clean"])))
        table = Table("what a function between source and feature set costs", "as the row says")
        table.add("rows through a function, over the function and DuckDB in one process", through, "rows/s", alone)
        table.add("the same, over an ingest without a function", through, "rows/s", plain)
        table.print()


if __name__ == "__main__":
    main()
