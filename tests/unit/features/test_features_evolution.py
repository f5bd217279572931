"""A set changes by versions: what breaks readers is asked for, and what was there stays readable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from statements import Statements

from mlbox.base.errors import AlreadyExists, Conflict, Invalid, MlboxError, NotFound


class Shop(Statements):
    """A set ``f`` online and offline over a folder of CSV files, and one over a table."""

    def __init__(self, house: Any, folder: Path) -> None:
        super().__init__(house, folder)
        self.write("a", "id,ts,amount,kind", "1,2026-01-01,1,x", "2,2026-01-02,2,y")
        self.do(
            "CREATE SOURCE s FROM '*.csv'; "
            "CREATE FEATURE SET f (ENTITY id BIGINT, TIMESTAMP ts, amount INTEGER, kind VARCHAR) "
            "STORE OFFLINE AND ONLINE FROM s; CREATE FEATURE VECTOR v AS FEATURES (f.amount)"
        )

    def write(self, name: str, *lines: str) -> None:
        (self.folder / f"{name}.csv").write_text("\n".join((*lines, "")))


@pytest.fixture
def shop(house: Any, tmp_path: Path) -> Shop:
    return Shop(house, tmp_path)


def test_a_column_comes_with_its_default_and_files_may_have_it_or_not(shop: Shop) -> None:
    done = shop.do("ALTER FEATURE SET f ADD COLUMN channel VARCHAR NOT NULL DEFAULT 'web'")
    assert done.facts == {"rows": 2, "version": 2}
    shop.write("b", "id,ts,amount,kind,channel", "3,2026-01-03,3,x,shop", "4,2026-01-04,4,x,")
    shop.write("c", "id,ts,amount,kind", "5,2026-01-05,5,x")
    assert shop.do("REFRESH FEATURE SET f").facts["rows"] == 3
    assert shop.rows("SELECT id, channel FROM f ORDER BY id") == [
        (1, "web"),
        (2, "web"),
        (3, "shop"),
        (4, "web"),
        (5, "web"),
    ]
    assert shop.rows('SELECT * EXCLUDE (ts) FROM "f@1" ORDER BY id') == [(1, 1, "x"), (2, 2, "y")]
    assert shop.rows("FROM ml.online('v', {'id': 5})")[0][-1] == 5
    assert shop.rows("SELECT version FROM ml.feature_sets") == [(2,)]


def test_a_type_that_grows_needs_no_words_and_one_that_shrinks_does(shop: Shop) -> None:
    shop.do("ALTER FEATURE SET f ALTER COLUMN amount TYPE BIGINT")
    assert shop.rows("SELECT type FROM ml.features WHERE name = 'amount'") == [("BIGINT",)]
    error = shop.refused("ALTER FEATURE SET f ALTER COLUMN amount TYPE SMALLINT")
    assert isinstance(error, Conflict) and "NEW VERSION" in (error.hint or "")
    assert shop.do("ALTER FEATURE SET f ALTER COLUMN amount TYPE SMALLINT NEW VERSION").facts["version"] == 3
    error = shop.refused("ALTER FEATURE SET f ALTER COLUMN kind TYPE INTEGER NEW VERSION")
    assert isinstance(error, Invalid) and "x" in error.message
    assert shop.rows("SELECT version FROM ml.feature_sets") == [(3,)]


def test_renaming_and_dropping_are_asked_for_and_not_under_a_vector(shop: Shop) -> None:
    assert isinstance(shop.refused("ALTER FEATURE SET f RENAME COLUMN kind TO sort"), Conflict)
    error = shop.refused("ALTER FEATURE SET f DROP COLUMN amount NEW VERSION")
    assert "feature vector v reads f.amount" in error.message
    shop.do("ALTER FEATURE SET f RENAME COLUMN kind TO sort NEW VERSION")
    shop.write("b", "id,ts,amount,kind", "3,2026-01-03,3,z")
    shop.do("REFRESH FEATURE SET f")
    assert shop.rows("SELECT sort FROM f ORDER BY id") == [("x",), ("y",), ("z",)]
    shop.do("ALTER FEATURE SET f DROP COLUMN sort NEW VERSION; REFRESH FEATURE SET f FULL")
    assert shop.rows("SELECT * EXCLUDE (ts) FROM f ORDER BY id") == [(1, 1), (2, 2), (3, 3)]
    assert shop.rows('SELECT kind FROM "f@1" ORDER BY id') == [("x",), ("y",)]
    shop.do("DROP FEATURE SET f CASCADE")
    assert isinstance(shop.refused('FROM "f@1"'), NotFound)


def test_a_query_follows(shop: Shop) -> None:
    shop.do("CREATE TABLE t AS SELECT 1 AS id, TIMESTAMP '2026-01-01' AS ts, 1.5 AS x, 'u' AS word")
    shop.do("CREATE FEATURE SET q (ENTITY id, TIMESTAMP ts, x, word) AS SELECT * FROM t")
    shop.do(
        "ALTER FEATURE SET q RENAME COLUMN word TO name NEW VERSION; ALTER FEATURE SET q ADD COLUMN y INT DEFAULT 7"
    )
    shop.do("INSERT INTO t VALUES (2, '2026-01-02', 2.5, 'w'); REFRESH FEATURE SET q")
    assert shop.rows("SELECT id, name, y FROM q ORDER BY id") == [(1, "u", 7), (2, "w", 7)]
    shop.do("EXPORT PROJECT default TO 'p.sql'; CREATE PROJECT again")
    script = (shop.folder / "p.sql").read_text()
    assert '"q@1"' not in script and "RENAME" in script


def test_notes_stay_with_the_version(shop: Shop) -> None:
    shop.do("ALTER FEATURE SET f SET (owner = 'ana', tags = ['risk', 'weekly'], comment = 'c')")
    assert shop.rows("SELECT version, owner, tags, comment FROM ml.feature_sets") == [
        (1, "ana", ["risk", "weekly"], "c")
    ]
    assert shop.do("SHOW FEATURE SETS WHERE list_contains(tags, 'risk')").table.num_rows == 1


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("ADD COLUMN amount INT", AlreadyExists, "amount already"),
        ("ADD COLUMN x INT NOT NULL", Invalid, "DEFAULT"),
        ("ADD COLUMN x", Invalid, "needs a type"),
        ("ADD COLUMN x INT CHECK (xx > 1)", MlboxError, "xx"),
        ("ALTER COLUMN amont TYPE BIGINT", NotFound, "did you mean amount"),
        ("DROP COLUMN id NEW VERSION", Conflict, "key or a time"),
        ("RENAME COLUMN kind TO amount NEW VERSION", AlreadyExists, "amount already"),
        ("SUSPEND", Conflict, "by the clock"),
        ("SET (tags = 'risk')", Invalid, "list of texts"),
    ],
)
def test_what_cannot_be_is_refused(shop: Shop, text: str, kind: type[MlboxError], told: str) -> None:
    error = shop.refused(f"ALTER FEATURE SET f {text}")
    assert isinstance(error, kind) and told in f"{error.message} {error.hint}", repr(error)
    assert shop.rows("SELECT version FROM ml.feature_sets") == [(1,)]
