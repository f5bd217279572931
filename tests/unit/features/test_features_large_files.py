"""Large files are copied, numbered and hashed while they are read, and nobody can tell."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
from statements import Statements

from mlbox.engine.features import copying
from mlbox.engine.features.sources import files as file_source
from mlbox.engine.features.sources import hashing
from mlbox.engine.features.sources.base import ROW
from mlbox.engine.features.sources.parquet_schema import schema_of

SET = "CREATE FEATURE SET {} (ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount < 900), code VARCHAR)"
ROWS = 5_000


@pytest.fixture
def files(house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Every file counts as a large one."""
    monkeypatch.setattr(file_source, "LARGE", 16)
    return Statements(house, tmp_path)


def _lines(path: Path, seed: int, wrong: int | None = None) -> None:
    """A file of rows that come in an order of their own; one of them may break the check."""
    rng = random.Random(seed)
    rows = [
        {
            "id": rng.randint(1, 9),
            "ts": f"2026-01-{rng.randint(1, 28):02}T00:00:00Z",
            "amount": n / 10,
            "code": f"{n:05}",
        }
        for n in range(ROWS)
    ]
    if wrong is not None:
        rows[wrong]["amount"] = 1_000
    if path.suffix == ".ndjson":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text("id,ts,amount,code\n" + "".join(",".join(map(str, row.values())) + "\n" for row in rows))


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
@pytest.mark.parametrize(("room", "copied"), [(9.0, 3), (1.5, 1), (0.0, 0)])
def test_rows_of_copies_have_the_numbers_of_their_lines(
    files: Statements, kind: str, room: float, copied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether all are copied, some or none; rows of equal time keep their order."""
    copies: list[str] = []
    numbered = copying.numbered

    def told(cursor: duckdb.DuckDBPyConnection, table: str) -> str:
        copies.append(table)
        return numbered(cursor, table)

    monkeypatch.setattr(copying, "numbered", told)
    for number in range(3):
        _lines(files.folder / f"{number}.{kind}", number)
    size = (files.folder / f"0.{kind}").stat().st_size
    monkeypatch.setattr(file_source, "COPIED", round(room * size))
    files.do(f"CREATE SOURCE s FROM '*.{kind}'; {SET.format('f')} FROM s")
    assert len(copies) == copied
    stored = 'SELECT code::INTEGER AS n, _ingested FROM data._sets."default.f@1"'
    with files.house.catalog.read() as cursor:
        found = cursor.execute(
            f"SELECT count(*), count(DISTINCT _ingested), count(*) FILTER ((_ingested - 1) % {ROWS} = n) "
            f"FROM ({stored})"
        ).fetchall()
    assert found == [(3 * ROWS, 3 * ROWS, 3 * ROWS)]
    assert files.rows("SELECT rows, late FROM ml.ingests") == [(3 * ROWS, 0)]


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_wrong_rows_of_a_copy_are_named_and_put_aside(files: Statements, kind: str) -> None:
    _lines(files.folder / f"0.{kind}", 0)
    _lines(files.folder / f"1.{kind}", 1, wrong=4_321)
    files.do(f"CREATE SOURCE s FROM '*.{kind}'")
    error = files.refused(f"{SET.format('f')} FROM s")
    assert "first in row 4,322 of" in error.message and f"1.{kind}" in error.message, error.message
    files.do(f"{SET.format('g')} ON ERROR QUARANTINE FROM s")
    assert files.rows("SELECT count(*) FROM g") == [(2 * ROWS - 1,)]
    ((part, number, reason, text),) = files.rows('SELECT part, number, reason, "row" FROM ml.dead_letters')
    assert (Path(part).name, number, reason) == (f"1.{kind}", 4_322, "CHECK (amount < 900) is false")
    assert "04321" in str(text) and ROW not in str(text)


NAMES = ("rowid", "_row_number", "_n", "_reason", "_json", "_text", "_raw_id", "_converted", "_file_name", "_given")


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_columns_of_the_users_may_have_any_name(files: Statements, kind: str) -> None:
    """Whether the set has them or not: each row keeps its number, its values and its reason."""
    rows = f"SELECT n AS id, TIMESTAMPTZ '2026-01-01' AS ts, n % 10 AS amount FROM range({ROWS}) t(n)"
    form = {"csv": "HEADER", "ndjson": "FORMAT json", "parquet": "FORMAT parquet"}[kind]
    for number, name in enumerate(NAMES):
        path = files.folder / f"{number}.{kind}"
        duckdb.sql(f"COPY (SELECT *, -3 * id AS {name} FROM ({rows})) TO '{path}' ({form})")
        files.do(f"CREATE SOURCE s{number} FROM '{path}'")
        for declared in (f", {name} BIGINT", ""):
            made = f"ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount < 9){declared}"
            for form_of_errors, count in (("SKIP", ROWS * 9 // 10), ("QUARANTINE", ROWS * 9 // 10)):
                files.do(f"CREATE OR REPLACE FEATURE SET f ({made}) ON ERROR {form_of_errors} FROM s{number}")
                with files.house.catalog.read() as cursor:
                    (table,) = cursor.execute(
                        "SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, 'default.f@') "
                        "ORDER BY table_oid DESC LIMIT 1"
                    ).fetchall()[0]
                    right = f"_ingested = id + 1{f' AND {name} = -3 * id' if declared else ''}"
                    stored = f'SELECT count(*), count(*) FILTER ({right}) FROM data._sets."{table}"'
                    assert cursor.execute(stored).fetchall() == [(count, count)], (name, declared, form_of_errors)
        aside = f"SELECT number, reason, \"row\"->>'{name}' FROM ml.dead_letters WHERE source = 'default.s{number}'"
        assert set(files.rows(aside)) == {
            (n + 1, "CHECK (amount < 9) is false", str(-3 * n)) for n in range(9, ROWS, 10)
        }, name
        plain = "ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE"
        files.do(f"CREATE FEATURE SET p{number} ({plain}, {name} BIGINT) FROM s{number}")
        with files.house.catalog.read() as cursor:
            right = f"count(*) FILTER (_ingested = id + 1 AND {name} = -3 * id)"
            stored = f'SELECT {right} FROM data._sets."default.p{number}@1"'
            assert cursor.execute(stored).fetchall() == [(ROWS,)], name


@pytest.mark.parametrize("declared", [", {} BIGINT", ""])
def test_names_that_are_used_inside_are_refused(files: Statements, declared: str) -> None:
    (files.folder / "0.csv").write_text(f"id,ts,{ROW.upper()}\n1,2026-01-01,1\n")
    files.do("CREATE SOURCE s FROM '0.csv'")
    error = files.refused(
        f"CREATE FEATURE SET f (ENTITY id BIGINT, TIMESTAMP ts, x BIGINT DEFAULT 1{declared.format(ROW)}) FROM s"
    )
    assert error.message.lower() == f"a column may not be called {ROW}"
    assert error.hint == "rename it: names that begin with _mlbox_ are used inside"
    assert files.rows("SELECT * FROM ml.feature_sets") == []


def test_copies_changes_and_twins_of_size_are_told_apart(files: Statements) -> None:
    """A hash that is made meanwhile is there when it counts."""
    first = files.folder / "a.csv"
    _lines(first, 0)
    files.do(f"CREATE SOURCE s FROM '*.csv'; {SET.format('f')} FROM s")
    (files.folder / "b.csv").write_bytes(first.read_bytes())  # a copy
    twin = first.read_text().replace("00000", "0000x")
    (files.folder / "c.csv").write_text(twin)  # as long, but another
    files.do("REFRESH FEATURE SET f")
    assert files.rows("SELECT count(*), count(*) FILTER (code = '0000x') FROM f") == [(2 * ROWS, 1)]
    os.utime(first, (1, 1))  # touched
    files.do("REFRESH FEATURE SET f")
    assert files.rows("SELECT count(*) FROM f") == [(2 * ROWS,)]
    first.write_text(first.read_text() + "7,2026-02-01,1,new\n")  # changed, and of a size of its own
    files.do("REFRESH FEATURE SET f")
    assert files.rows("SELECT count(*), count(*) FILTER (code = 'new') FROM f") == [(2 * ROWS + 1, 1)]
    (files.folder / "d.csv").write_bytes(first.read_bytes())
    files.do("REFRESH FEATURE SET f")
    assert files.rows("SELECT count(*) FROM f") == [(2 * ROWS + 1,)]


TYPES = {
    "i": "1::INTEGER",
    "u": "1::UTINYINT",
    "d": "1.5::DECIMAL(18, 3)",
    "t": "TIMESTAMPTZ '2026-01-01'",
    "s": "{'a': 1, 'b': [TRUE, FALSE]}",
    "m": "MAP {'k': DATE '2026-01-01'}",
    "l": "[['x']]",
    "b": "'ab'::BLOB",
    "q": "uuid()",
    "name_of_a_column_that_is_long": "1.5::FLOAT",
}


def test_schemas_of_parquet_files_are_the_same_where_duckdb_says_so(tmp_path: Path) -> None:
    rng = random.Random(7)
    known: list[bytes] = []
    told: dict[str, tuple[bytes, str]] = {}
    for number in range(60):
        names = rng.sample(sorted(TYPES), rng.randint(1, 3)) if number % 4 else sorted(TYPES)
        path = str(tmp_path / f"{number}.parquet")
        columns = ", ".join(f"{TYPES[name]} AS {name}" for name in names)
        duckdb.sql(f"COPY (SELECT {columns} FROM range({rng.randint(0, 500)})) TO '{path}'")
        schema = schema_of(Path(path).read_bytes(), known)
        assert schema is not None
        known.append(schema)
        described = duckdb.execute(f"SELECT list(COLUMNS(* EXCLUDE file_name)::VARCHAR) FROM parquet_schema('{path}')")
        told[path] = (schema, str(described.fetchall()))
    pairs = [(a[0] == b[0], a[1] == b[1]) for a in told.values() for b in told.values()]
    assert {(True, True), (False, False)} == set(pairs)


def test_a_footer_that_is_broken_is_no_schema(tmp_path: Path) -> None:
    rng = random.Random(3)
    path = tmp_path / "x.parquet"
    duckdb.sql(f"COPY (SELECT {', '.join(f'{sql} AS {name}' for name, sql in TYPES.items())}) TO '{path}'")
    whole = path.read_bytes()
    for _ in range(500):
        size = rng.randint(0, 200)
        schema = schema_of(whole[:50] + rng.randbytes(size) + size.to_bytes(4, "little") + b"PAR1")
        assert schema is None or len(schema) <= size + 16
    for text in (b"", b"PAR1", whole[:-4] + b"PARE", (1 << 30).to_bytes(4, "little") + b"PAR1"):
        assert schema_of(text) is None
    nested = b"\x19" * 100_000  # a list in a list in a list
    assert schema_of(nested + len(nested).to_bytes(4, "little") + b"PAR1") is None


def test_few_files_are_hashed_at_once_and_none_that_nobody_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of a file, who waits for its hash is told."""
    path = tmp_path / "x"
    path.write_bytes(b"x" * 1000)
    most = threading.BoundedSemaphore(hashing.AT_ONCE)
    gate, opened = threading.Event(), []

    def slow(name: str, mode: str) -> Any:
        assert most.acquire(blocking=False), "too many at once"
        try:
            opened.append(name)
            assert gate.wait(30)
            return open(name, mode)
        finally:
            most.release()

    monkeypatch.setattr(hashing, "open", slow, raising=False)
    files = [hashing.Hashing(str(path)) for _ in range(20)]
    waiting = [hashing.Hashing(str(tmp_path / f"unwanted{n}")) for n in range(20)]
    waiting.clear()
    gone = hashing.Hashing(str(tmp_path / "no such file"))
    broken = hashing.Hashing("\0")
    gate.set()
    assert {one.result()["hash"] for one in files} == {hashing.digest(str(path))}
    with pytest.raises(FileNotFoundError):
        gone.result()
    with pytest.raises(ValueError, match="null"):
        broken.result()
    assert not [name for name in opened if "unwanted" in name]
