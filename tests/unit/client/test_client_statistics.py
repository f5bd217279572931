"""Statistics of training sets: with numpy and without they are the same."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy
import pandas
import pyarrow
import pytest
from examples_of import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbox.client.statistics import BINS, QUANTILE_LEVELS, by_python, feature_stats

VALUES = [1.0, 2.0, 2.0, 3.5, -4.0, 10.0, None, math.nan, 0.0, 7.25]
NUMBERS = [value for value in VALUES if value is not None and value == value]


@pytest.mark.parametrize(
    "frame",
    [
        pandas.DataFrame({"x": VALUES}),
        pandas.DataFrame({"x": pandas.array(VALUES, dtype="Float64")}),
        pyarrow.table({"x": VALUES}),
        {"x": VALUES},
        [{"x": value} for value in VALUES],
        {"x": numpy.array(VALUES, dtype=float)},
    ],
    ids=["pandas", "pandas nullable", "pyarrow", "columns", "rows", "numpy"],
)
def test_every_kind_of_frame_gives_the_same(frame: Any) -> None:
    found = feature_stats(frame)["x"]
    assert (found["count"], found["nulls"]) == (8, 2)
    assert found["mean"] == pytest.approx(statistics.fmean(NUMBERS))
    assert found["std"] == pytest.approx(statistics.stdev(NUMBERS))
    assert (found["min"], found["max"]) == (-4.0, 10.0)
    assert found["quantiles"] == pytest.approx(list(numpy.quantile(NUMBERS, QUANTILE_LEVELS)))
    assert len(found["histogram"]["edges"]) == BINS + 1
    assert sum(found["histogram"]["counts"]) == 8


@settings(max_examples=examples(200))
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_pure_python_agrees_with_numpy(numbers: list[float]) -> None:
    ours = by_python(numbers, len(numbers) + 3)
    array = numpy.array(numbers)
    known = feature_stats({"x": array})["x"]
    assert (ours["count"], ours["nulls"], known["nulls"]) == (len(numbers), 3, 0)
    for key in ("mean", "std", "min", "max", "quantiles"):
        assert ours[key] == pytest.approx(known[key], rel=1e-6, abs=1e-6)
    assert ours["histogram"]["edges"] == pytest.approx(known["histogram"]["edges"], rel=1e-6, abs=1e-6)
    assert sum(ours["histogram"]["counts"]) == sum(known["histogram"]["counts"]) == len(numbers)


def test_the_outer_bins_are_open() -> None:
    values = numpy.concatenate([numpy.linspace(0, 1, 10_001), [1e9, -1e9]])
    histogram = feature_stats({"x": values})["x"]["histogram"]
    assert histogram["edges"][0] == pytest.approx(0.005, abs=1e-3)
    assert histogram["edges"][-1] == pytest.approx(0.995, abs=1e-3)
    counts = histogram["counts"]
    assert sum(counts) == len(values)
    middle = counts[1:-1]
    assert max(middle) - min(middle) <= 2
    assert counts[0] == counts[-1] == pytest.approx(middle[0] + 50, abs=3)


def test_a_value_on_an_edge_belongs_to_the_upper_bin() -> None:
    values = [float(number) for number in range(21)] * 100
    expected = [100.0] * 19 + [200.0]
    assert feature_stats({"x": numpy.array(values)})["x"]["histogram"]["counts"] == expected
    assert by_python(values, len(values))["histogram"]["counts"] == expected


def test_constants_rare_values_and_nothing() -> None:
    constant = feature_stats({"x": [3.0] * 50})["x"]
    assert constant["std"] == 0.0
    assert (constant["histogram"]["edges"][0], constant["histogram"]["edges"][-1]) == (2.5, 3.5)
    rare = feature_stats({"x": [0] * 999 + [1]})["x"]["histogram"]
    assert (rare["edges"][0], rare["edges"][-1]) == (0.0, 1.0)
    assert (rare["counts"][0], rare["counts"][-1]) == (999, 1)
    empty = feature_stats({"x": numpy.array([math.nan, math.inf])})["x"]
    assert (empty["count"], empty["nulls"], empty["mean"], empty["quantiles"]) == (0, 2, None, [])


def test_text_and_booleans() -> None:
    frame = pandas.DataFrame({"carrier": ["AA", "UA", None, "AA"], "late": [True, False, True, True]})
    found = feature_stats(frame)
    assert found["carrier"] == {"count": 3, "nulls": 1, "distinct_count": 2, "top": {"AA": 2, "UA": 1}}
    assert (found["late"]["mean"], found["late"]["max"]) == (0.75, 1.0)


def test_chosen_columns_and_all_json() -> None:
    import json

    frame = pandas.DataFrame({"a": [1, 2], "label": [0, 1]})
    assert list(feature_stats(frame, ["a"])) == ["a"]
    text = json.dumps(feature_stats(frame), allow_nan=False)
    assert json.loads(text)["a"]["quantiles"][4] == 1.5
