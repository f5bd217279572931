"""Feature sets by statement: windows, refreshes, rules, repair after a crash, errors."""

from __future__ import annotations

from typing import Any

import pytest

from mlbox.base.command import Caller
from mlbox.base.errors import AlreadyExists, Conflict, Invalid, MlboxError, NotFound
from mlbox.base.settings import Settings
from mlbox.sql.session import Session

PAID = """
CREATE OR REPLACE TABLE paid AS
SELECT i % 3 AS shop, TIMESTAMPTZ '2026-01-01' + to_hours(i) AS sold,
       TIMESTAMPTZ '2026-01-01' + to_hours(i + i % 5) AS paid_at, i::DOUBLE AS amount FROM range(200) r(i)
"""
WINDOWED = """
CREATE OR REPLACE FEATURE SET shops (ENTITY shop, TIMESTAMP sold, KNOWN AT paid_at)
AGGREGATE (sum(amount) OVER (INTERVAL '10 hours', INTERVAL '2 days'), count(*) OVER (INTERVAL '10 hours') AS sales)
STORE OFFLINE AND ONLINE {more} AS SELECT shop, sold, paid_at, amount FROM paid
"""


@pytest.fixture
def session(house: Any) -> Session:
    """A session in the project default, with a table."""
    opened = Session(house.catalog, house.dispatcher, Caller())
    run(opened, PAID)
    return opened


def run(session: Session, text: str) -> Any:
    """The last outcome."""
    *_, outcome = session.run(text)
    return outcome.result


def rows(session: Session, text: str) -> list[dict[str, Any]]:
    """Of the last statement."""
    found: list[dict[str, Any]] = run(session, text).table.to_pylist()
    return found


def test_windows_are_what_plain_sql_says(session: Session) -> None:
    """Each value is the aggregate over the closed window that ends at the row's known time."""
    assert "200 rows, 3 features" in run(session, WINDOWED.format(more="")).message
    wrong = rows(
        session,
        """
        SELECT count(*) AS n FROM shops s WHERE
            sum_amount_10h IS DISTINCT FROM (SELECT sum(amount) FROM paid p WHERE p.shop = s.shop
                AND p.paid_at BETWEEN s.paid_at - INTERVAL 10 HOURS AND s.paid_at)
            OR sum_amount_2d IS DISTINCT FROM (SELECT sum(amount) FROM paid p WHERE p.shop = s.shop
                AND p.paid_at BETWEEN s.paid_at - INTERVAL 2 DAYS AND s.paid_at)
            OR sales IS DISTINCT FROM (SELECT count(*) FROM paid p WHERE p.shop = s.shop
                AND p.paid_at BETWEEN s.paid_at - INTERVAL 10 HOURS AND s.paid_at)
        """,
    )
    assert wrong == [{"n": 0}]


def test_refreshing_piece_by_piece_gives_the_whole(session: Session) -> None:
    """An incremental refresh reads as far back as its windows reach; a repeat adds nothing."""
    run(session, WINDOWED.format(more="WITH (defer = true)"))
    assert rows(session, "SELECT count(*) AS n FROM shops") == [{"n": 0}]
    for day in (2, 4, 5, 9, 30):
        run(session, f"REFRESH FEATURE SET shops TO TIMESTAMP '2026-01-{day:02d}'")
        assert "0 rows" in run(session, f"REFRESH FEATURE SET shops TO TIMESTAMP '2026-01-{day:02d}'").message
    run(session, "CREATE OR REPLACE TABLE pieces AS FROM shops")
    run(session, "REFRESH FEATURE SET shops FULL")
    assert rows(session, "SELECT count(*) AS n FROM (FROM shops EXCEPT FROM pieces)") == [{"n": 0}]
    assert rows(session, "SELECT count(*) AS n FROM pieces") == [{"n": 200}]
    assert rows(session, "SELECT rows FROM ml.feature_sets WHERE name = 'shops'") == [{"rows": 200}]


