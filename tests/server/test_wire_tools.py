"""Tools that look around before they query: SQLAlchemy's inspector, pandas, JDBC."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest
import sqlalchemy
from real_server import Server

JARS = ("/usr/share/java/postgresql.jar",)
JAVA = Path(__file__).parent.parent / "java" / "Wire.java"


@pytest.fixture(scope="module")
def library(server: Server) -> Iterator[Server]:
    server.sql("CREATE PROJECT library")
    server.sql(
        "CREATE TABLE books (id INTEGER PRIMARY KEY, title VARCHAR NOT NULL UNIQUE, price DECIMAL(10, 2) DEFAULT 1.5, "
        "tags VARCHAR[], sold TIMESTAMPTZ); CREATE VIEW titles AS SELECT id, title FROM books; "
        "CREATE INDEX by_price ON books (price); COMMENT ON TABLE books IS 'what one reads'",
        project="library",
    )
    yield server
    server.sql("DROP PROJECT library CASCADE")


@pytest.fixture(scope="module")
def engine(library: Server) -> Iterator[Any]:
    made = sqlalchemy.create_engine(f"postgresql+psycopg://mlbox@127.0.0.1:{library.pg_port}/library")
    yield made
    made.dispose()


def test_inspector(engine: Any) -> None:
    inspector = sqlalchemy.inspect(engine)
    assert inspector.default_schema_name == "library"
    assert {"default", "library", "ml"} <= set(inspector.get_schema_names())
    assert "books" in inspector.get_table_names()  # beside those of other tests
    assert inspector.get_view_names() == ["titles"]
    columns = {column["name"]: column for column in inspector.get_columns("books")}
    assert [str(columns[name]["type"]) for name in ("id", "title", "price")] == ["INTEGER", "TEXT", "NUMERIC(10, 2)"]
    assert isinstance(columns["tags"]["type"], sqlalchemy.ARRAY)
    assert columns["sold"]["type"].timezone
    assert (columns["title"]["nullable"], columns["price"]["nullable"]) == (False, True)
    assert columns["price"]["default"] == "1.5"
    assert inspector.get_pk_constraint("books")["constrained_columns"] == ["id"]
    assert [found["column_names"] for found in inspector.get_unique_constraints("books")] == [["title"]]
    assert {"by_price"} <= {found["name"] for found in inspector.get_indexes("books")}
    assert inspector.get_foreign_keys("books") == []
    assert inspector.get_table_comment("books") == {"text": "what one reads"}
    assert "state" in {column["name"] for column in inspector.get_columns("runs", schema="ml")}
    assert not inspector.has_table("booklets")


def test_sqlalchemy_tables(engine: Any) -> None:
    metadata = sqlalchemy.MetaData()
    made = sqlalchemy.Table(
        "loans",
        metadata,
        sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True, autoincrement=False),
        sqlalchemy.Column("who", sqlalchemy.String(20)),
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(made.insert(), [{"id": 1, "who": "a"}, {"id": 2, "who": None}])
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.select(made.c.who).where(made.c.id == 1)).scalar() == "a"
    reflected = sqlalchemy.Table("loans", sqlalchemy.MetaData(), autoload_with=engine)
    assert [column.name for column in reflected.primary_key] == ["id"]
    metadata.drop_all(engine)
    assert not sqlalchemy.inspect(engine).has_table("loans")


def test_pandas(engine: Any) -> None:
    frame = pandas.DataFrame({"a": range(1000), "b": [f"row {number}" for number in range(1000)]})
    frame.to_sql("frames", engine, index=False, if_exists="replace")
    pandas.testing.assert_frame_equal(pandas.read_sql("SELECT * FROM frames ORDER BY a", engine), frame)
    pandas.testing.assert_frame_equal(pandas.read_sql_table("frames", engine).sort_values("a"), frame)
    query = sqlalchemy.text("SELECT b FROM frames WHERE a = :a")
    assert pandas.read_sql(query, engine, params={"a": 7}).b.tolist() == ["row 7"]


def test_jdbc(library: Server) -> None:
    done = subprocess.run(
        ["java", "-cp", ":".join(JARS), str(JAVA), str(library.pg_port)], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "PostgreSQL",
        *("schema default", "schema library", "schema ml"),
        *("TABLE library.books", "VIEW library.titles"),
        *("id int4 false null", "title text false null", "price numeric(10,2) true 1.5", "tags _text true null"),
        "sold timestamptz true null",
        "key id 1",
        "inserted 20",
        "17 8.5 s17 0 1.25 false",
        "18 9.0 s18 0 1.25 true",
        "19 9.5 s19 0 1.25 false",
        "fetched 1000",
        "after rollback 20",
        "state 42703",
    ]
