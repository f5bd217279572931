"""Statistics of the columns of a relation, by SQL that need not know the columns.

``COLUMNS(*)`` computes a struct for each column in one pass, ``UNPIVOT`` makes rows of them; a second pass counts the
histogram between the bounds that the first has found. So it works for tables, views and CTEs alike.
"""

from __future__ import annotations

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
BINS = 20
_IS_NUMBER = (
    "regexp_full_match({type}, '(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|BOOLEAN|DECIMAL\\(.*\\))')"
)


def finite(relation: str) -> str:
    """A SELECT with the columns of a relation as doubles; NULL where there is no finite number."""
    number = "TRY_CAST(COLUMNS(_r.*) AS DOUBLE)"
    is_number = _IS_NUMBER.format(type="typeof(COLUMNS(_r.*))")
    return f"SELECT CASE WHEN {is_number} AND isfinite({number}) THEN {number} END FROM {relation} AS _r"


def relation_sql(relation: str) -> str:
    """A SELECT with one row a column of ``relation`` (SQL that can follow FROM), in the order of the columns.

    ``column_name, type, row_count, nulls, distinct_count, min, mean, max, stddev, quantiles, histogram_edges,
    histogram_counts, top``; numbers rest on the finite values, and are NULL for columns that hold none.
    """
    points = ", ".join(map(str, QUANTILES))
    edges = f"list_transform(range({BINS + 1}), lambda i: n.min + i * (n.max - n.min) / {BINS})"
    place = f"least({BINS - 1}, floor((v - low) / nullif(high - low, 0) * {BINS}))::INTEGER"
    counts = f"list_transform(range({BINS}), lambda i: coalesce(map_extract_value(h.bins, i::INTEGER), 0)::BIGINT)"
    text = "CASE WHEN typeof(COLUMNS(_r.*)) = 'VARCHAR' THEN COLUMNS(_r.*)::VARCHAR END"
    return f"""
        WITH _kinds AS (
            SELECT row_number() OVER () AS ordinal, column_name, type FROM (
                SELECT typeof(COLUMNS(_r.*)) FROM (SELECT 1) LEFT JOIN {relation} AS _r ON true LIMIT 1
            ) UNPIVOT (type FOR column_name IN (COLUMNS(*)))
        ), _counts AS (
            SELECT column_name, s.* FROM (
                SELECT {{
                    'row_count': count(*), 'present': count(COLUMNS(_r.*)),
                    'distinct_count': approx_count_distinct(COLUMNS(_r.*)), 'top': approx_top_k({text}, 10)
                }} FROM {relation} AS _r
            ) UNPIVOT (s FOR column_name IN (COLUMNS(*)))
        ), _finite AS ({finite(relation)}), _numbers AS MATERIALIZED (
            SELECT column_name, s.* FROM (
                SELECT {{
                    'min': min(COLUMNS(*)), 'mean': avg(COLUMNS(*)), 'max': max(COLUMNS(*)),
                    'stddev': stddev_samp(COLUMNS(*)), 'quantiles': approx_quantile(COLUMNS(*), [{points}])
                }} FROM _finite
            ) UNPIVOT (s FOR column_name IN (COLUMNS(*)))
        ), _bins AS (
            SELECT column_name, histogram({place}) AS bins
            FROM (FROM _finite UNPIVOT (v FOR column_name IN (COLUMNS(*))))
            JOIN (SELECT column_name, min AS low, max AS high FROM _numbers) USING (column_name)
            GROUP BY column_name
        )
        SELECT column_name, k.type, c.row_count, c.row_count - c.present AS nulls, c.distinct_count, n.min, n.mean,
            n.max, n.stddev, n.quantiles, CASE WHEN n.min IS NOT NULL THEN {edges} END AS histogram_edges,
            CASE WHEN n.min IS NOT NULL THEN {counts} END AS histogram_counts, c.top
        FROM _kinds k JOIN _counts c USING (column_name) LEFT JOIN _numbers n USING (column_name)
        LEFT JOIN _bins h USING (column_name) ORDER BY k.ordinal
        """
