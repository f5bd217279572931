"""The same definition on Spark: what is portable, what is refused and where, and the rows of a real cluster."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from engines import spark as fixture
from fresh_home import fresh_home
from statements import Statements
from waiting import wait_until

from mlbox.app.house import House
from mlbox.base.command import Caller, Query
from mlbox.base.errors import Cancelled, Conflict, Invalid, MlboxError, NotExecuted
from mlbox.base.settings import Settings
from mlbox.engine.features.spark import portable
from mlbox.engine.features.spark.sampling import difference

SCHEMA = {
    "p": {
        "t": {"x": "BIGINT", "a": "DOUBLE", "ts": "TIMESTAMPTZ", "name": "VARCHAR", "d": "DECIMAL(10,2)", "f": "FLOAT"},
        "u": {"x": "BIGINT", "y": "INTEGER"},
    }
}


def spark_sql(text: str) -> str:
    query = Query(text, 0, text)
    return " ".join(portable.written(portable.typed(query, portable.parsed(query), SCHEMA, "p")).split())


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("SELECT x, a / 2 AS h FROM t", "CAST(( `t`.`a` ) AS DOUBLE) / CAST(( 2 ) AS DOUBLE) AS `h`"),
        ("SELECT x, x / nullif(a, 0) AS h FROM t", "NULLIF(`t`.`a`, 0)"),
        ("SELECT * FROM t QUALIFY row_number() OVER (PARTITION BY x ORDER BY ts) = 1", "WHERE _w = 1"),
        ("SELECT lag(a) OVER (PARTITION BY x ORDER BY ts) AS b FROM t", "ORDER BY `t`.`ts` NULLS LAST"),
        ("SELECT x, sum(a) FILTER (a > 1) AS s, count(*) AS n FROM t JOIN u USING (x) GROUP BY x", "FILTER(WHERE"),
        ("FROM t WHERE name LIKE 'a%' AND ts >= TIMESTAMP '2026-01-01' - INTERVAL 3 DAYS", "LIKE 'a%'"),
        ("WITH w AS (SELECT x FROM t UNION ALL SELECT x FROM u) SELECT count(DISTINCT x) AS n FROM w", "UNION ALL"),
        ("SELECT date_trunc('hour', ts) AS h, year(ts) AS y, ts::DATE AS day FROM t", "DATE_TRUNC('HOUR', `t`.`ts`)"),
        ("SELECT x FROM t WHERE x IN (SELECT x FROM u) AND a IS NOT NULL", "IN ( SELECT"),
    ],
)
def test_what_both_engines_understand_is_written_for_spark(text: str, piece: str) -> None:
    assert piece in spark_sql(text)


@pytest.mark.parametrize(
    ("text", "what", "at"),
    [
        ("SELECT x,\n       date_diff('day', ts, ts) AS d FROM t", "function date_diff", (2, 8)),
        ("SELECT x, median(a) FROM t", "function median", (1, 11)),
        ("SELECT a::INT FROM t", "the cast of a DOUBLE to INT", (1, 8)),
        ("SELECT CAST(name AS BIGINT) FROM t", "the cast of a TEXT to BIGINT", (1, 13)),
        ("SELECT x FROM t\nWHERE dayofweek(ts) = 1", "function dayofweek", (2, 7)),
        ("SELECT extract(dow FROM ts) FROM t", "the unit dow here", (1, 25)),
        ("SELECT ln(a), hash(x) FROM t", "function ln", (1, 8)),
        ("SELECT skewness(a) FROM t", "function skewness", (1, 8)),
        ("SELECT upper(name) FROM t", "function upper", (1, 8)),
        ("SELECT list(x ORDER BY ts) FROM t", "function list", (1, 8)),
        ("SELECT x / a FROM t", "a division by what may be zero", (1, 8)),
        ("SELECT avg(d) FROM t", "avg of a decimal", (1, 8)),
        ("SELECT ts - ts FROM t", "the difference of two times", (1, 8)),
        ("SELECT x FROM t WHERE name = x", "a comparison of number and text", (1, 23)),
        ("SELECT * EXCLUDE (x) FROM t", "* EXCLUDE", (1, 8)),
        ("SELECT DISTINCT ON (x) x, a FROM t", "DISTINCT ON", (1, 21)),
        ("SELECT t.x FROM t ASOF JOIN u ON t.x = u.x AND t.a >= u.y", "ASOF JOIN", (1, 29)),
        ("SELECT x FROM t LIMIT 3", "LIMIT without ORDER BY", (1, 23)),
        (
            "SELECT sum(a) OVER (ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM t",
            "a window of RANGE",
            (1, 8),
        ),
        ("SELECT x FROM read_csv('a.csv')", "function read_csv", (1, 15)),
        ("SELECT x FROM t TABLESAMPLE 5%", "TABLESAMPLE", (1, 15)),
        ("SELECT name || 'a\\b' FROM t", "a text with a backslash", (1, 16)),
    ],
)
def test_what_they_understand_otherwise_is_refused_with_its_place(text: str, what: str, at: tuple[int, int]) -> None:
    with pytest.raises(NotExecuted) as caught:
        spark_sql(text)
    assert caught.value.message.startswith(what) and "portable to Spark" in caught.value.message
    assert caught.value.where is not None and (caught.value.where.line, caught.value.where.column) == at


def test_samples_are_compared_whatever_their_order() -> None:
    assert difference([(1, 0.1), (2, None)], [(2, None), (1, 0.1 + 1e-17)]) is None
    assert difference([(1, 0.1)], [(1, 0.2)]) == ((1, 0.1), (1, 0.2))
    assert difference([(1,), (2,)], [(1,)]) == ((2,), None)
    assert difference([(1,)], [(1,), (1,)]) == (None, (1,))


class Shop(Statements):
    """Orders with their customers, and what both were like in the course of time."""

    def fill(self, seed: int, scale: int) -> None:
        """Random rows: ties, gaps, NULLs, rows that are known later than they happened."""
        chance = random.Random(seed)
        zero = datetime(2026, 1, 1, tzinfo=UTC)

        def hour() -> datetime:
            return zero + timedelta(minutes=30 * chance.randint(0, 200))

        def maybe(value: Any) -> Any:
            return None if chance.random() < 0.1 else value

        customers = [
            (chance.randint(0, 20), hour(), maybe(chance.randint(0, 9)), "ä'`\\" * (n % 3)) for n in range(scale)
        ]
        orders = []
        for _ in range(scale):
            placed = hour()
            late = timedelta(hours=chance.randint(0, 9))
            row = (chance.randint(0, 60), placed, placed + late, maybe(chance.randint(0, 22)), maybe(chance.random()))
            orders.append((*row, chance.random() < 0.3))
        pairs = [(chance.randint(0, 20), chance.choice("ab"), hour(), chance.randint(0, 99) / 4) for _ in range(scale)]
        asked = [(maybe(chance.randint(0, 65)), chance.choice("abc"), maybe(hour()), n) for n in range(scale)]
        self.table("customer_rows", ("customer", "seen", "level", "note"), customers)
        names = ("order_id", "placed", "known", "customer_id", "total", "returned")
        self.table("order_rows", names, orders)
        self.table("pair_rows", ("customer", "shop", "seen", "spent"), pairs)
        self.table("asked", ("order_id", "shop", "event_time", "n"), asked)

    def table(self, name: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        data = pyarrow.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))
        pyarrow.parquet.write_table(data, self.folder / f"{name}.parquet")
        self.do(f"CREATE OR REPLACE TABLE {name} AS FROM read_parquet('{self.folder / name}.parquet')")

    def define(self) -> None:
        """Sets with TTL, ties, KNOWN AT, window aggregates and two entities; a vector over all of them."""
        self.do(
            """
            CREATE OR REPLACE FEATURE SET customers (ENTITY customer BIGINT, TIMESTAMP seen,
                level INTEGER, note VARCHAR) TTL INTERVAL '20 hours'
                AGGREGATE (sum(level) OVER (5 HOURS) AS recent) AS FROM customer_rows;
            CREATE OR REPLACE FEATURE SET orders (ENTITY order_id BIGINT, TIMESTAMP placed, KNOWN AT known,
                customer_id BIGINT, total DOUBLE, returned BOOLEAN) AS FROM order_rows;
            CREATE OR REPLACE FEATURE SET pairs (ENTITY customer BIGINT, ENTITY shop VARCHAR, TIMESTAMP seen,
                spent DECIMAL(10,2)) AS FROM pair_rows;
            CREATE OR REPLACE FEATURE VECTOR v AS FEATURES (orders.total, orders.customer_id, customers.level,
                customers.note, customers.recent, pairs.spent) LABEL orders.returned
                RELATIONS (orders.customer_id = customers.customer, orders.customer_id = pairs.customer)
                TOLERANCE (pairs = INTERVAL '30 hours');
            CREATE FEATURE SET IF NOT EXISTS visits (ENTITY shop VARCHAR, TIMESTAMP seen, n INTEGER, cost DECIMAL(8,2))
                TTL INTERVAL '30 hours' AGGREGATE (count(*) OVER (3 HOURS) AS c, sum(n) OVER (3 HOURS, 9 HOURS),
                max(cost) OVER (5 HOURS) AS most, sum(cost) OVER (5 HOURS) AS costs);
            INSERT INTO visits (shop, seen, n, cost) SELECT shop, seen, customer, spent FROM pair_rows
                WHERE hash(spent) % 9 = 0;
            CREATE OR REPLACE FEATURE VECTOR rolling AS FEATURES (visits.c, visits.sum_n_3h, visits.sum_n_9h,
                visits.most, visits.costs, visits.n AS visitors)
            """
        )

    def dataset(self, name: str, columns: str = "*") -> pyarrow.Table:
        """The rows of the newest version of a dataset."""
        digest = self.rows(f"SELECT digest FROM ml.artifacts WHERE name = '{name}' ORDER BY version DESC LIMIT 1")[0][0]
        with self.house.artifacts.open(digest) as stream:
            return pyarrow.parquet.read_table(pyarrow.BufferReader(stream.read()))


def same(one: pyarrow.Table, other: pyarrow.Table) -> bool:
    assert one.schema.names == other.schema.names and [str(t) for t in one.schema.types] == [
        str(t) for t in other.schema.types
    ]
    rows = [[tuple(row.values()) for row in table.to_pylist()] for table in (one, other)]
    wrong = difference(*rows)
    assert wrong is None, wrong
    return len(rows[0]) > 0


@pytest.fixture
def shop(house: House, tmp_path: Path) -> Shop:
    made = Shop(house, tmp_path)
    made.fill(1, 40)
    made.define()
    return made


def test_a_plan_shows_what_goes_to_spark_and_its_sql(shop: Shop) -> None:
    if fixture.why_not():
        pytest.skip(fixture.why_not())
    plan = shop.rows(
        "EXPLAIN CREATE DATASET d ENGINE spark WITH (master = 'local[2]') AS FROM ml.features('v', 'asked')"
    )
    text = "\n".join(str(row) for row in plan)
    for piece in (
        "feature set default.orders@1",
        "Spark master local[2]",
        "last_value(f, true) OVER (PARTITION BY",
        "FROM",
    ):
        assert piece in text
    assert shop.rows("SELECT count(*) FROM ml.runs") == [(0,)]
    query = "SELECT customer, seen, level, note FROM customer_rows WHERE level > 2"
    columns = "(ENTITY customer BIGINT, TIMESTAMP seen)"
    plan = shop.rows(f"EXPLAIN CREATE FEATURE SET f {columns} ENGINE spark AS {query}")
    assert any("`customer_rows`.`level` > 2" in str(row) for row in plan)


def refused(shop: Shop, query: str) -> MlboxError:
    return shop.refused(f"CREATE DATASET d ENGINE spark AS {query}")


def test_what_cannot_go_to_spark_is_named_where_it_stands(shop: Shop) -> None:
    error = refused(shop, "SELECT customer,\n  median(level) AS m\nFROM customer_rows GROUP BY customer")
    assert isinstance(error, NotExecuted) and error.where is not None
    assert (error.where.line, error.where.column) == (2, 3) and "function median" in error.message
    error = shop.refused(
        "CREATE FEATURE SET f (ENTITY customer, TIMESTAMP seen) ENGINE spark AS\n"
        "SELECT *, hash(level) AS h FROM customer_rows"
    )
    assert error.where is not None and (error.where.line, error.where.column) == (2, 11)
    shop.do(
        "CREATE TABLE odd AS SELECT 1::BIGINT AS order_id, 'a' AS shop, now() AS event_time, INTERVAL 1 DAY AS span"
    )
    assert "column 'span' of the query is of type INTERVAL" in refused(shop, "FROM ml.features('v', 'odd')").message
    shop.do("CREATE TABLE texts AS SELECT '1' AS order_id, 'a' AS shop, now() AS event_time")
    assert "compare these in ways of their own" in refused(shop, "FROM ml.features('v', 'texts')").message
    error = refused(
        shop, "WITH s AS (SELECT order_id, shop, event_time AS placed FROM asked)\nSELECT * FROM ml.features('v', 's')"
    )
    assert "the spine 's' is a part of the query" in error.message
    assert error.where is not None and error.where.line == 2
    shop.do("CREATE FEATURE VECTOR one AS FEATURES (orders.total)")
    assert refused(shop, "FROM ml.features_at('one', '2026-01-01')").message.startswith(
        "ml.features_at is not portable"
    )
    shop.do(
        "CREATE FEATURE SET fed (ENTITY shop VARCHAR, TIMESTAMP ts, x DOUBLE) AGGREGATE (sum(x) OVER (1 HOUR) AS s)"
    )
    shop.do("CREATE FEATURE VECTOR moving AS FEATURES (fed.s)")
    assert "rolls on with time" in refused(shop, "FROM ml.features('moving', 'asked')").message


def test_engines_and_their_options_are_checked(shop: Shop) -> None:
    error = shop.refused("CREATE DATASET d ENGINE sparc AS FROM asked")
    assert isinstance(error, Invalid) and error.hint == "did you mean spark?"
    assert "no option 'cores'" in shop.refused("CREATE DATASET d WITH (cores = 2) AS FROM asked").message
    assert "xcores" in shop.refused("CREATE DATASET d ENGINE spark WITH (xcores = 2) AS FROM asked").message
    text = "CREATE FEATURE SET f (ENTITY k INT, TIMESTAMP ts, x INT) ENGINE spark"
    assert "needs a query" in shop.refused(text).message


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose Spark is a standalone cluster."""
    reason = fixture.why_not()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("spark")
    with fixture.standalone(folder / "engine") as master, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", fixture.QUICK)
        opened = House.open(fresh_home(folder / "home"), Settings(spark_master=master))
        yield opened
        opened.close()


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_scenario_of_a_vector_and_of_a_query(cluster: House, tmp_path: Path) -> None:
    """Point-in-time rows are those of DuckDB, row for row; so are those of a set whose query Spark computes."""
    shop = Shop(cluster, tmp_path)
    shop.fill(7, 2_000)
    shop.define()
    done = shop.do("CREATE DATASET joined ENGINE spark AS FROM ml.features('v', 'asked')")
    assert "2,000 rows" in done.message
    shop.do("CREATE DATASET ours AS FROM ml.features('v', 'asked')")
    assert same(shop.dataset("joined"), shop.dataset("ours"))
    found = shop.dataset("ours")
    for name in ("total", "level", "recent", "spent", "returned"):
        assert 0 < found.column(name).null_count < 2_000, name
    shop.do("CREATE DATASET rolled ENGINE spark AS FROM ml.features('rolling', 'asked')")
    shop.do("CREATE DATASET rolled2 AS FROM ml.features('rolling', 'asked')")
    assert same(shop.dataset("rolled"), shop.dataset("rolled2"))
    assert 0 < shop.dataset("rolled").column("sum_n_3h").null_count < 2_000
    edges = dict(shop.rows("SELECT from_kind, from_ref FROM ml.lineage WHERE to_ref = 'default.joined@1'"))
    (run, function, state) = shop.rows("SELECT id, function, state FROM ml.runs ORDER BY created_at")[0]
    assert edges == {"feature vector": "default.v", "table": "default.asked", "run": run}
    assert (function, state) == ("mlbox_spark", "completed")
    assert shop.rows(f"SELECT count(*) FROM ml.logs WHERE run_id = '{run}' AND text = '2,000 rows'") == [(1,)]
    assert not list((cluster.home.cache / "spark").glob("*/input"))

    query = """
        SELECT customer, date_trunc('day', seen) AS day, count(*) AS n, sum(level) AS levels, avg(level) / 2 AS half
        FROM customer_rows WHERE level IS NOT NULL GROUP BY customer, date_trunc('day', seen)
        """
    columns = "(ENTITY customer, TIMESTAMP day, n BIGINT NOT NULL)"
    shop.do(f"CREATE FEATURE SET daily (ENTITY customer, TIMESTAMP day) ENGINE spark AS {query}")
    shop.do(f"CREATE FEATURE SET daily2 (ENTITY customer, TIMESTAMP day) AS {query}")
    assert same(shop.do("FROM daily").table, shop.do("FROM daily2").table), columns
    assert shop.rows("SELECT name, engine FROM ml.feature_sets WHERE name LIKE 'daily%' ORDER BY 1") == [
        ("daily", "spark"),
        ("daily2", "duckdb"),
    ]


