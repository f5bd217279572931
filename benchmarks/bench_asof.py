"""What does a point-in-time join cost over the same by hand? And a REFRESH … ONLINE?"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import lmdb
from report import Table, folder, in_turn, open_house

ROWS = 300_000
ENTITIES = 10_000
ROUNDS = 15
CALLS = 60
START = datetime(2026, 1, 1, tzinfo=UTC)
FILLED = START + timedelta(days=15)
FEATURES = ("f0", "f1", "f2", "f3", "f4")

# Times in whole minutes, so that an entity has rows of one time and de-duplication has something to do.
DATA = f"""
SELECT setseed(0.42);
CREATE TABLE raw AS
    SELECT id, event_time, event_time + to_minutes((random() * 60)::INTEGER) AS known_at,
        {", ".join(f"random() AS {name}" for name in FEATURES)}
    FROM (SELECT (random() * {ENTITIES})::BIGINT AS id,
        TIMESTAMPTZ '{START}' + to_minutes((random() * 43200)::INTEGER) AS event_time FROM range({ROWS}));
CREATE TABLE spine AS
    SELECT range AS n, (random() * {ENTITIES})::BIGINT AS id,
        TIMESTAMPTZ '{START}' + to_seconds((random() * 2592000)::INTEGER) AS event_time FROM range({ROWS})
"""

DEFINITIONS = """
CREATE FEATURE SET readings (ENTITY id, TIMESTAMP event_time, KNOWN AT known_at) TTL INTERVAL '2 days'
    STORE OFFLINE AND ONLINE WITH (online = 'manual') AS SELECT * FROM raw;
CREATE FEATURE VECTOR v AS FEATURES (readings.*)
"""

OURS = "FROM ml.features('v', 'spine')"
BY_HAND = f"""
SELECT spine.*, {
    ", ".join(f"CASE WHEN r.known_at >= spine.event_time - INTERVAL 2 DAY THEN r.{f} END AS {f}" for f in FEATURES)
}
FROM spine ASOF LEFT JOIN (
    SELECT id, known_at, {", ".join(FEATURES)} FROM readings
    QUALIFY row_number() OVER (PARTITION BY id, known_at ORDER BY event_time DESC, ingested DESC) = 1
) AS r ON spine.id = r.id AND spine.event_time >= r.known_at
"""
NEWEST = f"""
SELECT id, epoch_us(known_at), {", ".join(FEATURES)} FROM readings WHERE known_at >= ? AND known_at < ?
QUALIFY row_number() OVER (PARTITION BY id ORDER BY known_at DESC, event_time DESC, ingested DESC) = 1
"""


def copy(house: Any, bare: Any) -> None:
    """The same rows, in the same order of arrival, in a database of their own."""
    with house.catalog.session("default") as cursor:
        ((name,),) = cursor.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = '_sets'").fetchall()
        rows = cursor.sql(f'SELECT * RENAME (_ingested AS ingested) FROM data._sets."{name}"').to_arrow_table()
        spine = cursor.sql("FROM spine").to_arrow_table()
    for table, content in (("readings", rows), ("spine", spine)):
        bare.register("incoming", content)
        bare.execute(f"CREATE TABLE {table} AS FROM incoming")
        bare.unregister("incoming")
    bare.execute("CHECKPOINT")


def join(house: Any, bare: Any) -> None:
    """The whole answer as Arrow, from both; they must be the same."""

    def ours() -> Any:
        with house.catalog.session("default") as cursor:
            return cursor.sql(OURS).to_arrow_table()

    def by_hand() -> Any:
        return bare.sql(BY_HAND).to_arrow_table()

    assert ours().sort_by("n").equals(by_hand().sort_by("n")), "the two joins differ"
    found = in_turn({"ours": timed(ours), "by hand": timed(by_hand)}, ROUNDS)
    table = Table(
        f"What does a point-in-time join of {ROWS:,} rows with {ROWS:,} cost?",
        "an ASOF join by hand in a bare DuckDB, with the same de-duplication",
    )
    table.add("ml.features", found["ours"], "ms", found["by hand"])
    table.print()


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Milliseconds of a call."""

    def measured() -> float:
        began = time.perf_counter()
        work()
        return (time.perf_counter() - began) * 1000

    return measured


def refresh(sql: Callable[[str], Any], bare: Any, place: Path) -> None:
    """Half of the rows at once, then hour by hour, then nothing new."""
    store = lmdb.open(str(place / "bare-online"), map_size=1 << 30)
    key, value = struct.Struct(">Q"), struct.Struct(f"<q{len(FEATURES)}d")

    def by_hand(start: datetime, end: datetime) -> None:
        rows = bare.execute(NEWEST, [start, end]).fetchall()
        with store.begin(write=True) as transaction:
            for row in rows:
                transaction.put(key.pack(row[0]), value.pack(*row[1:]))

    def ours(end: datetime) -> None:
        sql(f"REFRESH FEATURE SET readings ONLINE TO '{end.isoformat()}'")

    first = timed(partial(ours, FILLED))(), timed(partial(by_hand, START, FILLED))()
    hours: tuple[list[float], list[float]] = ([], [])
    for number in range(CALLS):
        start = FILLED + timedelta(hours=number)
        end = start + timedelta(hours=1)
        hours[0].append(timed(partial(ours, end))())
        hours[1].append(timed(partial(by_hand, start, end))())
    idle = [timed(partial(ours, end + timedelta(milliseconds=number)))() for number in range(1, CALLS + 1)]
    store.close()
    table = Table("What does REFRESH … ONLINE cost?", "the query by hand and LMDB puts; no state is kept")
    table.add("the first half, some 10,000 keys", [first[0]], "ms", [first[1]])
    table.add("one more hour, some 400 keys", hours[0], "ms", hours[1])
    table.add("a millisecond more, nothing new", idle, "ms")
    table.print()


def measure(place: Path) -> None:
    with open_house(place / "home") as (house, sql):
        sql(DATA + ";" + DEFINITIONS)
        with duckdb.connect(str(place / "bare.duckdb")) as bare:
            bare.execute("SET TimeZone = 'UTC'")
            copy(house, bare)
            join(house, bare)
            refresh(sql, bare, place)


if __name__ == "__main__":
    with folder() as place:
        measure(place)
