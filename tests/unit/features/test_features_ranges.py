"""Aggregates of ranges against plain loops, short ranges and long ones."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbox.engine.features.streaming import ranges as subject
from mlbox.engine.features.streaming.ranges import REDUCTIONS, Ranges, Values

NAIVE: dict[str, Callable[[list[float]], float | None]] = {
    "count": len,
    "sum": lambda found: math.fsum(found) if found else None,
    "sum_squares": lambda found: math.fsum(x * x for x in found) if found else None,
    "avg": lambda found: statistics.fmean(found) if found else None,
    "min": lambda found: min(found, default=None),
    "max": lambda found: max(found, default=None),
    "var": lambda found: statistics.variance(found) if len(found) > 1 else None,
    "stddev": lambda found: statistics.stdev(found) if len(found) > 1 else None,
}


@settings(max_examples=150)
@given(
    numbers=st.lists(st.none() | st.integers(-1000, 1000).map(float), min_size=1, max_size=60),
    bounds=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=20),
    name=st.sampled_from(sorted(NAIVE)),
    block=st.sampled_from([2, 3, 7]),
    long=st.sampled_from([0, 10_000]),
    whole=st.booleans(),
)
def test_as_a_loop_would(
    numbers: list[float | None], bounds: list[tuple[int, int]], name: str, block: int, long: int, whole: bool
) -> None:
    size = len(numbers)
    pairs = [(min(a, b, size), min(max(a, b), size)) for a, b in bounds]
    if name == "sum_squares" and not whole:
        whole = True
    kind = np.int64 if whole else np.float64
    values = Values(
        np.array([0 if x is None else x for x in numbers], dtype=kind), np.array([x is not None for x in numbers])
    )
    left, right = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "BLOCK", block)
        patch.setattr(subject, "LONG", long)
        found = REDUCTIONS[name](values, Ranges(left, right))
    for place, (first, last) in enumerate(pairs):
        expected = NAIVE[name]([x for x in numbers[first:last] if x is not None])
        assert bool(found.valid[place]) == (expected is not None), (first, last)
        assert expected is None or math.isclose(found.numbers[place], expected, rel_tol=1e-9, abs_tol=1e-6)


def test_a_small_variance_of_large_values_keeps_its_digits() -> None:
    numbers = np.append(1e9 + np.arange(5000) % 3, np.zeros(5000))
    for first, last in ((0, 90), (0, 4999), (7, 4100)):
        found = REDUCTIONS["var"](Values(numbers, None), Ranges(np.array([first]), np.array([last])))
        assert math.isclose(found.numbers[0], statistics.variance((numbers[first:last] - 1e9).tolist()), rel_tol=1e-6)
