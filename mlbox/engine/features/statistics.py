"""Statistics of the columns of an ingest, by SQL: one pass for the numbers, one for the histograms."""

from __future__ import annotations

from mlbox.base.names import literal, quote
from mlbox.engine.features.definition import SEQUENCE, FeatureSet

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
BINS = 20
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")


def is_number(type_name: str) -> bool:
    """Whether a DuckDB type holds numbers."""
    folded = type_name.upper()
    return folded in _NUMBERS or folded in ("FLOAT", "DOUBLE", "BOOLEAN") or folded.startswith("DECIMAL")


def select_sql(feature_set: FeatureSet, ingest_id: str, after: int) -> str:
    """A SELECT with one row a column: statistics of the rows whose sequence is above ``after``."""
    columns = [*feature_set.entities, *((feature.name, feature.type) for feature in feature_set.features)]
    rows = f"(SELECT * FROM {feature_set.table} WHERE {SEQUENCE} > {after})"
    ids = f"{literal(ingest_id)}, {literal(feature_set.id)}"
    return " UNION ALL ".join(
        (_number if is_number(kind) else _other)(f"{ids}, {literal(name)}", quote(name), kind, rows)
        for name, kind in columns
    )


def _other(ids: str, column: str, kind: str, rows: str) -> str:
    top = f"approx_top_k({column}, 10)" if kind == "VARCHAR" else "NULL::VARCHAR[]"
    return (
        f"SELECT {ids}, count(*), count(*) - count({column}), approx_count_distinct({column}), NULL, NULL, NULL, NULL, "
        f"NULL::DOUBLE[], NULL::DOUBLE[], NULL::BIGINT[], {top}, now() FROM {rows}"
    )


def _number(ids: str, column: str, kind: str, rows: str) -> str:
    points = ", ".join(map(str, QUANTILES))
    values = f"(SELECT {column}::DOUBLE AS v FROM {rows})"
    bounds = f"(SELECT min(v) AS low, max(v) AS high, approx_count_distinct(v) AS d FROM {values} WHERE isfinite(v))"
    edges = f"list_transform(range({BINS + 1}), lambda i: low + i * (high - low) / {BINS})"
    place = f"least({BINS - 1}, floor((v - low) / nullif(high - low, 0) * {BINS}))::INTEGER"
    counts = f"list_transform(range({BINS}), lambda i: coalesce(map_extract_value(h, i::INTEGER), 0)::BIGINT)"
    return (
        f"SELECT {ids}, count(*), count(*) - count(v), any_value(d), any_value(low), avg(v), any_value(high), "
        f"stddev_samp(v), approx_quantile(v, [{points}]), any_value({edges}), any_value({counts}), NULL::VARCHAR[], "
        f"now() FROM {values}, {bounds}, (SELECT histogram({place}) AS h FROM {values}, {bounds} WHERE isfinite(v))"
    )
