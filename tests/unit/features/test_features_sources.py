"""Sources of files: what counts as the same file, and what a changed one does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlbox.base.command import Caller
from mlbox.base.errors import AlreadyExists, Invalid, MlboxError, NotFound
from mlbox.sql.session import Session

SET = "CREATE FEATURE SET f (ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE) FROM s"


class Files:
    """A session and a folder of CSV files that the source ``s`` reads."""

    def __init__(self, house: Any, folder: Path) -> None:
        self.folder = folder
        self.session = Session(house.catalog, house.dispatcher, Caller(), base_folder=str(folder))
        self.write("a", "1,2026-01-01,1", "2,2026-01-02,2")
        self.do("CREATE SOURCE s FROM '*.csv'")

    def write(self, name: str, *lines: str) -> Path:
        path = self.folder / f"{name}.csv"
        path.write_text("\n".join(("id,ts,amount", *lines, "")))
        return path

    def do(self, text: str, parameters: Any = None) -> Any:
        return [outcome.result for outcome in self.session.run(text, parameters)][-1]

    def amounts(self) -> list[float]:
        return [row["amount"] for row in self.do("SELECT amount FROM f ORDER BY ALL").table.to_pylist()]

    def refused(self, text: str) -> MlboxError:
        with pytest.raises(MlboxError) as caught:
            self.do(text)
        return caught.value


@pytest.fixture
def files(house: Any, tmp_path: Path) -> Files:
    return Files(house, tmp_path)


def test_a_copy_and_a_touched_file_add_nothing(files: Files) -> None:
    files.do(SET)
    shutil.copy(files.folder / "a.csv", files.folder / "b.csv")
    os.utime(files.folder / "a.csv", (1, 1))
    assert files.do("REFRESH FEATURE SET f").facts["rows"] == 0
    assert files.amounts() == [1, 2]


def test_rows_of_a_changed_file_come_in_place_of_its_former_ones(files: Files) -> None:
    files.write("b", "3,2026-01-03,3")
    files.do(SET)
    files.write("a", "1,2026-01-01,10", "2,2026-01-02,2", "4,2026-01-04,4")
    files.do("REFRESH FEATURE SET f")
    assert files.amounts() == [2, 3, 4, 10]
    files.do("REFRESH FEATURE SET f FROM '2026-01-02'")  # rows of both files are mixed from now on
    files.write("b", "3,2026-01-03,30")
    files.do("REFRESH FEATURE SET f")
    assert files.amounts() == [2, 4, 10, 30]


def test_a_file_that_goes_leaves_its_rows(files: Files) -> None:
    files.do(SET)
    (files.folder / "a.csv").unlink()
    files.write("b", "3,2026-01-03,3")
    files.do("REFRESH FEATURE SET f")
    assert files.amounts() == [1, 2, 3]


def test_a_text_among_numbers_is_told_with_its_line(files: Files) -> None:
    files.do(SET)
    lines = [f"{i},2026-01-03,{i}" for i in range(30_000)]
    files.write("b", *lines, "7,2026-01-03,many")
    error = files.refused("REFRESH FEATURE SET f")
    assert "line 30002 of" in error.message and "b.csv" in error.message and '"many"' in error.message
    assert files.amounts() == [1, 2]


def test_columns_of_files_that_are_still_to_come_are_declared(files: Files) -> None:
    files.do("CREATE SOURCE later FROM 'later/*.parquet'")
    error = files.refused("CREATE FEATURE SET g (ENTITY id, TIMESTAMP ts) FROM later")
    assert "nothing yet" in error.message and "id" in (error.hint or "")
    assert files.do("CREATE FEATURE SET g (ENTITY id BIGINT, TIMESTAMP ts, x DOUBLE) FROM later").facts["rows"] == 0


def test_half_of_a_new_file_is_not_read(files: Files) -> None:
    files.do(SET)
    files.write("b", "3,2026-01-03,3")
    assert "give FROM too" in (files.refused("REFRESH FEATURE SET f TO '2026-01-02'").hint or "")


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("CREATE SOURCE s FROM 'x.csv'", AlreadyExists, "OR REPLACE"),
        ("CREATE SOURCE t FROM 'x.unknown'", Invalid, "csv, "),
        ("CREATE SOURCE t TYPE parque FROM 'x'", NotFound, "did you mean parquet"),
        ("CREATE SOURCE t FROM 'x.csv' WITH (headr = true)", Invalid, "did you mean header"),
        ("CREATE SOURCE t FROM 'x.csv' WITH (password = 'open')", Invalid, "no option"),
        ("CREATE SOURCE t FROM 'x.csv' WITH (nullstr = SECRET nowhere)", NotFound, "has no secret"),
        ("CREATE SOURCE t AS SELECT * FROM nowhere", NotFound, "nowhere"),
        ("CREATE SOURCE t TYPE csv AS SELECT 1", Invalid, "not a query"),
        ("ALTER SOURCE nowhere SUSPEND", NotFound, "no source"),
        ("ALTER SOURCE s SET (headr = true)", Invalid, "did you mean header"),
        ("CREATE FEATURE SET g (ENTITY id, TIMESTAMP tz) FROM s", Invalid, "known: amount, id, ts"),
        ("CREATE FEATURE SET g (ENTITY id, TIMESTAMP ts) FROM t", NotFound, "no source"),
    ],
)
def test_what_cannot_work_is_refused(files: Files, text: str, kind: type[MlboxError], told: str) -> None:
    error = files.refused(text)
    assert isinstance(error, kind), repr(error)
    assert told in f"{error.message} {error.hint}", repr(error)
    assert files.do("SHOW SOURCES").table.num_rows == 1


def test_sources_are_there_after_a_restart_and_in_the_script(home: Any, tmp_path: Path) -> None:
    from mlbox.app.house import House
    from mlbox.base.settings import Settings

    for _ in range(2):
        house = House.open(home, Settings())
        try:
            session = Session(house.catalog, house.dispatcher, Caller(), base_folder=str(tmp_path))
            list(session.run("CREATE SOURCE IF NOT EXISTS s FROM 'x.csv' WITH (delim = ';') COMMENT 'c'"))
            (shown,) = session.run("SHOW SOURCES")
            assert shown.result.table is not None
            assert shown.result.table.to_pylist()[0]["options"] == '{"delim": ";"}'
        finally:
            house.close()
