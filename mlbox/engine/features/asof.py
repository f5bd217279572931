"""Point-in-time retrieval: from a declaration to SQL. Pure text; nothing is executed here.

For each row of the spine and each set, the value is that of the latest row whose time (known-at where declared, else
event time) is not later than the spine row's time, unless it is older than the set's TTL. Among rows of one time the
later event wins, then the later ingested. ASOF alone picks arbitrarily among equals, so sets are made unique first.

Windows of a set whose rows keep coming (``fed``) are computed at the spine row's time, as online at that of reading:
between two events they lose rows.

An entity that the spine does not have comes from a feature of another set, as of the same time: sets are joined in an
order in which it is known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mlbox.base.errors import NotExecuted
from mlbox.base.names import quote
from mlbox.engine.features.definition import SEQUENCE, FeatureSet, VectorFeature, interval
from mlbox.engine.features.frames import AXIS
from mlbox.engine.features.streaming.rows import values_at_sql

CARRIED = 3
"""So many features of a set are sorted with its keys; of more only the place of the row, and then they are fetched."""
Wanted = Sequence[tuple[FeatureSet, Sequence[VectorFeature]]]
Links = Mapping[str, Mapping[str, tuple[str, str]]]
"""By id of a set and entity: the id of the set, and the feature in it, whose value the entity is."""


@dataclass(frozen=True, slots=True)
class Spine:
    """Rows to complete: ``relation`` can follow FROM, ``time`` is the column of their instants."""

    relation: str
    time: str


def unique_rows(feature_set: FeatureSet, columns: Sequence[str], *, known: bool = False, place: bool = False) -> str:
    """The set with one row for each (entities, time); where that is ``known`` of it, nothing is to be done for it.

    With ``place`` also where the row stands, as ``_row``.
    """
    keys = [quote(name) for name in [*feature_set.entity_names, feature_set.axis]]
    chosen = [*keys, *(quote(name) for name in columns), *(["rowid AS _row"] if place else [])]
    wanted = ", ".join(dict.fromkeys(chosen))
    if known:
        return f"SELECT {wanted} FROM {feature_set.table}"
    order = f"{quote(feature_set.timestamp)} DESC, {SEQUENCE} DESC"
    return (
        f"SELECT {wanted} FROM {feature_set.table} "
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY {order}) = 1"
    )


def value(
    feature_set: FeatureSet, alias: str, column: str, time: str, moving: str | None = None, fetched: str | None = None
) -> str:
    """A feature of the joined row, NULL when it is older than the TTL at ``time`` (SQL).

    ``moving`` is its value at ``time`` where that may be another; an entity without a row has none either. ``fetched``
    is the alias of the row where it is not that of its keys.
    """
    found = moving or f"{fetched or alias}.{quote(column)}"
    if feature_set.ttl is None:
        return found if moving is None else f"CASE WHEN {alias}.{quote(feature_set.axis)} IS NOT NULL THEN {found} END"
    fresh = f"{alias}.{quote(feature_set.axis)} >= {time} - {interval(feature_set.ttl)}"
    return f"CASE WHEN {fresh} THEN {found} END"


def _moving(feature_set: FeatureSet, features: Sequence[VectorFeature]) -> set[str]:
    """The wanted features whose value changes while no row comes."""
    windows = {window.name for window in feature_set.windows} if feature_set.fed else set()
    return windows & {feature.feature for feature in features}


def _windows_join(feature_set: FeatureSet, spine: Spine, alias: str, time: str) -> str:
    """The values of all windows at the spine's times."""
    keys = ", ".join(f"CAST(_spine.{quote(name)} AS {kind}) AS {quote(name)}" for name, kind in feature_set.entities)
    probes = f"(SELECT DISTINCT {keys}, {time} AS {AXIS} FROM {spine.relation} AS _spine)"
    equal = " AND ".join(f"_spine.{quote(name)} = {alias}.{quote(name)}" for name in feature_set.entity_names)
    return f"LEFT JOIN ({values_at_sql(feature_set, probes)}) AS {alias} ON {equal} AND {time} = {alias}.{AXIS}"


def ties(feature_set: FeatureSet) -> str:
    """Whether a set has two rows of the same entities and time (SQL): it needs the keys only, not the features."""
    keys = ", ".join(quote(name) for name in [*feature_set.entity_names, feature_set.axis])
    return f"SELECT EXISTS (SELECT 1 FROM {feature_set.table} GROUP BY {keys} HAVING count(*) > 1)"


def retrieval(
    spine: Spine,
    wanted: Wanted,
    order: Sequence[str] = (),
    links: Links | None = None,
    unique: Collection[str] = (),
) -> str:
    """The spine's columns, then the features by name in ``order``; without it set by set.

    ``unique`` are the ids of sets that are known to have one row for each entities and time.
    """
    links = links or {}
    time = f"CAST(_spine.{quote(spine.time)} AS TIMESTAMPTZ)"
    given = {used for own in links.values() for used in own.values()}
    aliases = {feature_set.id: f"_set{number}" for number, (feature_set, _) in enumerate(wanted)}
    sets = {feature_set.id: feature_set for feature_set, _ in wanted}
    values: dict[str, str] = {}
    joins: list[str] = []
    for feature_set, features in wanted:
        handed = [feature for set_id, feature in sorted(given) if set_id == feature_set.id]
        if not features and not handed:
            continue
        alias = aliases[feature_set.id]
        late = len(features) > CARRIED and "rowid" not in map(str.lower, feature_set.columns)
        needed = [*([] if late else [feature.feature for feature in features]), *handed]
        rows = unique_rows(feature_set, needed, known=feature_set.id in unique, place=late)
        equal = []
        for name in feature_set.entity_names:
            source = links.get(feature_set.id, {}).get(name)
            known = f"_spine.{quote(name)}"
            if source is not None:
                known = value(sets[source[0]], aliases[source[0]], source[1], time)
            equal.append(f"{known} = {alias}.{quote(name)}")
        condition = f"{' AND '.join(equal)} AND {time} >= {alias}.{quote(feature_set.axis)}"
        joins.append(f"ASOF LEFT JOIN ({rows}) AS {alias} ON {condition}")
        fetched = f"{alias}v" if late else None
        if late:
            joins.append(f"LEFT JOIN {feature_set.table} AS {fetched} ON {fetched}.rowid = {alias}._row")
        moving = _moving(feature_set, features)
        if moving:
            if feature_set.id in links:
                raise NotExecuted(
                    f"windows of {feature_set.name} that roll on with time cannot hang on another set yet",
                    hint="give the spine the entity, and take the relation out of the vector",
                )
            joins.append(_windows_join(feature_set, spine, f"{alias}w", time))
        for feature in features:
            found = f"{alias}w.{quote(feature.feature)}" if feature.feature in moving else None
            text = value(feature_set, alias, feature.feature, time, found, fetched)
            values[feature.name] = f"{text} AS {quote(feature.name)}"
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
