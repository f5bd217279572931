"""Wrong rows: the first is named and nothing stands, or they are put aside where they can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from statements import Statements

from mlbox.base.errors import AlreadyExists, Invalid

COLUMNS = "(ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE NOT NULL CHECK (amount >= 0), city VARCHAR DEFAULT 'none')"


class Shop(Statements):
    """A session with a table of texts, and a folder of files."""

    def __init__(self, house: Any, folder: Path) -> None:
        super().__init__(house, folder)
        self.do("CREATE TABLE raw (id VARCHAR, ts VARCHAR, amount VARCHAR, city VARCHAR)")
        self.add("1", "2026-01-01", "1", "Ulm")

    def add(self, *row: str | None) -> None:
        self.do("INSERT INTO raw VALUES (?, ?, ?, ?)", list(row))


@pytest.fixture
def shop(house: Any, tmp_path: Path) -> Shop:
    return Shop(house, tmp_path)


def test_the_first_row_that_does_not_convert_is_named(shop: Shop) -> None:
    shop.add("2", "2026-01-02", "many", None)
    shop.add("3", "2026-01-03", "more", None)
    error = shop.refused(f"CREATE FEATURE SET f {COLUMNS} AS SELECT * FROM raw")
    assert error.message == "row 2: amount is not of type DOUBLE: many; nothing was stored"
    assert error.details == {"row": 2, "part": "", "reason": "amount is not of type DOUBLE: many"}
    assert shop.rows("SELECT count(*) FROM ml.feature_sets") == [(0,)]


def test_wrong_rows_are_put_aside_with_number_and_reason(shop: Shop) -> None:
    shop.add("2", "2026-01-02", "many", None)
    shop.add("3", "2026-01-03", "-1", None)
    shop.add(None, "2026-01-03", "1", None)
    shop.add("5", "never", "1", None)
    shop.add("6", "2026-01-06", None, None)
    shop.add("7", "2026-01-07", "7", None)
    done = shop.do(f"CREATE FEATURE SET f {COLUMNS} ON ERROR QUARANTINE AS SELECT * FROM raw")
    assert "5 wrong ones put aside" in done.message
    assert shop.rows("SELECT id, amount, city FROM f ORDER BY id") == [(1, 1, "Ulm"), (7, 7, "none")]
    assert shop.rows("SELECT number, reason FROM ml.dead_letters ORDER BY number") == [
        (2, "amount is not of type DOUBLE: many"),
        (3, "CHECK (amount >= 0) is false"),
        (4, "entity id is missing"),
        (5, "ts is not of type TIMESTAMP WITH TIME ZONE: never"),
        (6, "amount is NOT NULL and missing"),
    ]
    assert shop.rows("""SELECT "row"->>'amount' FROM ml.dead_letters WHERE number = 2""") == [("many",)]
    assert shop.rows("SELECT rows, rejected FROM ml.ingests") == [(2, 5)]
    assert shop.rows("SELECT on_error FROM ml.feature_sets") == [("quarantine",)]


def test_lines_that_are_no_csv_are_put_aside_too_and_once(shop: Shop) -> None:
    lines = [f"{i},2026-01-03,{i}" for i in range(30_000)]
    (shop.folder / "a.csv").write_text("\n".join(["id,ts,amount", *lines, "7,2026-01-03,many", "8,2026-01-03", ""]))
    shop.do("CREATE SOURCE s FROM '*.csv'")
    columns = "(ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount <> 5))"
    done = shop.do(f"CREATE FEATURE SET f {columns} ON ERROR QUARANTINE FROM s")
    assert done.facts["rows"] == 29_999 and "3 wrong ones" in done.message
    found = shop.rows("SELECT number, part, reason, source FROM ml.dead_letters ORDER BY number")
    assert [(number, Path(part).name) for number, part, _, _ in found] == [
        (6, "a.csv"),
        (30002, "a.csv"),
        (30003, "a.csv"),
    ]
    assert '"many"' in found[1][2] and "Columns: 3 Found: 2" in found[2][2] and found[0][3] == "default.s"
    shop.do("REFRESH FEATURE SET f; REFRESH FEATURE SET f FROM '2026-01-01'")
    assert shop.rows("SELECT count(*) FROM ml.dead_letters") == [(3,)]


def test_windows_put_rows_that_break_a_rule_aside(shop: Shop) -> None:
    shop.do("CREATE TABLE t AS SELECT i AS id, TIMESTAMP '2026-01-01' AS ts, i AS amount FROM range(3) r(i)")
    shop.do(
        "CREATE FEATURE SET w (ENTITY id, TIMESTAMP ts, amount DOUBLE CHECK (amount < 2)) ON ERROR QUARANTINE "
        "AGGREGATE (sum(amount) OVER (1 DAY)) AS SELECT * FROM t"
    )
    assert shop.rows("SELECT reason FROM ml.dead_letters") == [("CHECK (amount < 2) is false",)]


def test_windows_do_not_see_what_was_put_aside(shop: Shop) -> None:
    """Neither at once nor in parts, from a query as from files; what does not convert ends nothing."""
    rows = ["1,2026-01-01,1", "1,2026-01-02,many", "1,2026-01-03,-5", "1,never,7", "1,2026-01-04,2"]
    (shop.folder / "a.csv").write_text("\n".join(["id,ts,amount", *rows, ""]))
    shop.do(f"CREATE TABLE t AS SELECT id, ts, amount FROM read_csv('{shop.folder}/a.csv', all_varchar = true)")
    shop.do("CREATE SOURCE s FROM '*.csv' WITH (all_varchar = true)")
    columns = "(ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount >= 0))"
    windows = "ON ERROR QUARANTINE AGGREGATE (sum(amount) OVER (9 DAYS) AS total, count(*) OVER (9 DAYS) AS n)"
    shop.do(f"CREATE FEATURE SET q {columns} {windows} AS SELECT * FROM t")
    shop.do(f"CREATE FEATURE SET f {columns} {windows} FROM s")
    for name in ("q", "f"):
        assert shop.rows(f"SELECT amount, total, n FROM {name} ORDER BY ts") == [(1, 1, 1), (2, 3, 2)]
    told = "SELECT feature_set, number, reason FROM ml.dead_letters ORDER BY ALL"
    reasons = ["amount is not of type DOUBLE: many", "CHECK (amount >= 0) is false"]
    reasons.append("ts is not of type TIMESTAMP WITH TIME ZONE: never")
    first = [(name, 2 + place, reason) for name in ("f", "q") for place, reason in enumerate(reasons)]
    assert shop.rows(told) == first
    shop.do("INSERT INTO t VALUES ('1', '2026-01-05', '4'), ('1', '2026-01-06', '-9')")
    (shop.folder / "b.csv").write_text("id,ts,amount\n1,2026-01-05,4\n1,2026-01-06,-9\n")
    shop.do("REFRESH FEATURE SET q; REFRESH FEATURE SET f")
    for name in ("q", "f"):
        assert shop.rows(f"SELECT amount, total, n FROM {name} ORDER BY ts") == [(1, 1, 1), (2, 3, 2), (4, 7, 3)]
    later = [("f", 2, "CHECK (amount >= 0) is false"), ("q", 7, "CHECK (amount >= 0) is false")]
    assert shop.rows(told) == sorted([*first, *later])


def test_a_default_stands_for_a_column_that_nobody_gives(shop: Shop) -> None:
    """Yet: when a file has it, it counts. Windows make no difference."""
    (shop.folder / "a.csv").write_text("id,ts,amount\n1,2026-01-01,1\n")
    columns = "(ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE, note VARCHAR DEFAULT 'none')"
    shop.do("CREATE SOURCE s FROM '*.csv'")
    shop.do(f"CREATE FEATURE SET q {columns} AS SELECT 1 AS id, now() AS ts, 2 AS amount")
    shop.do(f"CREATE FEATURE SET f {columns} FROM s")
    shop.do(f"CREATE FEATURE SET w {columns} AGGREGATE (sum(amount) OVER (9 DAYS) AS n) FROM s")
    assert shop.rows("SELECT note FROM q") == [("none",)]
    (shop.folder / "b.csv").write_text("id,ts,amount,note\n1,2026-01-02,2,said\n1,2026-01-03,3,\n")
    shop.do("REFRESH FEATURE SET f; REFRESH FEATURE SET w; REFRESH FEATURE SET q")
    for name in ("f", "w"):
        assert shop.rows(f"SELECT note FROM {name} ORDER BY ts") == [("none",), ("said",), ("none",)]
    assert shop.rows("SELECT n FROM w ORDER BY ts") == [(1,), (3,), (6,)]


def test_owner_and_tags_are_declared_too(shop: Shop) -> None:
    shop.do(f"CREATE FEATURE SET f {COLUMNS} WITH (owner = 'ana', tags = ['risk']) AS SELECT * FROM raw")
    assert shop.rows("SELECT owner, tags FROM ml.feature_sets") == [("ana", ["risk"])]


def test_a_query_tells_of_a_wrong_row_once(shop: Shop) -> None:
    shop.add("2", "2026-01-02", "many", None)
    shop.add("3", "never", "3", None)
    shop.do(f"CREATE FEATURE SET f {COLUMNS} ON ERROR QUARANTINE AS SELECT * FROM raw")
    shop.add("4", "2026-01-04", "-4", None)
    shop.do("REFRESH FEATURE SET f; REFRESH FEATURE SET f; REFRESH FEATURE SET f FULL")
    assert shop.rows("SELECT number FROM ml.dead_letters ORDER BY number") == [(2,), (3,), (4,)]
    assert shop.rows("SELECT sum(rejected)::INT FROM ml.ingests") == [(3,)]


def test_rows_behind_wrong_ones_are_those_of_their_own_file(shop: Shop) -> None:
    """A file ends with wrong rows: when it changes, none of the next file's rows goes with its own."""
    shop.do("CREATE SOURCE s FROM '*.csv' WITH (all_varchar = true)")
    (shop.folder / "a.csv").write_text("id,ts,amount\n1,2026-01-01,1\n1,2026-01-01,x\n1,2026-01-01,y\n")
    columns = "(ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE)"
    shop.do(f"CREATE FEATURE SET f {columns} ON ERROR QUARANTINE FROM s")
    (shop.folder / "b.csv").write_text("id,ts,amount\n2,2026-01-02,2\n3,2026-01-02,3\n")
    shop.do("REFRESH FEATURE SET f")
    (shop.folder / "a.csv").write_text("id,ts,amount\n4,2026-01-01,4\n")
    shop.do("REFRESH FEATURE SET f")
    assert shop.rows("SELECT id FROM f ORDER BY id") == [(2,), (3,), (4,)]


