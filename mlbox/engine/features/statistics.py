"""Statistics of the columns of an ingest, by SQL: one pass for the numbers, one for the histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.names import literal, quote
from mlbox.engine.features.definition import SEQUENCE, FeatureSet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
BINS = 20
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")


def is_number(type_name: str) -> bool:
    """Whether a DuckDB type holds numbers."""
    folded = type_name.upper()
    return folded in _NUMBERS or folded in ("FLOAT", "DOUBLE", "BOOLEAN") or folded.startswith("DECIMAL")


def compute(cursor: DuckDBPyConnection, feature_set: FeatureSet, ingest_id: str, after: int) -> None:
    """Store statistics of the rows whose sequence is above ``after``, in the transaction of ``cursor``."""
    columns = [(name, kind) for name, kind in feature_set.entities]
    columns += [(feature.name, feature.type) for feature in feature_set.features]
    rows = f"(SELECT * FROM {feature_set.table} WHERE {SEQUENCE} > {after})"
    parts = [_one(name, kind, rows, ingest_id, feature_set.id) for name, kind in columns]
    if parts:
        cursor.execute("INSERT INTO data._mlbox.feature_stats " + " UNION ALL ".join(parts))


def _one(name: str, kind: str, rows: str, ingest_id: str, set_id: str) -> str:
    column = quote(name)
    head = f"{literal(ingest_id)}, {literal(set_id)}, {literal(name)}, count(*), count(*) - count({column})"
    if not is_number(kind):
        top = f"list_transform(approx_top_k({column}::VARCHAR, 10), lambda v: v)" if kind == "VARCHAR" else "NULL::VARCHAR[]"
        return (
            f"SELECT {head}, approx_count_distinct({column}), NULL, NULL, NULL, NULL, NULL::DOUBLE[], NULL::DOUBLE[], "
            f"NULL::BIGINT[], {top}, now() FROM {rows}"
        )
    points = ", ".join(map(str, QUANTILES))
    value = f"{column}::DOUBLE"
    numbers = f"SELECT {value} AS v FROM {rows}"
    edges = f"list_transform(range({BINS + 1}), lambda i: low + i * (high - low) / {BINS})"
    place = f"least({BINS - 1}, floor((v - low) / nullif(high - low, 0) * {BINS}))::INTEGER"
    counts = f"list_transform(range({BINS}), lambda i: coalesce(map_extract_value(h, i::INTEGER), 0)::BIGINT)"
    return (
        f"SELECT {head.replace(column, 'v')}, any_value(d), any_value(low), avg(v), any_value(high), stddev_samp(v), "
        f"approx_quantile(v, [{points}]), any_value({edges}), any_value({counts}), NULL::VARCHAR[], now() "
        f"FROM ({numbers}), (SELECT min(v) AS low, max(v) AS high, approx_count_distinct(v) AS d FROM ({numbers}) "
        f"WHERE isfinite(v)), (SELECT histogram({place}) AS h FROM ({numbers}), "
        f"(SELECT min(v) AS low, max(v) AS high FROM ({numbers}) WHERE isfinite(v)) WHERE isfinite(v))"
    )
