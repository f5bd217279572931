"""RESTORE: what is dropped comes back as it was, row by row, until the garbage is collected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everything import Everything, opened
from fresh_home import fresh_home

from mlbox.app.house import House
from mlbox.base.errors import Conflict, MlboxError, NotExecuted, NotFound
from mlbox.base.settings import Settings

MOVES = ("catalog.main.audit", "catalog.main.events", "catalog.main.model_alias_moves", "catalog.main.artifacts")
"""What is only added to; and artifacts, of which a VARIANT is stored in another way. The views compare them."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """A house with one of everything, from which things are taken and put back."""
    with opened(tmp_path_factory.mktemp("restore")) as made:
        _add_runs(made)
        yield made


def _add_runs(made: Everything) -> None:
    made.run("CREATE FUNCTION plain FROM 'train.py'; RUN plain AS alone")
    made.run("RUN plain SWEEP (lr IN (1, 2)) MAXIMIZE auc AS s")
    for text in ("one", "two"):
        (made.folder / "note.txt").write_text(text)
        made.run("LOG ARTIFACT note FROM $1 RUN alone", [str(made.folder / "note.txt")])
    made.run("ALTER ARTIFACT note SET ALIAS stable = 1; ALTER ARTIFACT note@2 SET LABELS (stage = 'review')")


def seen(shop: Everything, view: str) -> list[dict[str, Any]]:
    """All that a view shows, its columns as text."""
    return shop.rows(f"SELECT COLUMNS(*)::VARCHAR FROM ml.{view} ORDER BY ALL")


def fingerprint(shop: Everything) -> dict[str, Any]:
    """Of all but what is only added to; the online store is filled anew, and its file has other bytes then."""
    return {name: digest for name, digest in shop.fingerprint(MOVES).items() if not name.startswith("online/")}


THINGS = {
    "DROP RUN alone": ("RUN alone", ("runs", "params", "metrics", "artifacts", "logs")),
    "DROP RUN s": ("RUN s", ("runs", "params", "metrics", "artifacts")),
    "DROP FUNCTION plain": ("FUNCTION plain", ("functions",)),
    "DROP FUNCTION plain@1": ("FUNCTION plain@1", ("functions",)),
    "DROP MODEL m CASCADE": ("MODEL m", ("models", "model_versions")),
    "DROP MODEL m@2": ("MODEL m@2", ("models", "model_versions")),
    "DROP ARTIFACT model OF alone": ("ARTIFACT model", ("artifacts",)),
    "DROP ARTIFACT note": ("ARTIFACT note", ("artifacts",)),
    "DROP ARTIFACT note@1": ("ARTIFACT note@stable", ("artifacts",)),
    "DROP ENDPOINT e CASCADE": ("ENDPOINT e", ("endpoints",)),
    "DROP MONITOR watch CASCADE": ("MONITOR watch", ("monitors",)),
    "DROP ALERT late": ("ALERT late", ("alerts",)),
    "DROP WORKFLOW w": ("WORKFLOW w", ("workflows",)),
    "DROP FEED rows": ("FEED rows", ("feeds",)),
    "DROP SCHEDULE hourly": ("SCHEDULE hourly", ("schedules",)),
    "DROP FEATURE VECTOR v": ("FEATURE VECTOR v", ("feature_vectors",)),
    "DROP SOURCE raw CASCADE": ("SOURCE raw", ("sources",)),
    "DROP COLLECTION notes": ("COLLECTION notes", ("collections",)),
    "DROP FEATURE SET copied": ("FEATURE SET copied", ("feature_sets", "features", "feature_stats", "ingests")),
    "DROP FEATURE SET pushed": ("FEATURE SET pushed", ("feature_sets", "features", "ingests", "dead_letters")),
    "DROP FEATURE SET spending CASCADE": ("FEATURE SET spending", ("feature_sets", "ingests", "feature_vectors")),
}
ALSO = {
    "DROP FEATURE SET spending CASCADE": ("FEATURE VECTOR v",),
    "DROP MODEL m CASCADE": ("ENDPOINT e", "FEED rows", "MONITOR watch", "ALERT late"),
    "DROP ENDPOINT e CASCADE": ("FEED rows", "MONITOR watch", "ALERT late"),
    "DROP MONITOR watch CASCADE": ("ALERT late",),
}


@pytest.mark.parametrize("drop", THINGS)
def test_it_comes_back_as_it_was(shop: Everything, drop: str) -> None:
    named, views = THINGS[drop]
    before, others = fingerprint(shop), shop.rows("SHOW DROPPED")
    shown = {view: seen(shop, view) for view in views}
    shop.run(drop)
    assert any(seen(shop, view) != shown[view] for view in views)
    listed = shop.rows("SHOW DROPPED")
    assert {row["dropped_by"] for row in listed} == {"local"}
    assert len(listed) - len(others) == 1 + len(ALSO.get(drop, ()))
    for each in (named, *ALSO.get(drop, ())):
        plan = shop.rows(f"EXPLAIN RESTORE {each}")
        assert plan[0]["action"] == "create"
        shop.run(f"RESTORE {each}")
    assert {view: seen(shop, view) for view in views} == shown
    assert fingerprint(shop) == before
    assert shop.rows("SHOW DROPPED") == others
    with pytest.raises(NotFound, match="was dropped"):
        shop.run(f"RESTORE {named}")


def test_it_works_again(shop: Everything) -> None:
    """What lives in memory is told: an endpoint answers, a model predicts, a function runs."""
    shop.run("DROP MODEL m CASCADE; DROP FUNCTION plain")
    with pytest.raises(MlboxError):
        shop.run("SELECT ml.predict('m', {'spent': 5.0})")
    with pytest.raises(NotFound):
        shop.run("RUN plain")
    for named in ("MODEL m", "ENDPOINT e", "FEED rows", "MONITOR watch", "ALERT late", "FUNCTION plain"):
        shop.run(f"RESTORE {named}")
    assert shop.rows("SELECT ml.predict('m', {'spent': 5.0}) AS p")[0]["p"] == 0.5
    assert shop.rows("SELECT aliases FROM ml.models WHERE name = 'm'")[0]["aliases"] == [("champion", 1)]
    assert shop.house.endpoints.serves("shop.e")
    run = shop.run("RUN plain").facts["run"]
    shop.run(f"DROP RUN '{run}'; RESTORE RUN '{run[:16]}'; RERUN '{run}'")


def test_another_of_the_name_is_a_conflict(shop: Everything) -> None:
    shop.run("CREATE FUNCTION twice FROM 'train.py'; DROP FUNCTION twice")
    shop.run("CREATE FUNCTION twice FROM 'train.py'")
    with pytest.raises(Conflict, match="another function shop.twice by now, version 2"):
        shop.run("RESTORE FUNCTION twice")
    shop.run("DROP FUNCTION twice; RESTORE FUNCTION twice")
    assert shop.rows("SELECT version FROM ml.functions WHERE name = 'twice'") == [{"version": 2}]  # the newest drop
    shop.run("CREATE MODEL k FROM 'model.onnx'; DROP MODEL k; CREATE MODEL k FROM 'model.onnx'")
    with pytest.raises(Conflict, match="another model"):
        shop.run("RESTORE MODEL k")
    shop.run("CREATE WORKFLOW v AS (STEP a AS (SELECT 1)); DROP WORKFLOW v")
    shop.run("CREATE WORKFLOW V AS (STEP a AS (SELECT 2))")
    before = shop.fingerprint(("catalog.main.audit",))
    with pytest.raises(Conflict, match="another workflow"):
        shop.run("RESTORE WORKFLOW v")
    assert shop.fingerprint(("catalog.main.audit",)) == before


def test_versions_of_a_model_one_by_one(shop: Everything) -> None:
    shop.run("CREATE MODEL n FROM MODEL m@1; CREATE MODEL n FROM MODEL m@2; DROP MODEL n@1; DROP MODEL n@2")
    assert shop.rows("SELECT name FROM ml.models WHERE name = 'n'") == []
    with pytest.raises(Conflict, match="model shop.n was dropped as well"):
        shop.run("RESTORE MODEL n@1")
    with pytest.raises(Conflict, match="one by one: @2, @1"):
        shop.run("RESTORE MODEL n")
    shop.run("RESTORE MODEL n@2; RESTORE MODEL n@1")
    assert [row["version"] for row in shop.rows("SELECT version FROM ml.model_versions WHERE name = 'n'")] == [2, 1]


@pytest.mark.parametrize("what", ["SECRET s", "TOKEN t", "PROFILE p"])
def test_what_is_not_kept_says_why(shop: Everything, what: str) -> None:
    with pytest.raises(NotExecuted, match="cannot be restored: ") as told:
        shop.run(f"RESTORE {what}")
    assert "RESTORE works for: alert, artifact" in str(told.value.hint)


def test_a_model_keeps_its_artifact_and_its_run(shop: Everything) -> None:
    with pytest.raises(Conflict, match="artifact model is behind model shop.m@1"):
        shop.run("DROP ARTIFACT model OF fit")
    with pytest.raises(NotFound, match="no artifact 'modle'") as told:
        shop.run("DROP ARTIFACT modle OF fit")
    assert "model" in str(told.value.hint)
    shop.run("DROP ARTIFACT IF EXISTS modle")


def test_garbage_takes_what_was_dropped_long_ago(tmp_path: Path) -> None:
    """Bytes go when nothing can bring them back; a restored run is not taken, though it was dropped long ago."""
    house = House.open(fresh_home(tmp_path / "home"), Settings(gc_dropped_days=1))
    try:
        shop = Everything(house, tmp_path / "files")
        shop.run("CREATE FUNCTION plain FROM 'train.py'; RUN plain AS one; RUN plain AS two; RUN plain AS three")
        shop.run("DROP RUN one; DROP RUN two; DROP ARTIFACT model OF three; DROP FUNCTION plain; DROP MODEL m@2")
        assert shop.rows("EXPLAIN COLLECT GARBAGE")[0]["object"] == "everything"

        def age(cursor: Any) -> None:
            for table, column in (("dropped", "dropped_at"), ("runs", "deleted_at"), ("functions", "dropped_at")):
                cursor.execute(f"UPDATE catalog.main.{table} SET {column} = {column} - INTERVAL 2 DAY")

        house.catalog.write(age)
        plan = {row["object"] for row in shop.rows("EXPLAIN COLLECT GARBAGE")}
        assert {name.rpartition(" ")[0] for name in plan} == {
            "dropped run", "dropped artifact", "dropped function", "dropped model"
        }  # fmt: skip
        kept = shop.rows("SELECT run_id FROM ml.dropped WHERE name = 'two'")[0]["run_id"]
        shop.run("RESTORE RUN two")
        assert shop.run("COLLECT GARBAGE").facts["collected"] == 4
        assert shop.rows("SHOW DROPPED") == []
        assert [row["id"] for row in shop.rows("SELECT id FROM ml.runs WHERE name IN ('one', 'two')")] == [kept]
        shop.run("RERUN two")  # the version of its function stays for it
        with pytest.raises(NotFound, match="gone for good"):
            shop.run("RESTORE RUN one")
    finally:
        house.close()
