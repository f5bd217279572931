"""Rows as they come, made rows of the set: converted, checked, each wrong one with its reason. As SQL over
``_mlbox_given``.

Rows come as Arrow columns by name, or as one column ``_mlbox_json`` with an object a row. What the set does not know is
left out; what is missing is NULL or the column's DEFAULT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from mlbox.base.names import JSON_COLUMN, PART_COLUMN, RESERVED_COLUMNS, literal, quote
from mlbox.engine.features.aggregates import call, expression
from mlbox.engine.features.definition import SEQUENCE, Feature, FeatureSet, interval
from mlbox.engine.features.frames import AXIS, frame_sql

GIVEN = f"{RESERVED_COLUMNS}given"
JSON = JSON_COLUMN
"""The column of rows that come as JSON objects."""
PART = PART_COLUMN
"""The column with the part of the stream that a row is from, where it has several."""
REASON, NUMBER, TEXT = f"{RESERVED_COLUMNS}reason", f"{RESERVED_COLUMNS}n", f"{RESERVED_COLUMNS}text"
"""Why a row is refused (NULL: it is not), its place among those given, and how it looked (refused ones only)."""
SINCE, OLD, KEPT = f"{RESERVED_COLUMNS}since", f"{RESERVED_COLUMNS}old", f"{RESERVED_COLUMNS}kept"
"""The earliest time of an entity's new rows, values before, and whether a row is of the table."""
CONVERTED = f"{RESERVED_COLUMNS}converted"
"""Which column of the row is not of its type."""
TIME = "TIMESTAMP WITH TIME ZONE"
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Units in which event times may come as numbers, in microseconds."""
_SCALARS = ("STRUCT", "MAP", "UNION", "VARIANT", "JSON")


class Names(Protocol):
    """The columns that rows come with, such as an Arrow schema."""

    @property
    def names(self) -> list[str]:
        """In their order."""


def plain_features(feature_set: FeatureSet) -> list[Feature]:
    """Features that come with the rows."""
    windows = {window.name for window in feature_set.windows}
    return [feature for feature in feature_set.features if feature.name not in windows]


def typed_columns(feature_set: FeatureSet) -> list[tuple[str, str]]:
    """All that comes with a row, with its type."""
    own = [*feature_set.entities, *((name, TIME) for name in feature_set.times)]
    return own + [(feature.name, feature.type) for feature in plain_features(feature_set)]


def prepare_sql(feature_set: FeatureSet, given: Names, unit: str | None) -> str:
    """``NUMBER``, ``REASON``, ``TEXT`` and the columns of the set, from ``GIVEN``, in its order."""
    whole = quote(JSON) if JSON in given.names else f"to_json({GIVEN})::VARCHAR"
    checked = checked_sql(feature_set, given, unit, f"row_number() OVER () - 1 AS {NUMBER}, {whole} AS {TEXT}")
    names = ", ".join(quote(name) for name, _ in typed_columns(feature_set))
    return (
        f"SELECT {NUMBER}, {REASON}, CASE WHEN {REASON} IS NOT NULL THEN {TEXT} END AS {TEXT}, {names} "
        f"FROM ({checked}) ORDER BY {NUMBER}"
    )


def checked_sql(feature_set: FeatureSet, given: Names, unit: str | None, more: str) -> str:
    """``REASON``, the columns of the set and those that ``more`` names (SQL over ``GIVEN``), from ``GIVEN``."""
    columns = typed_columns(feature_set)
    raws = _raws(feature_set, columns, given)
    inner = ", ".join([more, *(f"{raws[name]} AS {_raw(name)}" for name, _ in columns if name in raws)])
    defaults = {feature.name: feature.default for feature in plain_features(feature_set)}
    values = [
        f"{_value(feature_set, name, kind, defaults.get(name), name in raws, unit)} AS {quote(name)}"
        for name, kind in columns
    ]
    bad = _conversions(columns, raws, given)
    values.append(f"CASE {' '.join(bad)} END AS {CONVERTED}" if bad else f"NULL::VARCHAR AS {CONVERTED}")
    raw = ", ".join(_raw(name) for name, _ in columns if name in raws)
    left = f" EXCLUDE ({CONVERTED}{', ' + raw if raw else ''})"
    reason = f"coalesce({CONVERTED}, CASE {' '.join(_rules(feature_set))} END) AS {REASON}"
    return f"SELECT *{left}, {reason} FROM (SELECT *, {', '.join(values)} FROM (SELECT {inner} FROM {GIVEN}))"


def _raw(name: str) -> str:
    """The column of what a column came as."""
    return quote(f"{RESERVED_COLUMNS}raw_{name}")


def _raws(feature_set: FeatureSet, columns: Sequence[tuple[str, str]], given: Names) -> dict[str, str]:
    """Where the value of each column is found."""
    if JSON in given.names:
        raws = {}
        for name, kind in columns:
            path = literal("$." + '"' + name.replace('"', '\\"') + '"')
            nested = kind.upper().startswith(_SCALARS) or kind.endswith("]")
            raws[name] = f"{'json_extract' if nested else 'json_extract_string'}({quote(JSON)}, {path})"
        return raws
    known = {name.lower(): name for name in given.names}
    return {name: quote(known[name.lower()]) for name, _ in columns if name.lower() in known}


def _value(feature_set: FeatureSet, name: str, kind: str, default: str | None, present: bool, unit: str | None) -> str:
    raw = _raw(name)
    found = f"TRY_CAST({raw} AS {kind})" if present else f"CAST(NULL AS {kind})"
    if present and name in feature_set.times and unit is not None:
        number = f"TRY_CAST(TRY_CAST({raw} AS DOUBLE) * {UNITS[unit]} AS BIGINT)"
        found = f"coalesce(make_timestamptz({number}), TRY_CAST({raw}::VARCHAR AS {kind}))"
    return found if default is None else f"coalesce({found}, CAST({default} AS {kind}))"


def _conversions(columns: Sequence[tuple[str, str]], raws: Mapping[str, str], given: Names) -> list[str]:
    told = []
    if JSON in given.names:
        told.append(f"WHEN NOT coalesce(json_valid({TEXT}), FALSE) THEN 'the row is not JSON'")
        told.append(f"WHEN json_type({TEXT}) <> 'OBJECT' THEN 'the row is not a JSON object'")
    for name, kind in columns:
        if name in raws:
            raw = _raw(name)
            shown = f"left({raw}::VARCHAR, 100)"
            told.append(
                f"WHEN {raw} IS NOT NULL AND {quote(name)} IS NULL THEN "
                f"{literal(f'{name} is not of type {kind}: ')} || {shown}"
            )
    return told


def _rules(feature_set: FeatureSet) -> list[str]:
    rules = [
        f"WHEN {quote(name)} IS NULL THEN {literal(f'{what} {name} is missing')}"
        for what, names in (("entity", feature_set.entity_names), ("time", feature_set.times))
        for name in names
    ]
    windows = [window.name for window in feature_set.windows]
    for feature in plain_features(feature_set):
        if feature.not_null:
            rules.append(
                f"WHEN {quote(feature.name)} IS NULL THEN {literal(f'{feature.name} is NOT NULL and missing')}"
            )
        if feature.check and not any(re.search(rf"\b{re.escape(name)}\b", feature.check, re.I) for name in windows):
            told = literal(f"CHECK ({feature.check}) is false")
            rules.append(f"WHEN NOT TRY((\n{feature.check}\n)::BOOLEAN) THEN {told}")
    return rules


def recompute_sql(feature_set: FeatureSet, rows: str, since: str) -> str:
    """Rows of some entities with the values of all windows: the new ones, and those that they change.

    ``rows`` are new rows with ``NUMBER``; ``since`` has the entities with the earliest time of their new rows
    (``SINCE``). Rows that stand in the table come with their sequence, and only when a value changes.
    """
    keys = ", ".join(quote(name) for name in feature_set.entity_names)
    axis = quote(feature_set.axis)
    plain = ", ".join(quote(name) for name, _ in typed_columns(feature_set))
    windows = [quote(window.name) for window in feature_set.windows]
    reach = interval(max(window.seconds for window in feature_set.windows))
    old = ", ".join(f"{name} AS {quote(f'{OLD}{n}')}" for n, name in enumerate(windows))
    nothing = ", ".join(f"NULL AS {quote(f'{OLD}{n}')}" for n in range(len(windows)))
    values = ", ".join(
        f"{expression(window, feature_set.entity_names, feature_set.timestamp)} AS {quote(window.name)}"
        for window in feature_set.windows
    )
    kinds = {feature.name: feature.type for feature in feature_set.features}
    typed = ", ".join(
        f"CAST({name} AS {kinds[w.name]}) AS {name}" for name, w in zip(windows, feature_set.windows, strict=True)
    )
    changed = " OR ".join(
        f"CAST({name} AS {kinds[w.name]}) IS DISTINCT FROM {quote(f'{OLD}{n}')}"
        for n, (name, w) in enumerate(zip(windows, feature_set.windows, strict=True))
    )
    return f"""
        SELECT {plain}, {typed}, {SEQUENCE}, {NUMBER} FROM (
            SELECT *, {values} FROM (
                SELECT {plain}, {old}, {SEQUENCE}, NULL::BIGINT AS {NUMBER}, {axis} AS {AXIS}, {SINCE}
                FROM {feature_set.table} JOIN {since} USING ({keys}) WHERE {axis} >= {SINCE} - {reach}
                UNION ALL BY NAME
                SELECT {plain}, {nothing}, NULL::BIGINT AS {SEQUENCE}, {NUMBER}, {axis} AS {AXIS}, {SINCE}
                FROM {rows} JOIN {since} USING ({keys})
            )
        ) WHERE {AXIS} >= {SINCE} AND ({NUMBER} IS NOT NULL OR {changed})
        """


def values_at_sql(feature_set: FeatureSet, probes: str, more: Sequence[str] = ()) -> str:
    """Values of all windows at any time: a row for each of ``probes`` (entities, ``_axis``, the columns ``more``)."""
    keys = ", ".join(quote(name) for name in feature_set.entity_names)
    axis = quote(feature_set.axis)
    inputs = {quote(w.column) for w in feature_set.windows if w.column != "*"} | {quote(feature_set.timestamp)}
    inputs -= {quote(name) for name in feature_set.entity_names}
    kept = ", ".join([keys, *sorted(inputs)])
    partition = f"PARTITION BY {keys} ORDER BY {AXIS}"
    values = ", ".join(
        f"{call(window, feature_set.timestamp, where=KEPT)} OVER ({partition} {frame_sql(window)}) "
        f"AS {quote(window.name)}"
        for window in feature_set.windows
    )
    others = "".join(f", {name}" for name in more)
    return f"""
        SELECT {keys}, {AXIS}{others}, {", ".join(quote(window.name) for window in feature_set.windows)} FROM (
            SELECT *, {values} FROM (
                SELECT {kept}, {axis} AS {AXIS}, TRUE AS {KEPT} FROM {feature_set.table}
                SEMI JOIN (SELECT DISTINCT {keys} FROM {probes}) USING ({keys})
                UNION ALL BY NAME
                SELECT {keys}, {AXIS}{others}, FALSE AS {KEPT} FROM {probes}
            )
        ) WHERE NOT {KEPT}
        """
