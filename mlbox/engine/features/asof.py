"""Point-in-time retrieval: from a declaration to SQL. Pure text; nothing is executed here.

For each row of the spine and each set, the value is that of the latest row whose time (known-at where declared, else
event time) is not later than the spine row's time, unless it is older than the set's TTL. Among rows of one time the
later event wins, then the later ingested. ASOF alone picks arbitrarily among equals, so sets are made unique first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlbox.base.names import quote
from mlbox.engine.features.definition import SEQUENCE, FeatureSet, VectorFeature, interval


@dataclass(frozen=True, slots=True)
class Spine:
    """Rows to complete: ``relation`` can follow FROM, ``time`` is the column of their instants."""

    relation: str
    time: str


def unique_rows(feature_set: FeatureSet, columns: Sequence[str]) -> str:
    """The set with one row for each (entities, time)."""
    keys = [quote(name) for name in [*feature_set.entity_names, feature_set.axis]]
    wanted = ", ".join(dict.fromkeys([*keys, *(quote(name) for name in columns)]))
    order = f"{quote(feature_set.timestamp)} DESC, {SEQUENCE} DESC"
    return (
        f"SELECT {wanted} FROM {feature_set.table} "
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY {order}) = 1"
    )


def value(feature_set: FeatureSet, alias: str, column: str, time: str) -> str:
    """A feature of the joined row, NULL when it is older than the TTL at ``time`` (SQL)."""
    found = f"{alias}.{quote(column)}"
    if feature_set.ttl is None:
        return found
    fresh = f"{alias}.{quote(feature_set.axis)} >= {time} - {interval(feature_set.ttl)}"
    return f"CASE WHEN {fresh} THEN {found} END"


def retrieval(
    spine: Spine, wanted: Sequence[tuple[FeatureSet, Sequence[VectorFeature]]], order: Sequence[str] = ()
) -> str:
    """The spine's columns, then the features by name in ``order``; without it set by set."""
    time = f"CAST(_spine.{quote(spine.time)} AS TIMESTAMPTZ)"
    values: dict[str, str] = {}
    joins: list[str] = []
    for number, (feature_set, features) in enumerate(wanted):
        if not features:
            continue
        alias = f"_set{number}"
        rows = unique_rows(feature_set, [feature.feature for feature in features])
        equal = " AND ".join(f"_spine.{quote(name)} = {alias}.{quote(name)}" for name in feature_set.entity_names)
        joins.append(f"ASOF LEFT JOIN ({rows}) AS {alias} ON {equal} AND {time} >= {alias}.{quote(feature_set.axis)}")
        for feature in features:
            values[feature.name] = f"{value(feature_set, alias, feature.feature, time)} AS {quote(feature.name)}"
    columns = ["_spine.*", *(values[name] for name in order or values if name in values)]
    return f"SELECT {', '.join(columns)} FROM {spine.relation} AS _spine {' '.join(joins)}"


def newest(feature_set: FeatureSet, condition: str, features: Sequence[str] | None = None) -> str:
    """The newest row of each entity among those that meet ``condition``, in the order of the entities.

    Entities, known-at and event time (µs), sequence, then ``features`` (SQL over the columns; without it as they are).
    """
    names = [quote(name) for name in feature_set.entity_names]
    keys = ", ".join(names)
    order = f"{quote(feature_set.axis)} DESC, {quote(feature_set.timestamp)} DESC, {SEQUENCE} DESC"
    times = [f"epoch_us({quote(name)})" for name in (feature_set.axis, feature_set.timestamp)]
    values = [quote(feature.name) for feature in feature_set.features] if features is None else features
    selected = [f"{text} AS _{number}" for number, text in enumerate([*names, *times, SEQUENCE, *values])]
    first = ", ".join(str(number + 1) for number in range(len(names)))
    return (
        f"SELECT {', '.join(selected)} FROM {feature_set.table} WHERE {condition} "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {order}) = 1 ORDER BY {first}"
    )
