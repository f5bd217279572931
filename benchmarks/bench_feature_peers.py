"""How do joins as of a time and online reads compare with Polars and Feast?

Feast is run where ``MLBOX_FEAST_PYTHON`` names the Python of an environment with feast[duckdb].
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import load
from report import Table, folder, in_turn, open_house

from mlbox.base.names import Ref

SPINE, ROWS, ENTITIES = (
    int(os.environ.get(f"MLBOX_BENCH_{name}", default))
    for name, default in (
        ("SPINE", 100_000),
        ("ROWS", 1_000_000),
        ("ENTITIES", 10_000),
    )
)
ROUNDS = 3
FEATURES = [f"f{number}" for number in range(20)]
START = "TIMESTAMPTZ '2026-01-01'"


def data() -> str:
    """Statements that write the rows and the spine; times of an entity differ, so that no tie is left to chance."""
    values = ", ".join(f"random() AS {name}" for name in FEATURES)
    return f"""
    SET TimeZone = 'UTC';
    SELECT setseed(0.42);
    CREATE TABLE raw AS SELECT range % {ENTITIES} AS id,
        {START} + to_microseconds(range * {2_592_000_000_000 // ROWS}) AS event_time, {values} FROM range({ROWS});
    CREATE TABLE spine AS SELECT (random() * {ENTITIES})::BIGINT % {ENTITIES} AS id,
        {START} + to_microseconds((random() * 2592000000000)::BIGINT) AS event_time FROM range({SPINE})
    """


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Seconds of a call."""

    def measured() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return measured


def feast(place: Path) -> tuple[dict[str, float], str]:
    """What Feast needs, or why it was not asked."""
    python = os.environ.get("MLBOX_FEAST_PYTHON", "")
    if not python:
        return {}, "MLBOX_FEAST_PYTHON names no Python with feast"
    script = Path(__file__).with_name("feast_peer.py")
    done = subprocess.run([python, str(script), str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        return {}, f"it failed: {done.stderr.strip().splitlines()[-1:]}"
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found, ""


def measure(place: Path) -> None:
    import polars

    names = ", ".join(FEATURES)
    with duckdb.connect(str(place / "bare.duckdb")) as bare, open_house(place / "home") as (house, sql):
        bare.execute(data())
        for table in ("raw", "spine"):
            target = place / f"{'rows' if table == 'raw' else table}.parquet"
            bare.execute(f"COPY {table} TO '{target}' (FORMAT parquet)")
            sql(f"CREATE TABLE {table} AS FROM read_parquet('{target}')")
        sql("""
        CREATE FEATURE SET readings (ENTITY id, TIMESTAMP event_time) STORE OFFLINE AND ONLINE AS SELECT * FROM raw;
        CREATE FEATURE VECTOR v AS FEATURES (readings.*)
        """)

        def ours() -> Any:
            with house.catalog.session("default") as cursor:
                return cursor.sql("FROM ml.features('v', 'spine')").to_arrow_table()

        def by_hand() -> Any:
            return bare.sql(
                f"SELECT spine.*, {names} FROM spine ASOF LEFT JOIN raw ON spine.id = raw.id "
                "AND spine.event_time >= raw.event_time"
            ).to_arrow_table()

        left, right = (polars.read_parquet(place / f"{name}.parquet") for name in ("spine", "rows"))

        def in_memory() -> Any:
            return left.sort("event_time").join_asof(
                right.sort("event_time"), on="event_time", by="id", strategy="backward"
            )

        def from_file() -> Any:
            rows = polars.read_parquet(place / "rows.parquet")
            return (
                left.sort("event_time")
                .join_asof(rows.sort("event_time"), on="event_time", by="id", strategy="backward")
                .to_arrow()
            )

        keys = [("id", "ascending"), ("event_time", "ascending")]
        assert ours().sort_by(keys).select(FEATURES).equals(by_hand().sort_by(keys).select(FEATURES))
        found = in_turn(
            {
                "ours": timed(ours),
                "by hand": timed(by_hand),
                "polars": timed(in_memory),
                "polars, file": timed(from_file),
            },
            ROUNDS,
        )
        tell(house, found, place)


def tell(house: Any, found: dict[str, list[float]], place: Path) -> None:
    """The tables. By hand DuckDB sorts all features with their keys, where Polars finds rows first and then fetches
    them: a third of its time goes with one feature. Ours fetches as well; what is left to Polars in memory is that its
    columns lie there decoded."""
    theirs, why = feast(place)
    table = Table(
        f"A join as of a time of {SPINE:,} rows with {ROWS:,} of {ENTITIES:,} entities and 20 features",
        "as the line says",
    )
    table.add("against an ASOF join by hand in a bare DuckDB", found["ours"], "s", found["by hand"])
    table.add("against Polars join_asof of frames in memory", found["ours"], "s", found["polars"])
    table.add("against Polars join_asof that reads its file", found["ours"], "s", found["polars, file"])
    for offline in ("file", "duckdb"):
        if offline in theirs:
            table.add(f"against Feast's {offline} store", found["ours"], "s", [theirs[offline]] * ROUNDS)
    table.print()
    if why:
        print(f"Feast was not measured: {why}\n")
    else:
        online(house, theirs)
        over_http(house, place)


def online(house: Any, theirs: dict[str, float]) -> None:
    """One key and a hundred, with entities, statuses and rows as a caller gets them."""
    table = Table("An online read of 20 features", "Feast's get_online_features with SQLite")
    for size in (1, 100):
        samples = []
        for number in range(500):
            keys = [{"id": (number * 7919 + index) % ENTITIES} for index in range(size)]
            began = time.perf_counter()
            house.features.online(Ref("default", "v"), keys)
            samples.append((time.perf_counter() - began) * 1000)
        middle = sorted(samples)[len(samples) // 2]
        table.add(f"{size} keys", [middle], "ms", [theirs[f"online {size}"] * 1000])
    table.print()


@contextmanager
def feast_server(place: Path) -> Iterator[str]:
    """``feast serve`` with one worker, over the store that its peer has filled."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(os.environ["MLBOX_FEAST_PYTHON"]).with_name("feast")
    command = [program, "-c", place / "small" / "file", "serve", "-p", str(port), "-w", "1", "--no-access-log"]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=place
    )
    try:
        for _ in range(600):  # it accepts long before it answers
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/get-online-features"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(30)


def over_http(house: Any, place: Path) -> None:
    """One key a request; one core or so for the server, one for the load."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    house.listener.start_thread("127.0.0.1", port)
    ours = f"http://127.0.0.1:{port}/features/v"
    asked = {"features": [f"view:{name}" for name in FEATURES], "entities": {"id": [7]}}
    with feast_server(place) as theirs:
        found = in_turn(
            {
                "ours": lambda: rate(ours, {"keys": {"id": 7}}, place),
                "theirs": lambda: rate(theirs, asked, place),
            },
            ROUNDS,
        )
    table = Table("Requests a second for 20 features of one key, 4 connections", f"`feast serve`, by {load.tool()}")
    table.add("POST /features/v", found["ours"], "requests/s", found["theirs"])
    table.print()


def rate(url: str, body: dict[str, Any], place: Path) -> float:
    """Requests a second."""
    done = load.send(url, json.dumps(body).encode(), 4, 4, place, spare=0.01)
    return done.requests / done.seconds


if __name__ == "__main__":
    with folder() as place:
        measure(place)
    sys.exit(0)
