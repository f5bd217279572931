"""Rows of a set as files at a place of the user's: they say what the table says, whatever happens."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from fresh_home import fresh_home

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import Invalid, MlboxError
from mlbox.base.settings import Settings
from mlbox.engine.features import publishing
from mlbox.sql.session import Session


class Placed:
    """A house whose set ``f`` lies at a location too."""

    def __init__(self, folder: Path, location: str | None = None) -> None:
        self.folder = folder
        self.location = location or str(folder / "out" / "f")
        self.open()
        self.do("CREATE TABLE t (id INTEGER, ts TIMESTAMPTZ, kind VARCHAR, x DOUBLE)")

    def open(self) -> None:
        self.house = House.open(fresh_home(self.folder / "home"), Settings())
        self.session = Session(self.house.catalog, self.house.dispatcher, Caller(), base_folder=str(self.folder))

    def again(self) -> None:
        self.house.close()
        self.open()

    def do(self, text: str) -> Any:
        return [outcome.result for outcome in self.session.run(text)][-1]

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.do(text).table.to_pylist()]

    def create(self, clause: str = "PARTITION BY (kind, ts)") -> Any:
        return self.do(
            f"CREATE OR REPLACE FEATURE SET f (ENTITY id, TIMESTAMP ts) {clause} "
            f"WITH (location = '{self.location}') AS SELECT * FROM t"
        )

    def differs(self, version: int = 1, name: str = "f") -> list[tuple[Any, ...]]:
        """Rows that only one of both has."""
        files = f"read_parquet('{self.location}/v{version}/**/*.parquet', hive_partitioning = true)"
        columns = "id, ts, nullif(kind::VARCHAR, '') AS kind, x"
        try:
            there = self.rows(f"SELECT count(*) FROM {files}")[0][0]
        except MlboxError:
            there = 0
        if not there:
            return self.rows(f'SELECT {columns} FROM "{name}"')
        one, other = f"SELECT {columns} FROM {files}", f'SELECT {columns} FROM "{name}"'
        return self.rows(f"({one} EXCEPT ALL {other}) UNION ALL ({other} EXCEPT ALL {one})")


@pytest.fixture
def placed(tmp_path: Path) -> Any:
    made = Placed(tmp_path)
    yield made
    made.house.close()


@pytest.mark.parametrize("seed", range(3))
def test_files_say_what_the_table_says(placed: Placed, seed: int) -> None:
    rng = random.Random(seed)

    def grow() -> None:
        day = rng.randint(1, 9)
        placed.do(
            f"INSERT INTO t SELECT i % 4, TIMESTAMPTZ '2026-01-0{day}' + to_hours(i), "
            f"CASE WHEN i % 5 = 0 THEN NULL ELSE 'k' || i % 2 END, random() FROM range({rng.randint(1, 9)}) r(i)"
        )

    grow()
    placed.create(rng.choice(("", "PARTITION BY (kind)", "PARTITION BY (kind, ts)", "PARTITION BY (ts)")))
    for _ in range(8):
        step = rng.choice(("refresh", "full", "range", "erase", "again", "drop files of a crash"))
        grow()
        if step == "again":
            placed.again()
        elif step == "erase":
            placed.do(f"DELETE ENTITY (id = {rng.randint(0, 3)}) FROM FEATURE SET f")
        else:
            more = {"full": "FULL", "range": "FROM '2026-01-03' TO '2026-01-06'"}.get(step, "")
            placed.do(f"REFRESH FEATURE SET f {more}")
        assert placed.differs() == [], step


def test_folders_are_columns_and_days(placed: Placed) -> None:
    placed.do("INSERT INTO t VALUES (1, '2026-01-01 23:00:00+00', 'a', 1), (2, '2026-01-02', 'b', 2)")
    placed.create()
    found = sorted(path.relative_to(placed.location).parts[:-1] for path in Path(placed.location).rglob("*.parquet"))
    assert found == [("v1", "kind=a", "ts_day=2026-01-01"), ("v1", "kind=b", "ts_day=2026-01-02")]
    assert placed.rows("SELECT location, partition_by FROM ml.feature_sets") == [(placed.location, ["kind", "ts"])]
    (Path(placed.location) / "v1/mine.parquet").write_bytes(b"left alone")
    placed.do("REFRESH FEATURE SET f FULL")
    assert (Path(placed.location) / "v1/mine.parquet").exists()
    placed.do("EXPORT PROJECT default TO 'p.sql'")
    assert "PARTITION BY (kind, ts)" in (placed.folder / "p.sql").read_text()


def test_a_new_version_has_files_of_its_own(placed: Placed) -> None:
    placed.do("INSERT INTO t VALUES (1, '2026-01-01', 'a', 1)")
    placed.create()
    placed.create()
    placed.do("INSERT INTO t VALUES (2, '2026-01-02', 'b', 2); REFRESH FEATURE SET f")
    assert placed.differs(2) == [] and placed.differs(1, "f@1") == []
    placed.do("DELETE ENTITY (id = 1) FROM FEATURE SET f")  # of both
    assert placed.differs(2) == [] and placed.differs(1, "f@1") == []
    assert placed.rows('SELECT count(*) FROM "f@1"') == [(0,)]


def test_what_a_crash_has_left_is_not_read_twice(placed: Placed, monkeypatch: pytest.MonkeyPatch) -> None:
    placed.do("INSERT INTO t VALUES (1, '2026-01-01', 'a', 1)")
    placed.create()
    placed.do("INSERT INTO t VALUES (2, '2026-01-02', 'a', 2)")

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(publishing.published, "put", dies)
        with pytest.raises(KeyboardInterrupt):
            placed.do("REFRESH FEATURE SET f")
    assert placed.rows("SELECT count(*) FROM f") == [(2,)]  # the rows are durable, and so are files of them
    placed.do("INSERT INTO t VALUES (3, '2026-01-03', 'a', 3); REFRESH FEATURE SET f")
    assert placed.differs() == []
    with monkeypatch.context() as patched:
        patched.setattr(publishing.published, "put", dies)
        placed.do("INSERT INTO t VALUES (4, '2026-01-04', 'a', 4)")
        with pytest.raises(KeyboardInterrupt):
            placed.do("REFRESH FEATURE SET f")
    placed.again()
    assert placed.differs() == []


def test_a_place_that_is_away_is_told_and_made_up_for(placed: Placed) -> None:
    placed.do("INSERT INTO t VALUES (1, '2026-01-01', 'a', 1)")
    placed.create("")
    (Path(placed.location) / "v1").rename(placed.folder / "aside")
    (Path(placed.location) / "v1").write_text("in the way")
    placed.do("INSERT INTO t VALUES (2, '2026-01-02', 'a', 2)")
    done = placed.do("REFRESH FEATURE SET f")
    assert done.facts["rows"] == 1 and "not written to its location yet" in done.message
    (Path(placed.location) / "v1").unlink()
    (placed.folder / "aside").rename(Path(placed.location) / "v1")
    placed.again()
    assert placed.differs() == []


def test_an_object_store_takes_them_too(tmp_path: Path) -> None:
    import fsspec

    placed = Placed(tmp_path, "memory://features/f")
    try:
        placed.do("INSERT INTO t VALUES (1, '2026-01-01', 'a', 1), (2, '2026-01-01', 'b', 1)")
        placed.create("PARTITION BY (kind)")
        store = fsspec.filesystem("memory")
        first = store.find("/features/f")
        assert [path.split("/")[3:5] for path in first] == [["v1", "kind=a"], ["v1", "kind=b"]]
        placed.do("DELETE ENTITY (id = 1) FROM FEATURE SET f")
        (left,) = store.find("/features/f")
        assert left.split("/")[4] == "kind=b"
        assert store.cat(left)[:4] == b"PAR1"
    finally:
        placed.house.close()


@pytest.mark.parametrize(
    ("clause", "told"),
    [
        ("PARTITION BY (kind) AS SELECT * FROM t", "there is none"),
        ("PARTITION BY (knd) WITH (location = '/tmp/x') AS SELECT * FROM t", "there is no column 'knd'"),
        ("WITH (location = 'somewhere') AS SELECT * FROM t", "no absolute path and no URL"),
        ("WITH (location = 'nope9://x/y') AS SELECT * FROM t", "nope9"),
        ("WITH (location = '/proc/version') AS SELECT * FROM t", "is a file"),
    ],
)
def test_what_cannot_be_is_refused(placed: Placed, clause: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        placed.do(f"CREATE FEATURE SET f (ENTITY id, TIMESTAMP ts) {clause}")
    assert placed.rows("FROM ml.feature_sets") == []
