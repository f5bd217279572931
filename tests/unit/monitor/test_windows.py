from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
from examples_of import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbox.engine.monitor.windows import EPOCH, Windows

moments = st.datetimes(datetime(1930, 1, 1), datetime(2090, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
lengths = st.timedeltas(timedelta(seconds=1), timedelta(days=60))


@given(moments, lengths, moments)
def test_every_moment_lies_in_one_window(moment: datetime, length: timedelta, origin: datetime) -> None:
    windows = Windows(length, origin)
    start = windows.start(moment)
    assert start <= moment < start + length
    assert (start - origin) % length == timedelta(0)
    assert windows.start(start) == start
    assert windows.complete_until(moment) <= moment
    assert moment <= windows.from_start(moment) < moment + length


@settings(max_examples=examples(60))
@given(moments, lengths, st.one_of(st.just(EPOCH), moments))
def test_sql_agrees(moment: datetime, length: timedelta, origin: datetime) -> None:
    windows = Windows(length, origin)
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(f"SELECT {windows.sql('t')} FROM (SELECT $1::TIMESTAMPTZ AS t)", [moment]).fetchall()
    connection.close()
    assert found == [(windows.start(moment),)]


def test_days_begin_at_midnight_and_weeks_on_thursday() -> None:
    assert Windows(timedelta(days=1)).start(datetime(2013, 7, 4, 13, tzinfo=UTC)) == datetime(2013, 7, 4, tzinfo=UTC)
    assert Windows(timedelta(days=7)).start(datetime(2013, 7, 9, tzinfo=UTC)) == datetime(2013, 7, 4, tzinfo=UTC)
