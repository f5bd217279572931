"""Drift between two relations, as one SELECT: the metrics of monitors without a monitor."""

from __future__ import annotations

from mlbox.base.names import literal, quote
from mlbox.engine.features.statistics import finite
from mlbox.engine.monitor.baseline import BINS
from mlbox.engine.monitor.compute import HISTOGRAMS
from mlbox.engine.monitor.metrics.base import METRICS


def names() -> list[str]:
    """The metrics that compare the histograms of a column."""
    return [
        name for name, metric in METRICS if metric.capabilities.needs == "histogram" and metric.capabilities.per_feature
    ]


def drift_sql(base: str, current: str) -> str:
    """A SELECT with one row a column that holds numbers in both relations (SQL that can follow FROM).

    ``column_name, base_n, n``, then the metrics; the bins are those of a monitor's baseline: 20 of equal width
    between the 0.5 % and the 99.5 % quantile of the base, the outer ones open.
    """
    columns = ", ".join(f"any_value(value) FILTER (metric = {literal(name)}) AS {quote(name)}" for name in names())
    chosen = " UNION ALL ".join(
        f"SELECT {literal(name)} AS metric, feature, value::DOUBLE AS value FROM ({METRICS.get(name).sql({})})"
        for name in names()
    )
    # _bins and the relations before it are what metrics read; a window and a segment there are always the same
    return f"""
        WITH _base_cells AS (
            FROM ({finite(base)}) UNPIVOT INCLUDE NULLS (value FOR feature IN (COLUMNS(*)))
        ), _base_ranges AS MATERIALIZED (
            SELECT feature, count(value) AS n, count(*) AS total,
                quantile_cont(value, [0.005, 0.995]) AS q, min(value) AS lowest, max(value) AS highest,
                CASE WHEN q[1] < q[2] THEN q[1] WHEN lowest < highest THEN lowest ELSE lowest - 0.5 END AS low,
                CASE WHEN q[1] < q[2] THEN q[2] WHEN lowest < highest THEN highest ELSE highest + 0.5 END AS high
            FROM _base_cells GROUP BY feature HAVING count(value) > 0
        ), _base_counts AS (
            SELECT feature, histogram(greatest(0, least({BINS - 1},
                floor((value - low) / (high - low) * {BINS})::BIGINT))) AS bins
            FROM _base_cells JOIN _base_ranges USING (feature) WHERE value IS NOT NULL GROUP BY feature
        ), _base AS MATERIALIZED (
            SELECT feature, 1 - n / total AS base_missing,
                list_transform(range({BINS + 1}), lambda i: low + (high - low) * i / {BINS}) AS edges,
                list_transform(range({BINS}), lambda i: coalesce(map_extract_value(bins, i), 0)) AS counts,
                edges[2:-2] AS inner_edges, n AS base_n
            FROM _base_ranges JOIN _base_counts USING (feature)
        ), _cells AS (
            SELECT 0 AS w, '' AS segment, feature, inner_edges, value
            FROM (FROM ({finite(current)}) UNPIVOT INCLUDE NULLS (value FOR feature IN (COLUMNS(*))))
            JOIN _base USING (feature)
        ), {", ".join(HISTOGRAMS)}
        SELECT feature AS column_name, any_value(b.base_n) AS base_n, any_value(p.n) AS n, {columns}
        FROM ({chosen}) JOIN _base b USING (feature) JOIN _present p USING (feature)
        WHERE isfinite(value) GROUP BY feature ORDER BY feature
        """