def test_rules_hold_or_nothing_is_stored(session: Session) -> None:
    """NOT NULL, CHECK, missing entity; the example row is told; on_error = 'skip' leaves wrong rows out."""
    run(
        session,
        "CREATE FEATURE SET r (ENTITY k BIGINT, TIMESTAMP t, x DOUBLE NOT NULL CHECK (x > 0), "
        "y VARCHAR DEFAULT 'none')",
    )
    run(session, "INSERT INTO r VALUES (1, '2026-01-01', 1.5, NULL)")
    for values, words in (
        ("(2, '2026-01-01', -1, 'a')", "CHECK"),
        ("(2, '2026-01-01', NULL, 'a')", "NOT NULL"),
        ("(NULL, '2026-01-01', 1, 'a')", "entity k is missing"),
        ("(2, NULL, 1, 'a')", "time t is missing"),
    ):
        with pytest.raises(Invalid, match=words) as caught:
            run(session, f"INSERT INTO r VALUES (3, '2026-01-01', 3, 'fine'), {values}")
        assert "nothing was stored" in caught.value.message
    assert rows(session, "SELECT k, x, y FROM r") == [{"k": 1, "x": 1.5, "y": "none"}]
    run(
        session,
        "CREATE FEATURE SET q (ENTITY k, TIMESTAMP t, x CHECK (x > 0)) WITH (on_error = 'skip') AS "
        "SELECT i AS k, TIMESTAMP '2026-01-01' AS t, i - 2 AS x FROM range(6) g(i)",
    )
    assert rows(session, "SELECT count(*) AS n FROM q") == [{"n": 3}]


def test_inserted_rows_reach_both_stores(session: Session) -> None:
    """An older event does not replace a newer one on line."""
    run(session, "CREATE FEATURE SET p (ENTITY k BIGINT, TIMESTAMP t, x DOUBLE, s VARCHAR) STORE OFFLINE AND ONLINE")
    run(session, "CREATE FEATURE VECTOR pv AS FEATURES (p.x, p.s AS label)")
    run(
        session,
        "INSERT INTO p VALUES (1, '2026-01-02', 2.5, 'new'); INSERT INTO p VALUES (1, '2026-01-01', 1.5, 'old')",
    )
    assert rows(session, "FROM ml.online('pv', {'k': 1})") == [{"k": 1, "x": 2.5, "label": "new"}]
    assert rows(session, "SELECT count(*) AS n FROM p") == [{"n": 2}]


def test_statistics_of_an_ingest(session: Session) -> None:
    """As numbers and histogram."""
    run(session, WINDOWED.format(more=""))
    (row,) = rows(
        session, "SELECT * FROM ml.feature_stats WHERE feature_set = 'shops' AND column_name = 'sum_amount_2d'"
    )
    (true,) = rows(
        session, "SELECT min(sum_amount_2d) AS lo, max(sum_amount_2d) AS hi, avg(sum_amount_2d) AS m FROM shops"
    )
    assert (row["row_count"], row["nulls"]) == (200, 0)
    assert (row["min"], row["max"], row["mean"]) == (true["lo"], true["hi"], pytest.approx(true["m"]))
    assert len(row["histogram_edges"]) == 21
    assert sum(row["histogram_counts"]) == 200
    assert row["quantiles"] == sorted(row["quantiles"])


def test_a_crash_between_the_two_files_is_repaired(home: Any) -> None:
    """The rows and their definition are committed together; the catalog follows at the next open."""
    from mlbox.app.house import House

    house = House.open(home, Settings())
    session = Session(house.catalog, house.dispatcher, Caller())
    run(session, PAID)
    run(session, WINDOWED.format(more=""))
    house.catalog.write(lambda cursor: cursor.execute("DELETE FROM catalog.main.feature_sets") and None)
    house.close()
    again = House.open(home, Settings())
    session = Session(again.catalog, again.dispatcher, Caller())
    assert rows(session, "SELECT name, rows FROM ml.feature_sets") == [{"name": "shops", "rows": 200}]
    run(session, "CREATE FEATURE VECTOR v AS FEATURES (shops.*); REFRESH FEATURE SET shops ONLINE")
    assert rows(session, "FROM ml.online('v', {'shop': 2})")[0]["sales"] > 0
    again.close()


