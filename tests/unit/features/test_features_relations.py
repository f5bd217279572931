"""Vectors over sets that hang together, with tolerances, against a naive reading of the rule, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pyarrow
import pytest
from examples_of import examples
from fresh_home import fresh_home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, Invalid, MlboxError, NotFound
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.engine.features import asof
from mlbox.sql.session import Session

ZERO = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = pyarrow.timestamp("us", tz="UTC")
HOURS = st.integers(0, 12)
SMALL = st.none() | st.integers(0, 2)
SETS = """
CREATE OR REPLACE FEATURE SET orders (ENTITY id, TIMESTAMP ts) {orders_ttl} STORE OFFLINE AND ONLINE
    AS SELECT * FROM orders_raw;
CREATE OR REPLACE FEATURE SET people (ENTITY person, TIMESTAMP ts, KNOWN AT known) STORE OFFLINE AND ONLINE
    AS SELECT * FROM people_raw;
CREATE OR REPLACE FEATURE SET visits (ENTITY person, ENTITY shop, TIMESTAMP ts) TTL INTERVAL '9 hours'
    STORE OFFLINE AND ONLINE AS SELECT * FROM visits_raw;
CREATE OR REPLACE FEATURE VECTOR v AS FEATURES (visits.*, people.age, orders.total AS amount)
    RELATIONS (orders.who = people.person, orders.who = visits.person) {tolerance}
