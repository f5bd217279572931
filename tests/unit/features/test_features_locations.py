"""Rows of a set as files at a place of the user's: they say what the table says, whatever happens."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import delta_log
import deltalake
import duckdb
import pyarrow
import pytest
from fresh_home import fresh_home
from waiting import wait_until

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, Invalid, Unavailable
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.engine.catalog.tables import published
from mlbox.engine.features import publishing
from mlbox.engine.features.locations import delta
from mlbox.engine.features.locations.base import FORMS
from mlbox.engine.features.streaming.pushes import Push
from mlbox.sql.session import Session


class Placed:
    """A house whose set ``f`` lies at a location too."""

    def __init__(self, folder: Path, location: str | None = None, form: str = "parquet") -> None:
        self.folder = folder
        self.form = form
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
            f"WITH (location = '{self.location}', format = '{self.form}') AS SELECT * FROM t"
        )

    def differs(self, version: int = 1, name: str = "f") -> list[tuple[Any, ...]]:
        """Rows that only one of both has."""
        own = Counter(self.rows(f'SELECT id, ts, kind, x FROM "{name}"'))
        there = Counter(READERS[self.form](Path(self.location) / f"v{version}"))
        return [*(own - there).elements(), *(there - own).elements()]


def of_parquet(folder: Path) -> list[tuple[Any, ...]]:
    if not list(folder.rglob("*.parquet")):
        return []
    files = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
    return duckdb.execute(f"SELECT id, ts, nullif(kind::VARCHAR, ''), x FROM {files}").fetchall()


def of_delta(folder: Path) -> list[tuple[Any, ...]]:
    """By the package, which must find what the protocol says."""
    version, own = None, []
    while version != (found := deltalake.DeltaTable(folder)).version():  # both must look at the same commit
        version, own = found.version(), delta_log.rows(folder, ["id", "kind", "x"])
    table = found.to_pyarrow_table()
    assert Counter(own) == Counter(
        (row["id"], row["kind"], row["x"]) for row in table.select(["id", "kind", "x"]).to_pylist()
    )
    return [(row["id"], row["ts"], row["kind"], row["x"]) for row in table.to_pylist()]


READERS = {"parquet": of_parquet, "delta": of_delta}


@pytest.fixture
def placed(tmp_path: Path) -> Any:
    made = Placed(tmp_path)
    yield made
    made.house.close()


@pytest.fixture(params=FORMS.names())
def any_form(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    made = Placed(tmp_path, form=request.param)
    yield made
    made.house.close()


@pytest.mark.parametrize("seed", range(3))
def test_files_say_what_the_table_says(any_form: Placed, seed: int) -> None:
    placed = any_form
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


def test_a_new_version_has_files_of_its_own(any_form: Placed) -> None:
    placed = any_form
    placed.do("INSERT INTO t VALUES (1, '2026-01-01', 'a', 1)")
    placed.create()
    placed.create()
    placed.do("INSERT INTO t VALUES (2, '2026-01-02', 'b', 2); REFRESH FEATURE SET f")
    assert placed.differs(2) == [] and placed.differs(1, "f@1") == []
    placed.do("DELETE ENTITY (id = 1) FROM FEATURE SET f")  # of both
    assert placed.differs(2) == [] and placed.differs(1, "f@1") == []
    assert placed.rows('SELECT count(*) FROM "f@1"') == [(0,)]


def test_what_a_crash_has_left_is_not_read_twice(any_form: Placed, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = any_form
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
        ("WITH (location = '/tmp/x', format = 'orc') AS SELECT * FROM t", "'orc' is not known"),
        ("WITH (format = 'delta') AS SELECT * FROM t", "there is none"),
        ("WITH (location = '/proc/version') AS SELECT * FROM t", "is a file"),
    ],
)
def test_what_cannot_be_is_refused(placed: Placed, clause: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        placed.do(f"CREATE FEATURE SET f (ENTITY id, TIMESTAMP ts) {clause}")
    assert placed.rows("FROM ml.feature_sets") == []


def test_a_delta_table_has_a_commit_an_ingest_and_no_other_writes_there(tmp_path: Path) -> None:
    placed = Placed(tmp_path, form="delta")
    try:
        placed.do("INSERT INTO t VALUES (1, '2026-01-01 23:00:00+00', 'a', 1), (2, '2026-01-02', 'b', 2)")
        plan = placed.rows(
            "EXPLAIN CREATE FEATURE SET f (ENTITY id, TIMESTAMP ts) PARTITION BY (kind) "
            f"WITH (location = '{placed.location}', format = delta) AS SELECT * FROM t"
        )
        assert ("write", placed.location, "delta by kind") in plan
        placed.create()
        folder = Path(placed.location) / "v1"
        parts = [tuple(sorted(found.items())) for found in delta_log.live_files(folder).values()]
        assert sorted(parts) == [
            (("kind", "a"), ("ts_day", "2026-01-01")), (("kind", "b"), ("ts_day", "2026-01-02")),
        ]  # fmt: skip
        placed.do("REFRESH FEATURE SET f")  # nothing is new
        placed.do("INSERT INTO t VALUES (3, '2026-01-03', 'a', 1); REFRESH FEATURE SET f")
        assert deltalake.DeltaTable(folder).version() == 1
        found = "SELECT location_format FROM ml.feature_sets"
        assert placed.rows(found) == [("delta",)]
        placed.do("EXPORT PROJECT default TO 'p.sql'")
        assert "format = 'delta'" in (placed.folder / "p.sql").read_text()
        placed.do("ALTER FEATURE SET f ADD COLUMN more VARCHAR DEFAULT 'new'")
        later = deltalake.DeltaTable(Path(placed.location) / "v2").to_pyarrow_table()
        assert later["more"].to_pylist() == ["new"] * 3 and placed.differs(2) == placed.differs(1, "f@1") == []
        with pytest.raises(Conflict, match="is a Delta table already, and not of feature set default.g"):
            placed.do(
                "CREATE FEATURE SET g (ENTITY id, TIMESTAMP ts) "
                f"WITH (location = '{placed.location}', format = 'delta') AS SELECT * FROM t"
            )
        with pytest.raises(Conflict, match="cannot be written as Delta"):
            placed.do(
                f"CREATE FEATURE SET g (ENTITY id, TIMESTAMP ts) WITH (location = '{tmp_path}/g', format = 'delta') "
                "AS SELECT *, INTERVAL 1 DAY AS i FROM t"
            )
        placed.do("DROP FEATURE SET f")
        placed.create("")  # one of that name, and all its columns, may have the place again
        assert placed.differs() == []
    finally:
        placed.house.close()


def test_nobody_who_was_deleted_is_left_in_a_delta_table(tmp_path: Path) -> None:
    placed = Placed(tmp_path, form="delta")
    try:
        placed.do("INSERT INTO t SELECT i, '2026-01-01', CASE i WHEN 3 THEN 'zoe' ELSE 'k' END, i FROM range(4) r(i)")
        placed.create("PARTITION BY (kind)")
        placed.do("INSERT INTO t VALUES (1, '2026-01-05', 'k', 5); REFRESH FEATURE SET f")
        folder = Path(placed.location) / "v1"
        assert any("zoe" in str(path) for path in folder.rglob("*"))
        placed.do("DELETE ENTITY (id = 3) FROM FEATURE SET f")
        assert placed.differs() == [] and len(of_delta(folder)) == 4
        left = [path for path in folder.rglob("*") if path.is_file()]
        assert not any(b"zoe" in path.read_bytes() or "zoe" in str(path) for path in left)
        assert not any(b'"id":3' in path.read_bytes() for path in left)  # a greatest value
        placed.do("INSERT INTO t VALUES (7, '2026-01-06', 'k', 5); REFRESH FEATURE SET f")
        assert placed.differs() == []
    finally:
        placed.house.close()


def test_many_commits_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "COMPACTED_EVERY", 3)
    placed = Placed(tmp_path, form="delta")
    try:
        placed.do("INSERT INTO t VALUES (0, '2026-01-01', 'k', 1)")
        placed.create("")
        for number in range(1, 6):
            placed.do(f"INSERT INTO t VALUES ({number}, '2026-01-0{number}', 'k', 5); REFRESH FEATURE SET f")
        assert placed.differs() == [] and len(delta_log.live_files(Path(placed.location) / "v1")) < 4
    finally:
        placed.house.close()


def test_a_delta_table_in_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "ACCESS_KEY_ID": "k",
        "SECRET_ACCESS_KEY": "s",
        "REGION": "eu",
        "ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem(key="k", secret="s", client_kwargs={"endpoint_url": endpoint}).makedir("lake")
    placed = Placed(tmp_path, "s3://lake/f", form="delta")
    try:
        placed.do("INSERT INTO t SELECT i, '2026-01-01', 'k', i FROM range(4) r(i)")
        placed.create()
        placed.do("INSERT INTO t VALUES (9, '2026-02-01', 'k', 9); REFRESH FEATURE SET f")
        placed.do("DELETE ENTITY (id = 3) FROM FEATURE SET f")
        table = deltalake.DeltaTable("s3://lake/f/v1", storage_options={"AWS_ALLOW_HTTP": "true"})
        assert sorted(table.to_pyarrow_table()["id"].to_pylist()) == [0, 1, 2, 9]
        with pytest.raises(Unavailable, match="NoSuchBucket"):
            placed.do(
                "CREATE FEATURE SET g (ENTITY id, TIMESTAMP ts) WITH (location = 's3://nolake/g', format = 'delta') "
                "AS SELECT * FROM t"
            )
    finally:
        placed.house.close()
        server.stop()


@pytest.mark.parametrize("form", FORMS.names())
def test_pushed_rows_and_those_of_streams_follow(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "DELAY", 600.0)
    placed = Placed(tmp_path, form=form)
    try:
        told = f"WITH (location = '{placed.location}', format = '{form}')"
        placed.do(
            f"CREATE FEATURE SET f (ENTITY id INT, TIMESTAMP ts, kind VARCHAR, x DOUBLE) PARTITION BY (kind) {told}"
        )
        placed.do("INSERT INTO f VALUES (1, '2026-01-01', 'a', 1), (2, '2026-01-02', 'b', 2)")
        assert placed.differs() == []  # at once
        placed.house.features.start()
        (one,) = placed.house.features._directory.sets()
        for number in range(20):
            rows = pyarrow.table({"id": [number], "ts": [datetime(2026, 2, 1, tzinfo=UTC)], "kind": ["c"], "x": [1.0]})
            placed.house.features.streams.pushes.push(one, Push(rows, None))
        files = len(list((Path(placed.location) / "v1").rglob("*.parquet")))
        assert files < 12  # not one a push
        monkeypatch.setattr(publishing, "DELAY", 0.1)
        placed.house.features.streams.place._next.clear()  # its time has come
        wait_until(lambda: placed.differs() == [])
        placed.do("DELETE ENTITY (id = 7) FROM FEATURE SET f")
        assert placed.differs() == [] and (7,) not in placed.rows("SELECT id FROM f")
        placed.again()
        placed.do(f"CREATE FEATURE SET g (ENTITY id INT, TIMESTAMP ts, x DOUBLE) {told.replace('/f', '/g')}")
    finally:
        placed.house.close()


def test_a_deletion_leaves_the_places_of_other_sets_to_those_who_hold_them(placed: Placed) -> None:
    """A set that is to be written anew is so by who holds its lock, not by a deletion from another set."""
    placed.do("INSERT INTO t SELECT n, TIMESTAMPTZ '2026-01-01' + to_hours(n), 'a', n FROM range(9) r(n)")
    placed.create("")
    placed.do("CREATE FEATURE SET other (ENTITY id, TIMESTAMP ts) AS SELECT * FROM t")
    with placed.house.catalog.read() as cursor:
        ((marked,),) = cursor.execute("SELECT id FROM data._mlbox.feature_definitions WHERE name = 'f'").fetchall()
    placed.house.catalog.write_data(lambda cursor: published.mark(cursor, [marked]))
    placed.do("DELETE ENTITY (id = 1) FROM FEATURE SET other")
    with placed.house.catalog.read() as cursor:
        assert published.marked(cursor, "default", "f") == [marked]
    held = placed.house.features._sets._locked(Ref("default", "f"))
    taken = threading.Event()

    def catch_up() -> None:
        placed.house.features._sets.catch_up(placed.house.features._directory.sets_of("default"))
        taken.set()

    with held:
        thread = threading.Thread(target=catch_up)
        thread.start()
        assert not taken.wait(1)
    assert taken.wait(30)
    thread.join()
    with placed.house.catalog.read() as cursor:
        assert published.marked(cursor, "default", "f") == []
    assert placed.differs() == []


@pytest.mark.parametrize("column", ["ts_day", "TS_Day"])
def test_a_column_that_is_called_as_the_day_of_a_time_is_refused(placed: Placed, column: str) -> None:
    body = f"WITH (location = '{placed.location}', format = '{placed.form}') AS SELECT *, 'z' AS {column} FROM t"
    with pytest.raises(Invalid, match="PARTITION BY ts makes a column ts_day, and the set has one") as caught:
        placed.do(f"CREATE FEATURE SET f (ENTITY id, TIMESTAMP ts) PARTITION BY (TS) {body}")
    assert caught.value.hint == "rename that column"
    placed.do(f"CREATE FEATURE SET f (ENTITY id, TIMESTAMP ts) PARTITION BY (kind) {body}")
