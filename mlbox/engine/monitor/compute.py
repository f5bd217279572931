"""Computes the windows of a monitor: one statement for all metrics of many windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.engine.monitor import labels
from mlbox.engine.monitor.baseline import Profile
from mlbox.engine.monitor.metrics.base import METRICS
from mlbox.engine.monitor.watch import Watch

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

SEGMENTS = 100
"""The largest segments of a monitor that are computed; the others count only among all rows."""
_ROWS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """A window with rows. ``model`` and ``version`` are those of most of its rows; ``labels`` counts known ones."""

    start: datetime
    end: datetime
    n: int
    model: str | None = None
    version: int | None = None
    labels: int = 0


@dataclass(frozen=True, slots=True)
class Value:
    """A metric over a window. ``segment`` is empty for all rows, ``feature`` for the whole window."""

    start: datetime
    segment: str
    metric: str
    feature: str
    value: float | None
    n: int


def find_windows(
    catalog: Catalog, watch: Watch, start: datetime, end: datetime, evaluated_at: datetime
) -> list[Window]:
    """The windows with rows in ``[start, end)``, oldest first; labels count as known at ``evaluated_at``."""
    parameters: dict[str, Any] = {**watch.source.parameters, "start": start, "end": end}
    w = watch.windows.sql("event_time")
    counted = "0 AS labels"
    before = join = ""
    if watch.labels is not None:
        before = f"WITH _labels AS MATERIALIZED ({labels.check(catalog, watch.project, watch.labels)}) "
        join = "LEFT JOIN _labels USING (row_id)"
        counted = "count(label) AS labels"
        parameters["evaluated_at"] = evaluated_at
    sql = f"""
        {before}SELECT w, sum(n)::BIGINT, arg_max(model, n), arg_max(model_version, n), sum(labels)::BIGINT
        FROM (
            SELECT {w} AS w, model, model_version, count(*) AS n, {counted}
            FROM ({watch.source.sql}) {join} GROUP BY ALL
        )
        GROUP BY w ORDER BY w
        """
    with catalog.session(watch.project) as cursor:
        rows = _fetch(cursor, sql, parameters)
    return [Window(row[0], row[0] + watch.windows.length, row[1], row[2], row[3], row[4]) for row in rows]


def compute(
    catalog: Catalog, watch: Watch, windows: Sequence[Window], profile: Profile, evaluated_at: datetime
) -> list[Value]:
    """All values of ``windows`` against one baseline; a metric that has nothing to go by gives none."""
    values: list[Value] = []
    with catalog.session(watch.project) as cursor:
        label_sql = labels.check(catalog, watch.project, watch.labels) if watch.labels is not None else None
        for chunk in _chunks(windows):
            sql, parameters = _statement(watch, profile, label_sql, evaluated_at)
            parameters |= {
                "start": min(window.start for window in chunk),
                "end": max(window.end for window in chunk),
                "windows": [window.start for window in chunk],
            }
            if watch.segmented:
                parameters["segments"] = _segments(cursor, watch, parameters)
            rows = _fetch(cursor, sql, parameters)
            values += [Value(row[1], row[2], row[0], row[3], row[4], row[5]) for row in rows]
    return values


def _chunks(windows: Sequence[Window]) -> Iterator[list[Window]]:
    chunk: list[Window] = []
    for window in windows:
        if chunk and sum(entry.n for entry in chunk) + window.n > _ROWS_AT_ONCE:
            yield chunk
            chunk = []
        chunk.append(window)
    if chunk:
        yield chunk


def _segments(cursor: DuckDBPyConnection, watch: Watch, parameters: Mapping[str, Any]) -> list[str]:
    rows = _fetch(
        cursor,
        f"SELECT segment, count(*) AS n FROM ({watch.source.sql}) GROUP BY segment "
        f"ORDER BY n DESC, segment LIMIT {SEGMENTS}",
        {name: parameters[name] for name in (*watch.source.parameters, "start", "end")},
    )
    return [row[0] for row in rows]


def _statement(
    watch: Watch, profile: Profile, label_sql: str | None, evaluated_at: datetime
) -> tuple[str, dict[str, Any]]:
    """The statement and its parameters, but for the windows."""
    parameters: dict[str, Any] = dict(watch.source.parameters)
    chosen = []
    for name, options in watch.metrics:
        metric = METRICS.get(name)
        needs = metric.capabilities.needs
        if (needs == "histogram" and not profile.features) or (needs == "labels" and label_sql is None):
            continue
        # sorted at the end, so that the same rows give the same table
        chosen.append(f"SELECT '{name}' AS metric, w, segment, feature, value, n FROM ({metric.sql(options)})")
    relations: list[str] = []
    if label_sql is not None:
        # first, so that a name in the user's query cannot mean one of ours
        relations.append(f"_labels AS MATERIALIZED ({label_sql})")
        parameters["evaluated_at"] = evaluated_at
    relations += _rows(watch)
    if profile.features:
        relations += [*_BASE, *HISTOGRAMS]
        parameters["base"] = [
            {"feature": f.name, "edges": f.edges, "counts": f.counts, "missing": f.missing} for f in profile.features
        ]
    if label_sql is not None:
        relations.append(_LABELLED.format(min_labels=int(watch.min_labels)))
    if not chosen:
        chosen = ["SELECT NULL::VARCHAR AS metric, w, segment, '' AS feature, 0.0 AS value, 0 AS n FROM _rows LIMIT 0"]
    body = " UNION ALL ".join(chosen)
    sql = f"WITH {', '.join(relations)} SELECT metric, w, segment, feature, value::DOUBLE, n::BIGINT FROM ({body}) "
    return sql + "WHERE isfinite(value) ORDER BY w, metric, segment, feature", parameters


def _rows(watch: Watch) -> list[str]:
    w = watch.windows.sql("event_time")
    found = (
        f"_found AS MATERIALIZED (SELECT {w} AS w, segment, row_id, features, prediction FROM ({watch.source.sql}) "
        "WHERE list_contains($windows::TIMESTAMPTZ[], w))"
    )
    parts = ""
    if watch.segmented:
        parts = (
            " UNION ALL SELECT w, segment, row_id, features, prediction FROM _found "
            "WHERE list_contains($segments::VARCHAR[], segment)"
        )
    return [found, f"_rows AS (SELECT w, '' AS segment, row_id, features, prediction FROM _found{parts})"]


_BASE = (
    """
    _base AS MATERIALIZED (
        SELECT feature, edges, counts, missing AS base_missing, edges[2:-2] AS inner_edges, list_sum(counts) AS base_n
        FROM (SELECT unnest(
            $base::STRUCT(feature VARCHAR, edges DOUBLE[], counts BIGINT[], missing DOUBLE)[], recursive := true
        ))
    )""",
    """
    _cells AS (SELECT w, segment, feature, inner_edges, features[feature] AS value FROM _rows CROSS JOIN _base)""",
)

HISTOGRAMS = (
    """
    _base_bins AS MATERIALIZED (
        SELECT feature, base_n, bin, edges[bin + 2] - edges[bin + 1] AS width, counts[bin + 1] AS base
        FROM (SELECT *, unnest(range(len(counts))) AS bin FROM _base)
    )""",
    # a value's bin is the number of inner edges at or below it: the outer bins are open
    """
    _counted AS MATERIALIZED (
        SELECT w, segment, feature,
            CASE WHEN isfinite(value) THEN len(list_filter(inner_edges, lambda edge: edge <= value)) END AS bin,
            count(*) AS current
        FROM _cells
        GROUP BY ALL
    )""",
    """
    _present AS MATERIALIZED (
        SELECT w, segment, feature, coalesce(sum(current) FILTER (bin IS NOT NULL), 0)::BIGINT AS n,
            sum(current)::BIGINT AS row_count
        FROM _counted GROUP BY ALL
    )""",
    """
    _bins AS MATERIALIZED (
        SELECT p.w, p.segment, p.feature, b.bin, b.width, b.base, b.base_n, coalesce(c.current, 0) AS current, p.n
        FROM _present p JOIN _base_bins b ON b.feature = p.feature
        LEFT JOIN _counted c ON c.w = p.w AND c.segment = p.segment AND c.feature = p.feature AND c.bin = b.bin
        WHERE p.n > 0
    )""",
    """
    _features AS (
        SELECT p.w, p.segment, p.feature, 1 - p.n / p.row_count AS missing, b.base_missing, p.row_count AS n
        FROM _present p JOIN _base b ON b.feature = p.feature
    )""",
)
"""From ``_base`` and ``_cells`` (w, segment, feature, inner_edges, value) to what metrics read."""

_LABELLED = """
    _labelled AS MATERIALIZED (
        SELECT w, segment, prediction, label FROM _rows JOIN _labels USING (row_id)
        WHERE isfinite(prediction) AND isfinite(label)
        QUALIFY count(*) OVER (PARTITION BY w, segment) >= {min_labels}
    )"""


def _fetch(cursor: DuckDBPyConnection, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    import duckdb

    from mlbox.engine.catalog.duckdb_errors import translate

    try:
        return cursor.execute(sql, dict(parameters)).fetchall()
    except duckdb.Error as error:
        raise translate(error) from None
