"""All rows of a project out of the two files and back, table by table, whatever its columns are.

Parquet has no type for some of DuckDB's (HUGEINT, INTERVAL, ENUM, BIT ..): these travel as text, VARIANT as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.names import literal, quote
from mlbox.engine.catalog.tables.macro_signatures import signatures

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DROPPED = ("dropped", "dropped_rows", "dropped_definitions")
SECRET = frozenset(
    "audit events members secrets profiles run_tokens run_batches deployments replicas".split() + [*DROPPED]
)
"""Tables of which nothing leaves the home: what was done or dropped here, who may do what, what must not be read."""
OF_RUNS = frozenset(
    "runs run_attempts params metrics artifacts artifact_aliases artifact_labels run_inputs experiments logged_models "
    "workflow_runs steps".split()
)
_EXACT = re.compile(
    r"(BOOLEAN|U?TINYINT|U?SMALLINT|U?INTEGER|U?BIGINT|FLOAT|DOUBLE|VARCHAR|BLOB|DATE|TIME|TIMESTAMP"
    r"|TIMESTAMP WITH TIME ZONE|DECIMAL\(\d+,\d+\))(\[\])*\Z"
)
_GOES_ON = "regexp_replace(sql, ' START -?[0-9]+', ' START ' || coalesce(last_value + increment_by, start_value))"
"""The statement of a sequence that gives the next number next."""
_FILL = {"catalog": "catalog.main", "data": "data._mlbox"}


@dataclass(frozen=True, slots=True)
class Made:
    """Something of a project's schema and the statement that makes it."""

    kind: str
    name: str
    sql: str


def tables(cursor: DuckDBPyConnection, database: str) -> list[str]:
    """Tables of a file whose rows belong to projects and may leave the home, by name."""
    return [table for table in of_projects(cursor, database) if table not in SECRET]


def of_projects(cursor: DuckDBPyConnection, database: str) -> list[str]:
    """Tables of a file whose rows belong to projects, by name."""
    schema = _FILL[database].partition(".")[2]
    rows = cursor.execute(
        "SELECT table_name FROM duckdb_columns() JOIN duckdb_tables() USING (database_name, schema_name, table_name) "
        "WHERE database_name = ? AND schema_name = ? AND column_name = 'project' ORDER BY ALL",
        [database, schema],
    ).fetchall()
    return [row[0] for row in rows]


def write_rows(cursor: DuckDBPyConnection, database: str, table: str, project: str, path: Path) -> int:
    """Rows of a project of one of our tables; how many. Without any, no file."""
    condition = f"WHERE project = {literal(project)}"
    if database == "data" and any(name == "set_id" for name, _ in columns(cursor, f"{_FILL[database]}.{table}")):
        condition += " AND set_id NOT IN (SELECT id FROM data._mlbox.dropped_definitions)"
    return write(cursor, f"{_FILL[database]}.{quote(table)}", condition, path)


def write_statistics(cursor: DuckDBPyConnection, project: str, path: Path) -> int:
    """Statistics of a project's feature sets, which know their set only."""
    ids = f"SELECT id FROM data._mlbox.feature_definitions WHERE project = {literal(project)}"
    return write(cursor, "data._mlbox.feature_stats", f"WHERE set_id IN ({ids})", path)


def write(cursor: DuckDBPyConnection, table: str, condition: str, path: Path) -> int:
    """Rows as Parquet, in batches; generated columns are left out."""
    from pyarrow import parquet

    chosen = ", ".join(_out(name, kind) for name, kind in columns(cursor, table))
    relation: Any = cursor.sql(f"SELECT {chosen} FROM {table} {condition}")
    reader = relation.to_arrow_reader(100_000)
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with parquet.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            count += batch.num_rows
            writer.write_batch(batch)
    if not count and condition:
        path.unlink()
    return count


def read_rows(cursor: DuckDBPyConnection, database: str, table: str, path: Path, project: str | None = None) -> None:
    """Rows back into one of our tables, as rows of ``project`` where it is told."""
    read(cursor, f"{_FILL[database]}.{quote(table)}", path, {"project": project} if project else {})


