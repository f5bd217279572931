"""Runs over the PostgreSQL protocol: their row, and their log while they run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
from real_server import Server
from wire_clients import dsn, psql

TRAIN = """
import mlbox

def train(lr: float = 0.5, fail: bool = False):
    print("begins with", lr)
    if fail:
        raise ValueError("no luck")
    mlbox.log_metric("loss", lr * 2)
    print("ends")
"""


@pytest.fixture(scope="module")
def gym(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    source = Path(tmp_path_factory.mktemp("gym")) / "train.py"
    source.write_text(TRAIN)
    server.sql("CREATE PROJECT gym")
    server.sql(f"CREATE FUNCTION train FROM '{source}' HANDLER train", project="gym")
    yield server
    server.sql("DROP PROJECT gym CASCADE")


def test_run_in_psql(gym: Server) -> None:
    done = psql(gym, "RUN train WITH (lr = 0.1)", database="gym", flags=("-A",))
    assert done.returncode == 0, done.stderr
    head, row, *_ = done.stdout.splitlines()
    assert head == "id|name|state|duration_ms|loss"
    assert row.split("|")[2] == "completed"
    assert float(row.split("|")[4]) == 0.2
    lines = done.stderr.splitlines()
    assert "NOTICE:  begins with 0.1" in lines
    assert lines.index("NOTICE:  begins with 0.1") < lines.index("NOTICE:  ends")
    assert any(line.startswith("NOTICE:  run train") for line in lines)


def test_a_failed_run_is_an_error_with_its_traceback(gym: Server) -> None:
    with psycopg.connect(dsn(gym, "gym"), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ExternalRoutineException) as told:
            connection.execute("RUN train WITH (fail = true)")
        assert "no luck" in str(told.value)
        assert "Traceback" in str(told.value.diag.message_detail)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_run_with_parameters(gym: Server) -> None:
    with psycopg.connect(dsn(gym, "gym"), autocommit=True) as connection:
        heard: list[str] = []
        connection.add_notice_handler(lambda notice: heard.append(str(notice.message_primary)))
        row = connection.execute("RUN train WITH (lr = %s)", [0.25]).fetchone()
    assert row is not None
    assert row[-1] == 0.5
    assert "begins with 0.25" in heard

    async def prepared() -> str:
        connection = await asyncpg.connect(host="127.0.0.1", port=gym.pg_port, user="mlbox", database="gym")
        try:
            return str((await connection.fetchrow("RUN train WITH (lr = 1.0)"))["state"])
        finally:
            await connection.close()

    assert asyncio.run(prepared()) == "completed"
