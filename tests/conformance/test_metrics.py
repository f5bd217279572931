"""Every drift metric, built in or plugged in, keeps these promises."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from metric_house import START, Bench, normal, open_bench

from mlbox.base.errors import Invalid
from mlbox.engine.monitor.metrics.base import METRICS, checked

NAMES = METRICS.names()
DRIFT = [name for name, metric in METRICS if metric.capabilities.drift]
LABELLED = [name for name, metric in METRICS if metric.capabilities.needs == "labels"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("metrics")) as found:
        yield found


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
    assert len(first) == 1 and first[0].value is not None and np.isfinite(first[0].value)


@pytest.mark.parametrize("name", NAMES)
def test_feature_and_count_are_told(bench: Bench, name: str) -> None:
    (value,) = bench.values(name, normal(500), normal(400, seed=2))
    assert value.feature == ("x" if METRICS.get(name).capabilities.per_feature else "")
    assert (value.metric, value.segment, value.n, value.start) == (name, "", 400, START)


@pytest.mark.parametrize("name", DRIFT)
def test_no_drift_is_about_nothing(bench: Bench, name: str) -> None:
    base = normal(6_000)
    assert bench.value(name, base, base) == pytest.approx(0, abs=1e-9)
    assert bench.value(name, base, normal(6_000, seed=2)) < 0.1


@pytest.mark.parametrize("name", DRIFT)
def test_more_drift_is_more(bench: Bench, name: str) -> None:
    base = normal(6_000)
    found = [bench.value(name, base, normal(6_000, shift, seed=3)) for shift in (0, 0.3, 1, 2)]
    assert found == sorted(found) and found[0] < found[1] / 2


@pytest.mark.parametrize("name", DRIFT)
def test_the_direction_does_not_hide_drift(bench: Bench, name: str) -> None:
    base = normal(6_000)
    down, up = (bench.value(name, base, normal(6_000, shift, seed=3)) for shift in (-1, 1))
    assert min(down, up) > 5 * bench.value(name, base, normal(6_000, seed=3))


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
