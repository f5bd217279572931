"""Our objects as the rows of PostgreSQL's catalog: projects as schemas, the views of ``ml``, tables, views, macros."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from mlbox.sql.wire.catalog.relations import FILLED, INFORMATION_SCHEMA, PG_CATALOG, SYSTEM_RELATIONS
from mlbox.sql.wire.types import of_duckdb

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

FIRST_OID = 16_384
_SCHEMAS = "SELECT name, comment FROM catalog.ml.projects ORDER BY name"
_SHOWN = (
    "((database_name = 'data' AND schema_name IN (SELECT name FROM catalog.ml.projects)) "
    "OR (database_name = 'catalog' AND schema_name = 'ml'))"
)
_TABLES = f"""
    SELECT schema_name, table_name, 'r' AS kind, comment, estimated_size AS rows, NULL AS sql
    FROM duckdb_tables() WHERE {_SHOWN}
    UNION ALL SELECT schema_name, view_name, 'v', CASE schema_name WHEN 'ml' THEN NULL ELSE comment END, -1, sql
    FROM duckdb_views() WHERE {_SHOWN} ORDER BY ALL"""
_COLUMNS = f"""
    SELECT schema_name, table_name, column_name, column_index, data_type, is_nullable, column_default, comment
    FROM duckdb_columns() WHERE {_SHOWN} ORDER BY ALL"""
_CONSTRAINTS = f"""
    SELECT schema_name, table_name, constraint_type, constraint_name, constraint_text,
        list_transform(constraint_column_indexes, lambda i: i + 1), referenced_table, referenced_column_names
    FROM duckdb_constraints() WHERE {_SHOWN} AND constraint_type <> 'NOT NULL' ORDER BY ALL"""
_INDEXES = f"""
    SELECT schema_name, index_name, table_name, is_unique, expressions, sql
    FROM duckdb_indexes() WHERE {_SHOWN} ORDER BY ALL"""
_FUNCTIONS = f"""
    SELECT DISTINCT schema_name, function_name, parameters, function_type, comment
    FROM duckdb_functions() WHERE {_SHOWN} ORDER BY ALL"""
_FEATURE_SETS = "SELECT project, name FROM catalog.ml.feature_sets"

_KINDS = {"PRIMARY KEY": "p", "UNIQUE": "u", "CHECK": "c", "FOREIGN KEY": "f"}
Row = tuple[Any, ...]


@dataclass(slots=True)
class Snapshot:
    """Rows by base table."""

    tables: dict[str, list[Row]] = field(default_factory=dict)


class Numbers:
    """Numbers of objects (oid): the same for the same name as long as the server runs."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], int] = {}
        self._next = count(FIRST_OID)

    def of(self, kind: str, schema: str, name: str) -> int:
        """The number of an object; connections ask at the same time."""
        key = (kind, schema, name)
        known = self._known.get(key)
        return self._known.setdefault(key, next(self._next)) if known is None else known


def take(catalog: Catalog, numbers: Numbers, sees: frozenset[str] | None = None) -> Snapshot:
    """Read what there is in the projects that ``sees`` names; None is all."""
    with catalog.read() as cursor:

        def rows(sql: str) -> list[Row]:
            found = [tuple(row) for row in cursor.execute(sql).fetchall()]
            return [row for row in found if sees is None or row[0] == "ml" or row[0].lower() in sees]

        schemas, tables, columns = rows(_SCHEMAS), rows(_TABLES), rows(_COLUMNS)
        constraints, indexes, functions = rows(_CONSTRAINTS), rows(_INDEXES), rows(_FUNCTIONS)
        sets = {(row[0], row[1]) for row in rows(_FEATURE_SETS)}
    made = _Maker(numbers, columns)
    made.schemas([*schemas, ("ml", "what mlbox knows: runs, models, endpoints and the rest")])
    made.relations(tables, sets, {(row[0], row[1]) for row in [*indexes_of(indexes), *constraints]})
    made.constraints(constraints)
    made.indexes(indexes)
    made.functions(functions)
    return Snapshot(made.tables)


def indexes_of(rows: Iterable[Row]) -> list[Row]:
    """Schema and table of each index."""
    return [(row[0], row[2]) for row in rows]