def test_versions_and_drops(session: Session) -> None:
    """OR REPLACE makes a version; a set that a vector reads is not dropped without CASCADE."""
    run(session, WINDOWED.format(more=""))
    with pytest.raises(AlreadyExists):
        run(session, WINDOWED.format(more="").replace("OR REPLACE ", ""))
    assert (
        "exists already"
        in run(session, WINDOWED.format(more="").replace("OR REPLACE FEATURE SET", "FEATURE SET IF NOT EXISTS")).message
    )
    run(session, WINDOWED.format(more=""))
    assert rows(session, "SELECT version FROM ml.feature_sets") == [{"version": 2}]
    run(session, "CREATE FEATURE VECTOR v AS FEATURES (shops.sales)")
    with pytest.raises(Conflict, match="feature vector v"):
        run(session, "DROP FEATURE SET shops")
    run(session, "DROP FEATURE SET shops CASCADE")
    assert rows(session, "SELECT count(*) AS n FROM ml.feature_vectors") == [{"n": 0}]
    with pytest.raises(MlboxError):
        run(session, "FROM shops")
    assert "there is no" in run(session, "DROP FEATURE SET IF EXISTS shops").message


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            "CREATE FEATURE SET a (ENTITY shp, TIMESTAMP sold) AS SELECT shop, sold, amount FROM paid",
            Invalid,
            "did you mean shop",
        ),
        ("CREATE FEATURE SET a (ENTITY shop) AS SELECT shop, sold FROM paid", MlboxError, "TIMESTAMP"),
        ("CREATE FEATURE SET a (ENTITY shop, TIMESTAMP sold) AS SELECT shop, sold FROM paid", Invalid, "no feature"),
        ("CREATE FEATURE SET a (ENTITY shop, TIMESTAMP sold) AS SELECT shop, sold, nix FROM paid", MlboxError, "nix"),
        (
            "CREATE FEATURE SET paid (ENTITY shop, TIMESTAMP sold) AS SELECT * FROM paid",
            AlreadyExists,
            "table or view paid",
        ),
        ("CREATE FEATURE VECTOR v AS FEATURES (shpos.x)", NotFound, "shpos"),
        ("REFRESH FEATURE SET nothing", NotFound, "nothing"),
        ("FROM ml.features('nothing', 'paid')", NotFound, "nothing"),
    ],
)
def test_errors(session: Session, text: str, kind: type[MlboxError], words: str) -> None:
    """Say what is wrong and what is near; nothing is made."""
    with pytest.raises(kind) as caught:
        run(session, text)
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert rows(session, "SELECT count(*) AS n FROM ml.feature_sets") == [{"n": 0}]


def test_retrieval_errors(session: Session) -> None:
    """A spine without the entity, with a column of a feature's name, without a time; a set that is offline only."""
    run(session, "CREATE FEATURE SET o (ENTITY shop, TIMESTAMP sold) AS SELECT shop, sold, amount FROM paid")
    run(session, "CREATE FEATURE VECTOR v AS FEATURES (o.amount)")
    for body, words in (
        ("SELECT 1 AS shp, now() AS event_time", "did you mean shp"),
        ("SELECT 1 AS shop, 2 AS amount, now() AS event_time", "AS …"),
        ("SELECT 1 AS shop", "which column of the spine"),
        ("SELECT 1 AS shop, now() AS a, now() AS b", "a, b"),
    ):
        run(session, f"CREATE OR REPLACE TABLE s AS {body}")
        with pytest.raises(MlboxError) as caught:
            run(session, "FROM ml.features('v', 's')")
        assert words in f"{caught.value.message} {caught.value.hint}"
    with pytest.raises(Conflict, match="offline only"):
        run(session, "FROM ml.online('v', {'shop': 1})")
    with pytest.raises(Conflict, match="no query"):
        run(session, "CREATE FEATURE SET i (ENTITY k BIGINT, TIMESTAMP t, x INTEGER); REFRESH FEATURE SET i")


def test_a_cte_is_a_spine(session: Session) -> None:
    """Its time is called as the label's, else event_time."""
    run(session, "CREATE FEATURE SET o (ENTITY shop, TIMESTAMP sold) AS SELECT shop, sold, amount FROM paid")
    run(session, "CREATE FEATURE VECTOR v AS FEATURES (o.amount)")
    spine = "SELECT 1 AS shop, TIMESTAMPTZ '2026-01-01 05:00' AS event_time"
    text = f"WITH s AS ({spine}) SELECT amount FROM ml.features('v', 's')"
    assert rows(session, text) == [{"amount": 4.0}]
    at = rows(session, "SELECT shop, amount FROM ml.features_at('v', TIMESTAMP '2026-01-01 05:00') ORDER BY shop")
    assert at == [{"shop": 0, "amount": 3.0}, {"shop": 1, "amount": 4.0}, {"shop": 2, "amount": 5.0}]


@pytest.mark.parametrize(
    ("columns", "told", "hint"),
    [
        ("1 AS k, now() AS at", "the spine has no column event_time", "must call its time event_time"),
        ("1 AS key, now() AS event_time", "the spine has no column k", "must call the entity k"),
    ],
)
def test_a_cte_that_is_no_spine_is_told(session: Session, columns: str, told: str, hint: str) -> None:
    list(
        session.run(
            "CREATE FEATURE SET told (ENTITY k, TIMESTAMP ts) AS SELECT 1 AS k, now() AS ts, 2 AS x; "
            "CREATE FEATURE VECTOR told_v AS FEATURES (told.x)"
        )
    )
    with pytest.raises(MlboxError, match=told) as refused:
        list(session.run(f"WITH s AS (SELECT {columns}) SELECT * FROM ml.features('told_v', 's')"))
    assert hint in str(refused.value.hint)
