"""ALTER .. RENAME TO: what knows the object follows in the same transaction; what names it in a text is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from everything import Everything
from fresh_home import fresh_home

from mlbox.app.house import House
from mlbox.base.errors import AlreadyExists, Conflict, NotFound
from mlbox.base.settings import Settings


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    folder = tmp_path_factory.mktemp("rename")
    house = House.open(fresh_home(folder / "home"), Settings())
    house.endpoints.start()
    try:
        yield Everything(house, folder / "files")
    finally:
        house.close()


def edges(shop: Everything, ref: str) -> list[tuple[Any, ...]]:
    """Lineage of an object, without its own name."""
    rows = shop.rows("SELECT from_kind, from_ref, to_kind, to_ref FROM ml.lineage ORDER BY ALL")
    found = [tuple(row.values()) for row in rows if any(str(v).partition("@")[0] == ref for v in row.values())]
    return [tuple("it" + str(v).removeprefix(ref) if str(v).startswith(ref) else v for v in row) for row in found]


def test_a_function_with_its_runs(shop: Everything) -> None:
    shop.run("CREATE FUNCTION plain FROM 'train.py'; ALTER FUNCTION plain SET ALIAS stable = 1")
    run = shop.run("RUN plain AS kept").facts["run"]
    before = edges(shop, "shop.plain")
    assert before
    assert shop.rows("EXPLAIN ALTER FUNCTION plain RENAME TO fancy")[0]["action"] == "replace"
    shop.run("ALTER FUNCTION plain RENAME TO fancy")
    assert edges(shop, "shop.fancy") == before and edges(shop, "shop.plain") == []
    assert shop.rows(f"SELECT function FROM ml.runs WHERE id = '{run}'") == [{"function": "fancy"}]
    assert shop.rows("SELECT aliases FROM ml.functions WHERE name = 'fancy'") == [{"aliases": ["stable"]}]
    shop.run("RUN fancy@stable; RERUN kept; DROP FUNCTION fancy; RESTORE FUNCTION fancy")
    with pytest.raises(NotFound):
        shop.run("RUN plain")
    (shop.folder / "other.py").write_text("def handler(ctx):\n    ctx.log_metric('other', 1)\n")
    other = shop.run("CREATE FUNCTION plain FROM 'other.py'; RUN plain").facts  # of the old name, not the old code
    assert other["other"] == 1
    shop.run("DROP FUNCTION plain")
    with pytest.raises(AlreadyExists, match="function shop.train already"):
        shop.run("ALTER FUNCTION fancy RENAME TO train")
    shop.run("ALTER FUNCTION fancy RENAME TO Fancy")  # another spelling of the same name


def test_a_model_that_nothing_stands_on(shop: Everything) -> None:
    shop.run("CREATE MODEL spare FROM MODEL m@1 ALIAS best")
    before = edges(shop, "shop.spare")
    shop.run('ALTER MODEL spare RENAME TO "Main"')
    assert edges(shop, "shop.Main") == before and edges(shop, "shop.spare") == []
    assert shop.rows("SELECT ml.predict('Main@best', {'spent': 5.0}) AS p") == [{"p": 0.5}]
    with pytest.raises(NotFound):
        shop.run("DESCRIBE MODEL spare")
    with pytest.raises(Conflict, match="model shop.m is named by endpoint shop.e"):
        shop.run("ALTER MODEL m RENAME TO n")


def test_a_monitor_and_its_alert(shop: Everything) -> None:
    shop.run("REFRESH MONITOR watch; ALTER MONITOR watch RENAME TO gaze; ALTER ALERT late RENAME TO tardy")
    assert shop.rows("SELECT name, on_name FROM ml.alerts") == [{"name": "tardy", "on_name": "gaze"}]
    shop.run("REFRESH MONITOR gaze; ALTER ALERT tardy SUSPEND; ALTER ALERT tardy RESUME")
    for view, start in (("monitors", "CREATE MONITOR gaze ON ENDPOINT"), ("alerts", "CREATE ALERT tardy ON MONITOR")):
        (row,) = shop.rows(f"SELECT definition FROM ml.{view}")
        assert row["definition"].replace('"', "").startswith(start) and "watch" not in row["definition"]
    shop.run("DROP ALERT tardy; RESTORE ALERT tardy")
    with pytest.raises(NotFound):
        shop.run("ALTER MONITOR watch RENAME TO x")


def test_texts_are_not_changed_for_anybody(shop: Everything) -> None:
    shop.run("CREATE FUNCTION named FROM 'train.py'; CREATE WORKFLOW calls AS (STEP a AS (RUN named))")
    shop.run("CREATE MODEL looked FROM MODEL m@1")
    shop.run("CREATE VIEW shop.scores AS SELECT ml.predict('looked', {'spent': 5.0}) AS p")
    before = shop.fingerprint(("catalog.main.audit",))
    with pytest.raises(Conflict, match="function shop.named is named by workflow shop.calls"):
        shop.run("ALTER FUNCTION named RENAME TO other")
    with pytest.raises(Conflict, match="model shop.looked is named by view shop.scores"):
        shop.run("ALTER MODEL looked RENAME TO other")
    assert shop.fingerprint(("catalog.main.audit",)) == before