"""


class Order(NamedTuple):
    """A row of orders; times are hours since ZERO."""

    id: int
    ts: int
    who: int | None
    total: int | None


class Person(NamedTuple):
    """A row of people."""

    person: int
    ts: int
    known: int
    age: int | None


class Visit(NamedTuple):
    """A row of visits, with two entities."""

    person: int
    shop: int
    ts: int
    spent: int


class Ask(NamedTuple):
    """A row of the spine."""

    id: int | None
    shop: int | None
    event_time: int | None


ORDERS = st.lists(st.builds(Order, st.integers(0, 2), HOURS, SMALL, SMALL), max_size=12)
PEOPLE = st.lists(st.builds(Person, st.integers(0, 2), HOURS, st.integers(0, 16), SMALL), max_size=12)
VISITS = st.lists(st.builds(Visit, st.integers(0, 2), st.integers(0, 1), HOURS, st.integers(0, 99)), max_size=12)
ASK = st.builds(Ask, SMALL, st.none() | st.integers(0, 1), st.none() | st.integers(-1, 20))
ASKS = st.lists(ASK, min_size=1, max_size=8)
AGES = st.none() | st.integers(1, 8)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """For all examples."""
    with TemporaryDirectory() as folder:
        opened = House.open(fresh_home(Path(folder) / "home"), Settings())
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def session(house: House) -> Session:
    return Session(house.catalog, house.dispatcher, Caller())


def run(session: Session, text: str) -> Any:
    *_, outcome = session.run(text)
    return outcome.result


def load(house: House, name: str, kind: type[Any], rows: list[Any]) -> None:
    """A table of the project; columns that hold hours become instants."""
    columns = {}
    for place, column in enumerate(kind._fields):
        values = [row[place] for row in rows]
        if column in ("ts", "known", "event_time"):
            moments = [None if value is None else ZERO + timedelta(hours=value) for value in values]
            columns[column] = pyarrow.array(moments, STAMP)
        else:
            columns[column] = pyarrow.array(values, "int64")

    def write(cursor: Any) -> None:
        cursor.register("_incoming", pyarrow.table(columns))
        cursor.execute(f"CREATE OR REPLACE TABLE data.default.{name} AS SELECT * FROM _incoming")
        cursor.unregister("_incoming")

    house.catalog.write_data(write)


def newest(rows: list[Any], axis: str, moment: int, age: int | None) -> Any:
    """The latest row that is known, or None: of equal times the later event, then the later ingested."""
    timed = [(getattr(row, axis), row.ts, number, row) for number, row in enumerate(rows)]
    seen = [one for one in timed if one[0] <= moment]
    if not seen:
        return None
    time, _, _, row = max(seen, key=lambda one: one[:3])
    return None if age is not None and moment - time > age else row


def naive(
    ask: Ask, orders: list[Order], people: list[Person], visits: list[Visit], ages: tuple[int | None, int | None]
) -> tuple[Any, ...]:
    """spent, age and amount of a row."""
    if ask.event_time is None:
        return (None, None, None)
    moment = ask.event_time
    order = newest([one for one in orders if one.id == ask.id], "ts", moment, ages[0])
    who = order.who if order else None
    person = newest([one for one in people if one.person == who], "known", moment, ages[1])
    visit = newest([one for one in visits if (one.person, one.shop) == (who, ask.shop)], "ts", moment, 9)
    return (visit and visit.spent, person and person.age, order and order.total)


@settings(max_examples=examples(25), suppress_health_check=list(HealthCheck), deadline=None)
@given(ORDERS, PEOPLE, VISITS, ASKS, AGES, AGES, st.sampled_from((0, asof.CARRIED)))
def test_offline_and_online(
    house: House,
    session: Session,
    orders: list[Order],
    people: list[Person],
    visits: list[Visit],
    spine: list[Ask],
    orders_age: int | None,
    people_age: int | None,
    carried: int,
) -> None:
    """The customer of an order is known as of the spine's time, and so is all that hangs on him."""
    people = [one._replace(known=max(one.known, one.ts)) for one in people]
    for name, kind, rows in (
        ("orders_raw", Order, orders),
        ("people_raw", Person, people),
        ("visits_raw", Visit, visits),
        ("spine", Ask, spine),
    ):
        load(house, name, kind, rows)
    ttl = f"TTL INTERVAL '{orders_age} hours'" if orders_age else ""
    clause = f"TOLERANCE (people = INTERVAL '{people_age} hours', visits = INTERVAL '20 hours')"
    tolerance = clause if people_age else ""
    run(session, SETS.format(orders_ttl=ttl, tolerance=tolerance))
    numbered = "WITH s AS (SELECT row_number() OVER () AS n, * FROM spine) SELECT spent, age, amount "
    before, asof.CARRIED = asof.CARRIED, carried  # features fetched after the join, and sorted with the keys
    found = run(session, f"{numbered} FROM ml.features('v', 's') ORDER BY n").table.to_pylist()
    asof.CARRIED = before
    expected = [naive(ask, orders, people, visits, (orders_age, people_age)) for ask in spine]
    assert [tuple(row.values()) for row in found] == expected

    reader = house.features.reader(Ref("default", "v"))
    assert sorted(reader.entities) == ["id", "shop"]
    moment = 20  # later than all rows, so that online has what was known then
    keys = [(number, shop) for number in (0, 1, 2) for shop in (0, 1)]
    at = [ZERO + timedelta(hours=moment)] * len(keys)
    read = reader.read({"id": [one for one, _ in keys], "shop": [two for _, two in keys]}, at)
    wanted = [naive(Ask(*key, moment), orders, people, visits, (orders_age, people_age)) for key in keys]
    assert list(zip(read["spent"], read["age"], read["amount"], strict=True)) == wanted
    first = reader.row({"id": 0, "shop": 0}, at[0])
    assert (first["spent"], first["age"], first["amount"]) == wanted[0]


@pytest.fixture(scope="module")
def made(house: House, session: Session) -> Session:
    for name, kind, rows in (
        ("orders_raw", Order, [Order(1, 0, 7, 5)]),
        ("people_raw", Person, [Person(7, 0, 0, 33)]),
        ("visits_raw", Visit, [Visit(7, 0, 0, 1)]),
    ):
        load(house, name, kind, rows)
    run(session, SETS.format(orders_ttl="", tolerance=""))
    return session


