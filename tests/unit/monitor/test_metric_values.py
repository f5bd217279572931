"""Metrics against the references of other libraries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from examples_of import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metric_house import Bench, Floats, normal, open_bench
from scipy import stats
from sklearn import metrics as reference

from mlbox.client.statistics import feature_stats

SLOW = settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("values")) as found:
        yield found


def shares(base: Floats, current: Floats) -> tuple[Floats, Floats]:
    """Shares of baseline and window in the bins of the baseline's histogram."""
    edges = np.array(feature_stats({"x": base})["x"]["histogram"]["edges"])
    open_ended = np.concatenate([[-np.inf], edges[1:-1], [np.inf]])
    b, c = (np.histogram(values, open_ended)[0] for values in (base, current))
    return b / b.sum(), c / c.sum()


@SLOW
@given(st.floats(-2, 2), st.floats(0.2, 3), st.integers(0, 1000))
def test_psi(bench: Bench, shift: float, scale: float, seed: int) -> None:
    base, current = normal(3000, seed=seed), normal(2000, seed=seed + 1) * scale + shift
    b, c = (np.maximum(share, 1e-4) for share in shares(base, current))
    assert bench.value("psi", base, current) == pytest.approx(float(np.sum((c - b) * np.log(c / b))), rel=1e-9)


def test_psi_with_fewer_bins_joins_neighbours(bench: Bench) -> None:
    base, current = normal(3000), normal(2000, 0.4, seed=2)
    b, c = shares(base, current)
    groups = np.minimum(4, np.floor(5 * (np.cumsum(b) - b) + 1e-12)).astype(int)
    joined_b, joined_c = (np.bincount(groups, weights=share) for share in (b, c))
    expected = float(np.sum((joined_c - joined_b) * np.log(joined_c / joined_b)))
    assert bench.value("psi", base, current, options={"bins": 5}) == pytest.approx(expected, rel=1e-9)


@SLOW
@given(st.floats(-2, 2), st.floats(0.2, 3), st.integers(0, 1000))
def test_ks_is_that_of_all_values_but_for_one_bin(bench: Bench, shift: float, scale: float, seed: int) -> None:
    base, current = normal(3000, seed=seed), normal(2000, seed=seed + 1) * scale + shift
    exact = float(stats.ks_2samp(base, current).statistic)
    b, c = shares(base, current)
    found = bench.value("ks", base, current)
    assert found == pytest.approx(float(np.max(np.abs(np.cumsum(b) - np.cumsum(c)))), abs=1e-12)
    assert exact - max(b.max(), c.max()) <= found <= exact + 1e-12


def test_ks_of_whole_numbers_is_exact(bench: Bench) -> None:
    generator = np.random.default_rng(7)
    base, current = generator.integers(0, 10, 4000), generator.integers(2, 12, 3000)
    exact = float(stats.ks_2samp(base, np.minimum(current, 9)).statistic)
    assert bench.value("ks", base.astype(float), current.astype(float)) == pytest.approx(exact, abs=1e-12)


def test_wasserstein(bench: Bench) -> None:
    base, current = normal(20_000), normal(20_000, 0.5, seed=2)
    exact = float(stats.wasserstein_distance(base, current))
    assert bench.value("wasserstein", base, current) == pytest.approx(exact, rel=0.1)


def test_jensen_shannon_and_kullback_leibler(bench: Bench) -> None:
    from scipy.spatial.distance import jensenshannon

    base, current = normal(5000), normal(5000, 0.5, seed=2)
    b, c = shares(base, current)
    assert bench.value("js", base, current) == pytest.approx(float(jensenshannon(b, c, base=2)), rel=1e-9)
    expected = float(stats.entropy(np.maximum(c, 1e-4), np.maximum(b, 1e-4)))
    assert bench.value("kl", base, current) == pytest.approx(expected, abs=1e-3)


def test_null_rate_is_the_change_of_the_missing_share(bench: Bench) -> None:
    base = np.concatenate([normal(900), np.full(100, np.nan)])
    current = np.concatenate([normal(600), np.full(200, np.nan)])
    assert bench.value("null_rate", base, current) == pytest.approx(0.25 - 0.1)


@SLOW
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 6]))
def test_quality_of_classifiers(bench: Bench, seed: int, digits: int) -> None:
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, 500).astype(float)
    prediction = np.round(np.clip(0.3 * label + generator.random(500) * 0.7, 0, 1), digits)  # few digits: many ties
    expected = {
        "auc": reference.roc_auc_score(label, prediction),
        "log_loss": reference.log_loss(label, prediction),
        "brier": reference.brier_score_loss(label, prediction),
        "accuracy": reference.accuracy_score(label, prediction >= 0.5),
    }
    x = normal(500)
    for name, value in expected.items():
        assert bench.value(name, x, x, prediction=prediction, label=label) == pytest.approx(value, rel=1e-9), name


def test_auc_needs_both_classes(bench: Bench) -> None:
    x = normal(100)
    assert bench.values("auc", x, x, prediction=x, label=np.ones(100)) == []


def test_quality_of_regressors(bench: Bench) -> None:
    label, x = normal(400, 3), normal(400)
    prediction = label + normal(400, seed=5) * 0.2
    expected = {
        "rmse": reference.root_mean_squared_error(label, prediction),
        "mae": reference.mean_absolute_error(label, prediction),
        "prediction_mean": prediction.mean(),
        "label_mean": label.mean(),
        "n_labels": 400,
    }
    for name, value in expected.items():
        assert bench.value(name, x, x, prediction=prediction, label=label) == pytest.approx(float(value)), name
