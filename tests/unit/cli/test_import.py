"""``mlbox import``: what it loads, what it says, and that a bad row leaves nothing behind."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from fresh_home import fresh_home

from mlbox.base.errors import Invalid, NotFound
from mlbox.cli import importing
from mlbox.cli.main import main


class Home:
    """The command line on a home of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        status = main(["--home", str(self.folder / "home"), *arguments])
        told = self._capsys.readouterr()
        return status, told.out, told.err

    def rows(self, query: str) -> list[dict[str, object]]:
        status, out, err = self.run("sql", "--json", "-c", query)
        assert status == 0, err
        rows: list[dict[str, object]] = json.loads(out)
        return rows


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    fresh_home(tmp_path / "home")
    return Home(tmp_path, capsys)


def test_a_file_becomes_a_table_of_its_name_by_a_statement_that_is_shown(home: Home) -> None:
    Path("Orders 2024.csv").write_text("id,at,amount\n1,2024-01-01,2.5\n2,2024-01-02,3\n")
    status, out, err = home.run("import", "Orders 2024.csv")
    assert (status, err) == (0, "")
    assert "| id: BIGINT | at: DATE   | amount: DOUBLE |" in out
    statement = f"CREATE TABLE orders_2024 AS\nSELECT * FROM read_csv('{home.folder}/Orders 2024.csv');"
    assert statement in out
    assert out.endswith("orders_2024 in project default: 2 rows\n")
    assert home.rows("SELECT sum(amount) AS total FROM orders_2024") == [{"total": 5.5}]


def test_a_table_is_not_replaced_unasked(home: Home) -> None:
    Path("a.csv").write_text("x\n1\n")
    assert home.run("import", "a.csv")[0] == 0
    status, _, err = home.run("import", "a.csv")
    assert status == 1 and "there is a table a already" in err and "--replace, --append" in err
    assert "a in project default: 1 added, 2 rows" in home.run("import", "a.csv", "--append")[1]
    assert "a in project default: 1 row" in home.run("import", "a.csv", "--replace")[1]
    assert "nothing is loaded" in home.run("import", "a.csv", "--append", "--dry-run")[1]
    assert home.rows("SELECT count(*) AS n FROM a") == [{"n": 1}]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "late.csv",
            "a,b\n" + "1,1\n" * 30_000 + "7,zzz\n1,1\n",
            ["line 30002 of ", 'column "b"', "7,zzz", "b=VARCHAR"],
        ),
        ("late.ndjson", '{"a": 1}\n' * 30_000 + '{"a": "x"}\n', ["line 30001 of ", '"x"']),
        ("broken.ndjson", '{"a": 1}\n' * 30_000 + '{"a": }\n{"a": 2}\n', ["line 30001 of ", "byte 7"]),
        ("latin.csv", "a,b\n1,\xe9\n", ["is not UTF-8", "iconv -f latin1 -t utf-8 latin.csv > utf8-latin.csv"]),
        (
            "wide.csv",
            "a,b\n" + "1,1\n" * 1000 + "1,1,1\n",
            ["line 1,002 of wide.csv", "other columns", "nothing was loaded"],
        ),
        ("empty.csv", "", ["empty.csv is empty"]),
        (
            "quotes.csv",
            'a;b;c;d;e\r\nM;1.234,56;01.02.2025;"Zeile 1\nZeile ""2"""\t;1,5\r\nS;99;2025;ok;2\r\n',
            ["quotes.csv cannot be told", "--delimiter"],
        ),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_loaded(home: Home, name: str, text: str, says: list[str]) -> None:
    Path(name).write_bytes(text.encode("latin-1"))
    status, _, err = home.run("import", name, "loaded")
    assert status == 1
    for part in says:
        assert part in err
    assert len(err.splitlines()) <= 3
    assert home.run("sql", "-c", "FROM loaded")[0] == 1


def test_types_delimiter_and_missing_values_are_given(home: Home) -> None:
    Path("a.csv").write_text("zip;n\n00123;-\n00456;7\n")
    home.run("import", "a.csv", "--types", "zip=VARCHAR, n=DECIMAL(10,2)", "--null", "-", "--delimiter", ";")
    assert home.rows("SELECT *, typeof(n) AS t FROM a ORDER BY zip") == [
        {"zip": "00123", "n": None, "t": "DECIMAL(10,2)"},
        {"zip": "00456", "n": 7.0, "t": "DECIMAL(10,2)"},
    ]
    Path("b.ndjson").write_text('{"a": 1}\n')
    home.run("import", "b.ndjson", "--types", "a=DOUBLE")
    assert home.rows("SELECT typeof(a) AS t FROM b") == [{"t": "DOUBLE"}]
    assert "'z' is no column and type" in home.run("import", "a.csv", "--types", "z")[2]


