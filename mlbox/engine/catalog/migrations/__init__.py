"""Numbered migrations: plain SQL files, applied once each, in order of their number."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from mlbox.base.errors import HomeError, Internal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``0002_runs.sql``."""

    number: int
    name: str
    sql: str


def load(database: str) -> list[Migration]:
    """The migrations of a database (``catalog`` or ``data``), by number."""
    folder = files(__package__).joinpath(database)
    found = [
        Migration(int(entry.name[:4]), entry.name.removesuffix(".sql"), entry.read_text())
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    found.sort(key=lambda migration: migration.number)
    numbers = [migration.number for migration in found]
    if len(set(numbers)) != len(numbers):
        raise Internal(f"two migrations of {database} have one number: {numbers}")
    return found


def applied(connection: DuckDBPyConnection, database: str) -> set[int]:
    """Numbers of the migrations that this file has seen."""
    schema = "main" if database == "catalog" else "_mlbox"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {database}.{schema}")
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {database}.{schema}.migrations "
        "(number INTEGER PRIMARY KEY, name VARCHAR NOT NULL, applied_at TIMESTAMPTZ NOT NULL)"
    )
    rows = connection.execute(f"SELECT number FROM {database}.{schema}.migrations").fetchall()
    return {row[0] for row in rows}


def check_not_newer(connection: DuckDBPyConnection, database: str, path: object) -> list[Migration]:
    """The migrations still to apply; refuses a file that a newer mlbox has written."""
    known = load(database)
    seen = applied(connection, database)
    unknown = seen - {migration.number for migration in known}
    if unknown:
        raise HomeError(
            f"{path} was written by a newer mlbox (it has migration {max(unknown)}, this one knows {known[-1].number})",
            hint="start it with that version, or restore a backup made by this one",
        )
    return [migration for migration in known if migration.number not in seen]


def apply(connection: DuckDBPyConnection, database: str, pending: list[Migration]) -> None:
    """Apply ``pending``, all in one transaction."""
    if not pending:
        return
    schema = "main" if database == "catalog" else "_mlbox"
    connection.execute("BEGIN TRANSACTION")
    try:
        for migration in pending:
            connection.execute(migration.sql)
            connection.execute(
                f"INSERT INTO {database}.{schema}.migrations VALUES (?, ?, now())", [migration.number, migration.name]
            )
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
