"""Computes one metric over one window of given rows, with a real catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from fresh_home import fresh_home

from mlbox.base.command import Query
from mlbox.client.statistics import feature_stats
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.monitor.baseline import Profile
from mlbox.engine.monitor.compute import Value, Window, compute, find_windows
from mlbox.engine.monitor.watch import Source, Watch
from mlbox.engine.monitor.windows import Windows

Floats = npt.NDArray[np.float64]
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Bench:
    """Computes one metric over one window of given rows."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def values(
        self,
        metric: str,
        base: Floats,
        current: Floats,
        *,
        prediction: Floats | None = None,
        label: Floats | None = None,
        min_labels: int = 1,
        options: dict[str, Any] | None = None,
    ) -> list[Value]:
        self._rows(current, prediction, label)
        watch = Watch(
            project="default",
            name="bench",
            target="rows",
            source=Source(
                "SELECT event_time, row_id, MAP(['x'], [x]) AS features, prediction, NULL::VARCHAR AS model, "
                "NULL::INTEGER AS model_version, '' AS segment FROM data.default.rows "
                "WHERE event_time >= $start AND event_time < $end",
                {},
            ),
            windows=Windows(DAY),
            metrics=((metric, options or {}),),
            labels=Query("SELECT row_id AS id, label FROM data.default.rows"),
            min_labels=min_labels,
            segmented=False,
        )
        windows = find_windows(self.catalog, watch, START, START + DAY, START + DAY)
        profile = Profile.from_stats("training", feature_stats({"x": base}))
        return compute(self.catalog, watch, windows or [Window(START, START + DAY, 0)], profile, START + DAY)

    def value(self, metric: str, base: Floats, current: Floats, **more: Any) -> float:
        (found,) = self.values(metric, base, current, **more)
        assert found.value is not None
        return found.value

    def _rows(self, current: Floats, prediction: Floats | None, label: Floats | None) -> None:
        rows = len(current)
        table = pa.table(
            {
                "event_time": pa.array(
                    [START + timedelta(seconds=i % 80_000) for i in range(rows)], pa.timestamp("us", "UTC")
                ),
                "row_id": pa.array([f"r{i}" for i in range(rows)], pa.string()),
                "x": pa.array(current, pa.float64(), from_pandas=True),
                "prediction": pa.array(np.full(rows, 0.5) if prediction is None else prediction, pa.float64()),
                "label": pa.array(np.arange(rows) % 2 if label is None else label, pa.float64(), from_pandas=True),
            }
        )

        def write(cursor: Any) -> None:
            cursor.register("_bench", table)
            cursor.execute("CREATE OR REPLACE TABLE data.default.rows AS SELECT * FROM _bench")
            cursor.unregister("_bench")

        self.catalog.write_data(write)


@contextmanager
def open_bench(folder: Path) -> Iterator[Bench]:
    catalog = Catalog.open(fresh_home(folder / "home"))
    yield Bench(catalog)
    catalog.close()


def normal(size: int, mean: float = 0, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(mean, 1, size)
