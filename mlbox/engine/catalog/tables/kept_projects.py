"""Projects that were dropped and can be restored: their rows are moved as whole columns, tables of sets are renamed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.names import literal, quote
from mlbox.engine.catalog.tables import dumps, feature_sets, published, run_memory, runs
from mlbox.engine.catalog.tables.making import FIRST, Making

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = "_kept"
_OWN = {"catalog": "catalog.main", "data": "data._mlbox"}
_GONE = frozenset({"audit", "run_tokens", "run_batches", "deployments", "replicas", *dumps.DROPPED})
"""Of these nothing is kept: what was done stays where it is, what lets in or runs elsewhere ends."""
_NAMES_ONLY = {"secrets": ("project", "name"), "profiles": ("project", "name")}
"""Tables of which some columns are kept, to be told; their rows do not come back."""


def places(cursor: DuckDBPyConnection, table: str, drop_id: str | None = None, database: str = "catalog") -> list[str]:
    """The kept rows of one of our tables, as SQL names: those of one drop, or of all."""
    rows = cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name LIKE ? "
        "ORDER BY table_name",
        [database, SCHEMA, f"{drop_id or '%'}.{table}"],
    ).fetchall()
    return [f"{database}.{SCHEMA}.{quote(row[0])}" for row in rows if row[0].partition(".")[2] == table]


def texts(cursor: DuckDBPyConnection, table: str, column: str, drop_id: str | None = None) -> set[str]:
    """A column of the kept rows of a table of the catalog, as text."""
    found: set[str] = set()
    for place in places(cursor, table, drop_id):
        found.update(row[0] for row in cursor.execute(f"SELECT {quote(column)}::VARCHAR FROM {place}").fetchall())
    return found


def ids_of_one(cursor: DuckDBPyConnection, table: str, drop_id: str) -> set[str]:
    """Ids of kept rows that no other row has: an archive of the project may have come into the home since."""
    here = places(cursor, table, drop_id)
    others = [f"{_OWN['catalog']}.{quote(table)}", *(place for place in places(cursor, table) if place not in here)]
    theirs = " UNION ".join(f"SELECT id FROM {place}" for place in others)
    return {row[0] for place in here for row in cursor.execute(f"SELECT id FROM {place} EXCEPT ({theirs})").fetchall()}


def ends_of_runs(cursor: DuckDBPyConnection) -> dict[str, datetime]:
    """Id of each kept run → its end."""
    found: dict[str, datetime] = {}
    for place in places(cursor, "runs"):
        found.update(cursor.execute(f"SELECT id, coalesce(finished_at, created_at) FROM {place}").fetchall())
    return found


def bury_row(cursor: DuckDBPyConnection, drop_id: str, name: str) -> None:
    """The project's own row, before it is deleted."""
    condition = f"WHERE name = {literal(name)}"
    cursor.execute(f"CREATE TABLE {_place('catalog', drop_id, 'projects')} AS FROM catalog.main.projects {condition}")


def bury_rows(cursor: DuckDBPyConnection, drop_id: str, name: str) -> None:
    """Its rows in the catalog, before they are deleted."""
    _bury_ours(cursor, "catalog", drop_id, name)


def revive_rows(cursor: DuckDBPyConnection, drop_id: str, name: str) -> None:
    """Back into the catalog, the project's row too, and nothing is kept any more."""
    run_memory.changed()
    _revive_ours(cursor, "catalog", drop_id)
    runs.complete(cursor)
    dumps.offline_only(cursor, name)
    purge_rows(cursor, drop_id)


def purge_rows(cursor: DuckDBPyConnection, drop_id: str) -> None:
    """Delete what the catalog keeps."""
    for table in _kept(cursor, "catalog", drop_id):
        cursor.execute(f"DROP TABLE {_place('catalog', drop_id, table)}")


