"""Events per second of storey (MLRun's stream engine), for ``bench_streams.py``; runs in an environment of its own.

Four aggregates over one hour and a day, aligned to ten minutes, in memory alone.
"""

from __future__ import annotations

import random
import sys
import time
from datetime import UTC, datetime, timedelta

from storey import AggregateByKey, FieldAggregator, NoopDriver, Reduce, SyncEmitSource, Table, build_flow
from storey.dtypes import SlidingWindows


def main(events: int, keys: int) -> None:
    """Prints events per second."""
    aggregates = [
        FieldAggregator("x", "x", ["count", "sum", "min", "max"], SlidingWindows(["1h", "24h"], "10m")),
    ]
    flow = build_flow(
        [
            SyncEmitSource(key_field="k"),
            AggregateByKey(aggregates, Table("bench", NoopDriver()), time_field="ts"),
            Reduce(0, lambda count, _: count + 1),
        ]
    ).run()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    step = timedelta(hours=24) / events
    rows = [{"k": random.randrange(keys), "ts": start + n * step, "x": random.random()} for n in range(events)]
    began = time.perf_counter()
    for row in rows:
        flow.emit(row)
    flow.terminate()
    assert flow.await_termination() == events
    print(events / (time.perf_counter() - began))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
