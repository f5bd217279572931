"""Many small files are read together, and nobody can tell."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from statements import Statements

from mlbox.base.errors import Invalid
from mlbox.engine.features import loading
from mlbox.engine.features.bundling import together


@pytest.fixture
def files(house: Any, tmp_path: Path) -> Statements:
    return Statements(house, tmp_path)


COLUMNS = "(ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount < 900), code VARCHAR, day DATE)"
ALONE = "WITH (sample_size = 20480)"
"""The default, but files of a source with this option are not read together."""


def _texts(rng: random.Random, number: int) -> str:
    """A small file of one of several forms; what stands in it is guessed otherwise from file to file."""
    form = rng.choice(("plain", "plain", "plain", "other order", "more", "zoned", "empty"))
    names = ["id", "ts", "amount", "code", "day"]
    if form == "other order":
        rng.shuffle(names)
    names += ["note"] if form == "more" else []
    lines = [",".join(names)]
    for _ in range(0 if form == "empty" else rng.randint(1, 5)):
        time = f"2026-01-{rng.randint(1, 28):02} 0{rng.randint(0, 9)}:00:00"
        values = {
            "id": str(rng.randint(1, 3)),
            "ts": time + rng.choice(("+02", "Z")) if form == "zoned" else time,
            "amount": rng.choice(("1", "2.5", "", "1e2", "7")),
            "code": rng.choice(("007", "x", "12", "", '"a,b"')) if number % 3 else "0042",
            "day": rng.choice(("2026-02-03", "")),
            "note": rng.choice(("n", "1")),
        }
        lines.append(",".join(values[name] for name in names))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_read_together_give_what_each_gives_alone(
    files: Statements, seed: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many: list[int] = []

    def told(cursor: Any, feature_set: Any, run: Any) -> Any:
        found = together(cursor, feature_set, run)
        many.append(len(found.parts))
        return found

    monkeypatch.setattr(loading, "together", told)
    rng = random.Random(seed)
    for number in range(30):
        (files.folder / f"{number:02}.csv").write_text(_texts(rng, number))
        if kind == "parquet":
            if number % 6 == 0:
                types = rng.choice(
                    ("{'amount': 'DOUBLE'}", "{'amount': 'FLOAT', 'id': 'INTEGER'}", "{'code': 'VARCHAR'}")
                )
            path = files.folder / f"{number:02}"
            files.do(f"COPY (SELECT * FROM read_csv('{path}.csv', types = {types})) TO '{path}.parquet'")
    for name, options in (("a", ""), ("b", ALONE if kind == "csv" else "WITH (hive_partitioning = false)")):
        files.do(f"CREATE SOURCE {name} FROM '*.{kind}' {options}")
        files.do(f"CREATE FEATURE SET f{name} {COLUMNS} WITH (timezone = 'Europe/Berlin') FROM {name}")
    assert max(many) > 1  # fb is read one by one
    pair = "SELECT count(*) FROM (({}) EXCEPT ALL ({}))"
    whole = "SELECT * FROM f{}"
    assert files.rows("SELECT count(*) > 20 FROM fa") == [(True,)]
    assert files.rows(pair.format(whole.format("a"), whole.format("b"))) == [(0,)]
    assert files.rows(pair.format(whole.format("b"), whole.format("a"))) == [(0,)]
    if kind == "csv":  # a changed file takes its own rows with it, and no others
        (files.folder / "07.csv").write_text("id,ts,amount,code,day\n9,2026-03-01,9,009,\n")
        files.do("REFRESH FEATURE SET fa; REFRESH FEATURE SET fb")
        assert files.rows(pair.format(whole.format("a"), whole.format("b"))) == [(0,)]
        assert files.rows("SELECT code, day FROM fa WHERE id = 9") == [("009", None)]


@pytest.mark.parametrize("count", [1, 12])
def test_what_is_declared_as_a_text_stays_as_it_stands(files: Statements, count: int) -> None:
    for number in range(count):
        (files.folder / f"{number:02}.csv").write_text(f"id,ts,amount,code,day\n{number},2026-01-01,1,007,\n")
    files.do(f"CREATE SOURCE s FROM '*.csv'; CREATE FEATURE SET f {COLUMNS} FROM s")
    assert files.rows("SELECT count(*), min(code), max(code) FROM f") == [(count, "007", "007")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1,2026-01-01,many,a,", "row 2 of"),
        ("1,2026-01-01,950,a,", "CHECK (amount < 900) is false in 1 row"),
        ("1,2026-01-01", "04.csv"),
        ("1,never,3,a,", "row 2 of"),
    ],
)
def test_a_wrong_row_of_one_of_many_files_is_named(files: Statements, line: str, told: str) -> None:
    for number in range(9):
        (files.folder / f"{number:02}.csv").write_text(
            "id,ts,amount,code,day\n1,2026-01-01,1,a,\n" + (f"{line}\n" if number == 4 else "")
        )
    files.do("CREATE SOURCE s FROM '*.csv'")
    error = files.refused(f"CREATE FEATURE SET f {COLUMNS} FROM s")
    assert told in error.message and "04.csv" in error.message, error.message
    assert files.rows("FROM ml.feature_sets") == []


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_later_file_with_a_column_of_ours_is_refused(files: Statements, kind: str, count: int) -> None:
    """Alone and together with others; the set keeps what it has, and goes on without the file."""
    folder = files.folder / "in"
    folder.mkdir()

    def write(name: str, more: str = "", x: float = 0.5) -> None:
        files.do(
            f"COPY (SELECT 1::BIGINT AS id, TIMESTAMPTZ '2026-01-01' AS ts, {x} AS x{more}) TO '{folder / name}.{kind}'"
        )

    write("a")
    files.do(
        f"CREATE SOURCE s FROM '{folder}/*.{kind}'; CREATE FEATURE SET f (ENTITY id, TIMESTAMP ts) FROM s; "
        "REFRESH FEATURE SET f"
    )
    for number in range(count):
        write(f"b{number}", ", 7 AS _MLBOX_since")
    with pytest.raises(Invalid, match=rf"b0.{kind}: a column may not be called _MLBOX_since") as told:
        files.do("REFRESH FEATURE SET f")
    assert "rename it there" in str(told.value.hint)
    assert files.rows("SELECT count(*) FROM f") == [(1,)]
    for number in range(count):
        (folder / f"b{number}.{kind}").unlink()
    write("c", x=1.5)
    files.do("REFRESH FEATURE SET f")
    assert files.rows("SELECT x FROM f ORDER BY x") == [(0.5,), (1.5,)]
