"""Drivers of Python: psycopg and asyncpg, in text and binary, with transactions, portals and cancelling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import psycopg
import pytest
from psycopg.pq import TransactionStatus
from real_server import Server
from waiting import wait_until
from wire_clients import dsn

VALUES = (
    "SELECT 1::SMALLINT, 2::INTEGER, 3::BIGINT, 1.5::FLOAT, 2.5::DOUBLE, 'ä', '\\xAA\\x00'::BLOB, DATE '1969-07-20', "
    "TIME '10:00:00.25', TIMESTAMP '2026-01-02 03:04:05.5', TIMESTAMPTZ '2026-01-02 03:04:05Z', "
    "INTERVAL '2 days 3 hours', -123.4500::DECIMAL(18, 4), 0::DECIMAL(9, 2), [1, 2, NULL], ['a', 'b c'], true, NULL, "
    "'{\"a\": [1]}'::JSON, {'s': 1}, 2::UTINYINT, 18446744073709551615::UBIGINT, "
    "UUID '87ca5c15-7198-4dae-b3b3-95a5c9b66c84', [UUID '87ca5c15-7198-4dae-b3b3-95a5c9b66c84']"
)
EXPECTED: tuple[Any, ...] = (
    *(1, 2, 3, 1.5, 2.5, "ä", b"\xaa\x00", date(1969, 7, 20), time(10, 0, 0, 250_000)),
    *(datetime(2026, 1, 2, 3, 4, 5, 500_000), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), timedelta(days=2, hours=3)),
    *(Decimal("-123.4500"), Decimal("0.00"), [1, 2, None], ["a", "b c"], True, None, {"a": [1]}, {"s": 1}, 2),
    *(Decimal("18446744073709551615"), UUID("87ca5c15-7198-4dae-b3b3-95a5c9b66c84")),
    [UUID("87ca5c15-7198-4dae-b3b3-95a5c9b66c84")],
)


@pytest.fixture(scope="module")
def desk(server: Server) -> Iterator[Server]:
    server.sql("CREATE PROJECT desk")
    server.sql("CREATE TABLE notes (id INTEGER, body VARCHAR, weight DOUBLE, made TIMESTAMPTZ)", project="desk")
    yield server
    server.sql("DROP PROJECT desk CASCADE")


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_reads_all_types(server: Server, binary: bool) -> None:
    with psycopg.connect(dsn(server), autocommit=True) as connection:
        row = connection.cursor(binary=binary).execute(VALUES).fetchone()
    assert row == EXPECTED


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_sends_all_types(server: Server, binary: bool) -> None:
    mark = "%b" if binary else "%t"
    given = [1, 2**40, 1.5, "x'y", b"\0\1", True, date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), Decimal("1.50")]
    given += [timedelta(hours=25), time(1, 2), [1, 2], None, UUID("87ca5c15-7198-4dae-b3b3-95a5c9b66c84")]
    given += [["a", "NULL", 'q"', None]]  # a list of text is of no type before it is cast
    query = f"SELECT {', '.join([mark] * len(given))}::VARCHAR[]"
    with psycopg.connect(dsn(server), autocommit=True) as connection:
        assert connection.execute(query, given).fetchone() == tuple(given)


def test_psycopg_transactions(desk: Server) -> None:
    with psycopg.connect(dsn(desk, "desk")) as connection:
        connection.execute("INSERT INTO notes VALUES (1, 'kept', 0.5, now())")
        assert connection.info.transaction_status is TransactionStatus.INTRANS
        with psycopg.connect(dsn(desk, "desk")) as other:
            assert other.execute("SELECT count(*) FROM notes WHERE id = 1").fetchone() == (0,)
    with psycopg.connect(dsn(desk, "desk")) as connection:
        assert connection.execute("SELECT body FROM notes WHERE id = %s", [1]).fetchone() == ("kept",)
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT nope FROM notes")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            connection.execute("CREATE PROJECT never")


def test_savepoints_undo_all_or_nothing(desk: Server) -> None:
    with psycopg.connect(dsn(desk, "desk")) as connection:
        with pytest.raises(ZeroDivisionError), connection.transaction(), connection.transaction():
            connection.execute("INSERT INTO notes (id) VALUES (20)")
            raise ZeroDivisionError
        with connection.transaction(), connection.transaction():
            connection.execute("INSERT INTO notes (id) VALUES (21)")
        connection.execute("INSERT INTO notes (id) VALUES (22)")
        with pytest.raises(ZeroDivisionError), connection.transaction():
            connection.execute("INSERT INTO notes (id) VALUES (23)")
            raise ZeroDivisionError
        assert connection.info.transaction_status is TransactionStatus.INERROR  # 22 cannot be kept without 23
        connection.rollback()
        assert connection.execute("SELECT id FROM notes WHERE id BETWEEN 20 AND 29").fetchall() == [(21,)]


def test_catalog_stays_out_of_reach(server: Server) -> None:
    with psycopg.connect(dsn(server)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM catalog.main.projects")
        connection.rollback()
        connection.execute("CREATE TABLE claimed (a INTEGER)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM catalog.main.projects")
    with psycopg.connect(dsn(server)) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM claimed")


def test_pipeline_and_prepared_statements(desk: Server) -> None:
    with psycopg.connect(dsn(desk, "desk"), autocommit=True) as connection:
        with connection.pipeline():
            found = [connection.execute("SELECT %s::INTEGER * 2", [number], prepare=True) for number in range(50)]
        assert [cursor.fetchone() for cursor in found] == [(number * 2,) for number in range(50)]
        connection.cursor().executemany(
            "INSERT INTO notes (id, weight) VALUES (%s, %s)", [(number, number / 2) for number in range(100, 150)]
        )
        assert connection.execute("SELECT sum(weight) FROM notes WHERE id BETWEEN 100 AND 149").fetchone() == (3112.5,)


@pytest.mark.parametrize("mark", ["%s", "%t", "%b"])
def test_rows_of_a_feature_set_come_as_typed_parameters(desk: Server, mark: str) -> None:
    """INSERT into one is carried out by mlbox and not by DuckDB."""
    name = f"readings_{mark[1]}"
    desk.sql(f"CREATE FEATURE SET {name} (ENTITY id INTEGER, TIMESTAMP made TIMESTAMP, v DOUBLE)", project="desk")
    made, insert = datetime(2026, 1, 2, tzinfo=UTC), f"INSERT INTO {name} VALUES ({mark}, {mark}, {mark})"
    with psycopg.connect(dsn(desk, "desk"), autocommit=True) as connection:
        connection.execute(insert, (1, made, 2.5))
        connection.cursor().executemany(insert, [(2, made, None), (3, made, 0.5)])
        found = connection.execute(f"SELECT id, made, v FROM {name} ORDER BY id").fetchall()
    assert found == [(1, made, 2.5), (2, made, None), (3, made, 0.5)]


def test_copy_out(desk: Server) -> None:
    with psycopg.connect(dsn(desk), autocommit=True) as connection:
        with connection.cursor().copy("COPY (SELECT i, i / 2 FROM range(50_000) r(i)) TO STDOUT") as copy:
            rows = sum(data.tobytes().count(b"\n") for data in copy)
    assert rows == 50_000


def test_cancel_and_timeout(server: Server) -> None:
    endless = "SELECT count(*) FROM range(10_000_000) a, range(10_000_000) b WHERE a.range + b.range = 7"
    with psycopg.connect(dsn(server), autocommit=True) as connection:
        over = threading.Event()

        def cancel() -> None:
            while not over.wait(0.1):  # one that comes before the statement hits nothing
                connection.cancel_safe()

        cancelling = threading.Thread(target=cancel)
        cancelling.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(endless)
        over.set()
        cancelling.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.execute("SET statement_timeout = '200ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(endless)
        connection.execute("RESET statement_timeout")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_client_that_leaves_leaves_nothing(desk: Server) -> None:
    connection = psycopg.connect(dsn(desk, "desk"))
    connection.execute("INSERT INTO notes (id) VALUES (1000)")
    connection.close()
    with psycopg.connect(dsn(desk, "desk"), autocommit=True) as other:
        assert other.execute("SELECT count(*) FROM notes WHERE id = 1000").fetchone() == (0,)
        # DuckDB drops no table that an open transaction has written.
        wait_until(lambda: _done(lambda: other.execute("CREATE OR REPLACE TABLE scratch AS SELECT 1 AS a")))


def _done(act: Any) -> bool:
    try:
        act()
    except psycopg.Error:
        return False
    return True


def test_asyncpg(desk: Server) -> None:
    async def use() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=desk.pg_port, user="mlbox", database="desk", timeout=30, command_timeout=60
        )
        try:
            row = await connection.fetchrow(VALUES)
            assert tuple(row)[:18] == EXPECTED[:18]
            await connection.execute("INSERT INTO notes VALUES ($1, $2, $3, $4)", 500, "a", 1.5, datetime.now(UTC))
            assert await connection.fetchval("SELECT body FROM notes WHERE id = $1 AND weight > $2", 500, 1.0) == "a"
            assert await connection.fetchval("INSERT INTO notes (id) VALUES ($1) RETURNING id + 1", 501) == 502
            assert await connection.fetchval("SELECT $1::INTEGER[]", [1, None]) == [1, None]
            assert await connection.fetch("SELECT id FROM notes WHERE id = ANY($1::INTEGER[]) ORDER BY id", [500, 501])
            async with connection.transaction():
                await connection.execute("DELETE FROM notes WHERE id = 500")
                count = 0
                async for _ in connection.cursor("SELECT * FROM range(5000)", prefetch=700):
                    count += 1
                assert count == 5000
            with pytest.raises(asyncpg.UndefinedColumnError) as told:
                await connection.fetch("SELECT nope FROM notes")
            assert told.value.position == "8"
            assert [row["name"] for row in await connection.fetch("SHOW PROJECTS LIKE 'desk'")] == ["desk"]
        finally:
            await connection.close()

    asyncio.run(use())


def test_many_connections(server: Server) -> None:
    async def one(number: int) -> Any:
        connection = await psycopg.AsyncConnection.connect(dsn(server, connect_timeout="60"), autocommit=True)
        async with connection:
            return await (await connection.execute("SELECT %s::INTEGER", [number])).fetchone()

    async def many() -> list[Any]:
        return list(await asyncio.gather(*(one(number) for number in range(200))))

    assert asyncio.run(many()) == [(number,) for number in range(200)]
