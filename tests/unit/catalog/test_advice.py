"""What a newcomer to DuckDB reads when a statement is wrong."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from mlbox.base.access import Access, acting_for
from mlbox.base.command import Query
from mlbox.engine.catalog.duckdb_errors import translate


@pytest.fixture(scope="module")
def cursor() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET errors_as_json = true")
    connection.execute("CREATE TABLE orders (id INTEGER, customer TEXT, amount DOUBLE, ordered_at DATE)")
    connection.execute("CREATE TABLE kunden (name TEXT)")
    return connection


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        (".tables", "syntax error", "SHOW TABLES"),
        ("\\d", "syntax error", ".tables"),
        ("SELECT * FORM orders", "syntax error", "did you mean FROM?"),
        ("SELECT * FROM orders WERE id = 1", "syntax error", "did you mean WHERE?"),
        ("SELECT * FROM orders WHERE id = 1 andd amount > 2", "syntax error", "did you mean AND?"),
        ("INSERT INTO orders VALUE (1)", "syntax error", "did you mean VALUES?"),
        ("SELECT * FROM orders ORDER BY id WHERE id = 1", "syntax error", "the order is SELECT, FROM, WHERE"),
        ("SELECT * FROM order", "syntax error", '"order"'),
        ("SELECT count(*) FROM orders GROUP customer", "syntax error", "write GROUP BY"),
        ("SELECT * FROM orders SORT BY id", "syntax error", "write ORDER BY"),
        ("SELECT TOP 5 * FROM orders", "syntax error", "write LIMIT 5 at the end"),
        ("SELECT * FROM orders JOIN kunden", "syntax error", "JOIN needs a condition"),
        ("INSERT orders VALUES (1)", "syntax error", "write INSERT INTO orders"),
        ("DELETE orders", "syntax error", "write DELETE FROM orders"),
        ("SELECT (id, amount FROM orders", "syntax error", "a parenthesis before it is not closed"),
        ("SELECT id,, amount FROM orders", "syntax error", "one of the two commas"),
        ("SELECT id amount customer FROM orders", "syntax error", "is a comma missing before customer?"),
        ("SELECT * FROM orders WHERE customer IS 'a'", "syntax error", "values are compared with ="),
        ("WITH a AS SELECT 1 SELECT * FROM a", "syntax error", "stands in parentheses"),
        ("SELECT * FROM orders WHERE customer = 'O'Brien'", "unterminated string", "written twice"),
        ("SELECT * FROM orders WHERE customer = ann", "there is no column ann", "single quotes: 'ann'"),
        ('SELECT * FROM orders WHERE customer = "ann"', "there is no column ann", "single quotes: 'ann'"),
        ("SELECT amont FROM orders", "there is no column amont", "did you mean amount?"),
        ("SELECT o.amont FROM orders o", "table o has no column amont", "did you mean amount?"),
        ("UPDATE orders SET amnt = 3", "there is no column amnt", "did you mean amount?"),
        ("SELECT o.id FROM orders", "o is no table of this FROM", "tables here: orders"),
        ("SELECT * FROM ordres", "there is no table ordres", "did you mean orders?"),
        ("SELECT sume(1)", "there is no function sume", "did you mean sum?"),
        ("SELECT nvl(1, 2)", "there is no function nvl", "coalesce(value, other)"),
        ("CREATE TABLE t (i INTT)", "there is no type INTT", "INTEGER"),
        ("CREATE TABLE orders (i INT)", "already exists", "CREATE OR REPLACE TABLE"),
        ("DROP VIEW orders", "orders is a table", "write DROP TABLE orders"),
        ("SELECT * FROM orders WHERE sum(amount) > 3", "cannot contain aggregates", "HAVING"),
        ("SELECT id, sum(amount) FROM orders", "must appear in the GROUP BY clause", "add it to the GROUP BY"),
        ("SELECT customer + 1 FROM orders", "+ does not go between VARCHAR and INTEGER", "cast one of them"),
        ("SELECT avg(customer) FROM orders", "avg does not take (VARCHAR)", "avg(value::DOUBLE)"),
        (
            "SELECT substr(id, 1) FROM orders",
            "substr does not take (INTEGER, INTEGER)",
            "it takes substr(string VARCHAR",
        ),
        ("SELECT '1.234,56'::DOUBLE", "1.234,56", "a comma is no decimal point"),
        ("SELECT DATE '31.12.2025'", "31.12.2025", "strptime('31.12.2025', '%d.%m.%Y')"),
        ("SELECT 'x'::INTEGER", "could not convert string 'x'", "TRY_CAST(value AS INTEGER)"),
        ("SELECT *", "there is no FROM", "SELECT * FROM table"),
    ],
)
def test_an_error_says_what_to_write(cursor: duckdb.DuckDBPyConnection, sql: str, message: str, hint: str) -> None:
    with pytest.raises(duckdb.Error) as told:
        cursor.execute(sql)
    error = translate(told.value, Query(sql))
    assert message in error.message
    assert hint in (error.hint or "")
    assert "!" not in error.message and "\n" not in error.message


@pytest.mark.parametrize("sql", ["SELECT from_ FROM orders", "SELECT limits FROM kunden", "SELECT a.b.c FROM orders"])
def test_no_hint_about_words_where_names_are_meant(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(duckdb.Error) as told:
        cursor.execute(sql)
    assert "did you mean FROM" not in (translate(told.value, Query(sql)).hint or "")


FILES = [
    ("FROM read_csv('salse.csv')", "there is no file salse.csv", "did you mean sales.csv?", 15),
    ("COPY orders FROM 'salse.csv'", "there is no file salse.csv", "did you mean sales.csv?", 18),
    ("FROM 'x.parquet'", "there is no file x.parquet", "did you mean y.parquet?", 6),
    ("FROM read_csv(['sales.csv', 'salse.csv'])", "there is no file salse.csv", "did you mean sales.csv?", 29),
    ("FROM 'sales.cvs'", "there is no file sales.cvs", "did you mean sales.csv", 6),
    ("FROM 'sales.lst'", "the name of sales.lst does not tell how it is read", "read_csv('sales.lst')", 6),
    ("FROM read_csv('dayly/*.csv')", "no file matches dayly/*.csv", "did you mean daily?", 15),
    ("FROM read_csv('daily/*.csv')", "no file matches daily/*.csv", "the server looked in {}/daily", 15),
    ("COPY orders TO 'far/away/x.csv'", "there is no file far/away/x.csv", "there is no folder {}/far", 16),
    ("FROM read_json('zzz.json')", "there is no file zzz.json", "the server looked in {}", 16),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("sales.csv", "sales.lst", "sale.db", ".salse.csv", "y.parquet"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "daily").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("sql", "message", "hint", "column"), FILES)
def test_a_missing_file_is_told_with_its_neighbours(
    cursor: duckdb.DuckDBPyConnection, folder: Path, sql: str, message: str, hint: str, column: int
) -> None:
    with pytest.raises(duckdb.Error) as told, acting_for(None):
        cursor.execute(sql)
    with acting_for(None):
        error = translate(told.value, Query(sql))
    assert error.message == message
    assert hint.format(folder) in (error.hint or "")
    assert error.where is not None and error.where.column == column


@pytest.mark.parametrize("sql", [sql for sql, *_ in FILES if "lst" not in sql])
def test_a_member_learns_no_names_of_files(cursor: duckdb.DuckDBPyConnection, folder: Path, sql: str) -> None:
    with pytest.raises(duckdb.Error) as told:
        cursor.execute(sql)
    with acting_for(Access("ana", {"p": "admin"})):
        member = translate(told.value, Query(sql))
    nobody = translate(told.value, Query(sql))
    for error in (member, nobody):
        assert error.hint is None and error.message.startswith(("there is no file", "no file matches"))
