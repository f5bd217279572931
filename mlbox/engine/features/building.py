"""From the command to the definition of a feature set: every column is found and typed before anything is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.errors import Invalid, NotExecuted
from mlbox.base.ids import new_id
from mlbox.base.names import check_name, literal, quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.aggregates import declared, expression
from mlbox.engine.features.commands import Column, CreateFeatureSet
from mlbox.engine.features.definition import SEQUENCE, Feature, FeatureSet, WindowColumn

if TYPE_CHECKING:
    Describe = Callable[[str, Query], list[tuple[str, str]]]

OPTIONS = {"online": ("auto", "manual"), "on_error": ("fail", "skip"), "defer": (True, False)}
"""Options of the WITH clause that mean something here; others are kept as notes of the owner."""
TIME = "TIMESTAMP WITH TIME ZONE"


def build(command: CreateFeatureSet, version: int, describe: Describe) -> FeatureSet:
    """The definition; raises ``Invalid`` for what does not fit the query."""
    check_name(command.ref.name, "feature set name")
    _refuse_later(command)
    options = _options(command)
    entities = [column for column in command.columns if column.role == "entity"]
    timestamp = _single(command.columns, "timestamp")
    known_at = _single(command.columns, "known_at")
    if timestamp is None:
        raise Invalid(
            f"feature set {command.ref.name} has no event time", hint="add TIMESTAMP column to its columns"
        )
    produced = dict(describe(command.ref.project, command.query)) if command.query else {}
    windows = declared(command.aggregates)
    draft = FeatureSet(
        project=command.ref.project,
        name=command.ref.name,
        version=version,
        id=new_id(),
        entities=tuple((column.name, _type(column, produced, command)) for column in entities),
        timestamp=timestamp.name,
        known_at=known_at.name if known_at else None,
        features=(),
        windows=windows,
        ttl=command.ttl.total_seconds() if command.ttl is not None else None,
        store=command.store,
        online_by_hand=options.get("online") == "manual",
        skip_errors=options.get("on_error") == "skip",
        body=command.query.text if command.query else None,
        comment=command.comment,
        created_at=now(),
    )
    for column in (timestamp, *([known_at] if known_at else [])):
        _type(column, produced, command)
    features = _features(command, draft, produced)
    if not features and not windows:
        raise Invalid(f"feature set {command.ref.name} has no feature", hint="its query must give more columns")
    features += _window_features(command, replace(draft, features=tuple(features)), describe)
    return replace(draft, features=tuple(features))


def _refuse_later(command: CreateFeatureSet) -> None:
    later = {
        "FROM a source": command.source is not None,
        "TRANSFORM": command.transform is not None,
        "PARTITION BY": bool(command.partition_by),
        f"ENGINE {command.engine}": command.engine != "duckdb",
        f"REFRESH {command.refresh.mode.upper()}": command.refresh.mode != "manual",
    }
    for clause, given in later.items():
        if given:
            raise NotExecuted(
                f"CREATE FEATURE SET … {clause} is part of the language, but this version does not execute it",
                hint="CREATE SCHEDULE … AS REFRESH FEATURE SET … refreshes by the clock"
                if clause.startswith("REFRESH")
                else "AS SELECT … reads tables and files",
            )
    if command.query is None and command.aggregates:
        raise Invalid("AGGREGATE needs the rows of a query", hint="add AS SELECT …")


def _options(command: CreateFeatureSet) -> dict[str, object]:
    for name, allowed in OPTIONS.items():
        if name in command.options and command.options[name] not in allowed:
            raise Invalid(
                f"option {name} = {command.options[name]!r} is not known",
                hint="allowed: " + ", ".join(str(value).lower() for value in allowed),
            )
    return dict(command.options)


def _single(columns: Sequence[Column], role: str) -> Column | None:
    found = [column for column in columns if column.role == role]
    return found[0] if found else None


def _type(column: Column, produced: dict[str, str], command: CreateFeatureSet) -> str:
    """The type of a column: declared, else what the query gives."""
    if command.query is not None:
        name = next((name for name in produced if name.lower() == column.name.lower()), None)
        if name is None:
            raise Invalid(
                f"the query of feature set {command.ref.name} gives no column {column.name!r}",
                hint=did_you_mean(column.name, produced),
                where=command.query.where(0),
            )
        return column.type or produced[name]
    if column.role in ("timestamp", "known_at"):
        return TIME
    if column.type is None:
        raise Invalid(f"column {column.name!r} needs a type, since there is no query to take it from")
    return column.type


def _features(command: CreateFeatureSet, draft: FeatureSet, produced: dict[str, str]) -> list[Feature]:
    """The declared features, else every column of the query that has no other role and is not only aggregated."""
    explicit = [column for column in command.columns if column.role == "feature"]
    if explicit:
        return [
            Feature(
                column.name,
                _type(column, produced, command),
                column.not_null,
                column.check.text if column.check else None,
                _default(column),
                None,
                column.comment,
            )
            for column in explicit
        ]
    taken = {name.lower() for name in (*draft.entity_names, draft.timestamp, draft.known_at or "")}
    taken |= {window.column.lower() for window in draft.windows}
    return [Feature(name, kind) for name, kind in produced.items() if name.lower() not in taken]


def _default(column: Column) -> str | None:
    if not column.has_default:
        return None
    return literal(column.default) if isinstance(column.default, str) else str(column.default)


def _window_features(command: CreateFeatureSet, draft: FeatureSet, describe: Describe) -> list[Feature]:
    """Columns of the window aggregates with the types that DuckDB gives them."""
    if not draft.windows or command.query is None:
        return []
    rows = rows_sql(draft, "TRUE", "TRUE", types=False)
    try:
        kinds = dict(describe(command.ref.project, Query(rows)))
    except Invalid:
        raise
    except Exception as error:
        message = getattr(error, "message", str(error))
        raise Invalid(f"an aggregate of feature set {command.ref.name} does not fit the query: {message}") from None
    return [Feature(window.name, kinds[window.name], aggregate=_told(window)) for window in draft.windows]


def _told(window: WindowColumn) -> str:
    return f"{window.function}({window.column}) over {window.seconds:g} s"


def rows_sql(feature_set: FeatureSet, read: str, keep: str, *, types: bool = True) -> str:
    """The rows of the set: ``read`` limits what the windows see, ``keep`` what comes out (conditions on ``_axis``)."""
    entities, times = feature_set.entity_names, [feature_set.timestamp]
    if feature_set.known_at:
        times.append(feature_set.known_at)
    columns = [quote(name) for name in entities]
    columns += [f"CAST({quote(name)} AS TIMESTAMPTZ) AS {quote(name)}" for name in times]
    windows = {window.name: window for window in feature_set.windows}
    for feature in feature_set.features:
        if feature.name in windows:
            continue
        text = quote(feature.name) if feature.default is None else f"coalesce({quote(feature.name)}, {feature.default})"
        columns.append(f"CAST({text} AS {feature.type}) AS {quote(feature.name)}" if types else quote(feature.name))
    inner = ", ".join(
        dict.fromkeys([*columns, *(quote(w.column) for w in windows.values() if w.column != "*")])
    )
    source = f"SELECT {inner}, CAST({quote(feature_set.axis)} AS TIMESTAMPTZ) AS _axis FROM (\n{feature_set.body}\n)"
    aggregates = [
        f"{expression(window, entities, '_axis')} AS {quote(window.name)}" for window in windows.values()
    ]
    plain = [quote(name) for name in (*entities, *times)]
    plain += [quote(feature.name) for feature in feature_set.features if feature.name not in windows]
    ordered = f"SELECT {', '.join([*plain, *aggregates, '_axis'])} FROM ({source}) WHERE {read}"
    names = ", ".join([*plain, *(quote(name) for name in windows)])
    return f"SELECT {names} FROM ({ordered}) WHERE {keep}"


def table_sql(feature_set: FeatureSet) -> str:
    """The statement that makes the versioned table."""
    columns = [f"{quote(name)} {kind}" for name, kind in feature_set.entities]
    columns.append(f"{quote(feature_set.timestamp)} {TIME}")
    if feature_set.known_at:
        columns.append(f"{quote(feature_set.known_at)} {TIME}")
    columns += [f"{quote(feature.name)} {feature.type}" for feature in feature_set.features]
    return f"CREATE TABLE {feature_set.table} ({', '.join(columns)}, {SEQUENCE} BIGINT)"


def view_sql(feature_set: FeatureSet) -> str:
    """The statement that makes what users see."""
    names = ", ".join(quote(name) for name in feature_set.columns)
    return f"CREATE OR REPLACE VIEW {feature_set.view} AS SELECT {names} FROM {feature_set.table}"
