"""Which columns a feature was made from: sqlglot traces a set's query, declarations tell the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.names import quote
from mlbox.engine.catalog.tables.lineage import ColumnEdge
from mlbox.engine.features.definition import FeatureSet, FeatureVector
from mlbox.engine.features.lineage import source
from mlbox.engine.features.sources.base import Source

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

log = logging.getLogger("mlbox.features")


@dataclass(slots=True)
class _Tables:
    """Tables of a query: their columns, by schema and name, and what each stands for."""

    columns: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    objects: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def add(self, schema: str, name: str, columns: Mapping[str, str], stands_for: tuple[str, str]) -> None:
        self.columns.setdefault(schema, {})[name] = dict(columns)
        self.objects[schema.lower(), name.lower()] = stands_for


def of_set(catalog: Catalog, found: FeatureSet, origin: Source | None = None) -> list[ColumnEdge]:
    """Edges from columns of its source, or of tables, sets and files, to the columns of a set.

    Lineage must not refuse a definition that DuckDB takes: what cannot be traced has no edges.
    """
    if origin is not None:
        return _of_source(found, origin)
    if found.body is None:
        return []
    try:
        traced = dict(_traced(catalog, found))
    except Exception as error:  # sqlglot knows less SQL than DuckDB, and says so in many ways
        log.info("columns of %s could not be traced: %s", found.ref, error)
        return []
    moment, to = now(), str(found.ref)
    edges = [
        ColumnEdge(found.project, kind, ref, column, "feature set", to, name, moment)
        for name, sources in traced.items()
        for kind, ref, column in sources
    ]
    for window in found.windows:
        detail = f"{window.function} over {window.seconds:g} s"
        edges += [
            ColumnEdge(found.project, kind, ref, column, "feature set", to, window.name, moment, detail)
            for kind, ref, column in traced.get(window.column.lower(), ())
        ]
    return edges


def _of_source(found: FeatureSet, origin: Source) -> list[ColumnEdge]:
    """Columns of a source become those of the same name; windows aggregate one."""
    moment, to, source_ref = now(), str(found.ref), str(origin.ref)
    if found.transform_ref is not None:  # what it makes of which column, the function alone knows
        through = str(found.transform_ref)
        return [
            ColumnEdge(found.project, "function", through, name, "feature set", to, name, moment, "TRANSFORM")
            for name in found.columns
        ]
    windows = {window.name: window for window in found.windows}
    edges = []
    for name in found.columns:
        window = windows.get(name)
        column, detail = name, None
        if window is not None:
            column, detail = window.column, f"{window.function} over {window.seconds:g} s"
        if column != "*":
            edges.append(
                ColumnEdge(found.project, "source", source_ref, column, "feature set", to, name, moment, detail)
            )
    return edges


def of_vector(vector: FeatureVector, sets: Mapping[tuple[str, str], FeatureSet]) -> list[ColumnEdge]:
    """Edges from features of sets to those of a vector; ``sets`` by (project, name)."""
    used = [(feature, "FEATURES") for feature in vector.features]
    if vector.label is not None:
        used.append((vector.label, "LABEL"))
    to, moment = f"{vector.project}.{vector.name}", now()
    return [
        ColumnEdge(
            vector.project,
            "feature set",
            str(sets[feature.project, feature.feature_set].ref),
            feature.feature,
            "feature vector",
            to,
            feature.name,
            moment,
            how,
        )
        for feature, how in used
    ]


def _traced(catalog: Catalog, found: FeatureSet) -> Iterator[tuple[str, set[tuple[str, str, str]]]]:
    """(column in lower case, (kind, reference, column) of what it comes from)."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    tree = sqlglot.parse_one(found.body or "", read="duckdb")
    tables = _tables(catalog, tree, found.project)
    for name in _columns(catalog, found):
        try:
            node = lineage(name, tree.copy(), schema=tables.columns, dialect="duckdb")
        except SqlglotError as error:
            log.info("column %s of %s could not be traced: %s", name, found.ref, error)
            continue
        sources = set()
        for leaf in node.walk():
            table = leaf.expression
            if not leaf.downstream and isinstance(table, exp.Table):
                stands_for = tables.objects.get((table.db.lower(), table.name.lower()))
                column = leaf.name.rpartition(".")[2].strip('"')
                if stands_for is not None and column != "*":
                    sources.add((*stands_for, column))
        yield name.lower(), sources


def _columns(catalog: Catalog, found: FeatureSet) -> list[str]:
    """Output columns of the set's query."""
    with catalog.session(found.project) as cursor:
        rows = cursor.execute(f"DESCRIBE {found.body}").fetchall()
    return [str(row[0]) for row in rows]


def _tables(catalog: Catalog, tree: Any, project: str) -> _Tables:
    """Tables in ``tree``, which then names all of them with their schema; a file reader becomes a table too."""
    from sqlglot import exp

    own = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    found = _Tables()
    with catalog.session(project) as cursor:

        def columns(text: str) -> dict[str, str]:
            return {str(row[0]): str(row[1]) for row in cursor.execute(f"DESCRIBE {text}").fetchall()}

        for number, table in enumerate(list(tree.find_all(exp.Table))):
            alias = table.alias
            if not table.name or isinstance(table.this, exp.Func):
                bare = table.copy()
                bare.set("alias", None)
                path = next((text.this for text in bare.find_all(exp.Literal) if text.is_string), bare.sql("duckdb"))
                named = f"_reader_{number}"
                found.add(project, named, columns(f"FROM {bare.sql('duckdb')}"), ("file", path))
                table.replace(exp.table_(named, db=project, alias=alias or named))
            elif table.db or table.name.lower() not in own:
                schema = table.db or project
                full = f"{quote(schema)}.{quote(table.name)}"
                table.set("catalog", None)
                table.set("db", exp.to_identifier(schema))
                below = cursor.get_table_names(f"FROM {full}", qualified=True)  # of a set its hidden table
                sources = {source(name, project) for name in below}
                is_set = len(sources) == 1 and next(iter(sources))[0] == "feature set"
                stands_for = next(iter(sources)) if is_set else ("table", f"{schema}.{table.name}")
                found.add(schema, table.name, columns(f"FROM {full}"), stands_for)
    return found
