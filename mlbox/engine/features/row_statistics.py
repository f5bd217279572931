"""Statistics of the rows of an ingest, one a column: what ``statistics`` tells of a relation, in a part of the time.

The types are known, so every column is counted as suits it. A first pass over all columns finds what there is (values,
different ones, bounds); a second one counts, each column by itself: integers that lie close together by their value,
from which all else follows exactly, other numbers by their bins, and texts. Quantiles of those other numbers are
sketched, above 200,000 rows over a hundred thousand of them, chosen by hash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

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
SAMPLED, SAMPLE = 200_000, 100_000

_INTEGER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BOOLEAN")
_NUMBER = re.compile(rf"{_INTEGER.pattern}|FLOAT|DOUBLE|DECIMAL\(.*\)")


@dataclass(frozen=True, slots=True)
class _Count:
    """``count`` numbers near ``origin`` (at first the number of a bin, where they were counted so): the sum and the sum
    of squares of what they are above it."""

    origin: float
    count: int
    above: float = 0.0
    squares: float = 0.0


@dataclass(slots=True)
class _Column:
    """A column as it is counted: ``number`` is it as a double, NULL where there is no finite one."""

    name: str
    type: str
    number: str | None
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
        f"{{'present': count({quote(c.name)}), 'distinct': approx_count_distinct({quote(c.name)}), {_bounds(c)}}}"
        for c in columns
    )
    total, *found = cursor.execute(f"SELECT count(*), {counts} {rows}").fetchall()[0]
    for column, seen in zip(columns, found, strict=True):
        nulls = total - seen["present"]
        column.known = ColumnStatistics(column.name, total, nulls, seen["distinct"], min=seen["low"], max=seen["high"])
    infinite = [c for c in columns if not (math.isfinite(c.known.min or 0.0) and math.isfinite(c.known.max or 0.0))]
    if infinite:
        for column in infinite:
            column.number = f"CASE WHEN isfinite({quote(column.name)}) THEN {column.number} END"
        again = cursor.execute(f"SELECT {', '.join(f'{{{_bounds(c)}}}' for c in infinite)} {rows}").fetchall()[0]
        for column, seen in zip(infinite, again, strict=True):
            column.known = replace(column.known, min=seen["low"], max=seen["high"])
    return int(total)


def _bounds(column: _Column) -> str:
    """NaN is above infinity, so bounds that are finite say that all numbers are."""
    number = column.number or "NULL::DOUBLE"
    return f"'low': min({number}), 'high': max({number})"


def _count(cursor: DuckDBPyConnection, columns: Sequence[_Column], rows: str) -> None:
    """Histograms, means and deviations; quantiles of what is counted by value; the most frequent texts."""
    parts = [_counting(place, column, rows) for place, column in enumerate(columns)]
    asked = " UNION ALL ".join(part for part in parts if part is not None)
    counts: dict[int, list[_Count]] = {}
    texts: dict[int, list[tuple[int, str]]] = {}
    for place, text, origin, count, above, squares in cursor.execute(asked).fetchall() if asked else ():
        if text is not None:
            texts.setdefault(place, []).append((-count, text))
        else:
            counts.setdefault(place, []).append(_Count(origin, count, above, squares))
    for place, found in counts.items():
        columns[place].known = _counted(columns[place], sorted(found, key=lambda one: one.origin))
    for place, column in enumerate(columns):
        if place in texts:
            column.known = replace(column.known, top=[text for _, text in sorted(texts[place])])
        elif column.is_text and column.known.distinct_count > COUNTED:
            ((top,),) = cursor.execute(f"SELECT approx_top_k({quote(column.name)}, 10) {rows}").fetchall()
            column.known = replace(column.known, top=top)


def _counting(place: int, column: _Column, rows: str) -> str | None:
    """A SELECT of place, text, origin, count, above and squares."""
    name, low = quote(column.name), column.known.min
    if column.is_text and column.known.distinct_count <= COUNTED:
        return (
            f"(SELECT {place}, {name}, NULL::DOUBLE, count(*) AS n, NULL::DOUBLE, NULL::DOUBLE {rows} "
            f"AND {name} IS NOT NULL GROUP BY {name} ORDER BY n DESC, {name} LIMIT 10)"
        )
    if low is None:
        return None
    if column.is_close:
        counted = f"SELECT {name} AS v, count(*) AS n {rows} AND {name} IS NOT NULL GROUP BY v"
        return f"SELECT {place}, NULL, v::DOUBLE, n, 0::DOUBLE, 0::DOUBLE FROM ({counted})"
    if not column.has_bins:
        return None
    width = column.range / BINS
    bin_ = f"floor(above / {width!r}::DOUBLE)" if width else f"{BINS - 1}::DOUBLE"
    above = f"SELECT {column.number} - {low!r}::DOUBLE AS above {rows}"
    over = f"SELECT {bin_} AS bin, above - bin * {width!r}::DOUBLE AS d FROM ({above}) WHERE above IS NOT NULL"
    return f"SELECT {place}, NULL, bin, count(*), sum(d), sum(d * d) FROM ({over}) GROUP BY bin"


def _counted(column: _Column, counts: Sequence[_Count]) -> ColumnStatistics:
    """Histogram and moments from counts in their order; of what was counted by value the quantiles too."""
    low, high = column.known.min or 0.0, column.known.max or 0.0
    width = (high - low) / BINS
    histogram = [0] * BINS
    for one in counts:
        bin_ = one.origin if column.has_bins else (one.origin - low) / width if width else BINS
        histogram[min(BINS - 1, int(bin_))] += one.count
    # From the smallest on: far from zero a small spread would be lost.
    mean, stddev = _moments(
        replace(one, origin=one.origin * width if column.has_bins else one.origin - low) for one in counts
    )
    return replace(
        column.known,
        mean=low + mean,
        stddev=stddev,
        histogram_edges=[low + number * (high - low) / BINS for number in range(BINS + 1)],
        histogram_counts=histogram,
        quantiles=[_quantile(counts, part) for part in QUANTILES] if column.is_close else None,
    )


def _moments(counts: Iterable[_Count]) -> tuple[float, float | None]:
    """Mean and deviation of a sample (Chan, Golub and LeVeque: how sums of parts are put together)."""
    total, mean, squares = 0, 0.0, 0.0
    for one in counts:
        own_mean, own_squares = one.origin + one.above / one.count, one.squares - one.above * one.above / one.count
        apart, count = own_mean - mean, one.count
        squares += own_squares + apart * apart * total * count / (total + count)
        total += count
        mean += apart * count / total
    return mean, (max(squares, 0.0) / (total - 1)) ** 0.5 if total > 1 else None


def _quantile(counts: Sequence[_Count], part: float) -> float:
    """Between the two values nearest to it, as ``quantile_cont``."""
    place = part * (sum(one.count for one in counts) - 1)
    below = _at(counts, math.floor(place))
    return below + (_at(counts, math.ceil(place)) - below) * (place - math.floor(place))


def _at(counts: Sequence[_Count], rank: int) -> float:
    for one in counts:
        if rank < one.count:
            return one.origin
        rank -= one.count
    return counts[-1].origin


def _sketch(cursor: DuckDBPyConnection, columns: Sequence[_Column], rows: str, total: int) -> None:
    """Quantiles of the numbers that were not counted by value."""
    open_ = [column for column in columns if column.has_bins]
    if not open_:
        return
    points = ", ".join(map(str, QUANTILES))
    asked = ", ".join(f"approx_quantile({column.number}, [{points}])" for column in open_)
    sample = f" AND hash({SEQUENCE}) % {total // SAMPLE} = 0" if total > SAMPLED else ""
    for column, quantiles in zip(open_, cursor.execute(f"SELECT {asked} {rows}{sample}").fetchall()[0], strict=True):
        column.known = replace(column.known, quantiles=quantiles)
