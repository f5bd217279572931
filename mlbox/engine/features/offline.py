"""The offline store of a set, as SQL: its table, its view, and the rows that its query gives."""

from __future__ import annotations

from mlbox.base.names import quote
from mlbox.engine.features.aggregates import expression
from mlbox.engine.features.definition import SEQUENCE, FeatureSet
from mlbox.engine.features.frames import AXIS

TIME = "TIMESTAMP WITH TIME ZONE"


def rows_sql(feature_set: FeatureSet, read: str, keep: str, *, types: bool = True, more: str | None = None) -> str:
    """The rows of the set: ``read`` limits what the windows see, ``keep`` what comes out (conditions on ``_axis``).

    The query's column ``more`` comes with them.
    """
    windows = {window.name: window for window in feature_set.windows}
    plain = [feature for feature in feature_set.features if feature.name not in windows]
    inner = {name.lower(): quote(name) for name in feature_set.entity_names}
    inner |= {name.lower(): f"CAST({quote(name)} AS TIMESTAMPTZ) AS {quote(name)}" for name in feature_set.times}
    for feature in plain:
        name = quote(feature.name)
        text = name if feature.default is None else f"coalesce({name}, {feature.default})"
        inner[feature.name.lower()] = f"CAST({text} AS {feature.type}) AS {name}" if types else name
    for window in windows.values():
        if window.column != "*":
            inner.setdefault(window.column.lower(), quote(window.column))
    if more is not None:
        inner[more] = more
    source = (
        f"SELECT {', '.join(inner.values())}, CAST({quote(feature_set.axis)} AS TIMESTAMPTZ) AS {AXIS} "
        f"FROM (\n{feature_set.body}\n)"
    )
    aggregates = [
        f"{expression(window, feature_set.entity_names, feature_set.timestamp)} AS {quote(window.name)}"
        for window in windows.values()
    ]
    kept = [quote(name) for name in (*feature_set.entity_names, *feature_set.times)]
    kept += [quote(feature.name) for feature in plain]
    kept += [more] if more is not None else []
    windowed = f"SELECT {', '.join([*kept, *aggregates, AXIS])} FROM ({source}) WHERE {read}"
    return f"SELECT {', '.join([*kept, *map(quote, windows)])} FROM ({windowed}) WHERE {keep}"


def table_sql(feature_set: FeatureSet) -> str:
    """The statement that makes the versioned table."""
    columns = [f"{quote(name)} {kind}" for name, kind in feature_set.entities]
    columns += [f"{quote(name)} {TIME}" for name in feature_set.times]
    columns += [f"{quote(feature.name)} {feature.type}" for feature in feature_set.features]
    # Numbers that grow by one: DuckDB need not try what else might be shorter.
    return f"CREATE TABLE {feature_set.table} ({', '.join(columns)}, {SEQUENCE} BIGINT USING COMPRESSION bitpacking)"


def view_sql(feature_set: FeatureSet) -> str:
    """The statement that makes what users see."""
    names = ", ".join(quote(name) for name in feature_set.columns)
    return f"CREATE OR REPLACE VIEW {feature_set.view} AS SELECT {names} FROM {feature_set.table}"
