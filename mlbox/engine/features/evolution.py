"""How a set changes: the definition that follows from a change, and its rows from the rows that are there.

A column that comes and a type that grows break nothing. Whatever takes something away from those who read the set asks
for the words NEW VERSION. Either way the next version is made of the rows of the last one, which stays readable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mlbox.base.errors import AlreadyExists, Conflict, Invalid, NotFound
from mlbox.base.ids import new_id
from mlbox.base.names import check_name, quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.building import default_text, watches_of
from mlbox.engine.features.commands import AlterFeatureSet
from mlbox.engine.features.definition import Feature, FeatureSet

_WIDER = {
    "TINYINT": ("SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE"),
    "SMALLINT": ("INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE"),
    "INTEGER": ("BIGINT", "HUGEINT", "DOUBLE"),
    "BIGINT": ("HUGEINT",),
    "UTINYINT": ("SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE"),
    "USMALLINT": ("INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE"),
    "UINTEGER": ("BIGINT", "HUGEINT", "UBIGINT", "DOUBLE"),
    "UBIGINT": ("HUGEINT",),
    "FLOAT": ("DOUBLE",),
    "DATE": ("TIMESTAMP",),
}
"""Types that hold every value of another one."""
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)\Z")


@dataclass(frozen=True, slots=True)
class Evolved:
    """The next version, its columns as SQL over the table of the last one, and what the change breaks, if anything."""

    definition: FeatureSet
    values: dict[str, str]
    breaks: str | None
    told: str


def evolved(found: FeatureSet, command: AlterFeatureSet, version: int, kind: str | None) -> Evolved:
    """What becomes of ``found``; ``kind`` is the type that the command gives, as DuckDB calls it."""
    if found.fed and found.windows:
        raise Conflict(
            f"feature set {found.name} keeps windows up with a stream, and cannot change under it",
            hint="CREATE OR REPLACE FEATURE SET makes a new version, which takes rows from then on",
        )
    values = {name: quote(name) for name in found.columns}
    following = replace(found, version=version, id=new_id())
    if command.action == "add":
        return _added(following, command, kind or "", values)
    feature = _feature(found, command.name or "")
    if command.action == "type":
        widened = replace(feature, type=kind or feature.type)
        values[feature.name] = f"CAST({quote(feature.name)} AS {widened.type})"
        breaks = None if is_wider(feature.type, widened.type) else f"{feature.type} holds more than {widened.type}"
        told = f"{feature.name} from {feature.type} to {widened.type}"
        return Evolved(_with(following, feature, widened), values, breaks, told)
    _refuse_used(found, feature)
    del values[feature.name]
    if command.action == "drop":
        if len(found.features) == 1:
            raise Conflict(f"{feature.name} is the only feature of {found.name}", hint="DROP FEATURE SET drops it all")
        gone = replace(following, features=tuple(one for one in found.features if one != feature))
        return Evolved(gone, values, f"{feature.name} is gone then", f"without {feature.name}")
    name = _free(found, command.new_name or "")
    values[name] = quote(feature.name)
    renamed = _with(following, feature, replace(feature, name=name))
    if found.body is not None and found.engine == "duckdb":
        select = f"SELECT * RENAME ({quote(feature.name)} AS {quote(name)}) FROM (\n{found.body}\n)"
        renamed = replace(renamed, body=select)
    elif found.refreshable:
        renamed = replace(renamed, adapted=(*found.adapted, (feature.name, name)))
    return Evolved(renamed, values, f"{feature.name} is {name} then", f"{feature.name} as {name}")


def _added(following: FeatureSet, command: AlterFeatureSet, kind: str, values: dict[str, str]) -> Evolved:
    column = command.column
    if column is None:
        raise Invalid("ADD COLUMN needs a column")
    name = _free(following, column.name)
    default = default_text(column)
    if column.not_null and default is None:
        raise Invalid(
            f"column {name} is NOT NULL, and the rows that are there have no value for it",
            hint=f"ADD COLUMN {name} {kind} DEFAULT .. NOT NULL",
        )
    check = column.check.text if column.check else None
    feature = Feature(name, kind, column.not_null, check, default, None, column.comment, watches_of(column))
    values[name] = f"CAST({default or 'NULL'} AS {kind})"
    grown = replace(following, features=(*following.features, feature))
    if following.source is not None and not following.fed:
        grown = replace(grown, adapted=(*following.adapted, ("", name)))
    return Evolved(grown, values, None, f"with {name} {kind}")


def with_added(grown: FeatureSet, produced: list[str]) -> FeatureSet:
    """A set whose query does not give the new column: the query is completed with NULL, which becomes the DEFAULT."""
    name = grown.features[-1].name
    if grown.body is None or name.lower() in (column.lower() for column in produced):
        return grown
    return replace(grown, body=f"SELECT *, NULL AS {quote(name)} FROM (\n{grown.body}\n)")


def adapted_sql(feature_set: FeatureSet, body: str, names: list[str]) -> str:
    """Rows of a source as the set has known them since it changed: columns renamed, and those that came later."""
    folded = {name.lower() for name in names}
    for old, new in feature_set.adapted:
        if new.lower() in folded:
            continue
        if old and old.lower() in folded:
            body = f"SELECT * RENAME ({quote(old)} AS {quote(new)}) FROM (\n{body}\n)"
            folded.discard(old.lower())
        elif not old:
            body = f"SELECT *, NULL AS {quote(new)} FROM (\n{body}\n)"
        folded.add(new.lower())
    return body


def is_wider(old: str, new: str) -> bool:
    """Whether ``new`` holds every value of ``old``."""
    if old == new or new in _WIDER.get(old, ()):
        return True
    before, after = _DECIMAL.match(old), _DECIMAL.match(new)
    if before and after:
        whole, scale = int(after[1]) - int(after[2]), int(after[2])
        return whole >= int(before[1]) - int(before[2]) and scale >= int(before[2])
    return False


def _feature(found: FeatureSet, name: str) -> Feature:
    for feature in found.features:
        if feature.name.lower() == name.lower():
            if feature.aggregate is not None:
                raise Conflict(
                    f"{feature.name} is a window aggregate: {feature.aggregate}",
                    hint="CREATE OR REPLACE FEATURE SET changes windows",
                )
            return feature
    known = [feature.name for feature in found.features]
    if name.lower() in (column.lower() for column in found.columns):
        raise Conflict(
            f"{name} is a key or a time of feature set {found.name}", hint="CREATE OR REPLACE FEATURE SET changes those"
        )
    raise NotFound(f"feature set {found.name} has no feature {name!r}", hint=did_you_mean(name, known))


def _free(found: FeatureSet, name: str) -> str:
    check_name(name, "column")
    if name.lower() in (column.lower() for column in found.columns):
        raise AlreadyExists(f"feature set {found.name} has a column {name} already", hint="choose another name")
    return name


def _refuse_used(found: FeatureSet, feature: Feature) -> None:
    word = re.compile(rf"\b{re.escape(feature.name)}\b", re.I)
    for window in found.windows:
        if window.column.lower() == feature.name.lower():
            raise Conflict(f"window {window.name} aggregates {feature.name}", hint="CREATE OR REPLACE FEATURE SET …")
    for one in found.features:
        for check in (*([one.check] if one.check else []), *(condition for _, condition in one.watches)):
            if word.search(check):
                raise Conflict(f"CHECK ({check}) names {feature.name}", hint="CREATE OR REPLACE FEATURE SET …")


def _with(following: FeatureSet, old: Feature, new: Feature) -> FeatureSet:
    return replace(following, features=tuple(new if one == old else one for one in following.features))
