"""How much does group commit give? Threads that each wait for their row to be durable, before they send the next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from report import Table, folder, in_turn

from mlbox.base.home import Home
from mlbox.engine.catalog.database import Catalog

SECONDS = 0.8
ROUNDS = 5
THREADS = (1, 4, 16, 64)
COLUMNS = "(id BIGINT, name VARCHAR, value DOUBLE)"


def insert(cursor: Any, table: str, number: int) -> None:
    cursor.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", [number, f"row {number}", number / 7])


def rows_a_second(threads: int, write: Callable[[int], object]) -> float:
    """Durable rows a second of so many threads that write one after the other."""
    counts = [0] * threads
    until = time.perf_counter() + SECONDS

    def work(thread: int) -> None:
        while time.perf_counter() < until:
            write(counts[thread])
            counts[thread] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - began)


def measure(place: Path) -> None:
    bare = duckdb.connect(str(place / "bare.duckdb"))
    bare.execute(f"CREATE TABLE t {COLUMNS}")
    catalog = Catalog.open(Home(place / "home"))
    catalog.write(lambda cursor: cursor.execute(f"CREATE TABLE catalog.main.t {COLUMNS}") and None)

    def grouped(number: int) -> None:
        catalog.write(lambda cursor: insert(cursor, "catalog.main.t", number))

    cases: dict[str, Callable[[], float]] = {"bare": partial(rows_a_second, 1, lambda n: insert(bare, "t", n))}
    for threads in THREADS:
        cases[f"catalog.write, {threads} thread{'s' if threads > 1 else ''}"] = partial(rows_a_second, threads, grouped)
    found = in_turn(cases, ROUNDS)
    catalog.close()
    bare.close()
    table = Table("How much does group commit give?", "a bare DuckDB INSERT, autocommit, from one thread")
    for name in list(cases)[1:]:
        table.add(name, found[name], "rows/s", found["bare"])
    table.print()


if __name__ == "__main__":
    with folder() as place:
        measure(place)
