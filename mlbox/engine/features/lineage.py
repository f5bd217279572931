"""What sets and vectors are made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.engine.catalog.tables.lineage import Edge
from mlbox.engine.features.definition import HIDDEN_SCHEMA, FeatureSet, FeatureVector
from mlbox.engine.features.sources.base import Source

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_PART = re.compile(r'"(?:[^"]|"")*"|[^."]+')


def of_set(catalog: Catalog, found: FeatureSet, origin: Source | None = None) -> list[Edge]:
    """Edges from its source, or the tables that its query names; files and functions are not tables and are not seen
    here."""
    if origin is not None:
        from_source = Edge(found.project, "source", str(origin.ref), "feature set", str(found.ref), now(), "FROM")
        function = found.transform_ref
        if function is None:
            return [from_source]
        return [
            from_source,
            Edge(found.project, "function", str(function), "feature set", str(found.ref), now(), "TRANSFORM"),
        ]
    if found.body is None:
        return []
    sources = sources_of(catalog, found.project, found.body)
    return [
        Edge(found.project, kind, source, "feature set", str(found.ref), now(), "AS SELECT")
        for kind, source in sorted(sources)
    ]


def sources_of(catalog: Catalog, project: str, query: str) -> set[tuple[str, str]]:
    """(kind, reference) of the tables and sets that a query of ``project`` reads."""
    return {source(name, project) for name in _tables_of(catalog, project, query)}


def source(name: str, project: str) -> tuple[str, str]:
    """(kind, reference) of a table that DuckDB names; a set's hidden table stands for its version."""
    parts = [part.strip('"').replace('""', '"') for part in _PART.findall(name)]
    if parts[0] == "data" and len(parts) > 1:
        parts = parts[1:]
    if parts[0] == HIDDEN_SCHEMA:
        return "feature set", parts[-1]
    return "table", f"{project}.{parts[0]}" if len(parts) == 1 else ".".join(parts)


def _tables_of(catalog: Catalog, project: str, query: str) -> set[str]:
    """Tables that a query names. DuckDB binds file readers to find out; where that fails, the syntax tells."""
    import duckdb

    with catalog.session(project) as cursor:
        try:
            return set(cursor.get_table_names(query, qualified=True))
        except duckdb.Error:
            return _by_syntax(query)


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


def of_vector(vector: FeatureVector, sets: Mapping[tuple[str, str], FeatureSet]) -> list[Edge]:
    """Edges from the versions that its sets have now; ``sets`` by (project, name)."""
    uses = {(feature.project, feature.feature_set): "FEATURES" for feature in vector.features}
    if vector.label:
        uses.setdefault((vector.label.project, vector.label.feature_set), "LABEL")
    to = f"{vector.project}.{vector.name}"
    return [
        Edge(vector.project, "feature set", str(sets[key].ref), "feature vector", to, now(), how)
        for key, how in uses.items()
    ]
