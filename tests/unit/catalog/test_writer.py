"""The single writer: batches, isolation of failures, durability when the process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlbox.base.errors import Unavailable
from mlbox.base.home import Home
from mlbox.engine.catalog import writer
from mlbox.engine.catalog.database import Catalog


@pytest.fixture
def catalog(home: Home) -> Any:
    """A catalog with a table to write to."""
    opened = Catalog.open(home)
    opened.write(lambda cursor: cursor.execute("CREATE TABLE catalog.main.t (id INTEGER PRIMARY KEY)") and None)
    yield opened
    opened.close()


def insert(number: int) -> Any:
    """An operation that inserts a key."""
    return lambda cursor: cursor.execute("INSERT INTO catalog.main.t VALUES (?)", [number]) and None


def test_callers_share_commits(catalog: Catalog) -> None:
    """200 writes that arrive while one is under way need far fewer than 200 commits."""
    before = catalog._metadata.commits
    gate = threading.Event()
    catalog.submit(lambda cursor: gate.wait(10) and None)
    futures = [catalog.submit(insert(number)) for number in range(200)]
    gate.set()
    for future in futures:
        future.result()
    assert catalog._metadata.commits - before < 10
    assert catalog.rows("SELECT count(*) AS n FROM catalog.main.t") == [{"n": 200}]


def test_a_wrong_write_fails_alone(catalog: Catalog) -> None:
    """Those that shared its batch are committed."""
    catalog.write(insert(5))
    gate = threading.Event()
    catalog.submit(lambda cursor: gate.wait(10) and None)
    futures = {number: catalog.submit(insert(number)) for number in (4, 5, 6)}
    gate.set()
    assert futures[4].result() is None
    assert futures[6].result() is None
    with pytest.raises(duckdb.ConstraintException):
        futures[5].result()
    assert [row["id"] for row in catalog.rows("SELECT id FROM catalog.main.t ORDER BY id")] == [4, 5, 6]


def test_a_write_sees_its_predecessors(catalog: Catalog) -> None:
    """Operations run in order of arrival."""
    seen = [
        catalog.submit(lambda cursor: cursor.execute("SELECT count(*) FROM catalog.main.t").fetchall()[0][0])
        if number % 2
        else catalog.submit(insert(number))
        for number in range(6)
    ]
    assert [future.result() for future in seen[1::2]] == [1, 2, 3]


def test_many_threads_lose_nothing(catalog: Catalog) -> None:
    """64 threads, 640 rows."""
    with ThreadPoolExecutor(64) as threads:
        list(threads.map(lambda number: catalog.write(insert(number)), range(640)))
    assert catalog.rows("SELECT count(*) AS n FROM catalog.main.t") == [{"n": 640}]


def test_closing_finishes_what_is_queued(home: Home) -> None:
    """And refuses what comes later."""
    catalog = Catalog.open(home)
    catalog.write(lambda cursor: cursor.execute("CREATE TABLE catalog.main.t (id INTEGER)") and None)
    futures = [catalog.submit(insert(number)) for number in range(50)]
    catalog.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(Unavailable):
        catalog.submit(insert(99))
    again = Catalog.open(home)
    assert again.rows("SELECT count(*) AS n FROM catalog.main.t") == [{"n": 50}]
    again.close()


KILLED = """
import sys
from pathlib import Path
from mlbox.base.home import Home
from mlbox.engine.catalog.database import Catalog
catalog = Catalog.open(Home(Path(sys.argv[1])))
catalog.write(lambda c: c.execute("CREATE TABLE IF NOT EXISTS catalog.main.t (id INTEGER PRIMARY KEY)") and None)
start = catalog.rows("SELECT coalesce(max(id) + 1, 0) AS n FROM catalog.main.t")[0]["n"]
for number in range(start, start + 100000):
    catalog.write(lambda c: c.execute("INSERT INTO catalog.main.t VALUES (?)", [number]) and None)
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(home: Home) -> None:
    """Three rounds of kill -9 in the middle of writing."""
    acknowledged = -1
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(home.path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged % 60 == 59:
                os.kill(process.pid, signal.SIGKILL)
                break
        rest = process.stdout.read().split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        process.wait()
        catalog = Catalog.open(home)
        found = catalog.rows("SELECT count(*) AS n, max(id) AS last FROM catalog.main.t")[0]
        catalog.close()
        assert found["last"] >= acknowledged
        assert found["n"] == found["last"] + 1


def test_who_waits_goes_before_who_does_not(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patient writes keep their own order, are carried out when it is quiet, and at the latest at the close."""
    for name in ("IDLE_SECONDS", "LONGEST_SECONDS"):
        monkeypatch.setattr(writer, name, 600)
    done: list[str] = []
    gate = threading.Event()
    catalog.submit(lambda cursor: gate.wait(60) and None)
    for name in ("first", "second"):
        catalog.submit(lambda cursor, name=name: done.append(name), patient=True)
    urgent = catalog.submit(lambda cursor: done.append("urgent"))
    gate.set()
    urgent.result(60)
    assert done == ["urgent"]
    monkeypatch.undo()
    catalog.submit(lambda cursor: done.append("third"), patient=True).result(60)
    assert done == ["urgent", "first", "second", "third"]
    catalog.submit(insert(7), patient=True)
    catalog.close()
    again = Catalog.open(catalog.home)
    assert again.rows("SELECT id FROM catalog.main.t") == [{"id": 7}]
    again.close()


def test_who_does_not_wait_is_not_put_off_for_ever(catalog: Catalog) -> None:
    patient = catalog.submit(insert(1), patient=True)
    number = 2
    while not patient.done() and number < 100_000:
        catalog.write(insert(number))
        number += 1
    assert patient.done()


def test_what_is_awaited_and_what_is_not_change_the_same_row_in_turn(catalog: Catalog) -> None:
    """Of two writers with transactions at a time one would be told of a conflict; the threads differ in niceness."""
    catalog.write_data(
        lambda cursor: (
            cursor.execute("CREATE TABLE data.main.counts AS SELECT 0 AS n; CREATE TABLE data.main.threads (t VARCHAR)")
            and None
        )
    )

    def add(cursor: Any) -> None:
        cursor.execute("INSERT INTO data.main.threads VALUES (?)", [threading.current_thread().name])
        cursor.execute("UPDATE data.main.counts SET n = n + 1")

    with ThreadPoolExecutor(8) as threads:
        for done in [
            threads.submit(catalog.write_data, add, behind=True, awaited=bool(number % 2)) for number in range(200)
        ]:
            done.result()
    assert catalog.rows("SELECT n FROM data.main.counts") == [{"n": 200}]
    found = catalog.rows("SELECT t, count(*) AS n FROM data.main.threads GROUP BY t ORDER BY t")
    assert found == [{"t": "writer-awaited-log", "n": 100}, {"t": "writer-log", "n": 100}]
