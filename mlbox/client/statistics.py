"""Statistics of a training set, logged with a model so that requests can be compared with what it has learnt from.

Of each numeric column (booleans count as 0 and 1; null, NaN and infinity as null):

- ``count`` values that are not null, ``nulls``, ``mean``, ``std`` (of the sample), ``min``, ``max``;
- ``quantiles`` at :data:`QUANTILE_LEVELS`, linearly interpolated;
- ``histogram``: ``edges`` (21) and ``counts`` (20) of bins of equal width between the 0.5 % and the 99.5 % quantile.
  The outer bins are open: what lies beyond is counted in them, so that the counts sum to ``count``. A column whose
  two quantiles coincide takes its minimum and maximum instead, a constant one the half unit around it.

Of each other column: ``count``, ``nulls``, ``distinct_count`` and ``top`` (value → count of the 20 most frequent).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Dict, List, Optional, Sequence, Tuple

from mlbox.client.frames import columns_of, importable, plain

QUANTILE_LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
BINS = 20
_RANGE_LEVELS = (0.005, 0.995)
_TOP = 20


def feature_stats(frame: Any, names: Optional[Sequence[str]] = None) -> Dict[str, Dict[str, Any]]:
    """Statistics by column. ``names`` chooses columns that are there, and names those of an array."""
    columns = columns_of(frame, names)
    chosen = [name for name in names if name in columns] if names else list(columns)
    numpy = importable("numpy")
    return {name: _column(columns[name], numpy) for name in chosen}


def _column(values: Any, numpy: Any) -> Dict[str, Any]:
    if numpy is not None:
        array = _as_floats(values, numpy)
        if array is not None:
            return _by_numpy(array, numpy)
    listed = plain(values)
    numbers = _numbers(listed)
    return _categories(listed) if numbers is None else by_python(numbers, len(listed))


def _as_floats(values: Any, numpy: Any) -> Any:
    """The column as float64 with NaN for null, or None when it is not numeric."""
    if hasattr(values, "to_numpy") and hasattr(values, "isna"):  # pandas, with its nullable kinds
        if getattr(values.dtype, "kind", "O") not in "iufb":
            return None
        return values.to_numpy(dtype="float64", na_value=math.nan)
    kind = getattr(getattr(values, "dtype", None), "kind", None)
    if kind is not None:
        return numpy.asarray(values, dtype="float64") if kind in "iufb" else None
    if hasattr(values, "null_count") and hasattr(values, "type"):  # pyarrow, which gives NaN for null
        if str(values.type).startswith(("int", "uint", "float", "double")):
            return numpy.asarray(values.to_numpy(), dtype="float64")
    return None


def _by_numpy(array: Any, numpy: Any) -> Dict[str, Any]:
    present = array[numpy.isfinite(array)]
    count = int(present.size)
    result: Dict[str, Any] = {"count": count, "nulls": int(array.size) - count}
    if not count:
        return _empty(result)
    low, high = (float(value) for value in numpy.quantile(present, _RANGE_LEVELS))
    smallest, largest = float(present.min()), float(present.max())
    edges = numpy.array(_edges(low, high, smallest, largest))
    # the right edge belongs to the next bin; the outer ones are open
    places = numpy.clip(numpy.searchsorted(edges, present, side="right") - 1, 0, BINS - 1)
    result.update(
        mean=float(present.mean()),
        std=float(present.std(ddof=1)) if count > 1 else 0.0,
        min=smallest,
        max=largest,
        quantiles=[float(value) for value in numpy.quantile(present, QUANTILE_LEVELS)],
        histogram={
            "edges": [float(edge) for edge in edges],
            "counts": [int(value) for value in numpy.bincount(places, minlength=BINS)],
        },
    )
    return result


def by_python(numbers: List[float], total: int) -> Dict[str, Any]:
    """The same without numpy; ``numbers`` are the finite values of ``total`` rows."""
    count = len(numbers)
    result: Dict[str, Any] = {"count": count, "nulls": total - count}
    if not count:
        return _empty(result)
    ordered = sorted(numbers)
    mean = math.fsum(ordered) / count
    squares = math.fsum((value - mean) ** 2 for value in ordered)
    low, high = (_quantile(ordered, level) for level in _RANGE_LEVELS)
    edges = _edges(low, high, ordered[0], ordered[-1])
    result.update(
        mean=mean,
        std=math.sqrt(squares / (count - 1)) if count > 1 else 0.0,
        min=ordered[0],
        max=ordered[-1],
        quantiles=[_quantile(ordered, level) for level in QUANTILE_LEVELS],
        histogram={"edges": edges, "counts": _counts(ordered, edges)},
    )
    return result


def _empty(result: Dict[str, Any]) -> Dict[str, Any]:
    result.update(mean=None, std=None, min=None, max=None, quantiles=[], histogram={"edges": [], "counts": []})
    return result


def _numbers(values: List[Any]) -> Optional[List[float]]:
    """Finite numbers of the column, or None when something else than numbers and nulls is in it."""
    found: List[float] = []
    for value in values:
        if value is None:
            continue
        if not hasattr(value, "__float__") or isinstance(value, str):
            return None
        number = float(value)
        if math.isfinite(number):
            found.append(number)
    return found


def _quantile(ordered: List[float], level: float) -> float:
    place = level * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _edges(low: float, high: float, smallest: float, largest: float) -> List[float]:
    if low == high:
        low, high = (smallest, largest) if smallest < largest else (low - 0.5, high + 0.5)
    width = (high - low) / BINS
    return [*(low + width * index for index in range(BINS)), high]


def _counts(ordered: List[float], edges: List[float]) -> List[int]:
    from bisect import bisect_right

    counts = [0] * BINS
    for value in ordered:
        counts[min(max(bisect_right(edges, value) - 1, 0), BINS - 1)] += 1
    return counts


def _categories(values: List[Any]) -> Dict[str, Any]:
    present = [value for value in values if value is not None and value == value]
    counted = Counter(str(value) for value in present)
    top: List[Tuple[str, int]] = counted.most_common(_TOP)
    return {
        "count": len(present),
        "nulls": len(values) - len(present),
        "distinct_count": len(counted),
        "top": dict(top),
    }
