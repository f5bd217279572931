"""What a monitor watches: its rows as SQL, and its settings read from the catalog."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import as_utc
from mlbox.base.command import Query
from mlbox.base.errors import Invalid, NotFound
from mlbox.base.names import Ref, literal, quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import endpoints, models, projects
from mlbox.engine.catalog.tables.monitors import MonitorRow
from mlbox.engine.monitor.baseline import is_numeric
from mlbox.engine.monitor.windows import EPOCH, Windows

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

OPTIONS = frozenset({"min_labels", "timestamp", "id", "prediction", "origin"})
MIN_LABELS = 30


@dataclass(frozen=True, slots=True)
class Source:
    """A SELECT of ``event_time, row_id, features, prediction, model, model_version, segment``; ``segment`` is empty
    without SEGMENT BY. ``{start}`` and ``{end}`` are parameters ``$start`` and ``$end``.
    """

    sql: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Watch:
    """A monitor, ready to compute."""

    project: str
    name: str
    target: str
    source: Source
    windows: Windows
    metrics: tuple[tuple[str, Mapping[str, Any]], ...]
    labels: Query | None
    min_labels: int
    segmented: bool


def read(catalog: Catalog, row: MonitorRow) -> Watch:
    """The monitor of a row; raises ``NotFound`` when what it watches is gone."""
    options = json.loads(row.options)
    given = json.loads(row.metric_options)
    return Watch(
        project=row.project,
        name=row.name,
        target=row.target,
        source=source(catalog, row, options),
        windows=Windows(timedelta(seconds=row.window_seconds), origin(options)),
        metrics=tuple((name, given.get(name, {})) for name in row.metrics),
        labels=None if row.labels is None else Query(row.labels),
        min_labels=int(options.get("min_labels", MIN_LABELS)),
        segmented=bool(row.segment_by),
    )


def origin(options: Mapping[str, Any]) -> datetime:
    """Where the windows are aligned to: option ``origin``, else 1 January 1970, 00:00 UTC (a Thursday)."""
    value = options.get("origin")
    if value is None:
        return EPOCH
    try:
        return as_utc(value if isinstance(value, datetime) else datetime.fromisoformat(str(value)))
    except ValueError:
        raise Invalid(f"origin = {value!r} is no time", hint="origin = '2026-01-01 00:00:00'") from None


def source(catalog: Catalog, row: MonitorRow, options: Mapping[str, Any]) -> Source:
    """The rows of what is watched; raises ``NotFound`` or ``Invalid``."""
    ref = Ref(row.target_project, row.target, row.target_version)
    with catalog.read() as cursor:
        projects.require(cursor, ref.project)
    if row.target_kind == "endpoint":
        return _endpoint(catalog, ref, row.segment_by)
    if row.target_kind == "model":
        return _model(catalog, ref, row.segment_by)
    return _table(catalog, row, ref, options)


def _endpoint(catalog: Catalog, ref: Ref, segments: list[str]) -> Source:
    with catalog.read() as cursor:
        if endpoints.get(cursor, ref.project, ref.name) is None:
            known = endpoints.names(cursor, ref.project)
            raise NotFound(f"there is no endpoint {ref}", hint=did_you_mean(ref.name, known, kind="endpoint"))
    return _log("project = $project AND lower(endpoint) = lower($name)", ref, segments)


def _model(catalog: Catalog, ref: Ref, segments: list[str]) -> Source:
    from mlbox.engine.models import registry

    with catalog.read() as cursor:
        version = registry.resolve(cursor, ref).version if ref.version else None
        if models.get(cursor, ref.project, ref.name) is None:
            registry.require(cursor, ref)
    condition = "(project = $project AND lower(model) = lower($name) OR lower(model) = lower($project || '.' || $name))"
    if version is not None:
        condition += f" AND model_version = {version}"
    return _log(condition, ref, segments)


def _log(condition: str, ref: Ref, segments: list[str]) -> Source:
    """Rows of the prediction log; a segment's column is looked up among inputs, then among features."""
    parts = [
        f"{literal(name + '=')} || coalesce(variant_extract(inputs, {literal(name)})::VARCHAR, "
        f"features[{literal(name)}]::VARCHAR, 'NULL')"
        for name in segments
    ]
    return Source(
        f"""
        SELECT event_time, row_id, features, prediction, model, model_version, {_joined(parts)} AS segment
        FROM catalog.ml.predictions
        WHERE {condition} AND status = 'ok' AND NOT shadow AND event_time >= $start AND event_time < $end
        """,
        {"project": ref.project, "name": ref.name},
    )


