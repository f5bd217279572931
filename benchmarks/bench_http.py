"""What does it cost to have a large result delivered by ``POST /sql``, in each of its forms?"""

from __future__ import annotations

import csv
import http.client
import io
import json
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
from report import Table, folder, from_tests, in_turn

ROWS = 500_000
ROUNDS = 5
TEXT = f"SELECT i, 'customer ' || i % 997 AS customer, i / 7 AS amount, i % 2 = 0 AS even FROM range({ROWS}) t(i)"
ARROW = "application/vnd.apache.arrow.stream"
BATCH = 8_192


def over_http(server: Any, accept: str) -> float:
    """Rows a second until the last byte is there."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    headers = {"Content-Type": "application/json", "Accept": accept}
    connection.request("POST", "/sql", json.dumps({"sql": TEXT}), headers)
    answer = connection.getresponse()
    size = 0
    while piece := answer.read(1 << 20):
        size += len(piece)
    connection.close()
    assert size > ROWS * 10, size
    return ROWS / (time.perf_counter() - began)


def bare_arrow(connection: Any) -> float:
    """DuckDB's own batches in this process, without a wire."""
    began = time.perf_counter()
    assert sum(batch.num_rows for batch in connection.sql(TEXT).to_arrow_reader(BATCH)) == ROWS
    return ROWS / (time.perf_counter() - began)


def bare_csv(connection: Any) -> float:
    """The standard library's writer over DuckDB's rows."""
    began = time.perf_counter()
    cursor = connection.execute(TEXT)
    while rows := cursor.fetchmany(BATCH):
        out = io.StringIO()
        csv.writer(out).writerows(rows)
    return ROWS / (time.perf_counter() - began)


def bare_ndjson(connection: Any) -> float:
    """The standard library's encoder over DuckDB's rows."""
    began = time.perf_counter()
    cursor = connection.execute(TEXT)
    names = [column[0] for column in cursor.description]
    while rows := cursor.fetchmany(BATCH):
        "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    return ROWS / (time.perf_counter() - began)


FORMS = {
    "Arrow": (ARROW, bare_arrow),
    "CSV": ("text/csv", bare_csv),
    "NDJSON": ("application/x-ndjson", bare_ndjson),
}


def measure(place: Path) -> None:
    bare = duckdb.connect()
    server = from_tests("real_server").Server(place / "home")
    table = Table(
        f"How many rows a second does POST /sql deliver ({ROWS:,} of four columns)?",
        "the same rows in this process, without a wire: DuckDB's Arrow reader; the standard library's csv and json",
    )
    try:
        for name, (accept, peer) in FORMS.items():
            cases = {"ours": partial(over_http, server, accept), "bare": partial(peer, bare)}
            samples = in_turn(cases, ROUNDS)
            table.add(name, samples["ours"], "rows/s", samples["bare"])
    finally:
        server.stop()
        bare.close()
    table.print()


if __name__ == "__main__":
    with folder() as place:
        measure(place)