def test_skipped_rows_are_counted_and_not_kept(shop: Shop) -> None:
    shop.add("2", "2026-01-02", "many", None)
    shop.do(f"CREATE FEATURE SET f {COLUMNS} ON ERROR SKIP AS SELECT * FROM raw")
    assert shop.rows("SELECT rows, rejected FROM ml.ingests") == [(1, 1)]
    assert shop.rows("SELECT count(*) FROM ml.dead_letters") == [(0,)]


def test_times_without_a_zone_are_those_of_the_set(shop: Shop) -> None:
    shop.add("2", "2026-07-01 12:00:00", "1", None)
    shop.add("3", "2026-07-01 12:00:00+00", "1", None)
    for name, clause in (("f", ""), ("g", "ON ERROR QUARANTINE")):
        zone = "WITH (timezone = 'Europe/Berlin')"
        shop.do(f"CREATE FEATURE SET {name} {COLUMNS} {clause} {zone} AS SELECT * FROM raw")
        found = shop.rows(f"SELECT ts::VARCHAR FROM {name} ORDER BY id")
        assert found == [("2025-12-31 23:00:00+00",), ("2026-07-01 10:00:00+00",), ("2026-07-01 12:00:00+00",)]
    error = shop.refused(f"CREATE FEATURE SET h {COLUMNS} WITH (timezone = 'Europe/Berln') AS SELECT * FROM raw")
    assert isinstance(error, Invalid) and "Europe/Berlin" in (error.hint or "")