@pytest.mark.engine
@pytest.mark.timeout(900)
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4))
def test_random_rows_are_the_same_on_both_engines(cluster: House, tmp_path: Path, seed: int) -> None:
    shop = Shop(cluster, tmp_path)
    shop.fill(seed, 500)
    shop.define()
    shop.do("CREATE DATASET a ENGINE spark AS SELECT * FROM ml.features('v', 'asked') WHERE n >= 0")
    shop.do("CREATE DATASET b AS SELECT * FROM ml.features('v', 'asked') WHERE n >= 0")
    assert same(shop.dataset("a"), shop.dataset("b"))


@pytest.mark.engine
@pytest.mark.timeout(900)
@pytest.mark.nightly
def test_a_refresh_on_spark_adds_what_is_new(cluster: House, tmp_path: Path) -> None:
    shop = Shop(cluster, tmp_path)
    shop.do("CREATE OR REPLACE TABLE raw AS SELECT 1 AS k, TIMESTAMP '2026-01-01' AS ts, 2.5::DOUBLE AS x")
    shop.do("CREATE FEATURE SET s (ENTITY k, TIMESTAMP ts) ENGINE spark AS SELECT k, ts, x * 2 AS y FROM raw")
    shop.do("INSERT INTO raw VALUES (2, TIMESTAMP '2026-01-02', 4)")
    assert shop.do("REFRESH FEATURE SET s").facts["rows"] == 1
    assert shop.rows("SELECT k, y FROM s ORDER BY k") == [(1, 5.0), (2, 8.0)]
    shop.do(
        "ALTER FEATURE SET s RENAME COLUMN y TO z NEW VERSION; INSERT INTO raw VALUES (3, TIMESTAMP '2026-01-03', 1)"
    )
    shop.do("REFRESH FEATURE SET s")
    assert shop.rows("SELECT k, z FROM s ORDER BY k") == [(1, 5.0), (2, 8.0), (3, 2.0)]
    shop.do("INSERT INTO raw VALUES (4, NULL, 1)")
    assert "time ts is missing" in shop.refused("REFRESH FEATURE SET s FULL").message


