"""``ml.drift``: how far one relation has moved from another, by the metrics of monitors."""

from __future__ import annotations

from mlbox.engine.monitor.compare import drift_sql
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, TableFunction


def write(asked: Asked, base: str, cur: str, session: str) -> str:
    """See below."""
    return drift_sql(asked.relation(base, session), asked.relation(cur, session))


FUNCTIONS.add(
    "drift",
    TableFunction(
        "drift",
        "Drift of the columns of a relation from a base, one row a column that holds numbers in both.",
        (
            Argument("base", "VARCHAR", "Table, view or CTE to compare with"),
            Argument("cur", "VARCHAR", "Table, view or CTE that may have moved"),
        ),
        (
            Column("column_name", "VARCHAR", "Column; those of one name are compared"),
            Column("base_n", "BIGINT", "Finite numbers in the base", "rows"),
            Column("n", "BIGINT", "Finite numbers in the other", "rows"),
            Column("js", "DOUBLE", "Jensen–Shannon distance"),
            Column("kl", "DOUBLE", "Kullback–Leibler divergence", "nats"),
            Column("ks", "DOUBLE", "Kolmogorov–Smirnov statistic at the edges of the bins, 0 to 1"),
            Column("null_rate", "DOUBLE", "Share of rows without a number, minus that of the base"),
            Column("psi", "DOUBLE", "Population stability index; above 0.25 much has changed"),
            Column("wasserstein", "DOUBLE", "Earth mover's distance, in the column's own unit"),
        ),
        "SELECT column_name, psi, ks FROM ml.drift('rows', 'later') ORDER BY psi DESC",
        write,
        "The metrics are those of monitors, with their defaults; a metric that is added to them is a column here. "
        "The bins are 20 of equal width between the 0.5 % and the 99.5 % quantile of the base, the outer ones open.",
    ),
)