def read(cursor: DuckDBPyConnection, table: str, path: Path, fixed: dict[str, Any] | None = None) -> None:
    """Rows back into a table; a column that the file does not have gets its default."""
    from pyarrow import parquet

    types = dict(columns(cursor, table))
    file = parquet.ParquetFile(path)
    present = [name for name in file.schema_arrow.names if name in types]
    names = ", ".join(map(quote, present))
    values = ", ".join(
        literal((fixed or {})[name]) if name in (fixed or {}) else _in(name, types[name]) for name in present
    )
    for number in range(file.num_row_groups):
        cursor.register("_incoming", file.read_row_group(number))
        try:
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM _incoming")
        finally:
            cursor.unregister("_incoming")


def schema_of(cursor: DuckDBPyConnection, project: str, leave_out: Iterable[str]) -> list[Made]:
    """Sequences, types, tables, indexes, views and macros of a schema, in the order in which they can be made."""
    hidden = {name.lower() for name in leave_out}

    def listed(kind: str, source: str, text: str = "sql") -> list[Made]:
        rows = cursor.execute(
            f"SELECT {kind}_name, {text} FROM {source} WHERE database_name = 'data' AND schema_name = ? "
            f"ORDER BY {kind}_oid",
            [project],
        ).fetchall()
        return [Made(kind, row[0], row[1]) for row in rows if row[0].lower() not in hidden]

    return [
        *listed("sequence", "duckdb_sequences()", _GOES_ON),
        *_types(cursor, project),
        *listed("table", "duckdb_tables()"),
        *listed("index", "duckdb_indexes()"),
        *_macros(cursor, project),
        *listed("view", "duckdb_views()"),
    ]


def _types(cursor: DuckDBPyConnection, project: str) -> list[Made]:
    rows = cursor.execute(
        "SELECT type_name FROM duckdb_types() WHERE database_name = 'data' AND schema_name = ? ORDER BY type_oid",
        [project],
    ).fetchall()
    found = []
    for (name,) in rows:
        place = f"{quote(project)}.{quote(name)}"
        ((text,),) = cursor.execute(f"SELECT typeof(CAST(NULL AS data.{place}))").fetchall()
        found.append(Made("type", name, f"CREATE TYPE {place} AS {text};"))
    return found


def _macros(cursor: DuckDBPyConnection, project: str) -> list[Made]:
    rows = cursor.execute(
        "SELECT function_name, parameters, macro_definition, function_type FROM duckdb_functions() "
        "WHERE database_name = 'data' AND schema_name = ? ORDER BY function_oid",
        [project],
    ).fetchall()
    forms: dict[str, list[tuple[list[str], str, bool]]] = {}
    for name, parameters, body, kind in rows:  # one of several forms is a row each
        forms.setdefault(name, []).append((parameters, body, kind == "table_macro"))
    found = []
    for name, each in forms.items():
        place = f"{quote(project)}.{quote(name)}"
        heads = signatures(cursor, place, name, [parameters for parameters, _, _ in each], table=each[0][2])
        made = [
            f"({head}) AS {f'TABLE {body}' if table else body}"
            for head, (_, body, table) in zip(heads, each, strict=True)
        ]
        found.append(Made("macro", name, f"CREATE MACRO {place}{', '.join(made)};"))
    return found


def hidden_tables(cursor: DuckDBPyConnection, project: str) -> list[Made]:
    """The versioned tables of a project's feature sets, and the views over the newest."""
    rows = cursor.execute(
        "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = 'data' AND schema_name = '_sets' "
        "AND starts_with(table_name, ?) AND NOT starts_with(table_name, ?) ORDER BY ALL",
        [f"{project}.", f"{project}.@"],  # the second are those of dropped sets
    ).fetchall()
    return [Made("table", *row) for row in rows]


def set_views(cursor: DuckDBPyConnection, project: str, names: Sequence[str]) -> list[Made]:
    """What users see of the feature sets."""
    rows = cursor.execute(
        "SELECT view_name, sql FROM duckdb_views() WHERE database_name = 'data' AND schema_name = ? "
        "AND list_contains(?::VARCHAR[], view_name) ORDER BY ALL",
        [project, list(names)],
    ).fetchall()
    return [Made("view", *row) for row in rows]


