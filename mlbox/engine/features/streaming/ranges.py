"""Aggregates of many ranges of one array at once, with numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Numbers = NDArray[Any]


BLOCK = 256
"""Values that are reduced once for all ranges that hold them, where ranges are long."""
LONG = 1_024
"""Values of a range from which on that pays."""


@dataclass(frozen=True, slots=True)
class Values:
    """A column: float64 or int64, 0 where ``valid`` (None: everywhere) is false."""

    numbers: Numbers
    valid: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Ranges:
    """Positions [left, right) of a column."""

    left: Integers
    right: Integers

    @property
    def total(self) -> int:
        """How many rows all of them cover."""
        return int((self.right - self.left).sum())


@dataclass(frozen=True, slots=True)
class Found:
    """A value a range; where ``valid`` is false it is NULL."""

    numbers: Numbers
    valid: NDArray[np.bool_]


def reduce(operation: Any, numbers: Numbers, ranges: Ranges, empty: Any) -> Numbers:
    """``operation`` (a ufunc) over each range; ``empty`` for those that hold nothing, and neutral to it."""
    if ranges.total <= LONG * len(ranges.left):
        return _reduce(operation, numbers, ranges, empty)
    import numpy as np

    head, middle, tail = _cut(ranges)
    blocks = operation.reduceat(numbers, np.arange(0, len(numbers), BLOCK))
    outer = operation(_reduce(operation, numbers, head, empty), _reduce(operation, numbers, tail, empty))
    return np.asarray(operation(outer, _reduce(operation, blocks, middle, empty)))


def _cut(ranges: Ranges) -> tuple[Ranges, Ranges, Ranges]:
    """What stands before the whole blocks of each range, the blocks by number, what stands behind them."""
    import numpy as np

    left, right = ranges.left, ranges.right
    first, last = -(-left // BLOCK), right // BLOCK
    inside = first <= last
    head = Ranges(left, np.where(inside, first * BLOCK, right))
    middle = Ranges(np.where(inside, first, 0), np.where(inside, last, 0))
    return head, middle, Ranges(np.where(inside, last * BLOCK, right), right)


def _reduce(operation: Any, numbers: Numbers, ranges: Ranges, empty: Any) -> Numbers:
    import numpy as np

    left, right = ranges.left, ranges.right
    found = np.full(len(left), empty, dtype=numbers.dtype)
    some = np.flatnonzero(right > left)
    if not len(some):
        return found
    # From the highest position down, so that nothing is reduced between two ranges, which is what reduceat would do.
    order = some[np.argsort(-left[some], kind="stable")]
    bounds = np.empty(2 * len(order), dtype=np.int64)
    bounds[0::2], bounds[1::2] = left[order], right[order]
    ended = np.append(numbers, numbers.dtype.type(0))  # a right end may be the end of the array
    found[order] = operation.reduceat(ended, bounds)[0::2]
    return found


def counts(values: Values, ranges: Ranges) -> Integers:
    """Values that are not NULL."""
    import numpy as np

    if values.valid is None:
        return ranges.right - ranges.left
    before = np.concatenate([[0], np.cumsum(values.valid, dtype=np.int64)])
    return np.asarray(before[ranges.right] - before[ranges.left])


def _count(values: Values, ranges: Ranges) -> Found:
    import numpy as np

    found = counts(values, ranges)
    return Found(found, np.ones(len(found), dtype=bool))


def _sum(values: Values, ranges: Ranges) -> Found:
    import numpy as np

    return Found(reduce(np.add, values.numbers, ranges, 0), counts(values, ranges) > 0)


def _sum_squares(values: Values, ranges: Ranges) -> Found:
    import numpy as np

    numbers = values.numbers.astype(np.float64)
    return Found(reduce(np.add, numbers * numbers, ranges, 0), counts(values, ranges) > 0)


def _average(values: Values, ranges: Ranges) -> Found:
    import numpy as np

    number = counts(values, ranges)
    total = reduce(np.add, values.numbers, ranges, 0)
    return Found(total / np.maximum(number, 1), number > 0)


def _least(values: Values, ranges: Ranges) -> Found:
    import numpy as np

    return _extreme(np.minimum, values, ranges, highest=True)


def _largest(values: Values, ranges: Ranges) -> Found:
    import numpy as np

    return _extreme(np.maximum, values, ranges, highest=False)


def _extreme(operation: Any, values: Values, ranges: Ranges, *, highest: bool) -> Found:
    import numpy as np

    kind = values.numbers.dtype
    bound = np.iinfo(kind) if kind.kind == "i" else np.finfo(kind)
    neutral = bound.max if highest else bound.min
    numbers = values.numbers if values.valid is None else np.where(values.valid, values.numbers, neutral)
    return Found(reduce(operation, numbers, ranges, neutral), counts(values, ranges) > 0)


def _edge(values: Values, ranges: Ranges, place: Callable[[Ranges], Integers]) -> Found:
    import numpy as np

    some = ranges.right > ranges.left
    at = np.where(some, place(ranges), 0)
    if not len(values.numbers):
        return Found(np.zeros(len(at), dtype=values.numbers.dtype), some)
    return Found(values.numbers[at], some if values.valid is None else some & values.valid[at])


def _first(values: Values, ranges: Ranges) -> Found:
    return _edge(values, ranges, lambda r: r.left)


def _last(values: Values, ranges: Ranges) -> Found:
    return _edge(values, ranges, lambda r: r.right - 1)


def _variance(values: Values, ranges: Ranges) -> Found:
    """Squares of the distances from the range's mean, so that a small variance of large values keeps its digits."""
    import numpy as np

    numbers = values.numbers.astype(np.float64)
    weights = np.ones(len(numbers)) if values.valid is None else values.valid.astype(np.float64)
    number = counts(values, ranges)
    mean = reduce(np.add, numbers, ranges, 0) / np.maximum(number, 1)
    if ranges.total <= LONG * len(ranges.left):
        total = _spread(numbers, weights, ranges, mean)
    else:  # whole blocks by their own means and squares
        head, middle, tail = _cut(ranges)
        starts = np.arange(0, len(numbers), BLOCK)
        held = np.add.reduceat(weights, starts)
        means = np.add.reduceat(numbers, starts) / np.maximum(held, 1)
        apart = numbers - np.repeat(means, np.diff(np.append(starts, len(numbers))))
        own = np.add.reduceat(apart * apart * weights, starts)
        total = _spread(numbers, weights, head, mean) + _spread(numbers, weights, tail, mean)
        total += _spread(means, held, middle, mean) + _reduce(np.add, own, middle, 0)
    return Found(total / np.maximum(number - 1, 1), number > 1)


def _spread(numbers: Numbers, weights: Numbers, ranges: Ranges, mean: Numbers) -> Numbers:
    """The weighted squares of the distances of each range's numbers from its ``mean``."""
    import numpy as np

    lengths = ranges.right - ranges.left
    ends = np.cumsum(lengths)
    begins = ends - lengths
    flat = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(ranges.left - begins, lengths)
    apart = numbers[flat] - np.repeat(mean, lengths)
    return _reduce(np.add, apart * apart * weights[flat], Ranges(begins, ends), 0)


def _deviation(values: Values, ranges: Ranges) -> Found:
    import numpy as np

    found = _variance(values, ranges)
    return Found(np.sqrt(found.numbers), found.valid)


REDUCTIONS: Mapping[str, Callable[[Values, Ranges], Found]] = {
    "count": _count,
    "sum": _sum,
    "sum_squares": _sum_squares,
    "sqr": _sum_squares,
    "avg": _average,
    "min": _least,
    "max": _largest,
    "first": _first,
    "last": _last,
    "var": _variance,
    "stddev": _deviation,
}
"""Window functions that are computed here; the others are left to SQL."""
