"""What sets and vectors are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.engine.catalog.tables.lineage import Edge, record
from mlbox.engine.features.definition import FeatureSet, FeatureVector

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def of_set(cursor: DuckDBPyConnection, found: FeatureSet) -> None:
    """Edges from the tables that its query names; files and functions are not tables and are not seen here."""
    if found.body is None:
        return
    for name in sorted(tables_of(cursor, found.body)):
        source = name if "." in name else f"{found.project}.{name}"
        record(cursor, Edge(found.project, "table", source, "feature set", str(found.ref), now(), "AS SELECT"))


def tables_of(cursor: DuckDBPyConnection, text: str) -> set[str]:
    """Tables that a query names. DuckDB binds file readers to find out; where that fails, the syntax tells."""
    import duckdb

    try:
        return set(cursor.get_table_names(text, qualified=True))
    except duckdb.Error:
        return _by_syntax(text)


def _by_syntax(text: str) -> set[str]:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except SqlglotError:
        return set()
    own = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    names = (".".join(part.name for part in table.parts) for table in tree.find_all(exp.Table) if table.name)
    return {name for name in names if name.lower() not in own}


def of_vector(cursor: DuckDBPyConnection, vector: FeatureVector) -> None:
    """Edges from its sets."""
    to = f"{vector.project}.{vector.name}"
    uses = dict.fromkeys((feature.project, feature.feature_set, "FEATURES") for feature in vector.features)
    if vector.label:
        uses[(vector.label.project, vector.label.feature_set, "LABEL")] = None
    for project, name, how in uses:
        record(cursor, Edge(vector.project, "feature set", f"{project}.{name}", "feature vector", to, now(), how))
