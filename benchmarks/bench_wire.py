"""How fast do rows leave through the PostgreSQL protocol, HTTP and DuckDB's own Python?"""

from __future__ import annotations

import io
import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from report import Table, folder, from_tests, in_turn

ROWS = 100_000
ROUNDS = 5
QUERY = (
    "SELECT i, i + 1 AS b, i * 2 AS c, i::DOUBLE AS d, i / 3.0::DOUBLE AS e, 'name ' || i AS f, i % 2 = 0 AS g, "
    "TIMESTAMPTZ '2026-01-01 00:00Z' + to_seconds(i) AS h, 'x' AS k, DATE '2026-01-01' AS l "
    f"FROM range({ROWS}) r(i)"
)


def a_second(act: Callable[[], int]) -> Callable[[], float]:
    """Rows a second of ``act``, which says how many there were."""

    def measured() -> float:
        began = time.perf_counter()
        count = act()
        if count != ROWS:
            raise RuntimeError(f"{count} rows came")
        return count / (time.perf_counter() - began)

    return measured


def http(url: str, accept: str, read: Callable[[bytes], int]) -> Callable[[], int]:
    """The rows over ``POST /sql`` in one form."""
    body = json.dumps({"sql": QUERY}).encode()
    headers = {"Content-Type": "application/json", "Accept": accept}

    def ask() -> int:
        with urllib.request.urlopen(urllib.request.Request(url + "/sql", body, headers)) as answer:
            return read(answer.read())

    return ask


def arrow_rows(data: bytes) -> int:
    """Python's values out of an Arrow stream, as the drivers give them."""
    import pyarrow

    return len(pyarrow.ipc.open_stream(io.BytesIO(data)).read_all().to_pylist())


def measure(server: Any) -> None:
    """The cases in turn."""
    import duckdb
    import psycopg

    address = f"host=127.0.0.1 port={server.pg_port} user=mlbox dbname=mlbox"
    bare = duckdb.connect()
    with psycopg.connect(address, autocommit=True) as connection:
        cases: dict[str, Callable[[], int]] = {
            "duckdb": lambda: len(bare.execute(QUERY).fetchall()),
            "psycopg, text": lambda: len(connection.cursor(binary=False).execute(QUERY).fetchall()),
            "psycopg, binary": lambda: len(connection.cursor(binary=True).execute(QUERY).fetchall()),
            "COPY TO STDOUT, bytes": lambda: _copied(connection),
            "HTTP Arrow, as Python's values": http(server.url, "application/vnd.apache.arrow.stream", arrow_rows),
            "HTTP JSON, as Python's values": http(
                server.url, "application/json", lambda data: len(json.loads(data)["results"][0]["rows"])
            ),
        }
        samples = in_turn({name: a_second(case) for name, case in cases.items()}, ROUNDS)
    peer = samples.pop("duckdb")
    table = Table(f"{ROWS:,} rows of 10 columns, how many a second?", "duckdb's fetchall in this process")
    for name, values in samples.items():
        table.add(name, values, "rows/s", peer)
    table.print()


def _copied(connection: Any) -> int:
    with connection.cursor().copy(f"COPY ({QUERY}) TO STDOUT") as copy:
        return sum(bytes(data).count(b"\n") for data in copy)


def main() -> None:
    with folder() as path:
        server = from_tests("real_server").Server(path / "home")
        try:
            measure(server)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
