"""Point-in-time retrieval against a naive reading of the rule, row by row, over random data."""

from __future__ import annotations

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

from mlbox.base.command import Caller
from mlbox.sql.session import Session

ZERO = datetime(2026, 1, 1, tzinfo=UTC)


class Fact(NamedTuple):
    """A row of the source; hours since ZERO."""

    entity: int
    event: int
    known: int
    value: int | None


class Ask(NamedTuple):
    """A row of the spine."""

    entity: int | None
    moment: int | None


facts = st.lists(
    st.builds(
        lambda entity, event, lag, value: Fact(entity, event, event + lag, value),
        st.integers(0, 2),
        st.integers(0, 12),
        st.integers(0, 4),
        st.one_of(st.none(), st.integers(0, 99)),
    ),
    max_size=25,
)
asks = st.lists(
    st.builds(Ask, st.one_of(st.none(), st.integers(0, 3)), st.one_of(st.none(), st.integers(-1, 20))),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def session() -> Any:
    """A house for all examples."""
    from mlbox.app.house import House
    from mlbox.base.settings import Settings

    with TemporaryDirectory() as folder:
        house = House.open(fresh_home(Path(folder) / "home"), Settings())
        yield Session(house.catalog, house.dispatcher, Caller())
        house.close()


def instant(hour: int | None) -> datetime | None:
    """An hour as an instant."""
    return None if hour is None else ZERO + timedelta(hours=hour)


def load(session: Session, name: str, table: pyarrow.Table) -> None:
    """A table of the project."""

    def write(cursor: Any) -> None:
        cursor.register("_incoming", table)
        cursor.execute(f"CREATE OR REPLACE TABLE data.default.{name} AS SELECT * FROM _incoming")
        cursor.unregister("_incoming")

    session._catalog.write_data(write)


def rows(session: Session, text: str) -> list[dict[str, Any]]:
    """Of the last statement."""
    *_, outcome = session.run(text)
    found: list[dict[str, Any]] = outcome.result.table.to_pylist()
    return found


def prepare(session: Session, source: list[Fact], *, known: bool, ttl: int | None) -> None:
    """Source table and feature set."""
    stamp = pyarrow.timestamp("us", tz="UTC")
    load(
        session,
        "facts",
        pyarrow.table(
            {
                "entity": pyarrow.array([fact.entity for fact in source], "int64"),
                "event": pyarrow.array([instant(fact.event) for fact in source], stamp),
                "known": pyarrow.array([instant(fact.known) for fact in source], stamp),
                "value": pyarrow.array([fact.value for fact in source], "int64"),
            }
        ),
    )
    clause = ", KNOWN AT known" if known else ""
    columns = "entity, event, known, value" if known else "entity, event, value"
    limit = f"TTL INTERVAL '{ttl} hours'" if ttl is not None else ""
    for _ in session.run(
        f"CREATE OR REPLACE FEATURE SET f (ENTITY entity, TIMESTAMP event{clause}) {limit} "
        f"STORE OFFLINE AND ONLINE WITH (online = 'manual') AS SELECT {columns} FROM facts;"
        "CREATE OR REPLACE FEATURE VECTOR v AS FEATURES (f.value)"
    ):
        pass


def naive(source: list[Fact], ask: Ask, *, known: bool, ttl: int | None) -> set[int | None]:
    """What may be answered: the value of the latest row, among equals any that arrived; ties are another test."""
    if ask.entity is None or ask.moment is None:
        return {None}
    time = (lambda fact: fact.known) if known else (lambda fact: fact.event)
    seen = [fact for fact in source if fact.entity == ask.entity and time(fact) <= ask.moment]
    if not seen:
        return {None}
    newest = max(time(fact) for fact in seen)
    if ttl is not None and ask.moment - newest > ttl:
        return {None}
    tied = [fact for fact in seen if time(fact) == newest]
    last = max(fact.event for fact in tied)
    return {fact.value for fact in tied if fact.event == last}


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts, asks, st.booleans(), st.one_of(st.none(), st.integers(1, 6)))
def test_every_row_gets_what_was_known(
    session: Session, source: list[Fact], spine: list[Ask], known: bool, ttl: int | None
) -> None:
    """With and without KNOWN AT and TTL, with ties and missing times and entities."""
    prepare(session, source, known=known, ttl=ttl)
    stamp = pyarrow.timestamp("us", tz="UTC")
    load(
        session,
        "spine",
        pyarrow.table(
            {
                "number": list(range(len(spine))),
                "entity": pyarrow.array([ask.entity for ask in spine], "int64"),
                "event_time": pyarrow.array([instant(ask.moment) for ask in spine], stamp),
            }
        ),
    )
    found = rows(session, "SELECT number, value FROM ml.features('v', 'spine') ORDER BY number")
    assert len(found) == len(spine)
    for row, ask in zip(found, spine, strict=True):
        assert row["value"] in naive(source, ask, known=known, ttl=ttl), (ask, source)


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts, st.lists(st.integers(0, 18), min_size=1, max_size=4), st.booleans())
def test_online_is_offline_at_its_newest(session: Session, source: list[Fact], ends: list[int], known: bool) -> None:
    """After each refresh up to a moment, the online store answers as the offline one just before it."""
    prepare(session, source, known=known, ttl=None)
    for end in sorted(ends):
        moment = instant(end)
        assert moment is not None
        for _ in session.run(f"REFRESH FEATURE SET f TO TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}' ONLINE"):
            pass
        for entity in range(4):
            online = rows(session, f"FROM ml.online('v', {{'entity': {entity}}})")[0]["value"]
            allowed = naive(source, Ask(entity, end - 1), known=known, ttl=None)
            assert online in {None if value is None else value for value in allowed}


def test_ties_are_won_by_what_arrived_later(session: Session) -> None:
    """Equal times: the later event, then the later ingested, whatever the order in the file."""
    prepare(session, [Fact(1, 1, 5, 10), Fact(1, 3, 5, 30), Fact(1, 2, 5, 20)], known=True, ttl=None)
    for _ in session.run(
        "CREATE OR REPLACE TABLE spine AS SELECT 1::BIGINT AS entity, TIMESTAMPTZ '2026-01-02' AS event_time"
    ):
        pass
    for _ in range(5):
        assert rows(session, "SELECT value FROM ml.features('v', 'spine')") == [{"value": 30}]
    prepare(session, [], known=True, ttl=None)
    for value in (1, 2, 3):
        for _ in session.run(f"INSERT INTO f VALUES (1, '2026-01-01 01:00', '2026-01-01 02:00', {value})"):
            pass
        assert rows(session, "SELECT value FROM ml.features('v', 'spine')") == [{"value": value}]