class _Maker:
    def __init__(self, numbers: Numbers, columns: list[Row]) -> None:
        self._of: Callable[[str, str, str], int] = numbers.of
        self.tables: dict[str, list[Row]] = {name: [] for name in FILLED}
        self._places: dict[tuple[str, str, str], int] = {}
        self._add_columns(columns)

    def _add_columns(self, columns: list[Row]) -> None:
        last, num = None, 0
        for schema, table, name, _, kind, nullable, default, comment in sorted(columns, key=lambda r: (*r[:2], r[3])):
            num = num + 1 if (schema, table) == last else 1
            last = (schema, table)
            self._places[schema, table, name] = num
            oid, modifier = of_duckdb(kind)
            row = (self._of("r", schema, table), num, name, oid, modifier, not nullable, default, comment, kind)
            self.tables["_pg_columns"].append(row)

    def schemas(self, rows: Iterable[Row]) -> None:
        found = self.tables["_pg_schemas"]
        found += [(PG_CATALOG, "pg_catalog", None), (INFORMATION_SCHEMA, "information_schema", None)]
        found += [(self._of("n", "", name), name, comment) for name, comment in rows]
        for name, oid in SYSTEM_RELATIONS.items():
            self.tables["_pg_relations"].append((oid, PG_CATALOG, name, "r", None, -1, None, False))

    def relations(self, rows: Iterable[Row], sets: set[Row], indexed: set[Row]) -> None:
        for schema, name, kind, comment, size, sql in rows:
            definition = sql.partition(" AS ")[2].rstrip(";") if sql else None
            told = "feature set" if (schema, name) in sets and not comment else comment
            has_index = (schema, name) in indexed
            row = (
                self._of("r", schema, name),
                self._of("n", "", schema),
                name,
                kind,
                told,
                size,
                definition,
                has_index,
            )
            self.tables["_pg_relations"].append(row)

    def constraints(self, rows: Iterable[Row]) -> None:
        for schema, table, kind, name, text, keys, referenced, referenced_names in rows:
            relation, space = self._of("r", schema, table), self._of("n", "", schema)
            index = 0
            if kind in ("PRIMARY KEY", "UNIQUE"):
                index = self._of("r", schema, name)
                names = ", ".join(self._names(relation, keys))
                unique = f"CREATE UNIQUE INDEX {name} ON {schema}.{table} USING btree ({names})"
                self._add_index((index, space, name, relation, keys, True, kind == "PRIMARY KEY", unique))
            foreign = self._of("r", schema, referenced) if referenced else 0
            places = [self._places.get((schema, referenced, each), 0) for each in referenced_names or ()]
            row = (self._of("c", schema, f"{table}.{name}"), space, name, relation, _KINDS.get(kind, "c"), keys, text)
            self.tables["_pg_constraints"].append((*row, foreign, places, index))

    def indexes(self, rows: Iterable[Row]) -> None:
        for schema, name, table, unique, expressions, sql in rows:
            words = [word.strip().strip("'\"") for word in (expressions or "").strip("[]").split(",")]
            keys = [self._places.get((schema, table, word), 0) for word in words]
            space, relation = self._of("n", "", schema), self._of("r", schema, table)
            index = self._of("r", schema, name)
            self._add_index((index, space, name, relation, keys, unique, False, (sql or "").rstrip(";")))

    def _add_index(self, row: Row) -> None:
        self.tables["_pg_indexes"].append(row)
        self.tables["_pg_relations"].append((row[0], row[1], row[2], "i", None, 0, None, False))

    def _names(self, relation: int, keys: Iterable[int]) -> list[str]:
        names = {row[1]: row[2] for row in self.tables["_pg_columns"] if row[0] == relation}
        return [names.get(key, "?") for key in keys]

    def functions(self, rows: Iterable[Row]) -> None:
        for schema, name, parameters, kind, comment in rows:
            names = list(parameters or ())
            row = (self._of("f", schema, f"{name}/{len(names)}"), self._of("n", "", schema), name, ", ".join(names))
            self.tables["_pg_functions"].append((*row, names, "TABLE" if kind == "table_macro" else "any", comment))
