"""What stands for a value that is missing: a constant, a statistic of the set, or the value that has become too old."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.names import quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.features.definition import FeatureSet, VectorFeature
from mlbox.engine.features.statistics import QUANTILES
from mlbox.engine.features.stores.online.codec import kind_of

if TYPE_CHECKING:
    from mlbox.base.names import Ref
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.features.online_parts import Wanted

STATISTICS = ("mean", "median", "min", "max", "most_frequent")
"""Taken from the statistics of the set's ingests: weighted by their rows; the median is estimated from quantiles."""
PREVIOUS = "previous"
"""The value that is older than the TTL, where there is one."""
CHOICES = ", ".join(f"'${word}'" for word in (*STATISTICS, PREVIOUS))


@dataclass(frozen=True, slots=True)
class Substitute:
    """What a feature gets in place of a missing value; ``previous`` takes the stale value."""

    value: Any = None
    previous: bool = False


def compiled(
    catalog: Catalog, wanted: Sequence[tuple[FeatureSet, Sequence[VectorFeature]]], policy: Mapping[str, Any]
) -> dict[str, Substitute]:
    """By feature name; ``*`` counts for features that are not named and have such a value.

    Raises ``Invalid`` for unknown features, statistics that a feature has not, and constants of another type.
    """
    known = {feature.name.lower() for _, features in wanted for feature in features}
    folded = {name.lower(): value for name, value in policy.items()}
    for name in folded:
        if name != "*" and name not in known:
            raise Invalid(f"impute names {name!r}, which is no feature of the vector", hint=did_you_mean(name, known))
    found: dict[str, Substitute] = {}
    for feature_set, features in wanted:
        named = [feature for feature in features if feature.name.lower() in folded or "*" in folded]
        asks = any(_word(folded.get(feature.name.lower(), folded.get("*"))) in STATISTICS for feature in named)
        statistics = _statistics(catalog, feature_set) if asks else {}
        types = {feature.name: feature.type for feature in feature_set.features}
        for feature in named:
            explicit = feature.name.lower() in folded
            value = folded[feature.name.lower()] if explicit else folded["*"]
            try:
                found[feature.name] = _substitute(catalog, feature_set, feature, types, value, statistics)
            except Invalid:
                if explicit:
                    raise
    return found


def statistic(catalog: Catalog, parts: Callable[[Ref], Wanted], ref: Ref, feature: str, word: str) -> float | None:
    """A statistic (mean, median, min, max, most_frequent) of a vector's feature; None where there is no number."""
    try:
        value = compiled(catalog, parts(ref), {feature: f"${word}"})[feature].value
    except Invalid:
        return None
    return float(value) if isinstance(value, int | float | Decimal) else None


def _word(value: Any) -> str:
    return value[1:].lower() if isinstance(value, str) and value.startswith("$") else ""


def _substitute(
    catalog: Catalog,
    feature_set: FeatureSet,
    feature: VectorFeature,
    types: Mapping[str, str],
    value: Any,
    statistics: Mapping[str, Any],
) -> Substitute:
    kind, word = kind_of(types[feature.feature]), _word(value)
    if word == PREVIOUS:
        return Substitute(previous=True)
    if word == "most_frequent":
        top = statistics.get(feature.feature, {}).get("top")
        return Substitute(top if kind == "s" and top is not None else _mode(catalog, feature_set, feature.feature))
    if word in STATISTICS:
        known = statistics.get(feature.feature, {}).get(word)
        if known is None:
            raise Invalid(
                f"feature {feature.name} has no {word} in the statistics of {feature_set.name}",
                hint="'$most_frequent' works for any type; or give a constant",
            )
        return Substitute(bool(known >= 0.5) if kind == "b" else known)
    if word:
        raise Invalid(f"impute {feature.name} = {value!r} is not known", hint=f"one of {CHOICES}, or a constant")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {"q": number, "d": number, "b": isinstance(value, bool), "s": isinstance(value, str)}
    if not fits.get(kind, True):
        raise Invalid(
            f"impute {feature.name} = {value!r} is no {types[feature.feature]}", hint=f"a constant of it, or {CHOICES}"
        )
    return Substitute(value)


def _mode(catalog: Catalog, feature_set: FeatureSet, column: str) -> Any:
    """The most frequent value of the whole set; text has one in the statistics."""
    with catalog.read() as cursor:
        return cursor.execute(f"SELECT mode({quote(column)}) FROM {feature_set.table}").fetchall()[0][0]


def _statistics(catalog: Catalog, feature_set: FeatureSet) -> dict[str, dict[str, Any]]:
    with catalog.read() as cursor:
        rows = table.statistics_of(cursor, feature_set.id)
    by_column: dict[str, list[table.StatisticsRow]] = {}
    for row in rows:
        by_column.setdefault(row.column, []).append(row)
    return {column: _merged(own) for column, own in by_column.items()}


def _merged(rows: Sequence[table.StatisticsRow]) -> dict[str, Any]:
    """Of one column over all ingests."""
    numbers = [row for row in rows if row.mean is not None and row.present]
    tops = [row for row in rows if row.top]
    merged: dict[str, Any] = {"top": max(tops, key=lambda row: row.present).top[0] if tops else None}
    if numbers:
        total = sum(row.present for row in numbers)
        merged["mean"] = sum(row.mean * row.present for row in numbers) / total
        merged["min"] = min(row.min for row in numbers)
        merged["max"] = max(row.max for row in numbers)
        merged["median"] = _median(numbers)
    return merged


def _median(rows: Sequence[table.StatisticsRow]) -> float | None:
    """Where half of all rows lie below: each ingest is taken as straight lines between its stored quantiles."""
    known = [row for row in rows if row.quantiles]
    if len(known) == 1:
        return float(known[0].quantiles[len(known[0].quantiles) // 2])
    if not known:
        return None
    half = sum(row.present for row in known) / 2
    low, high = min(row.min for row in known), max(row.max for row in known)
    for _ in range(64):
        middle = (low + high) / 2
        if sum(row.present * _below(row, middle) for row in known) < half:
            low = middle
        else:
            high = middle
    return high


def _below(row: table.StatisticsRow, value: float) -> float:
    """The part of an ingest's values that is not above ``value``."""
    points = [row.min, *row.quantiles, row.max]
    parts = [0.0, *QUANTILES, 1.0]
    place = bisect_right(points, value)
    if place == 0:
        return 0.0
    if place == len(points):
        return 1.0
    width = points[place] - points[place - 1]
    return parts[place - 1] + (parts[place] - parts[place - 1]) * (value - points[place - 1]) / width