def _table(catalog: Catalog, row: MonitorRow, ref: Ref, options: Mapping[str, Any]) -> Source:
    """Rows of a table or feature set: every numeric column is a feature, but those that have another part."""
    relation = f"data.{quote(ref.project)}.{quote(ref.name)}"
    columns = {name: kind for name, kind in _describe(catalog, row, ref)}
    folded = {name.lower(): name for name in columns}

    def column(name: Any) -> str:
        if str(name).lower() not in folded:
            raise Invalid(f"{row.target_kind} {ref} has no column {name!r}", hint=did_you_mean(str(name), columns))
        return folded[str(name).lower()]

    entities: list[str] = []
    timestamp = options.get("timestamp")
    if row.target_kind == "feature set":
        found = catalog.row(
            "SELECT timestamp, entities FROM catalog.ml.feature_sets WHERE project = ? AND lower(name) = lower(?)",
            [ref.project, ref.name],
        )
        entities = list((found or {}).get("entities") or [])
        timestamp = timestamp or (found or {}).get("timestamp")
    times = [name for name, kind in columns.items() if kind.startswith("TIMESTAMP")]
    if timestamp is None and len(times) != 1:
        raise Invalid(
            f"which column of {row.target_kind} {ref} is the event time? "
            + ("it has no TIMESTAMP" if not times else ""),
            hint="say it: WITH (timestamp = 'column')" + (f"; there are {', '.join(times)}" if times else ""),
        )
    time = column(timestamp if timestamp is not None else times[0])
    identity = column(options["id"]) if "id" in options else None
    prediction = column(options["prediction"]) if "prediction" in options else None
    segments = [column(name) for name in row.segment_by]
    taken = {time, identity, prediction, *segments, *(folded.get(name.lower()) for name in entities)}
    features = [name for name, kind in columns.items() if is_numeric(kind) and name not in taken]
    keys, values = ", ".join(map(literal, features)), ", ".join(f"{quote(name)}::DOUBLE" for name in features)
    parts = [f"{literal(name + '=')} || coalesce({quote(name)}::VARCHAR, 'NULL')" for name in segments]
    return Source(
        f"""
        SELECT {quote(time)}::TIMESTAMPTZ AS event_time,
            {f"{quote(identity)}::VARCHAR" if identity else "NULL::VARCHAR"} AS row_id,
            MAP([{keys}]::VARCHAR[], [{values}]::DOUBLE[]) AS features,
            {f"{quote(prediction)}::DOUBLE" if prediction else "NULL::DOUBLE"} AS prediction,
            NULL::VARCHAR AS model, NULL::INTEGER AS model_version, {_joined(parts)} AS segment
        FROM {relation}
        WHERE {quote(time)}::TIMESTAMPTZ >= $start AND {quote(time)}::TIMESTAMPTZ < $end
        """,
        {},
    )


def _describe(catalog: Catalog, row: MonitorRow, ref: Ref) -> list[tuple[str, str]]:
    try:
        return catalog.describe(ref.project, Query(f"SELECT * FROM data.{quote(ref.project)}.{quote(ref.name)}"))
    except NotFound:
        known = catalog.rows(
            "SELECT table_name AS name FROM duckdb_tables() WHERE database_name = 'data' AND schema_name = ? "
            "UNION ALL SELECT view_name FROM duckdb_views() WHERE database_name = 'data' AND schema_name = ?",
            [ref.project, ref.project],
        )
        hint = did_you_mean(ref.name, [entry["name"] for entry in known], kind=row.target_kind)
        raise NotFound(f"there is no {row.target_kind} {ref}", hint=hint) from None


def _joined(parts: list[str]) -> str:
    return "(" + " || ', ' || ".join(parts) + ")" if parts else "''"
