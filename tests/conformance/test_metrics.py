"""Every drift metric, built in or plugged in, keeps these promises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from mlbox.base.command import Query
from mlbox.base.errors import Invalid
from mlbox.base.home import Home
from mlbox.client.statistics import feature_stats
from mlbox.engine.catalog import public_views
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.monitor.baseline import Profile
from mlbox.engine.monitor.compute import Value, Window, compute, find_windows
from mlbox.engine.monitor.metrics.base import METRICS, checked
from mlbox.engine.monitor.watch import Source, Watch
from mlbox.engine.monitor.windows import Windows

Floats = npt.NDArray[np.float64]
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = METRICS.names()
DRIFT = [name for name, metric in METRICS if metric.capabilities.drift]
PER_FEATURE = [name for name, metric in METRICS if metric.capabilities.per_feature]
LABELLED = [name for name, metric in METRICS if metric.capabilities.needs == "labels"]


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
        profile = Profile.from_stats("training", feature_stats({"x": base.tolist()}))
        return compute(self.catalog, watch, windows or [Window(START, START + DAY, 0)], profile, START + DAY)

    def value(self, metric: str, base: Floats, current: Floats, **more: Any) -> float:
        (found,) = self.values(metric, base, current, **more)
        assert found.value is not None
        return found.value

    def _rows(self, current: Floats, prediction: Floats | None, label: Floats | None) -> None:
        rows = len(current)
        table = pa.table(
            {
                "event_time": pa.array([START + timedelta(seconds=i % 80_000) for i in range(rows)], pa.timestamp("us", "UTC")),
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


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    catalog = Catalog.open(Home(tmp_path_factory.mktemp("metrics") / "home"))
    public_views.create(catalog)
    yield Bench(catalog)
    catalog.close()


def normal(size: int, mean: float = 0, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(mean, 1, size)


@pytest.mark.parametrize("name", NAMES)
def test_has_formula_and_source_in_its_docstring(name: str) -> None:
    assert len((METRICS.get(name).__class__.__doc__ or "").split()) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_window_has_no_value(bench: Bench, name: str) -> None:
    assert bench.values(name, normal(500), np.empty(0)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rows_give_the_same_value(bench: Bench, name: str) -> None:
    base, current = normal(3000), normal(4000, 0.3, seed=2)
    prediction = 1 / (1 + np.exp(-current))
    first = bench.values(name, base, current, prediction=prediction)
    again = bench.values(name, base, current, prediction=prediction)
    assert [value.value for value in first] == pytest.approx([value.value for value in again], rel=1e-12)
    assert len(first) == 1 and np.isfinite(first[0].value or np.nan)


@pytest.mark.parametrize("name", NAMES)
def test_feature_and_count_are_told(bench: Bench, name: str) -> None:
    (value,) = bench.values(name, normal(500), normal(400, seed=2))
    assert value.feature == ("x" if METRICS.get(name).capabilities.per_feature else "")
    assert (value.metric, value.segment, value.n, value.start) == (name, "", 400, START)


@pytest.mark.parametrize("name", DRIFT)
def test_no_drift_is_about_nothing(bench: Bench, name: str) -> None:
    base = normal(20_000)
    assert bench.value(name, base, base) == pytest.approx(0, abs=1e-9)
    assert bench.value(name, base, normal(20_000, seed=2)) < 0.1


@pytest.mark.parametrize("name", DRIFT)
def test_more_drift_is_more(bench: Bench, name: str) -> None:
    base = normal(20_000)
    found = [bench.value(name, base, normal(20_000, shift, seed=3)) for shift in (0, 0.3, 1, 2)]
    assert found == sorted(found) and found[0] < found[1] / 2


@pytest.mark.parametrize("name", DRIFT)
def test_the_direction_does_not_hide_drift(bench: Bench, name: str) -> None:
    base = normal(20_000)
    down, up = (bench.value(name, base, normal(20_000, shift, seed=3)) for shift in (-1, 1))
    assert min(down, up) > 5 * bench.value(name, base, normal(20_000, seed=3))


@pytest.mark.parametrize("name", DRIFT)
def test_values_far_outside_the_baseline_count(bench: Bench, name: str) -> None:
    assert bench.value(name, normal(5000), normal(5000, 1e6, seed=2)) > 0.5


@pytest.mark.parametrize("name", DRIFT)
def test_a_constant_feature_that_moves_is_seen(bench: Bench, name: str) -> None:
    base = np.full(1000, 3.0)
    assert bench.value(name, base, base) == pytest.approx(0, abs=1e-9)
    assert bench.value(name, base, np.full(1000, 9.0)) > 0.1


@pytest.mark.parametrize("name", DRIFT)
def test_missing_values_neither_count_nor_hurt(bench: Bench, name: str) -> None:
    base, current = normal(5000), normal(4000, 0.5, seed=2)
    holes = np.concatenate([current, np.full(1000, np.nan)])
    (value,) = bench.values(name, base, holes)
    assert value.n == 4000
    assert value.value == pytest.approx(bench.value(name, base, current), rel=1e-12)


@pytest.mark.parametrize("name", DRIFT)
def test_nothing_but_missing_values_has_no_value(bench: Bench, name: str) -> None:
    assert bench.values(name, normal(500), np.full(100, np.nan)) == []


@pytest.mark.parametrize("name", LABELLED)
def test_too_few_labels_have_no_value(bench: Bench, name: str) -> None:
    label = np.where(np.arange(100) < 29, np.arange(100) % 2, np.nan)
    assert bench.values(name, normal(50), normal(100), label=label, min_labels=30) == []
    (value,) = bench.values(name, normal(50), normal(100), label=label, min_labels=29)
    assert value.n == 29


@pytest.mark.parametrize("name", NAMES)
def test_options_are_checked(name: str) -> None:
    checked(name.upper(), {})
    with pytest.raises(Invalid):
        checked(name, {"no_such_option": 1})
