"""Kinds of sources with a place where their rows really stand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from database_servers import PASSWORD, mariadb, postgres

from mlbox.sql.session import Session

Row = tuple[int, str, float]
"""id, time, amount."""


class Rig(Protocol):
    """A place for rows of (id, ts, amount)."""

    def declared(self) -> str:
        """What follows CREATE SOURCE name."""
        ...

    def add(self, rows: Sequence[Row]) -> None:
        """More rows."""
        ...


class Files:
    """A file for every addition."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder = folder / "incoming"
        self.folder.mkdir()
        self.suffix = suffix
        self.count = 0

    def declared(self) -> str:
        return f"FROM '{self.folder}/*.{self.suffix}'"

    def add(self, rows: Sequence[Row]) -> None:
        self.count += 1
        self.write(self.folder / f"{self.count:04d}.{self.suffix}", rows)

    def write(self, path: Path, rows: Sequence[Row]) -> None:
        import pyarrow
        from pyarrow import parquet

        if self.suffix == "csv":
            path.write_text("id,ts,amount\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
        elif self.suffix == "jsonl":
            path.write_text("".join(json.dumps({"id": a, "ts": b, "amount": c}) + "\n" for a, b, c in rows))
        else:
            columns = list(zip(*rows, strict=True))
            parquet.write_table(pyarrow.table(dict(zip(("id", "ts", "amount"), map(list, columns), strict=True))), path)


class Table:
    """A table of DuckDB, read by a query with a watermark."""

    def __init__(self, session: Session) -> None:
        self.session = session
        list(session.run("CREATE TABLE standing (n BIGINT, id INTEGER, ts VARCHAR, amount DOUBLE)"))
        self.count = 0

    def declared(self) -> str:
        return "WITH (watermark = n) AS SELECT * FROM standing"

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.count += 1
            list(self.session.run("INSERT INTO standing VALUES (?, ?, ?, ?)", [self.count, *row]))


class Sqlite:
    """A table in a file, with a watermark."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.db"
        self.ask("CREATE TABLE orders (n INTEGER PRIMARY KEY, id INTEGER, ts TEXT, amount REAL)")

    def ask(self, sql: str, rows: Sequence[Row] = ()) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.executemany(sql, rows) if rows else connection.execute(sql)
        connection.close()

    def declared(self) -> str:
        return f"FROM '{self.path}' WITH (table = orders, watermark = n)"

    def add(self, rows: Sequence[Row]) -> None:
        self.ask("INSERT INTO orders (id, ts, amount) VALUES (?, ?, ?)", rows)


class Delta:
    """A table of Delta Lake."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lake"

    def declared(self) -> str:
        return f"FROM '{self.path}'"

    def add(self, rows: Sequence[Row], mode: Any = "append") -> None:
        import pyarrow
        from deltalake import write_deltalake

        columns = dict(zip(("id", "ts", "amount"), map(list, zip(*rows, strict=True)), strict=True))
        write_deltalake(self.path, pyarrow.table(columns), mode=mode)


class Postgres:
    """A table of a real server."""

    def __init__(self, port: int, session: Session) -> None:
        self.port = port
        self.ask("DROP TABLE IF EXISTS orders")
        self.ask("CREATE TABLE orders (n SERIAL, id INTEGER, ts TIMESTAMPTZ, amount NUMERIC(10, 2))")
        list(session.run("SET SECRET pg = $1", [PASSWORD]))

    def ask(self, sql: str, rows: Sequence[Row] = ()) -> None:
        import psycopg

        address = f"host=127.0.0.1 port={self.port} user=ana password={PASSWORD} dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.executemany(sql, rows) if rows else cursor.execute(sql)

    def declared(self) -> str:
        return (
            f"FROM 'postgres://ana@127.0.0.1:{self.port}/postgres' "
            "WITH (password = SECRET pg, table = 'public.orders', watermark = n)"
        )

    def add(self, rows: Sequence[Row]) -> None:
        self.ask("INSERT INTO orders (id, ts, amount) VALUES (%s, %s::timestamp AT TIME ZONE 'UTC', %s)", rows)


class MySql:
    """A table of a real MariaDB."""

    def __init__(self, port: int, session: Session) -> None:
        self.port = port
        self.ask("DROP TABLE IF EXISTS orders")
        self.ask("CREATE TABLE orders (n INT AUTO_INCREMENT PRIMARY KEY, id INT, ts DATETIME, amount DECIMAL(10, 2))")
        list(session.run("SET SECRET my = $1", [PASSWORD]))

    def ask(self, sql: str, rows: Sequence[Row] = ()) -> None:
        import pymysql

        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user="ana", password=PASSWORD, database="shop", autocommit=True
        )
        with connection, connection.cursor() as cursor:
            cursor.executemany(sql, rows) if rows else cursor.execute(sql)

    def declared(self) -> str:
        return (
            f"FROM 'mysql://ana@127.0.0.1:{self.port}/shop' "
            "WITH (password = SECRET my, query = 'SELECT * FROM orders', watermark = n)"
        )

    def add(self, rows: Sequence[Row]) -> None:
        self.ask("INSERT INTO orders (id, ts, amount) VALUES (%s, %s, %s)", rows)


class Bucket(Files):
    """Parquet files in a real S3 server (moto's), of which partitions are folders."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        import s3fs

        super().__init__(folder, "parquet")
        self.endpoint = endpoint
        self.files = s3fs.S3FileSystem(key="k", secret="s", client_kwargs={"endpoint_url": endpoint})
        self.bucket = f"lake-{folder.name.replace('_', '-').lower()[:40]}"
        self.files.makedir(self.bucket)

    def declared(self) -> str:
        return f"FROM 's3://{self.bucket}/' WITH (key = 'k', secret = SECRET s3, endpoint_url = '{self.endpoint}')"

    def add(self, rows: Sequence[Row]) -> None:
        super().add(rows)
        newest = max(self.folder.iterdir())
        self.files.put_file(str(newest), f"{self.bucket}/day={self.count}/{newest.name}")


SERVERS = {"postgres": postgres, "mysql": mariadb}
"""Kinds that need a server of their own."""


def made(kind: str, folder: Path, session: Session, port: int) -> Any:
    """The rig of a kind; ``port`` is that of its server."""
    if kind == "query":
        return Table(session)
    if kind in ("sqlite", "delta"):
        return {"sqlite": Sqlite, "delta": Delta}[kind](folder)
    if kind in SERVERS:
        return {"postgres": Postgres, "mysql": MySql}[kind](port, session)
    return Files(folder, {"csv": "csv", "json": "jsonl", "parquet": "parquet"}[kind])
