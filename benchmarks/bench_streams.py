"""How many events a second keep four aggregates over one hour and a day up, with state and durability?

storey (MLRun's stream engine) runs where the environment variable ``MLBOX_BENCH_STOREY`` names a Python that has it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import Table, folder, open_house

from mlbox.base.names import Ref
from mlbox.engine.features.commands import PushRows

KEYS = 10_000
EVENTS = 400_000
BATCH = 50_000
STOREY_EVENTS = 10_000
DAY = 86_400_000_000
START = 1_767_225_600_000_000
WINDOWS = "OVER (1 HOUR, 24 HOURS)"
ALIGNED = f"{WINDOWS} EVERY 10 MINUTES"


def declared(name: str, store: str, windows: str) -> str:
    functions = ", ".join(f"{function}(x) {windows}" for function in ("count", "sum", "min", "max"))
    return f"CREATE FEATURE SET {name} (ENTITY k BIGINT, TIMESTAMP ts, x DOUBLE) STORE {store} AGGREGATE ({functions})"


def batches(events: int, size: int, late: float) -> list[Any]:
    """Arrow tables of events over a day, a part of them up to an hour late."""
    import numpy as np
    import pyarrow

    random = np.random.default_rng(7)
    found = []
    for first in range(0, events, size):
        count = min(size, events - first)
        times = START + (np.arange(first, first + count) * (DAY // events))
        if late:
            behind = (random.random(count) < late) * random.integers(0, 3_600_000_000, count)
            times = times - behind
        found.append(
            pyarrow.table(
                {
                    "k": random.integers(0, KEYS, count),
                    "ts": pyarrow.array(times).cast(pyarrow.timestamp("us", tz="UTC")),
                    "x": random.random(count),
                }
            )
        )
    return found


def push(place: Path, text: str, tables: list[Any]) -> float:
    """Events per second, each micro-batch on disk before the next is given."""
    with open_house(place) as (house, sql):
        sql(text)
        house.features.start()
        began = time.perf_counter()
        for table in tables:
            command = PushRows(ref=Ref("default", "f"), rows=table)
            house.dispatcher.dispatch(command, _caller())
        seconds = time.perf_counter() - began
        house.features.streams.stop()
    return sum(len(table) for table in tables) / seconds


def _caller() -> Any:
    from mlbox.base.command import Caller

    return Caller()


def in_memory(tables: list[Any]) -> float:
    """The vectorised form alone: no checks, no types, no disk, no online store."""
    import numpy as np

    from mlbox.engine.features.definition import Feature, FeatureSet, WindowColumn
    from mlbox.engine.features.streaming.cache import Fresh, WindowCache
    from mlbox.engine.features.streaming.ranges import Values

    windows = tuple(
        WindowColumn(function, "x", seconds, f"{function}{seconds}")
        for function in ("count", "sum", "min", "max")
        for seconds in (3600.0, 86_400.0)
    )
    cache = WindowCache(
        FeatureSet("p", "f", 1, "0" * 32, (("k", "BIGINT"),), "ts", None, (Feature("x", "DOUBLE"),), windows)
    )
    cache.number([(key,) for key in range(KEYS)])
    began = time.perf_counter()
    for table in tables:
        times = table.column("ts").cast("int64").to_numpy()
        keys = np.asarray(table.column("k").to_numpy(), dtype=np.int64)
        cache.add(Fresh(keys, times, {"x": Values(table.column("x").to_numpy(), None)}))
        cache.evaluate(keys, times)
        cache.forget(int(times[-1]))
    return sum(len(table) for table in tables) / (time.perf_counter() - began)


def storey() -> list[float]:
    """Its events per second; empty where it is not installed."""
    python = os.environ.get("MLBOX_BENCH_STOREY")
    if not python:
        return []
    command = [python, str(Path(__file__).with_name("storey_peer.py")), str(STOREY_EVENTS), str(KEYS)]
    return [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])]


def main() -> None:
    peer = storey()
    ordered, small, late = batches(EVENTS, BATCH, 0), batches(EVENTS // 4, 10_000, 0), batches(EVENTS, BATCH, 0.01)
    both, offline = "OFFLINE AND ONLINE", "OFFLINE"
    cases: dict[str, Callable[[Path], float]] = {
        "sliding, offline and online": lambda place: push(place, declared("f", both, WINDOWS), ordered),
        "sliding, offline": lambda place: push(place, declared("f", offline, WINDOWS), ordered),
        "sliding, offline, micro-batches of 10,000": lambda place: push(place, declared("f", offline, WINDOWS), small),
        "sliding, offline, 1 % late": lambda place: push(place, declared("f", offline, WINDOWS), late),
        "EVERY 10 MINUTES, offline and online": lambda place: push(place, declared("f", both, ALIGNED), ordered),
        "in memory, numpy alone": lambda place: in_memory(ordered),
    }
    told = (
        "storey in memory, one event after the other" if peer else "storey; MLBOX_BENCH_STOREY names no Python with it"
    )
    table = Table(f"How many events a second keep 4 aggregates over 1 h and 24 h up, {KEYS:,} keys?", told)
    for name, case in cases.items():
        samples = []
        for _ in range(1 if os.environ.get("MLBOX_BENCH_ONCE") else 3):
            with folder() as place:
                samples.append(case(place))
        table.add(name, samples, "events/s", peer * len(samples) or None)
    table.print()


if __name__ == "__main__":
    main()