def migrations(cursor: DuckDBPyConnection) -> dict[str, int]:
    """The newest migration of each file."""
    rows = cursor.execute(
        "SELECT (SELECT max(number) FROM catalog.main.migrations), (SELECT max(number) FROM data._mlbox.migrations)"
    ).fetchall()
    return {"catalog": rows[0][0], "data": rows[0][1]}


def taken(cursor: DuckDBPyConnection, table: str, path: Path) -> list[str]:
    """Ids in a file of rows that rows of this home have already; none for tables without ids."""
    from pyarrow import parquet

    file = parquet.ParquetFile(path)
    if "id" not in file.schema_arrow.names:
        return []
    ids = file.read(["id"]).column(0).to_pylist()
    rows = cursor.execute(
        f"SELECT id FROM catalog.main.{quote(table)} WHERE list_contains(?::VARCHAR[], id)", [ids]
    ).fetchall()
    return [row[0] for row in rows]


def settle_runs(cursor: DuckDBPyConnection, project: str) -> None:
    """Runs and runs of workflows that had not ended where they come from end here: nobody looks after them."""
    why = "it had not ended when its project was exported"
    cursor.execute(
        "UPDATE catalog.main.runs SET state = 'interrupted', reason = ?, "
        "finished_at = coalesce(started_at, created_at) "
        "WHERE project = ? AND state IN ('pending', 'preparing', 'running')",
        [why, project],
    )
    cursor.execute("UPDATE catalog.main.runs SET handle = NULL WHERE project = ?", [project])
    for table in ("workflow_runs", "steps"):
        cursor.execute(
            f"UPDATE catalog.main.{table} SET state = 'interrupted' "
            "WHERE project = ? AND state IN ('pending', 'running')",
            [project],
        )


def offline_only(cursor: DuckDBPyConnection, project: str) -> None:
    """Nothing of the sets is in this home's online store yet."""
    cursor.execute(
        "UPDATE catalog.main.feature_sets SET online_until = NULL, online_sequence = 0 WHERE project = ?", [project]
    )


def digests(cursor: DuckDBPyConnection, project: str) -> list[tuple[str, str, str]]:
    """(kind, label, digest) of all bytes that a project points at: models and code under names that people can read."""
    return cursor.execute(
        """
        SELECT 'model', m.name || '@' || v.version, v.digest
        FROM catalog.main.model_versions v JOIN catalog.main.models m ON m.id = v.model_id WHERE v.project = $1
        UNION ALL SELECT 'function', name || '@' || version, code FROM catalog.main.functions WHERE project = $1
            AND code <> ''
        UNION ALL SELECT 'artifact', digest, digest FROM catalog.main.artifacts WHERE project = $1
        ORDER BY ALL
        """,
        [project],
    ).fetchall()


def columns(cursor: DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    """(name, type) of the columns that are stored; ``table`` is ``database.schema.table``, in quotes where needed."""
    rows = cursor.execute(f"SELECT name, type FROM pragma_table_info({literal(table)})").fetchall()
    generated = cursor.execute(
        "SELECT column_name FROM duckdb_columns() WHERE is_generated "
        "AND table_oid = (SELECT any_value(table_oid) FROM duckdb_tables() WHERE "
        "replace(format('{}.{}.{}', database_name, schema_name, table_name), '\"', '') = replace(?, '\"', ''))",
        [table],
    ).fetchall()
    return [(row[0], row[1]) for row in rows if (row[0],) not in generated]


def _out(name: str, kind: str) -> str:
    column = quote(name)
    if kind == "VARIANT":
        return f"{column}::JSON::VARCHAR AS {column}"
    return column if _is_exact(kind) else f"{column}::VARCHAR AS {column}"


def _in(name: str, kind: str) -> str:
    column = quote(name)
    if kind == "VARIANT":
        return f"{column}::JSON::VARIANT"
    return column if _is_exact(kind) else f"{column}::VARCHAR::{kind}"


def _is_exact(kind: str) -> bool:
    return bool(_EXACT.match(kind)) or kind == "MAP(VARCHAR, DOUBLE)" or bool(_RECORDS.match(kind))


_RECORDS = re.compile(r'STRUCT\(("?\w+"? (VARCHAR|DOUBLE)(, )?)+\)(\[\])*\Z')
