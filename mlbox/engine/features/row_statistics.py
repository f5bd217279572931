"""Statistics of the rows of an ingest, one a column: what ``statistics`` tells of a relation, in a part of the time.

The types are known, so every column is counted as suits it. A first pass over all columns finds what there is (values,
different ones, bounds); a second one counts, each column by itself: integers that lie close together by their value,
from which all else follows exactly, other numbers by their bins, and texts. Quantiles of those other numbers come from
bins that are finer, unless one of these holds too many; then they are sketched, above 200,000 rows over a hundred
thousand of them, chosen by hash.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from mlbox.base.names import quote
from mlbox.engine.catalog.tables.feature_sets import ColumnStatistics
from mlbox.engine.features.definition import SEQUENCE, FeatureSet
from mlbox.engine.features.statistics import BINS, QUANTILES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COUNTED = 100_000
"""Texts of a column that are counted one by one."""
CLOSE = 1_024
"""Integers whose bounds are nearer than this are counted by value."""
FINE = 50
"""Parts of a bin."""
HEAVY = 0.005
"""Part of the rows that a part of a bin may hold for a quantile to be taken from it."""
SAMPLED, SAMPLE = 200_000, 100_000

_INTEGER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BOOLEAN")
_NUMBER = re.compile(rf"{_INTEGER.pattern}|FLOAT|DOUBLE|DECIMAL\(.*\)")


class _Count(NamedTuple):
    """``size`` numbers near ``origin``: the sum and the sum of squares of what they are above it. Of a bin (``origin``
    is its number at first) also the parts that hold something, and how many each holds."""

    origin: float
    size: int
    above: float
    squares: float
    parts: list[float] | None
    held: list[int] | None


@dataclass(slots=True)
class _Column:
    """A column as it is counted: ``number`` is it as a double, NULL where there is no finite one."""

    name: str
    type: str
    number: str | None
    is_finite: bool = True
    known: ColumnStatistics = field(default_factory=lambda: ColumnStatistics("", 0, 0, 0))

    @property
    def range(self) -> float:
        """From the smallest to the largest number; infinite where doubles cannot say it, 0 without numbers."""
        if self.known.min is None or self.known.max is None:
            return 0.0
        return self.known.max - self.known.min

    @property
    def is_close(self) -> bool:
        """Whether its numbers are counted by value."""
        return _INTEGER.fullmatch(self.type) is not None and self.range < CLOSE

    @property
    def has_bins(self) -> bool:
        """Whether its numbers are counted by bins."""
        return self.known.min is not None and not self.is_close and math.isfinite(self.range)

    @property
    def is_text(self) -> bool:
        """Whether its most frequent values are told."""
        return self.type == "VARCHAR"


def of_rows(cursor: DuckDBPyConnection, feature_set: FeatureSet, after: int) -> list[ColumnStatistics]:
    """Statistics of the rows whose sequence is above ``after``."""
    typed = [*feature_set.entities, *((feature.name, feature.type) for feature in feature_set.features)]
    columns = [_column(name, kind) for name, kind in typed]
    rows = f"FROM {feature_set.table} WHERE {SEQUENCE} > {after}"
    total = _find(cursor, columns, rows)
    _count(cursor, columns, rows)
    _sketch(cursor, columns, rows, total)
    return [column.known for column in columns]


def _column(name: str, kind: str) -> _Column:
    return _Column(name, kind, f"{quote(name)}::DOUBLE" if _NUMBER.fullmatch(kind) else None)


def _find(cursor: DuckDBPyConnection, columns: Sequence[_Column], rows: str) -> int:
    """How many rows there are; of each column how many values, different ones, and the bounds."""
    counts = ", ".join(
        f"{{'present': count({quote(c.name)}), 'distinct': {_distinct(c)}, {_bounds(c)}}}" for c in columns
    )
    total, *found = cursor.execute(f"SELECT count(*), {counts} {rows}").fetchall()[0]
    for column, seen in zip(columns, found, strict=True):
        nulls = total - seen["present"]
        column.known = ColumnStatistics(column.name, total, nulls, seen["distinct"], min=seen["low"], max=seen["high"])
    infinite = [c for c in columns if not (math.isfinite(c.known.min or 0.0) and math.isfinite(c.known.max or 0.0))]
    if infinite:
        for column in infinite:
            column.number = f"CASE WHEN isfinite({quote(column.name)}) THEN {column.number} END"
            column.is_finite = False
        again = cursor.execute(f"SELECT {', '.join(f'{{{_bounds(c)}}}' for c in infinite)} {rows}").fetchall()[0]
        for column, seen in zip(infinite, again, strict=True):
            column.known = replace(column.known, min=seen["low"], max=seen["high"])
    return int(total)


def _distinct(column: _Column) -> str:
    """Truth values are counted anyway."""
    return "0" if column.type == "BOOLEAN" else f"approx_count_distinct({quote(column.name)})"


def _bounds(column: _Column) -> str:
    """NaN is above infinity, so bounds that are finite say that all numbers are."""
    if column.number is None:
        return "'low': NULL::DOUBLE, 'high': NULL::DOUBLE"
    number = quote(column.name) if column.is_finite else column.number
    return f"'low': min({number})::DOUBLE, 'high': max({number})::DOUBLE"


def _count(cursor: DuckDBPyConnection, columns: Sequence[_Column], rows: str) -> None:
    """Histograms, means and deviations; quantiles of what is counted by value; the most frequent texts."""
    parts = [_counting(place, column, rows) for place, column in enumerate(columns)]
    asked = " UNION ALL ".join(part for part in parts if part is not None)
    counts: dict[int, list[_Count]] = {}
    texts: dict[int, list[tuple[int, str]]] = {}
    for place, text, *row in cursor.execute(asked).fetchall() if asked else ():
        count = _Count(*row)
        if text is not None:
            texts.setdefault(place, []).append((-count.size, text))
        else:
            counts.setdefault(place, []).append(count)
    for place, found in counts.items():
        columns[place].known = _counted(columns[place], sorted(found, key=lambda one: one.origin))
    for place, column in enumerate(columns):
        if place in texts:
            column.known = replace(column.known, top=[text for _, text in sorted(texts[place])])
        elif column.is_text and column.known.distinct_count > COUNTED:
            ((top,),) = cursor.execute(f"SELECT approx_top_k({quote(column.name)}, 10) {rows}").fetchall()
            column.known = replace(column.known, top=top)


def _counting(place: int, column: _Column, rows: str) -> str | None:
    """A SELECT of place, text and what :class:`_Count` has."""
    low = column.known.min
    # Named in a query of its own: a set may have columns that are called v or n.
    values = f"SELECT v, count(*) AS n FROM (SELECT {quote(column.name)} AS v {rows}) WHERE v IS NOT NULL GROUP BY v"
    if column.is_text and column.known.distinct_count <= COUNTED:
        counted = f"{values} ORDER BY n DESC, v LIMIT 10"
        nothing = "NULL::DOUBLE, NULL::DOUBLE, NULL::DOUBLE[], NULL::BIGINT[]"
        return f"SELECT {place}, v, NULL::DOUBLE, n, {nothing} FROM ({counted})"
    if low is None:
        return None
    if column.is_close:
        return f"SELECT {place}, NULL, v::DOUBLE, n, 0::DOUBLE, 0::DOUBLE, NULL, NULL FROM ({values})"
    if not column.has_bins:
        return None
    width = column.range / BINS / FINE
    part = f"floor(above / {column.range!r}::DOUBLE * {BINS * FINE})" if width else f"{BINS * FINE - 1}::DOUBLE"
    above = f"SELECT {column.number} - {low!r}::DOUBLE AS above {rows}"
    over = f"SELECT {part} AS part, above - part * {width!r}::DOUBLE AS d FROM ({above})"
    if column.known.nulls or not column.is_finite:
        over += " WHERE above IS NOT NULL"
    fine = f"SELECT part, count(*) AS n, sum(d) AS d, sum(d * d) AS s FROM ({over}) GROUP BY part"
    edges = f"SELECT *, floor(part / {FINE}) AS bin, part % {FINE} * {width!r}::DOUBLE AS edge FROM ({fine})"
    sums = "sum(n)::BIGINT, sum(d + n * edge), sum(s + 2 * edge * d + n * edge * edge)"
    return f"SELECT {place}, NULL, bin, {sums}, list(part), list(n) FROM ({edges}) GROUP BY bin"


def _counted(column: _Column, counts: Sequence[_Count]) -> ColumnStatistics:
    """Histogram and moments from counts in their order; of what was counted by value the quantiles too."""
    low, high = column.known.min or 0.0, column.known.max or 0.0
    width = (high - low) / BINS
    histogram = [0] * BINS
    for one in counts:
        bin_ = one.origin if column.has_bins else (one.origin - low) / width if width else BINS
        histogram[min(BINS - 1, int(bin_))] += one.size
    # From the smallest on: far from zero a small spread would be lost.
    mean, stddev = _moments(
        one._replace(origin=one.origin * width if column.has_bins else one.origin - low) for one in counts
    )
    return replace(
        column.known,
        distinct_count=len(counts) if column.is_close else column.known.distinct_count,
        mean=low + mean,
        stddev=stddev,
        histogram_edges=[low + number * (high - low) / BINS for number in range(BINS + 1)],
        histogram_counts=histogram,
        quantiles=[_quantile(counts, part) for part in QUANTILES] if column.is_close else _of_bins(column, counts),
    )


def _moments(counts: Iterable[_Count]) -> tuple[float, float | None]:
    """Mean and deviation of a sample (Chan, Golub and LeVeque: how sums of parts are put together)."""
    total, mean, squares = 0, 0.0, 0.0
    for one in counts:
        own_mean, own_squares = one.origin + one.above / one.size, one.squares - one.above * one.above / one.size
        apart, count = own_mean - mean, one.size
        squares += own_squares + apart * apart * total * count / (total + count)
        total += count
        mean += apart * count / total
    return mean, (max(squares, 0.0) / (total - 1)) ** 0.5 if total > 1 else None


def _quantile(counts: Sequence[_Count], part: float) -> float:
    """Between the two values nearest to it, as ``quantile_cont``."""
    place = part * (sum(one.size for one in counts) - 1)
    below = _at(counts, math.floor(place))
    return below + (_at(counts, math.ceil(place)) - below) * (place - math.floor(place))


def _at(counts: Sequence[_Count], rank: int) -> float:
    for one in counts:
        if rank < one.size:
            return one.origin
        rank -= one.size
    return counts[-1].origin


def _of_bins(column: _Column, counts: Sequence[_Count]) -> list[float] | None:
    """Quantiles between the edges of parts of bins; None where one lies in a part that holds many numbers."""
    low, high = column.known.min or 0.0, column.known.max or 0.0
    parts = sorted(pair for one in counts for pair in zip(one.parts or (), one.held or (), strict=True))
    behind = list(accumulate(held for _, held in parts))
    found = []
    for point in QUANTILES:
        rank = point * behind[-1]
        place = bisect_left(behind, rank)
        part, held = parts[place]
        if held > HEAVY * behind[-1]:
            return None
        into = part + 1 - (behind[place] - rank) / held
        found.append(min(high, low + into * column.range / BINS / FINE))
    return found


def _sketch(cursor: DuckDBPyConnection, columns: Sequence[_Column], rows: str, total: int) -> None:
    """Quantiles that are not known yet."""
    open_ = [column for column in columns if column.has_bins and column.known.quantiles is None]
    if not open_:
        return
    points = ", ".join(map(str, QUANTILES))
    asked = ", ".join(f"approx_quantile({column.number}, [{points}])" for column in open_)
    sample = f" AND hash({SEQUENCE}) % {total // SAMPLE} = 0" if total > SAMPLED else ""
    for column, quantiles in zip(open_, cursor.execute(f"SELECT {asked} {rows}{sample}").fetchall()[0], strict=True):
        column.known = replace(column.known, quantiles=quantiles)
