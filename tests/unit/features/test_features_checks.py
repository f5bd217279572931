"""Checks that refuse no row: counted in every ingest, told as events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from statements import Statements
from waiting import wait_until

from mlbox.base.errors import Invalid

SET = (
    "CREATE FEATURE SET paid (ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount >= 0) "
    "CHECK (amount < 100) SEVERITY WARN, currency VARCHAR CHECK (len(currency) = 3) SEVERITY INFO)"
)
COUNTED = "SELECT column_name, severity, condition, broken, rows FROM ml.feature_checks ORDER BY checked_at, 1, 2"


@pytest.fixture
def shop(house: Any, tmp_path: Path) -> Statements:
    return Statements(house, tmp_path)


def counted(shop: Statements) -> list[tuple[Any, ...]]:
    return shop.rows(COUNTED)


def test_every_ingest_says_how_many_rows_break_each_check(shop: Statements) -> None:
    shop.do(
        "CREATE TABLE t AS SELECT i AS id, TIMESTAMP '2026-01-01' + to_hours(i) AS ts, i * 10 AS amount, "
        "CASE WHEN i % 4 = 0 THEN 'euro' WHEN i % 4 = 1 THEN NULL ELSE 'EUR' END AS currency FROM range(20) r(i)"
    )
    done = shop.do(f"{SET} ON ERROR QUARANTINE AS SELECT * FROM t")
    assert "20 rows, 15 breaches of checks" in done.message
    first = [
        ("amount", "error", "amount >= 0", 0, 20),
        ("amount", "warn", "amount < 100", 10, 20),
        ("currency", "info", "len(currency) = 3", 5, 20),  # what is not known breaks nothing
    ]
    assert counted(shop) == first
    assert shop.rows("SELECT count(*) FROM paid") == [(20,)]
    shop.do("INSERT INTO t VALUES (20, '2026-02-01', -1, 'EUR'), (21, '2026-02-01', 5, 'EUR')")
    assert "1 row, 1 wrong one put aside" in shop.do("REFRESH FEATURE SET paid").message
    assert counted(shop)[3:] == [
        ("amount", "error", "amount >= 0", 1, 1),
        ("amount", "warn", "amount < 100", 0, 1),
        ("currency", "info", "len(currency) = 3", 0, 1),
    ]
    shop.do("REFRESH FEATURE SET paid")
    assert len(counted(shop)) == 6  # nothing came
    shop.do("ALTER FEATURE SET paid ADD COLUMN kind VARCHAR DEFAULT 'x' CHECK (kind = 'x') SEVERITY WARN")
    shop.do("EXPORT PROJECT default TO 'p.sql'")
    script = (shop.folder / "p.sql").read_text()
    assert "CHECK (amount < 100) SEVERITY WARN" in script and "CHECK (kind = 'x') SEVERITY WARN" in script
    shop.do("DROP FEATURE SET paid")
    assert counted(shop) == []


def test_a_breach_is_an_event(shop: Statements, house: Any) -> None:
    told: list[Any] = []
    house.bus.listen(lambda event: told.append(event) if event.kind == "feature_set.check_broken" else None)
    shop.do(f"{SET} AS SELECT 1 AS id, TIMESTAMP '2026-01-01' AS ts, 500 AS amount, 'EUR' AS currency")
    ((event),) = told
    assert (event.project, event.object) == ("default", "paid")
    ((ingest,),) = shop.rows("SELECT id FROM ml.ingests")
    assert dict(event.data) == {
        "column": "amount", "check": "amount < 100", "severity": "warn", "broken": 1, "rows": 1, "ingest": ingest,
    }  # fmt: skip


def test_rows_that_windows_are_kept_up_with_are_counted_too(shop: Statements) -> None:
    shop.do(f"{SET} AGGREGATE (count(*) OVER (1 DAY) AS n)")
    values = "(1, '2026-01-01', 500, 'EUR'), (1, '2026-01-02', 1, 'E')"
    shop.do(f"INSERT INTO paid (id, ts, amount, currency) VALUES {values}")
    assert [(row[0], row[3]) for row in counted(shop)] == [("amount", 0), ("amount", 1), ("currency", 1)]


def test_what_is_no_check_is_refused(shop: Statements) -> None:
    error = shop.refused("CREATE FEATURE SET f (ENTITY id INT, TIMESTAMP ts, x DOUBLE CHECK (y > 0) SEVERITY WARN)")
    assert "y" in error.message
    error = shop.refused("CREATE FEATURE SET f (ENTITY id INT, TIMESTAMP ts, x DOUBLE CHECK (x > 0) SEVERITY FATAL)")
    assert "INFO, WARN or ERROR" in error.message


def test_a_check_of_rows_that_keep_coming_may_not_refuse_by_a_window(shop: Statements) -> None:
    """It would see no window: such rows are counted only."""
    told = (
        "CREATE FEATURE SET w (ENTITY k INT, TIMESTAMP ts, x INT CHECK ({}) {}) AGGREGATE (count(x) OVER (1 HOUR) AS n)"
    )
    with pytest.raises(Invalid, match="reads a window aggregate") as refused:
        shop.do(told.format("n < 2", ""))
    assert "SEVERITY WARN" in str(refused.value.hint)
    shop.do(told.format("n < 2", "SEVERITY WARN"))
    shop.do("INSERT INTO w VALUES (1, '2026-01-01', 1), (1, '2026-01-01 00:01:00', 2)")
    assert counted(shop) == [("x", "warn", "n < 2", 1, 2)]
    shop.do(f"CREATE OR REPLACE {told.format('x < 2', '')[7:]}")


def test_alerts_watch_refreshes_and_checks(shop: Statements) -> None:
    """As the how-to has them: a set that is stale, and checks that rows of the last hour broke."""
    shop.do(
        "CREATE TABLE t AS SELECT 1 AS id, now() AS ts, 1.0 AS amount, 'EUR' AS currency;"
        f"{SET} ON ERROR QUARANTINE AS SELECT * FROM t;"
        "CREATE ALERT stale WHEN EXISTS (SELECT 1 FROM ml.feature_sets WHERE name = 'paid' "
        "AND last_refresh < now() - INTERVAL 3 SECOND) EVERY 5 MINUTES THEN NOTIFY 'log:';"
        "CREATE ALERT broken WHEN EXISTS (SELECT 1 FROM ml.feature_checks WHERE feature_set = 'paid' AND broken > 0 "
        "AND checked_at > now() - INTERVAL 1 HOUR) EVERY 5 MINUTES THEN NOTIFY 'log:'"
    )

    def states() -> dict[str, str]:
        for job in shop.house.monitors.jobs():
            job.run()
        return dict(shop.rows("SELECT name, state FROM ml.alerts"))

    assert states()["broken"] == "ok"
    wait_until(lambda: states()["stale"] == "raised")
    shop.do("INSERT INTO t VALUES (2, now(), -1, 'EUR'); REFRESH FEATURE SET paid")
    assert states()["broken"] == "raised"

    def refreshed() -> bool:
        shop.do("INSERT INTO t VALUES (3, now(), 1, 'EUR'); REFRESH FEATURE SET paid")
        return states()["stale"] == "ok"

    wait_until(refreshed)