def test_a_set_that_refreshes_itself_has_a_schedule(shop: Shop) -> None:
    plan = shop.do(f"EXPLAIN CREATE FEATURE SET f {COLUMNS} REFRESH EVERY 1 HOUR AS SELECT * FROM raw")
    assert ("create", "schedule default.refresh_f") in [tuple(row.values())[:2] for row in plan.table.to_pylist()]
    shop.do(f"CREATE FEATURE SET f {COLUMNS} REFRESH EVERY 1 HOUR AS SELECT * FROM raw")
    assert shop.rows("SELECT name, statement FROM ml.schedules") == [("refresh_f", 'REFRESH FEATURE SET "default"."f"')]
    assert shop.rows("SELECT refresh FROM ml.feature_sets") == [("EVERY INTERVAL '3600000000 microseconds'",)]
    shop.do("EXPORT PROJECT default TO 'p.sql'")
    script = (shop.folder / "p.sql").read_text()
    assert "REFRESH EVERY INTERVAL '1 hours'" in script and "CREATE SCHEDULE" not in script
    shop.do(f"CREATE OR REPLACE FEATURE SET f {COLUMNS} REFRESH CRON '@daily' AS SELECT * FROM raw")
    assert shop.rows("SELECT cron FROM ml.schedules") == [("@daily",)]
    shop.do(f"CREATE OR REPLACE FEATURE SET f {COLUMNS} AS SELECT * FROM raw")
    assert shop.rows("SELECT count(*) FROM ml.schedules") == [(0,)]
    shop.do(f"CREATE OR REPLACE FEATURE SET f {COLUMNS} REFRESH EVERY 1 DAY AS SELECT * FROM raw; DROP FEATURE SET f")
    assert shop.rows("SELECT count(*) FROM ml.schedules") == [(0,)]
    shop.do("CREATE SCHEDULE refresh_f EVERY 1 DAY AS SELECT 1")
    error = shop.refused(f"CREATE FEATURE SET f {COLUMNS} REFRESH EVERY 1 HOUR AS SELECT * FROM raw")
    assert isinstance(error, AlreadyExists) and "refresh_f" in error.message


