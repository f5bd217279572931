"""DROP and RESTORE of a project, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everything import Everything, opened
from fresh_home import fresh_home

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, NotFound
from mlbox.base.settings import Settings
from mlbox.engine.catalog.tables import kept_projects
from mlbox.sql.session import Session

APART = ("catalog.main.audit", "catalog.main.events", "catalog.main.secrets", "catalog.main.run_batches")
"""What is only added to, and what is not kept."""
ONLINE = "catalog.main.feature_sets"
"""Online the sets are made anew."""


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """One of our own: it is dropped."""
    with opened(tmp_path_factory.mktemp("restored")) as made:
        yield made


def fingerprint(shop: Everything) -> dict[str, Any]:
    return {name: one for name, one in shop.fingerprint((*APART, ONLINE)).items() if not name.startswith("online/")}


def test_every_row_comes_back(everything: Everything) -> None:
    everything.run(
        "GRANT editor ON PROJECT shop TO 'ana'; SET SECRET key = 'k'; CREATE FUNCTION gone FROM 'train.py'; "
        "DROP FUNCTION gone; CREATE VIEW shop.looks AS SELECT * FROM shop.spending"
    )
    before, members = fingerprint(everything), everything.rows("SELECT * FROM ml.members")
    sets = "SELECT * EXCLUDE (online_until) FROM ml.feature_sets ORDER BY ALL"
    shown = everything.rows(sets)
    everything.run("USE PROJECT default; DROP PROJECT shop CASCADE")
    assert everything.rows("SELECT * FROM ml.members") == []
    assert [row["kind"] for row in everything.rows("SHOW DROPPED") if row["name"] == "shop"] == ["project"]
    everything.run("CREATE PROJECT shop")
    with pytest.raises(Conflict, match="another project shop by now"):
        everything.run("RESTORE PROJECT shop")
    everything.run("DROP PROJECT shop PURGE; RESTORE PROJECT shop; USE PROJECT shop")
    after = fingerprint(everything)
    # what had been dropped in it before is gone for good
    differs = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert differs <= {'"catalog"."main"."dropped"'}
    assert everything.rows("SELECT * FROM ml.members") == members
    assert everything.rows(sets) == shown
    with pytest.raises(NotFound, match="no function"):
        everything.run("RESTORE FUNCTION gone")


def test_the_newest_of_a_name_is_meant(everything: Everything) -> None:
    """Each generation is kept by itself; what is purged is the one that is there."""
    everything.run("CREATE PROJECT twice; CREATE TABLE twice.t AS SELECT 1 AS x; DROP PROJECT twice CASCADE")
    everything.run("CREATE PROJECT twice; CREATE TABLE twice.t AS SELECT 2 AS x; DROP PROJECT twice CASCADE")
    everything.run("RESTORE PROJECT twice")
    assert everything.rows("SELECT x FROM twice.t") == [{"x": 2}]
    everything.run("DROP PROJECT twice CASCADE PURGE; RESTORE PROJECT twice")
    assert everything.rows("SELECT x FROM twice.t") == [{"x": 1}]
    everything.run("DROP PROJECT twice CASCADE; DROP PROJECT twice PURGE")
    with pytest.raises(NotFound, match="no project twice was dropped, or it is gone for good"):
        everything.run("RESTORE PROJECT twice")
    with pytest.raises(NotFound, match="there is no project 'twice'"):
        everything.run("DROP PROJECT twice PURGE")


SCHEMAS = {
    "a view whose table was dropped": (
        "CREATE TABLE p.t AS SELECT 1 AS x; CREATE VIEW p.w AS SELECT * FROM p.t; "
        "CREATE VIEW p.ww AS SELECT * FROM p.w; DROP TABLE p.t; CREATE TABLE p.kept AS SELECT 5 AS x",
        "SELECT x FROM p.kept",
        [{"x": 5}],
        "view w, view ww",
    ),
    "views that were replaced by readers of later ones": (
        "CREATE VIEW p.c AS SELECT 3 AS x; CREATE VIEW p.b AS SELECT * FROM p.c; CREATE VIEW p.a AS SELECT * FROM p.b; "
        "CREATE OR REPLACE VIEW p.b AS SELECT x FROM p.c; CREATE OR REPLACE VIEW p.c AS SELECT 4 AS x",
        "SELECT x FROM p.a",
        [{"x": 4}],
        None,
    ),
    "a view over another project that is gone": (
        "CREATE PROJECT other; CREATE TABLE other.t AS SELECT 1 AS x; CREATE VIEW p.w AS SELECT * FROM other.t; "
        "DROP PROJECT other CASCADE PURGE",
        "SELECT 1 AS x",
        [{"x": 1}],
        "view w",
    ),
    "a macro with two forms": (
        "CREATE MACRO p.f(x) AS x + 1, (x, y) AS x + y",
        "SELECT p.f(1) AS one, p.f(1, 2) AS two",
        [{"one": 2, "two": 3}],
        None,
    ),
    "a macro with types and defaults": (
        "CREATE MACRO p.f(x INTEGER, y := 2, z VARCHAR := 'a, \"b\" := (') AS x + y || z, (x, y, z, w := [1, 2]) AS w; "
        'CREATE MACRO p.rows("n o" DOUBLE := 0.5) AS TABLE SELECT "n o" AS n',
        "SELECT p.f(1) AS one, p.f(1, z := 'c') AS two, p.f(1, 2, 3) AS three, n FROM p.rows()",
        [{"one": '3a, "b" := (', "two": "3c", "three": [1, 2], "n": 0.5}],
        None,
    ),
    "a name with a quote beside a column that is computed": (
        'CREATE TABLE p."a""b" (x INTEGER, y INTEGER AS (x + 1)); INSERT INTO p."a""b" (x) VALUES (1)',
        'SELECT x, y FROM p."a""b"',
        [{"x": 1, "y": 2}],
        None,
    ),
    "types": (
        "CREATE TYPE p.mood AS ENUM ('sad', 'it''s fine'); "
        'CREATE TYPE p."two words" AS STRUCT(m p.mood, n DECIMAL(9, 2)); '
        "CREATE TABLE p.t (m p.mood); INSERT INTO p.t VALUES ('sad')",
        "SELECT m::VARCHAR AS m, enum_last(NULL::p.mood)::VARCHAR AS last FROM p.t",
        [{"m": "sad", "last": "it's fine"}],
        None,
    ),
}


@pytest.mark.parametrize("way", ["restore", "archive"])
@pytest.mark.parametrize("case", sorted(SCHEMAS))
def test_schemas_of_any_kind_come_back(everything: Everything, case: str, way: str) -> None:
    """What cannot be made any more is left out and told; the rest is there."""
    made, question, answer, left_out = SCHEMAS[case]
    project = f"p_{way}_{sorted(SCHEMAS).index(case)}"
    everything.run(f"CREATE PROJECT {project}; {made.replace('p.', f'{project}.')}")
    if way == "archive":
        everything.run(f"EXPORT PROJECT {project} TO '{everything.folder}/{project}.zip'")
        everything.run(f"DROP PROJECT {project} CASCADE PURGE")
        message = everything.run(f"CREATE PROJECT {project} FROM '{everything.folder}/{project}.zip'").message
    else:
        everything.run(f"DROP PROJECT {project} CASCADE")
        message = everything.run(f"RESTORE PROJECT {project}").message
    assert everything.rows(question.replace("p.", f"{project}.")) == answer
    assert ("left out" in message) == (left_out is not None), message
    if left_out is not None:
        assert message.endswith(f"; left out, since what it reads is gone: {left_out}"), message
    everything.run(f"DROP PROJECT {project} CASCADE PURGE")


def test_two_drops_at_once_leave_one(everything: Everything) -> None:
    """The second finds it gone, and keeps nothing of nothing."""
    everything.run("CREATE PROJECT dd; CREATE TABLE dd.t AS SELECT 1 AS x")
    removal = everything.house.projects.removal
    for _ in range(2):  # both had seen it there
        removal.remove("dd", Caller(), keep=True)
    assert [row["name"] for row in everything.rows("SHOW DROPPED")].count("dd") == 1
    everything.run("RESTORE PROJECT dd")
    assert everything.rows("SELECT x FROM dd.t") == [{"x": 1}]
    everything.run("DROP PROJECT dd CASCADE PURGE")


def test_a_purge_that_is_cut_short_restores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stops between the two files leaves a project of which all or nothing is kept."""

    class Stopped(BaseException):
        pass

    def stop(*_: Any) -> None:
        raise Stopped

    for step in ("purge_rows", "purge_data"):
        house = House.open(fresh_home(tmp_path / step), Settings())
        session = Session(house.catalog, house.dispatcher, Caller())
        list(session.run("CREATE PROJECT pc; CREATE TABLE pc.t AS SELECT 1 AS x; DROP PROJECT pc CASCADE"))
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(kept_projects, step, stop)
            list(session.run("DROP PROJECT pc PURGE"))
        house.close()
        house = House.open(house.home, Settings())
        session = Session(house.catalog, house.dispatcher, Caller())
        try:
            if step == "purge_rows":
                *_, rows = session.run("RESTORE PROJECT pc; SELECT x FROM pc.t")
                assert rows.result.table.to_pylist() == [{"x": 1}]
            else:
                with pytest.raises(NotFound, match="no project pc was dropped"):
                    list(session.run("RESTORE PROJECT pc"))
                with house.catalog.read() as cursor:
                    kept = (
                        "SELECT (SELECT count(*) FROM data._mlbox.kept_schemas), (SELECT count(*) FROM duckdb_tables() "
                    )
                    kept += "WHERE schema_name = '_kept')"
                    assert cursor.execute(kept).fetchall() == [(0, 0)]
        finally:
            house.close()