def test_a_decimal_comma_is_noted_and_read(home: Home) -> None:
    Path("a.csv").write_text("\ufeffname;n\nM\u00fcller;1.234,56\nB\u00f6rne;-7,00\n")
    assert "--decimal ','" in home.run("import", "a.csv")[2]
    _, out, err = home.run("import", "a.csv", "--replace", "--decimal", ",")
    assert "note" not in err and "2 rows" in out
    assert home.rows("SELECT n FROM a ORDER BY n") == [{"n": -7.0}, {"n": 1234.56}]
    assert "2 added, 4 rows" in home.run("import", "a.csv", "--append", "--decimal", ",")[1]


def test_every_kind_and_several_files(home: Home) -> None:
    for month in (1, 2):
        Path(f"sales-{month}.csv").write_text(f"month,n\n{month},10\n")
    assert "sales in project default: 2 rows" in home.run("import", "sales-*.csv")[1]
    Path("packed.tsv.gz").write_bytes(gzip.compress(b"a\tb\n1\tx\n"))
    assert "packed in project default: 1 row" in home.run("import", "packed.tsv.gz")[1]
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2, 3]}), "p.parquet")
    assert "p in project default: 3 rows" in home.run("import", "p.parquet")[1]
    Path("list.json").write_text('[{"a": 1}, {"a": 2}]')
    assert "list in project default: 2 rows" in home.run("import", "list.json")[1]
    home.run("sql", "-c", "CREATE PROJECT shop")
    assert "orders in project shop: 3 rows" in home.run("import", "p.parquet", "orders", "--project", "shop")[1]
    assert "shop.more in project default: 3 rows" in home.run("import", "p.parquet", "shop.more")[1]


def test_what_duckdb_guessed_against_the_lines_is_noted(home: Home) -> None:
    Path("short.csv").write_text("a,b\n1,2\n3\n")
    assert "this is one column" in home.run("import", "short.csv")[2]
    Path("title.csv").write_text("My report\n\na,b,c\n1,2,3\n4,5,6\n")
    assert "left out of title.csv" in home.run("import", "title.csv")[2]


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (["ordres.csv"], "there is no file ordres.csv", "did you mean orders.csv?"),
        (["book.xlsx"], "cannot be imported", "save the sheet as CSV"),
        (["orders.csv", "a.ndjson"], "files of different kinds", "one by one"),
        (["."], "is a folder", "*.csv"),
        (["notes.md"], "no kind of file", ".parquet"),
    ],
)
def test_what_cannot_be_read_is_said(home: Home, words: list[str], says: str, hint: str) -> None:
    for name in ("orders.csv", "a.ndjson", "book.xlsx", "notes.md"):
        Path(name).write_text("a\n1\n")
    status, _, err = home.run("import", *words)
    assert status == 1 and says in err and hint in err


def test_the_last_word_is_the_table_when_it_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert importing.split_words(["a.csv"]) == (["a.csv"], None)
    assert importing.split_words(["a.csv", "shop.orders"]) == (["a.csv"], "shop.orders")
    assert importing.split_words(["a.csv", "b.csv"]) == (["a.csv", "b.csv"], None)
    with pytest.raises(NotFound):
        importing.find_files(["b.csv"])


def test_names_of_tables_come_from_files() -> None:
    def named(*names: str) -> str:
        return importing.table_name([Path(name) for name in names])

    assert named("/x/Orders-2024.csv.gz") == "orders_2024"
    assert named("2024.csv") == "t_2024"
    assert named("a_1.csv", "a_2.csv") == "a"
    with pytest.raises(Invalid, match="how to call the table"):
        named("x.csv", "y.csv")


def test_columns_that_are_called_otherwise_are_noted(home: Home) -> None:
    Path("a.csv").write_text('id,name,name,,"name"\n1,x,y,z,w\n2,p,q,r,s\n')
    _, out, err = home.run("import", "a.csv", "--dry-run")
    assert "name_1: VARCHAR" in out
    assert (
        "note: a table has each name once: name is name_1, a column without a name is column3, name is name_2 here"
        in err
    )
    Path("b.csv").write_text("id;Name\n1;x\n")
    assert "note" not in home.run("import", "b.csv", "--dry-run")[2]