def is_buried(cursor: DuckDBPyConnection, drop_id: str) -> bool:
    """Whether the data file keeps the project, rather than having it in place."""
    found = "SELECT 1 FROM data._mlbox.kept_schemas WHERE drop_id = ? LIMIT 1"
    return bool(cursor.execute(found, [drop_id]).fetchall())


def forgotten(cursor: DuckDBPyConnection) -> list[str]:
    """Ids under which the data file keeps what the catalog does not know any more: a purge that broke off."""
    query = (
        "SELECT DISTINCT drop_id FROM data._mlbox.kept_schemas WHERE drop_id NOT IN (SELECT id FROM "
        "catalog.main.dropped UNION ALL SELECT drop_id FROM catalog.main.dropped_projects WHERE drop_id IS NOT NULL)"
    )
    return [row[0] for row in cursor.execute(query).fetchall()]


def bury_data(cursor: DuckDBPyConnection, drop_id: str, name: str) -> None:
    """All of the project in the data file. Rows of sets stay where they are, under other names; its own tables and its
    rows of our tables are copied. Deleted they are by ``projects.delete_data``. Once more changes nothing."""
    if is_buried(cursor, drop_id):
        return
    made = [dumps.Made("schema", name, f"CREATE SCHEMA data.{quote(name)}")]
    sets = feature_sets.names_of(cursor, name)
    made += dumps.set_views(cursor, name, sets)  # before other views, which may read them
    made += dumps.schema_of(cursor, name, sets)
    for place, entry in enumerate(made):
        row = [drop_id, place, entry.kind, entry.name, entry.sql]
        cursor.execute("INSERT INTO data._mlbox.kept_schemas VALUES (?, ?, ?, ?, ?)", row)
        if entry.kind == "table":
            source = f"data.{quote(name)}.{quote(entry.name)}"
            columns = ", ".join(quote(column) for column, _ in dumps.columns(cursor, source))
            cursor.execute(f"CREATE TABLE {_place('data', drop_id, str(place))} AS SELECT {columns} FROM {source}")
    ids = ", ".join(literal(each) for each in feature_sets.ids_of(cursor, name)) or "''"
    _copy(cursor, "data", drop_id, "feature_stats", f"set_id IN ({ids})")
    _bury_ours(cursor, "data", drop_id, name)
    for table in _sets(cursor, f"{name}."):
        _rename_set(cursor, table, f"@{drop_id}.{table.removeprefix(f'{name}.')}")


def revive_data(cursor: DuckDBPyConnection, drop_id: str, name: str, making: Making, *, rows: bool = True) -> None:
    """Back into place; without ``rows`` as a trial of what can be made. Files of sets at locations of their own are
    written anew: somebody may have been deleted."""
    for table in _sets(cursor, f"@{drop_id}."):
        _rename_set(cursor, table, f"{name}.{table.removeprefix(f'@{drop_id}.')}")
    if rows:
        _revive_ours(cursor, "data", drop_id)
    made = _made(cursor, drop_id)
    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS data.{quote(name)}")
    cursor.execute(f"SET search_path = 'data.{quote(name)}'")
    for place, entry in made:
        if entry.kind in FIRST:
            cursor.execute(entry.sql)
        if entry.kind == "table" and rows:
            target = f"data.{quote(name)}.{quote(entry.name)}"
            columns = ", ".join(quote(column) for column, _ in dumps.columns(cursor, target))
            source = _place("data", drop_id, str(place))
            cursor.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {source}")
    making.make(cursor, [entry for _, entry in made if entry.kind not in (*FIRST, "schema")])
    if rows:
        published.mark(cursor, feature_sets.ids_of(cursor, name))
        purge_data(cursor, drop_id)


def purge_data(cursor: DuckDBPyConnection, drop_id: str) -> None:
    """Delete what the data file keeps."""
    for table in _sets(cursor, f"@{drop_id}."):
        cursor.execute(f"DROP TABLE data._sets.{quote(table)}")
    for table in _kept(cursor, "data", drop_id):
        cursor.execute(f"DROP TABLE {_place('data', drop_id, table)}")
    cursor.execute("DELETE FROM data._mlbox.kept_schemas WHERE drop_id = ?", [drop_id])


