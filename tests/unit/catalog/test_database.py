"""Opening a home: migrations, refusal of newer ones, errors that point into the user's text."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pytest

from mlbox.base.command import Query
from mlbox.base.errors import HomeError, NotFound, StatementError
from mlbox.base.home import Home, HomeLock
from mlbox.engine.catalog import migrations, public_views
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.catalog.incoming import registered
from mlbox.engine.catalog.views.base import all_views


def test_opening_twice_applies_migrations_once(home: Home) -> None:
    """And the second time changes nothing."""
    for _ in range(2):
        catalog = Catalog.open(home)
        numbers = [row["number"] for row in catalog.rows("SELECT number FROM catalog.main.migrations ORDER BY number")]
        assert numbers == [migration.number for migration in migrations.load("catalog")]
        catalog.close()


@pytest.mark.parametrize("database", ["catalog", "data"])
def test_a_newer_home_is_refused_and_left_alone(home: Home, database: str) -> None:
    """The error says so; nothing is migrated."""
    catalog = Catalog.open(home)
    schema = "main" if database == "catalog" else "_mlbox"
    catalog.connection.execute(f"INSERT INTO {database}.{schema}.migrations VALUES (9999, '9999_future', now())")
    catalog.close()
    with pytest.raises(HomeError, match="newer mlbox") as caught:
        Catalog.open(home)
    assert caught.value.hint


def test_a_damaged_file_is_told(home: Home) -> None:
    """Not a database: the file is named, no trace of ours."""
    home.create()
    home.catalog_file.write_bytes(b"not a database" * 100)
    with pytest.raises(HomeError, match=r"catalog\.duckdb"):
        Catalog.open(home)


def test_a_home_has_one_owner(home: Home) -> None:
    """The second is told who the first is."""
    home.create()
    first, second = HomeLock(home), HomeLock(home)
    first.acquire()
    for told in ("if a server is starting there, try again", "use it at http://127.0.0.1:1"):
        with pytest.raises(HomeError, match="in use by process") as refused:
            second.acquire()
        assert told in str(refused.value.hint)
        home.write_server("http://127.0.0.1:1")
    first.release()
    second.acquire()
    second.release()


def test_errors_of_a_query_point_into_the_whole_text(home: Home) -> None:
    """A body in the middle of a longer statement."""
    catalog = Catalog.open(home)
    source = "CREATE FEATURE SET é (ENTITY x)\nAS SELECT 'é', nix FROM (SELECT 1 AS one)"
    offset = source.index("SELECT 'é'")
    with pytest.raises(StatementError) as caught:
        catalog.query("default", Query(source[offset:], offset, source))
    where = caught.value.where
    assert where is not None
    assert (where.line, where.column) == (2, 16)
    assert "one" in (caught.value.hint or "")
    catalog.close()


def test_an_unknown_project_is_named_with_the_nearest(home: Home) -> None:
    """Did you mean."""
    catalog = Catalog.open(home)
    with pytest.raises(NotFound) as caught:
        catalog.query("defualt", Query("SELECT 1"))
    assert "did you mean default?" in (caught.value.hint or "")
    catalog.close()


def test_a_query_cannot_write(home: Home) -> None:
    """Not even by a writing common table expression."""
    catalog = Catalog.open(home)
    catalog.write_data(lambda cursor: cursor.execute("CREATE TABLE data.default.t (a INTEGER)") and None)
    for text in (
        "INSERT INTO t VALUES (1)",
        "WITH w AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM w",
        "DELETE FROM catalog.main.projects",
    ):
        with pytest.raises(Exception, match=r"read.only"):
            catalog.query("default", Query(text))
    assert catalog.rows("SELECT count(*) AS n FROM data.default.t") == [{"n": 0}]
    catalog.close()


def test_views_are_as_documented(home: Home) -> None:
    """Names, order and types of columns: the public contract."""
    catalog = Catalog.open(home)
    public_views.create(catalog)
    for view in all_views():
        found = [(row["column_name"], row["column_type"]) for row in catalog.rows(f"DESCRIBE catalog.ml.{view.name}")]
        assert found == [(column.name, column.type) for column in view.columns], view.name
        assert all(column.doc for column in view.columns), view.name
    catalog.close()


def test_unchanged_views_are_not_written_again(home: Home) -> None:
    """A start of the server costs no commit for them."""
    catalog = Catalog.open(home)
    public_views.create(catalog)
    before = catalog._metadata.commits
    public_views.create(catalog)
    assert catalog._metadata.commits == before
    catalog.close()


def test_a_server_that_died_does_not_own_its_home(home: Home) -> None:
    """Its file may be left behind, and its process id may be another's by now."""
    home.create()
    home.write_server("http://127.0.0.1:1")
    assert home.server() is None
    lock = HomeLock(home)
    lock.acquire()
    assert home.server() is None
    home.write_server("http://127.0.0.1:2")
    found = home.server()
    assert found is not None
    assert found["url"] == "http://127.0.0.1:2"
    lock.release()
    assert home.server() is None


def test_what_is_wrong_with_a_batch_is_told_as_it_is(home: Home) -> None:
    """Not as the state of the transaction that it has broken."""
    catalog = Catalog.open(home)
    catalog.write(lambda cursor: cursor.execute("CREATE TABLE catalog.main.once (id INTEGER PRIMARY KEY)") and None)

    def add(*ids: int) -> None:
        def insert(cursor: Any) -> None:
            with registered(cursor, "rows", pyarrow.table({"id": ids})):
                cursor.execute("INSERT INTO catalog.main.once SELECT id FROM rows")

        catalog.write(insert)

    with pytest.raises(duckdb.ConstraintException, match="duplicate key"):
        add(1, 1)
    add(2)
    assert catalog.rows("SELECT id FROM catalog.main.once") == [{"id": 2}]
    catalog.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own elsewhere")
def test_the_log_is_written_by_a_thread_that_lets_the_others_go_first(home: Home) -> None:
    def niceness(_: object) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    catalog, own = Catalog.open(home), niceness(None)
    assert catalog.write_data(niceness, behind=True) == min(19, own + 10)
    assert catalog.write_data(niceness) == catalog.write(niceness) == niceness(None) == own
    catalog.close()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be kept on one core")
def test_duckdb_has_no_more_threads_than_the_server_has_cores(tmp_path: Path) -> None:
    program = (
        "import os; from pathlib import Path\n"
        "from mlbox.base.home import Home; from mlbox.base.settings import Settings\n"
        "from mlbox.engine.catalog.database import Catalog\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        f"for threads in (0, 3):\n"
        f"    catalog = Catalog.open(Home(Path({str(tmp_path)!r})), Settings(threads=threads))\n"
        "    print(catalog.row(\"SELECT current_setting('threads') AS n\")['n'])\n"
        "    catalog.close()\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["1", "3"]
