"""psql, as people use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from real_server import Server
from wire_clients import psql, told


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Server]:
    server.sql("CREATE PROJECT shop")
    server.sql(
        "CREATE TABLE goods (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, price DECIMAL(10, 2) DEFAULT 1.5, "
        "tags VARCHAR[]); CREATE VIEW cheap AS SELECT id, name FROM goods WHERE price < 2; "
        "CREATE INDEX by_price ON goods (price); COMMENT ON COLUMN goods.name IS 'what it is called'",
        project="shop",
    )
    yield server
    server.sql("DROP PROJECT shop CASCADE")


def test_values_are_written_as_postgresql_writes_them(server: Server) -> None:
    query = (
        "SELECT 1, 1.5::DOUBLE, 'nan'::DOUBLE, 12.30::DECIMAL(9, 2), true, NULL, 'ä', '\\xAA'::BLOB, "
        "DATE '2026-01-02', TIME '10:00:00.5', TIMESTAMP '2026-01-02 03:04:05', TIMESTAMPTZ '2026-01-02 03:04:05.25Z', "
        "INTERVAL '14 months 3 days 4 hours', [1, NULL, 3], ['a b', 'c'], {'a': 1}, MAP {'k': [1]}, "
        "'{\"j\": 1}'::JSON, 170141183460469231731687303715884105727::HUGEINT > 0"
    )
    assert told(server, query).split("|") == [
        *("1", "1.5", "NaN", "12.30", "t", "", "ä", "\\xaa", "2026-01-02", "10:00:00.5"),
        *("2026-01-02 03:04:05", "2026-01-02 03:04:05.25+00", "1 year 2 mons 3 days 04:00:00", "{1,NULL,3}"),
        *('{"a b",c}', '{"a": 1}', '{"k": [1]}', '{"j": 1}', "t"),
    ]


def test_several_statements_tags_and_an_empty_one(shop: Server) -> None:
    done = psql(
        shop,
        "CREATE TABLE pairs (a INTEGER, b TEXT)",
        "INSERT INTO pairs VALUES (1, 'x'), (2, 'y')",
        "UPDATE pairs SET b = 'z' WHERE a = 1",
        "DELETE FROM pairs WHERE a = 2",
        "INSERT INTO pairs VALUES (3, 'w') RETURNING a, b",
        "SELECT 1; SELECT 2",
        ";",
        "DROP TABLE pairs",
        database="shop",
        flags=("-A", "-t"),
    )
    assert done.stderr == ""
    assert done.stdout.split("\n") == [
        *("CREATE TABLE", "INSERT 0 2", "UPDATE 1", "DELETE 1", "3|w", "INSERT 0 1", "1", "2", "DROP TABLE", "")
    ]


def test_errors_have_state_place_and_hint(shop: Server) -> None:
    done = psql(shop, "\\set VERBOSITY verbose", "SELECT 'ü', nome FROM goods", database="shop")
    assert "ERROR:  42703" in done.stderr
    assert "\n" + " " * len("LINE 1: SELECT 'ü', ") + "^" in done.stderr
    assert "HINT:" in done.stderr
    assert "42P01" in psql(shop, "\\set VERBOSITY verbose", "SELECT * FROM godds", database="shop").stderr
    twice = "INSERT INTO goods VALUES (1, 'a', 1, NULL), (1, 'a', 1, NULL)"
    assert "23505" in psql(shop, "\\set VERBOSITY verbose", twice, database="shop").stderr


def test_describes_relations(shop: Server) -> None:
    flags = ("-A",)
    listed = told(shop, "\\dt", database="shop", flags=flags)
    assert "shop|goods|table|mlbox" in listed
    assert "cheap" not in listed
    assert "shop|cheap|view|mlbox" in told(shop, "\\d", database="shop", flags=flags)
    table = told(shop, "\\d goods", database="shop", flags=flags).splitlines()
    assert table[0] == 'Table "shop.goods"'
    assert "id|integer||not null|" in table
    assert "price|numeric(10,2)|||1.5" in table
    assert "tags|text[]|||" in table
    assert any("PRIMARY KEY" in line for line in table)
    assert "state|text|||" in told(shop, "\\d ml.runs", flags=flags)


def test_lists_databases_schemas_functions(shop: Server) -> None:
    assert told(shop, "\\l").startswith("mlbox|")
    schemas = [line.partition("|")[0] for line in told(shop, "\\dn").splitlines()]
    assert {"default", "ml", "shop"} <= set(schemas)
    assert "ml|predict|" in told(shop, "\\df ml.*")
    assert "Time: " in told(shop, "\\timing", "SELECT 1")


def test_our_statements(server: Server) -> None:
    done = psql(
        server, "CREATE PROJECT wired", "SHOW PROJECTS LIKE 'wired'", "USE PROJECT wired", "SELECT current_schema()"
    )
    assert done.returncode == 0, done.stderr
    assert "NOTICE:  created project wired" in done.stderr
    assert done.stdout.splitlines()[0] == "CREATE PROJECT"
    assert done.stdout.splitlines()[-1] == "wired"
    assert told(server, "SELECT current_schema()", database="wired") == "wired"
    assert "there is no project 'wierd'" in psql(server, "SELECT 1", database="wierd").stderr
    server.sql("DROP PROJECT wired")


def test_copy_to_stdout(shop: Server) -> None:
    query = "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c UNION ALL SELECT 2, 'tab' || chr(9), '' ORDER BY a"
    csv = told(shop, f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)")
    assert csv.splitlines() == ["a,b,c", '1,"x,""y",', '2,tab\t,""']
    assert told(shop, f"COPY ({query}) TO STDOUT").splitlines() == ['1\tx,"y\t\\N', "2\ttab\\t"]
    assert "COPY FROM STDIN is not offered" in psql(shop, "COPY goods FROM STDIN", database="shop").stderr


def test_transactions(shop: Server) -> None:
    told(shop, "CREATE TABLE kept (a INTEGER)", database="shop")
    done = psql(
        shop,
        "BEGIN; INSERT INTO kept VALUES (1); SELECT count(*) FROM kept; ROLLBACK; SELECT count(*) FROM kept",
        "BEGIN; INSERT INTO kept VALUES (2); COMMIT; SELECT a FROM kept",
        database="shop",
        flags=("-Atq",),
    )
    assert done.stdout.split() == ["1", "0", "2"]
    failed = psql(shop, "BEGIN", "INSERT INTO kept VALUES (3)", "SELECT nope", "SELECT 1", "COMMIT", database="shop")
    assert "current transaction is aborted" in failed.stderr
    assert failed.stdout.split("\n")[-2] == "ROLLBACK"
    assert told(shop, "SELECT count(*) FROM kept", database="shop") == "1"
    refused = psql(shop, "BEGIN; CREATE PROJECT never", database="shop")
    assert "cannot run inside a transaction" in refused.stderr


def test_settings(server: Server) -> None:
    assert told(server, "SET TimeZone = 'Europe/Berlin'; SELECT TIMESTAMPTZ '2026-07-01 10:00Z'").endswith(
        "2026-07-01 12:00:00+02"
    )
    assert told(server, "SHOW statement_timeout") == "0"
    assert "unrecognized configuration parameter" in psql(server, "RESET server_versoin").stderr
    assert told(server, "SELECT version()").startswith("PostgreSQL 14.0 (mlbox ")
    assert told(server, "SELECT current_setting('timezone')") == "UTC"
