"""What do checks, statistics and the ledger of an ingest cost over DuckDB's own INSERT … SELECT?"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from report import Table, folder, open_house

ROWS = 3_000_000
ROUNDS = 5
FILES, SMALL = 1_000, 100
SELECT = f"""
    SELECT (hash(i) % 100000)::BIGINT AS client, TIMESTAMPTZ '2026-01-01' + to_seconds(i // 4) AS paid_at,
        (hash(i * 7) % 100000) / 100.0::DOUBLE AS amount, ['a', 'b', 'c', 'd'][1 + (hash(i * 3) % 4)::INT] AS kind,
        'm' || (hash(i * 5) % 3000) AS merchant, hash(i * 11) % 2 = 0 AS online, random() AS x, random() * 100 AS y,
        (hash(i * 13) % 50)::INTEGER AS n
    FROM range({ROWS}) t(i)
"""
COLUMNS = """(ENTITY client BIGINT, TIMESTAMP paid_at, amount DOUBLE NOT NULL CHECK (amount >= 0), kind VARCHAR,
    merchant VARCHAR, online BOOLEAN, x DOUBLE, y DOUBLE, n INTEGER)"""


def rate(act: Callable[[], object]) -> float:
    """Rows a second."""
    began = time.perf_counter()
    act()
    return ROWS / (time.perf_counter() - began)


def measured(place: Path, kind: str, clause: str = "") -> tuple[list[float], list[float]]:
    """Rows a second of mlbox and of DuckDB, taken in turn."""
    with open_house(place / f"{kind}{len(clause)}") as (_, sql):
        path, reader = place / f"rows.{kind}", f"read_{kind}"
        if not path.exists():
            sql(f"COPY ({SELECT}) TO '{path}'")
        sql(f"CREATE SOURCE s FROM '{path}'")
        ours, theirs = [], []
        for number in range(ROUNDS):
            sql(f"CREATE TABLE plain{number} AS FROM {reader}('{path}') LIMIT 0")
            theirs.append(rate(partial(sql, f"INSERT INTO plain{number} FROM {reader}('{path}')")))
            sql(f"DROP TABLE plain{number}")
            ours.append(rate(lambda: sql(f"CREATE FEATURE SET f {COLUMNS} {clause} FROM s")))
            sql("DROP FEATURE SET f")
    return ours, theirs


def many_files(place: Path, kind: str) -> tuple[list[float], list[float]]:
    """Rows a second of mlbox and of DuckDB, which reads all files by one pattern, taken in turn."""
    files = place / f"many_{kind}"
    files.mkdir()
    with open_house(place / f"many{kind}") as (_, sql):
        sql(f"CREATE TABLE few AS {SELECT} LIMIT {SMALL}")
        for number in range(FILES):
            path = files / f"{number:04}.{kind}"
            sql(f"COPY (SELECT * REPLACE (client + {number} AS client) FROM few) TO '{path}'")
        sql(f"CREATE SOURCE s FROM '{files}/*.{kind}'")
        ours, theirs = [], []
        for number in range(ROUNDS):
            text = f"CREATE TABLE plain{number} AS FROM read_{kind}('{files}/*.{kind}')"
            theirs.append(rate(partial(sql, text)) * FILES * SMALL / ROWS)
            sql(f"DROP TABLE plain{number}")
            ours.append(rate(lambda: sql(f"CREATE FEATURE SET f {COLUMNS} FROM s")) * FILES * SMALL / ROWS)
            sql("DROP FEATURE SET f")
    return ours, theirs


def main() -> None:
    with folder() as place:
        table = Table("what an ingest with checks and statistics costs", "DuckDB's own INSERT … SELECT from the file")
        for kind in ("parquet", "csv"):
            ours, theirs = measured(place, kind)
            table.add(f"{ROWS:,} rows of 9 columns, {kind}", ours, "rows/s", theirs)
        ours, theirs = measured(place, "parquet", "ON ERROR QUARANTINE")
        table.add("the same from Parquet, ON ERROR QUARANTINE", ours, "rows/s", theirs)
        for kind in ("parquet", "csv"):
            ours, theirs = many_files(place, kind)
            table.add(f"{FILES:,} files of {SMALL} rows each, {kind}", ours, "rows/s", theirs)
        table.print()


if __name__ == "__main__":
    main()
