"""``ml.summary``, also ``ml."describe"``: columns in numbers, by the code that describes feature sets."""

from __future__ import annotations

from dataclasses import replace

from mlbox.engine.features.statistics import relation_sql
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, TableFunction


def write(asked: Asked, rows: str, session: str) -> str:
    """See below."""
    return relation_sql(asked.relation(rows, session))


SUMMARY = TableFunction(
    "summary",
    "Statistics of the columns of a relation, one row a column.",
    (Argument("input", "VARCHAR", "Table, view or CTE"),),
    (
        Column("column_name", "VARCHAR", "Column"),
        Column("type", "VARCHAR", "Its type"),
        Column("row_count", "BIGINT", "Rows of the relation", "rows"),
        Column("nulls", "BIGINT", "Rows without a value", "rows"),
        Column("distinct_count", "BIGINT", "Distinct values, approximately (HyperLogLog)"),
        Column("min", "DOUBLE", "Smallest finite number"),
        Column("mean", "DOUBLE", "Mean of the finite numbers"),
        Column("max", "DOUBLE", "Largest finite number"),
        Column("stddev", "DOUBLE", "Sample standard deviation of the finite numbers"),
        Column("quantiles", "DOUBLE[]", "At 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, approximately"),
        Column("histogram_edges", "DOUBLE[]", "21 edges of 20 bins of equal width from min to max"),
        Column("histogram_counts", "BIGINT[]", "Numbers in each bin", "rows"),
        Column("top", "VARCHAR[]", "The 10 most frequent values of a text column, approximately"),
    ),
    "SELECT column_name, type, nulls, mean FROM ml.summary('rows')",
    write,
    "The same statistics as `ml.feature_stats` keeps of feature sets. Truth values count as 0 and 1. "
    '`ml."describe"` is the same; its quotes are needed, since DESCRIBE begins a statement of DuckDB.',
)
FUNCTIONS.add("summary", SUMMARY)
FUNCTIONS.add("describe", replace(SUMMARY, name="describe", example="FROM ml.\"describe\"('rows')", public=False))