def definitions(cursor: DuckDBPyConnection, drop_id: str) -> Iterator[tuple[str, str, str]]:
    """(id, definition, table as SQL) of every version of every set that is kept of a project."""
    for place in places(cursor, "feature_definitions", drop_id, "data"):
        query = f"SELECT id, definition, name || '@' || version FROM {place} ORDER BY name, version"
        for set_id, definition, table in cursor.execute(query).fetchall():
            yield set_id, definition, f"data._sets.{quote(f'@{drop_id}.{table}')}"


def own_tables(cursor: DuckDBPyConnection, drop_id: str) -> list[tuple[str, str]]:
    """(name, where its rows are kept as SQL) of the project's own tables."""
    made = _made(cursor, drop_id)
    return [(entry.name, _place("data", drop_id, str(place))) for place, entry in made if entry.kind == "table"]


def _bury_ours(cursor: DuckDBPyConnection, database: str, drop_id: str, name: str) -> None:
    for table in dumps.of_projects(cursor, database):
        if table not in _GONE:
            _copy(cursor, database, drop_id, table, f"project = {literal(name)}")


def _copy(cursor: DuckDBPyConnection, database: str, drop_id: str, table: str, condition: str) -> None:
    """Rows of one of our tables; without any, no table."""
    source = f"{_OWN[database]}.{quote(table)}"
    if cursor.execute(f"SELECT 1 FROM {source} WHERE {condition} LIMIT 1").fetchall():
        known = [name for name, _ in dumps.columns(cursor, source)]
        columns = ", ".join(quote(name) for name in _NAMES_ONLY.get(table, known))
        target = _place(database, drop_id, table)
        cursor.execute(f"CREATE TABLE {target} AS SELECT {columns} FROM {source} WHERE {condition}")


def _revive_ours(cursor: DuckDBPyConnection, database: str, drop_id: str) -> None:
    """A column that came later gets its default."""
    for table in _kept(cursor, database, drop_id):
        if table in _NAMES_ONLY or table.isdigit():
            continue
        source, target = _place(database, drop_id, table), f"{_OWN[database]}.{quote(table)}"
        there = {name for name, _ in dumps.columns(cursor, source)}
        both = ", ".join(quote(name) for name, _ in dumps.columns(cursor, target) if name in there)
        cursor.execute(f"INSERT INTO {target} ({both}) SELECT {both} FROM {source}")


def _kept(cursor: DuckDBPyConnection, database: str, drop_id: str) -> list[str]:
    """Names of the tables of which rows are kept; numbers are places of the project's own."""
    rows = cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? "
        "AND starts_with(table_name, ?) ORDER BY table_name",
        [database, SCHEMA, f"{drop_id}."],
    ).fetchall()
    return [row[0].partition(".")[2] for row in rows]


def _sets(cursor: DuckDBPyConnection, prefix: str) -> list[str]:
    rows = cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'data' AND schema_name = '_sets' "
        "AND starts_with(table_name, ?) ORDER BY table_name",
        [prefix],
    ).fetchall()
    return [row[0] for row in rows]


def _rename_set(cursor: DuckDBPyConnection, old: str, new: str) -> None:
    cursor.execute(f"ALTER TABLE data._sets.{quote(old)} RENAME TO {quote(new)}")


def _made(cursor: DuckDBPyConnection, drop_id: str) -> list[tuple[int, dumps.Made]]:
    rows = cursor.execute(
        "SELECT place, kind, name, sql FROM data._mlbox.kept_schemas WHERE drop_id = ? ORDER BY place", [drop_id]
    ).fetchall()
    return [(row[0], dumps.Made(*row[1:])) for row in rows]


def _place(database: str, drop_id: str, table: str) -> str:
    return f"{database}.{SCHEMA}.{quote(f'{drop_id}.{table}')}"