def test_statistics_of_an_ingest_are_those_of_its_rows(shop: Shop) -> None:
    """Against DuckDB's own aggregates, over hard columns: far from zero, constant, infinite, empty, of few texts."""
    shop.do(
        "CREATE TABLE t AS SELECT i AS id, TIMESTAMP '2026-01-01' AS ts, 1e9 + random() AS far, 7 AS one, "
        "CASE WHEN i % 10 = 0 THEN 'infinity'::DOUBLE WHEN i % 10 = 1 THEN 'nan'::DOUBLE ELSE i END AS odd, "
        "NULL::DOUBLE AS none, i % 3 = 0 AS third, (i % 7)::DECIMAL(9, 2) AS money, chr(97 + (i % 5)::INT) AS letter "
        "FROM range(250000) r(i)"
    )
    shop.do("CREATE FEATURE SET f (ENTITY id, TIMESTAMP ts) AS SELECT * FROM t")
    found = {row["column_name"]: row for row in shop.do("FROM ml.feature_stats").table.to_pylist()}
    for name in ("id", "far", "one", "odd", "third", "money"):
        number = f"CASE WHEN isfinite({name}::DOUBLE) THEN {name}::DOUBLE END"
        ((low, mean, high, stddev, nulls, median, present),) = shop.rows(
            f"SELECT min({number}), avg({number}), max({number}), stddev_samp({number}), count(*) - count({name}), "
            f"median({number}), count({number}) FROM t"
        )
        row = found[name]
        assert (row["min"], row["max"], row["nulls"], row["row_count"]) == (low, high, nulls, 250_000)
        assert row["mean"] == pytest.approx(mean) and row["stddev"] == pytest.approx(stddev, rel=1e-5)
        assert sum(row["histogram_counts"]) == present and len(row["histogram_counts"]) == 20
        assert abs(row["quantiles"][4] - median) <= 0.02 * (high - low)
    assert found["none"]["mean"] is None and found["none"]["histogram_counts"] is None
    assert found["letter"]["top"] == ["a", "b", "c", "d", "e"] and found["letter"]["mean"] is None
