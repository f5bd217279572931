"""What does a run cost over the bare interpreter? And how many points of metrics can one client have acknowledged?"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
from report import Table, folder, from_tests, in_turn

ROUNDS = 15
POINTS = 100_000
BATCH = 10_000
POINT_ROUNDS = 5

EMPTY = """
def empty(ctx):
    pass
"""

# Tells through its result what a point costs the user's code, and how long until the server had acknowledged all.
LOGGING = f"""
import time

def points(ctx):
    began = time.perf_counter()
    for step in range({POINTS}):
        ctx.log_metric("loss", step / 7, step=step)
    logged = time.perf_counter()
    assert ctx.flush(120)
    return {{"us_a_call": (logged - began) / {POINTS} * 1e6, "seconds": time.perf_counter() - began}}
"""


def run_empty(server: Any) -> float:
    """Milliseconds from the statement to its answer."""
    began = time.perf_counter()
    server.sql("RUN empty")
    return (time.perf_counter() - began) * 1000


def bare_interpreter() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return (time.perf_counter() - began) * 1000


def log_points(server: Any, calls: list[float]) -> float:
    """Acknowledged points a second of one run; every one of them must be there."""
    server.sql("RUN points")
    found = server.sql(
        "SELECT metrics.us_a_call::DOUBLE, metrics.seconds::DOUBLE, "
        "(SELECT count(*) FROM ml.metrics m WHERE m.run_id = r.id AND m.name = 'loss') "
        "FROM ml.runs r WHERE function = 'points' ORDER BY created_at DESC LIMIT 1"
    )[0]["rows"][0]
    assert found[2] == POINTS, found
    calls.append(found[0])
    return POINTS / float(found[1])


def bare_points(connection: Any) -> float:
    """The same columns into a bare DuckDB, in Arrow batches of the size that the client sends."""
    began = time.perf_counter()
    for start in range(0, POINTS, BATCH):
        steps = range(start, start + BATCH)
        now = int(time.time() * 1e6)
        rows = pyarrow.table(
            {
                "run": pyarrow.array(["r"] * BATCH),
                "name": pyarrow.array(["loss"] * BATCH),
                "step": pyarrow.array(steps),
                "value": pyarrow.array([step / 7 for step in steps]),
                "logged_at": pyarrow.array([now] * BATCH, pyarrow.timestamp("us", tz="UTC")),
            }
        )
        connection.register("incoming", rows)
        connection.execute("INSERT INTO points FROM incoming")
        connection.unregister("incoming")
    return POINTS / (time.perf_counter() - began)


def measure(place: Path) -> None:
    for name, text in (("empty", EMPTY), ("points", LOGGING)):
        (place / f"{name}.py").write_text(text)
    bare = duckdb.connect(str(place / "bare.duckdb"))
    bare.execute("CREATE TABLE points (run VARCHAR, name VARCHAR, step BIGINT, value DOUBLE, logged_at TIMESTAMPTZ)")
    server = from_tests("real_server").Server(place / "home", environment={"MLBOX_PYTHON": sys.executable})
    try:
        sql = "CREATE FUNCTION empty FROM 'empty.py'; CREATE FUNCTION points FROM 'points.py'"
        status, _, content = server.request("POST", "/sql", {"sql": sql, "folder": str(place)})
        if status != 200:
            raise RuntimeError(content.decode())
        starts = in_turn({"ours": lambda: run_empty(server), "bare": bare_interpreter}, ROUNDS)
        calls: list[float] = []
        cases: dict[str, Callable[[], float]] = {
            "ours": lambda: log_points(server, calls),
            "bare": lambda: bare_points(bare),
        }
        points = in_turn(cases, POINT_ROUNDS)
    finally:
        server.stop()
        bare.close()
    table = Table(
        "What does an empty run cost, from the statement to its answer?", "`python -c pass`, same interpreter"
    )
    table.add("RUN f", starts["ours"], "ms", starts["bare"])
    table.print()
    table = Table(
        f"How many points a second can one run have acknowledged ({POINTS:,} of one metric)?",
        f"a bare DuckDB in this process, Arrow batches of {BATCH:,}, autocommit",
    )
    table.add("ctx.log_metric, then flush", points["ours"], "points/s", points["bare"])
    table.add("a call of log_metric meanwhile", calls[1:], "µs")
    table.print()


if __name__ == "__main__":
    with folder() as place:
        measure(place)
