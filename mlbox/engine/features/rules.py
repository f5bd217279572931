"""The rules of a set's rows, checked all at once where the rows stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.base.names import literal, quote
from mlbox.engine.catalog.tables import feature_checks, refused_rows
from mlbox.engine.catalog.tables.feature_checks import CheckRow
from mlbox.engine.features.definition import SEQUENCE, FeatureSet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Rule:
    """``broken`` is SQL that is true for a row that breaks it, ``reason`` what is told then; ``column`` is what must be
    there, where that is the rule."""

    broken: str
    reason: str
    column: str | None = None

    @property
    def count(self) -> str:
        """SQL of how many rows break it."""
        if self.column is not None:  # DuckDB knows how many values there are without looking at them
            return f"count(*) - count({self.column})"
        return f"count(*) FILTER ({self.broken})"


@dataclass(frozen=True, slots=True)
class Place:
    """Rows of one part of a source by their sequences, ``first`` to ``last``; row 1 of the part has ``first``."""

    part: str
    first: int
    last: int


def rules_of(feature_set: FeatureSet) -> list[Rule]:
    """Keys and times must be there, and what NOT NULL and CHECK ask for."""
    rules = [_present(name, f"entity {name} is missing") for name in feature_set.entity_names]
    rules += [_present(name, f"time {name} is missing") for name in feature_set.times]
    for feature in feature_set.features:
        if feature.not_null:
            rules.append(_present(feature.name, f"{feature.name} is NOT NULL and missing"))
        if feature.check:
            rules.append(Rule(f"NOT ((\n{feature.check}\n)::BOOLEAN)", f"CHECK ({feature.check}) is false"))
    return rules


def _present(name: str, reason: str) -> Rule:
    return Rule(f"{quote(name)} IS NULL", reason, quote(name))


def enforce(cursor: DuckDBPyConnection, feature_set: FeatureSet, new: str, places: Sequence[Place] = ()) -> int:
    """Rows that were left out, where the set skips wrong ones; else ``Invalid`` tells the first and how many."""
    rules = rules_of(feature_set)
    counts = ", ".join(rule.count for rule in rules)
    found = cursor.execute(f"SELECT {counts} FROM {feature_set.table} WHERE {new}").fetchall()[0]
    broken = [(count, rule) for count, rule in zip(found, rules, strict=True) if count]
    if not broken:
        return 0
    if feature_set.skip_errors:
        anything = " OR ".join(f"coalesce({rule.broken}, FALSE)" for _, rule in broken)
        if feature_set.quarantine:
            reasons = " ".join(f"WHEN {rule.broken} THEN {literal(rule.reason)}" for _, rule in broken)
            whole = "{" + ", ".join(f"{literal(name)}: {quote(name)}" for name in feature_set.columns) + "}"
            select = (
                f"SELECT CASE {reasons} END, to_json({whole})::VARCHAR, NULL FROM {feature_set.table} "
                f"WHERE {new} AND ({anything})"
            )
            refused_rows.insert(cursor, feature_set, None, "", select)
        deleted: int = cursor.execute(f"DELETE FROM {feature_set.table} WHERE {new} AND ({anything})").fetchall()[0][0]
        return deleted
    count, rule = broken[0]
    names = ", ".join(quote(name) for name in feature_set.columns)
    sequence, *values = cursor.execute(
        f"SELECT {SEQUENCE}, {names} FROM {feature_set.table} WHERE {new} AND {rule.broken} ORDER BY {SEQUENCE} LIMIT 1"
    ).fetchall()[0]
    row = dict(zip(feature_set.columns, ("NULL" if value is None else str(value) for value in values), strict=True))
    shown = ", ".join(f"{name} = {value}" for name, value in row.items())
    place = next((place for place in places if place.first <= sequence <= place.last), None)
    where = told(place, sequence) if place is not None else ""
    raise Invalid(
        f"{rule.reason} in {count:,} row{'s' if count > 1 else ''} of feature set {feature_set.name}, "
        f"{f'first in {where}' if where else 'such as'} ({shown}); nothing was stored",
        hint="mend the rows, or put such ones aside: ON ERROR QUARANTINE",
        details={"count": count, "example": row, "place": where},
    )


def count_checks(
    cursor: DuckDBPyConnection,
    feature_set: FeatureSet,
    ingest: str,
    new: str,
    since: datetime,
    *,
    enforced: bool = False,
) -> list[CheckRow]:
    """How many of the rows for which ``new`` is true break each check; of an error, how many were put aside.

    Where rules were ``enforced`` no row breaks one that is an error.
    """
    checked = [("error", one, one.check) for one in feature_set.features if one.check]
    checked += [(severity, one, text) for one in feature_set.features for severity, text in one.watches]
    if not checked:
        return []
    aside = feature_checks.put_aside(cursor, feature_set.id, since) if feature_set.quarantine else {}
    counts = "".join(
        ", 0" if enforced and severity == "error" else f", count(*) FILTER (NOT TRY((\n{text}\n)::BOOLEAN))"
        for severity, _, text in checked
    )
    rows, *broken = cursor.execute(f"SELECT count(*){counts} FROM {feature_set.table} WHERE {new}").fetchall()[0]
    at = now()
    return [
        CheckRow(
            ingest_id=ingest,
            set_id=feature_set.id,
            project=feature_set.project,
            feature_set=feature_set.name,
            version=feature_set.version,
            column_name=one.name,
            condition=text,
            severity=severity,
            broken=count + (aside.get(f"CHECK ({text}) is false", 0) if severity == "error" else 0),
            rows=rows,
            checked_at=at,
        )
        for (severity, one, text), count in zip(checked, broken, strict=True)
    ]


def told(place: Place, sequence: int) -> str:
    """``row 7 of tx.csv``."""
    number = f"row {sequence - place.first + 1:,}"
    return f"{number} of {place.part}" if place.part else number