@pytest.mark.engine
@pytest.mark.timeout(900)
@pytest.mark.nightly
def test_what_differs_in_a_sample_is_refused(cluster: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "_SAFE_CASTS", {**portable._SAFE_CASTS, "DOUBLE": frozenset({"INT"})})
    shop = Shop(cluster, tmp_path)
    shop.do("CREATE OR REPLACE TABLE halves AS SELECT i, i + 0.5::DOUBLE AS x FROM range(10) r(i)")
    error = shop.refused("CREATE DATASET d ENGINE spark AS SELECT i, x::INT AS n FROM halves")
    assert isinstance(error, Conflict) and "do not give the same for a sample: DuckDB i = 1, n = 2" in error.message


@pytest.mark.engine
@pytest.mark.timeout(900)
@pytest.mark.nightly
def test_the_run_is_cancelled_with_its_statement(cluster: House, tmp_path: Path) -> None:
    shop = Shop(cluster, tmp_path)
    shop.fill(1, 40)
    shop.define()
    going = "SELECT 1 FROM catalog.ml.runs WHERE state = 'running'"
    with cluster.ongoing.begin("CREATE DATASET", Caller()) as underway:
        threading.Thread(
            target=lambda: (wait_until(lambda: cluster.catalog.row(going), 300), underway.cancel())
        ).start()
        error = shop.refused("CREATE DATASET gone ENGINE spark AS FROM ml.features('v', 'asked')")
    assert isinstance(error, (Cancelled, Conflict))
    state = "SELECT state FROM ml.runs ORDER BY created_at DESC LIMIT 1"
    wait_until(lambda: shop.rows(state) == [("cancelled",)], 120)
    assert shop.rows("SELECT count(*) FROM ml.artifacts WHERE name = 'gone'") == [(0,)]
    assert not list((cluster.home.cache / "spark").glob("*/input"))
