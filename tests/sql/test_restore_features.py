"""RESTORE of feature sets, vectors, sources and collections: rows lie where they lay until the garbage is collected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everything import Everything, opened

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import AlreadyExists, Conflict, NotFound
from mlbox.base.settings import Settings
from mlbox.engine.catalog.tables import dropped
from mlbox.sql.session import Session

SEARCH = "SELECT client FROM ml.search('notes', 'client 3', 1)"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """A house with one of everything; each test leaves it with all of them."""
    with opened(tmp_path_factory.mktemp("restore"), Settings(gc_dropped_days=1)) as made:
        yield made


def reopen(shop: Everything) -> None:
    """Stop the server and start it again."""
    home, settings = shop.house.home, shop.house.settings
    shop.house.close()
    shop.house = House.open(home, settings)
    shop.session = Session(
        shop.house.catalog, shop.house.dispatcher, Caller(project="shop"), base_folder=str(shop.folder)
    )


def hidden(shop: Everything) -> list[str]:
    """Tables of dropped sets."""
    found = "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_sets' AND table_name LIKE '%.@%'"
    with shop.house.catalog.read() as cursor:
        return [row[0] for row in cursor.execute(found).fetchall()]


def test_they_work_again_after_a_restart(shop: Everything) -> None:
    online = "FROM ml.online('v', {'client': 2})"
    before, near = shop.rows(online), shop.rows(SEARCH)
    shop.run(
        "DROP ENDPOINT e CASCADE; DROP FEATURE SET spending CASCADE; DROP COLLECTION notes; DROP SOURCE raw CASCADE"
    )
    with pytest.raises(NotFound):
        shop.rows(online)
    assert shop.rows("SELECT 1 FROM ml.ingests WHERE feature_set = 'spending'") == []
    reopen(shop)
    with pytest.raises(Conflict, match="feature set shop.spending, which vector v reads, is not there") as told:
        shop.run("RESTORE FEATURE VECTOR v")
    assert "RESTORE FEATURE SET spending first" in str(told.value.hint)
    for kind in ("FEATURE SET spending", "FEATURE VECTOR v", "COLLECTION notes", "SOURCE raw"):
        shop.run(f"RESTORE {kind}")
    assert shop.rows(online) == before and shop.rows(SEARCH) == near
    assert shop.run("REFRESH FEATURE SET spending").facts["rows"] == 0  # it knows how far it had read
    shop.run("INSERT INTO tx VALUES (2, TIMESTAMP '2026-06-01', 5)")
    assert shop.run("REFRESH FEATURE SET spending").facts["rows"] == 1
    assert shop.run("REFRESH FEATURE SET copied").facts["rows"] == 1  # from the source that came back
    assert shop.rows(online) != before
    for kind in ("ENDPOINT e", "FEED rows", "MONITOR watch", "ALERT late"):
        shop.run(f"RESTORE {kind}")
    reopen(shop)
    assert shop.rows("SHOW DROPPED") == [] and shop.rows(SEARCH) == near


def test_all_versions_come_back(shop: Everything) -> None:
    shop.run("ALTER FEATURE SET labels ADD COLUMN more DOUBLE")
    old = shop.rows('SELECT count(*) AS n FROM "labels@1"')
    shop.run("DROP ENDPOINT e CASCADE; DROP FEATURE SET labels CASCADE")
    with pytest.raises(NotFound):
        shop.rows('SELECT * FROM "labels@1"')
    shop.run("RESTORE FEATURE SET labels")
    assert shop.rows('SELECT count(*) AS n FROM "labels@1"') == old
    assert shop.rows("SELECT version FROM ml.feature_sets WHERE name = 'labels'") == [{"version": 2}]
    shop.run("ALTER FEATURE SET labels ADD COLUMN most DOUBLE")
    assert shop.rows("SELECT version FROM ml.feature_sets WHERE name = 'labels'") == [{"version": 3}]
    shop.run(
        "RESTORE FEATURE VECTOR v; RESTORE ENDPOINT e; RESTORE FEED rows; RESTORE MONITOR watch; RESTORE ALERT late"
    )


def test_another_of_the_name_is_not_touched(shop: Everything) -> None:
    rows = shop.rows("SELECT count(*) AS n FROM copied")
    shop.run("DROP FEATURE SET copied; CREATE FEATURE SET copied (ENTITY k, TIMESTAMP ts) AS SELECT 1 k, now() ts, 2 x")
    with pytest.raises(Conflict, match="another feature set shop.copied"):
        shop.run("RESTORE FEATURE SET copied")
    shop.run("DROP FEATURE SET copied; CREATE TABLE copied (a INT)")
    with pytest.raises(AlreadyExists, match="a table or view copied already"):
        shop.run("RESTORE FEATURE SET copied")
    shop.run("DROP TABLE copied; RESTORE FEATURE SET copied")  # the one that was dropped last
    assert shop.rows("SELECT x FROM copied") == [{"x": 2}]
    with shop.house.catalog.read() as cursor:
        (first,) = dropped.find(cursor, "shop", "feature set", "copied")
    shop.run("DROP FEATURE SET copied")
    with shop.house.catalog.read() as cursor:
        (second, _) = dropped.find(cursor, "shop", "feature set", "copied")
    shop.house.restoring.for_good(second)
    shop.run("RESTORE FEATURE SET copied")
    assert shop.rows("SELECT count(*) AS n FROM copied") == rows and first.object != second.object


def test_a_deleted_person_does_not_come_back(shop: Everything) -> None:
    everybody = "SELECT DISTINCT client FROM ml.search('notes', 'client', 100)"
    assert len(shop.rows(everybody)) == 5
    shop.run("DROP COLLECTION notes; DROP FEATURE SET copied; DELETE FROM tx WHERE client = 4")
    shop.run("DELETE ENTITY (client = 4) FROM PROJECT shop; RESTORE FEATURE SET copied; RESTORE COLLECTION notes")
    assert {"client": 4} not in shop.rows(everybody) and len(shop.rows(everybody)) == 4
    assert shop.rows("SELECT DISTINCT client FROM copied ORDER BY 1") == [{"client": c} for c in (0, 1, 2, 3)]


def test_garbage_and_the_end_of_the_project_take_them(tmp_path: Path) -> None:
    with opened(tmp_path, Settings(gc_dropped_days=1)) as shop:
        taken(shop)


def taken(shop: Everything) -> None:
    vectors = shop.house.home.path / "vectors"
    shop.run("DROP FEATURE SET copied; DROP COLLECTION notes; DROP SOURCE raw")

    def age(cursor: Any) -> None:
        cursor.execute("UPDATE catalog.main.dropped SET dropped_at = dropped_at - INTERVAL 2 DAY")

    assert len(hidden(shop)) == 1 and len(list(vectors.glob("*.lance"))) == 1
    shop.house.catalog.write(age)
    assert shop.run("COLLECT GARBAGE").facts["collected"] == 3
    assert hidden(shop) == [] and list(vectors.glob("*.lance")) == []
    with shop.house.catalog.read() as cursor:
        left = "SELECT count(*) FROM data._mlbox.ingests WHERE feature_set = 'copied'"
        assert cursor.execute(left).fetchall() == [(0,)]
    with pytest.raises(NotFound, match="gone for good"):
        shop.run("RESTORE FEATURE SET copied")
    shop.run("DROP ENDPOINT e CASCADE; DROP FEATURE VECTOR v; DROP FEATURE SET labels")
    assert hidden(shop) != []
    shop.run("USE PROJECT default; DROP PROJECT shop CASCADE")
    assert hidden(shop) == []