@pytest.mark.parametrize(
    ("clauses", "kind", "message", "hint"),
    [
        ("RELATIONS (orders.whom = people.person)", NotFound, "orders has no feature 'whom'", "who"),
        ("RELATIONS (orders.who = people.persons)", NotFound, "people has no entity 'persons'", "person"),
        (
            "RELATIONS (orders.who = visits.person)",
            Invalid,
            "RELATIONS names feature set visits, which",
            "known: orders, people",
        ),
        ("RELATIONS (orders.total = orders.id)", Invalid, "stands on both sides", None),
        ("RELATIONS (orders.who = people.person, people.age = orders.id)", Invalid, "go in a circle", None),
        (
            "TOLERANCE (visits = INTERVAL '1 day')",
            Invalid,
            "TOLERANCE names feature set visits",
            "known: orders, people",
        ),
    ],
)
def test_what_is_wrong_is_told(
    made: Session, clauses: str, kind: type[MlboxError], message: str, hint: str | None
) -> None:
    with pytest.raises(kind, match=message) as refused:
        run(made, f"CREATE FEATURE VECTOR w AS FEATURES (people.age, orders.total) {clauses}")
    assert hint is None or hint in str(refused.value.hint)


def test_a_set_that_only_hands_an_entity_on(made: Session, house: House) -> None:
    """It is read, not given; and it is not dropped from under the vector."""
    run(made, "CREATE FEATURE VECTOR handed AS FEATURES (people.age) RELATIONS (orders.who = people.person)")
    spine = "WITH s AS (SELECT 1 AS id, TIMESTAMPTZ '2026-01-02' AS event_time)"
    assert run(made, f"{spine} FROM ml.features('handed', 's')").table.to_pylist()[0]["age"] == 33
    assert run(made, "FROM ml.online('handed', {'id': 1})").table.to_pylist() == [{"id": 1, "age": 33}]
    with pytest.raises(Conflict, match="orders is read by feature vector"):
        run(made, "DROP FEATURE SET orders")
    with pytest.raises(Invalid, match="entity id is missing"):
        run(made, "FROM ml.online('handed', {'person': 7})")


@pytest.mark.nightly
def test_a_spine_larger_than_memory_spills(tmp_path: Path) -> None:
    """Millions of rows against a limit that they do not fit; the answer is written as it comes."""
    house = House.open(fresh_home(tmp_path / "home"), Settings(memory_limit="200MB", threads=2))
    session = Session(house.catalog, house.dispatcher, Caller())
    run(
        session,
        """
        CREATE TABLE big AS SELECT range % 5000 AS k, TIMESTAMPTZ '2026-01-01' + to_seconds(range) AS event_time,
            range AS n, md5(range::VARCHAR) AS note FROM range(3000000);
        CREATE FEATURE SET f (ENTITY k, TIMESTAMP ts) AS SELECT range % 5000 AS k,
            TIMESTAMPTZ '2026-01-01' + to_seconds(range * 10) AS ts, range AS x FROM range(200000);
        CREATE FEATURE VECTOR v AS FEATURES (f.x)
        """,
    )
    run(session, "CREATE TABLE answer AS FROM ml.features('v', 'big')")
    last = "least(greatest((n // 10 - k) // 5000, -1), 39)"
    wanted = f"CASE WHEN n >= k * 10 THEN {last} * 5000 + k END"
    counts = run(
        session, f"SELECT count(*) AS n, count(*) FILTER (x IS NOT DISTINCT FROM {wanted}) AS good FROM answer"
    )
    assert counts.table.to_pylist() == [{"n": 3_000_000, "good": 3_000_000}]
    house.close()


def test_an_exported_vector_hangs_together_again(made: Session, house: House) -> None:
    from mlbox.sql.project_script import project_script

    with house.catalog.read() as cursor:
        script = project_script(cursor, "default", None)
    assert (
        "RELATIONS (default.orders.who = default.people.person" in script or "RELATIONS (orders.who = people" in script
    )
    before = house.features._directory.vector(Ref("default", "v")).to_text()
    (statement,) = [
        text for text in script.split(";") if "CREATE FEATURE VECTOR v " in text or "VECTOR default.v" in text
    ]
    run(made, "DROP FEATURE VECTOR v")
    run(made, statement)
    assert house.features._directory.vector(Ref("default", "v")).to_text() == before
