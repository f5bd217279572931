"""What is left of a project in a home."""

from __future__ import annotations

from pathlib import Path


def leftovers(home: Path, project: str) -> list[str]:
    """Where something of a project is, in a stopped home."""
    import duckdb
    import lmdb

    found = []
    connection = duckdb.connect()
    for database, file in (("catalog", "catalog.duckdb"), ("data", "features.duckdb")):
        connection.execute(f"ATTACH '{home / file}' AS {database} (READ_ONLY)")
    columns = connection.execute(
        "SELECT database_name, schema_name, table_name FROM duckdb_columns() JOIN duckdb_tables() "
        "USING (database_name, schema_name, table_name) WHERE column_name = 'project' AND table_name != 'audit'"
    ).fetchall()
    assert len(columns) > 30
    for parts in columns:
        name = ".".join(f'"{part}"' for part in parts)
        rows = connection.execute(f"FROM {name} WHERE project = ?", [project]).fetchall()
        # what happened is told even of a project that is gone: that it went
        found += [f"{name}: {row}" for row in rows if parts[2] != "events" or "project.dropped" not in row]
    for (schema,) in connection.execute("SELECT schema_name FROM duckdb_schemas()").fetchall():
        found += [schema] if schema == project else []
    hidden = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = '_sets'").fetchall()
    found += [table for (table,) in hidden if table.startswith(f"{project}.")]
    for table in ("projects", "dropped_projects"):
        found += connection.execute(f"SELECT '{table}' FROM catalog.main.{table} WHERE name = ?", [project]).fetchall()
    sets = {
        bytes.fromhex(one) for (one,) in connection.execute("SELECT id FROM data._mlbox.feature_definitions").fetchall()
    }
    runs = {one for (one,) in connection.execute("SELECT id FROM catalog.main.runs").fetchall()}
    connection.close()
    found += [str(path) for path in (home / "runs").iterdir() if path.name not in runs]
    found += [str(path) for path in (home / "logs").glob("?" * 32 + ".log") if path.stem not in runs]
    with lmdb.open(str(home / "online"), readonly=True) as environment, environment.begin() as transaction:
        found += [f"online {key!r}" for key, _ in transaction.cursor() if key[:16] not in sets]
    return found
