"""ALTER .. RENAME TO: what knows the object follows in the same transaction; what names it in a text is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from everything import Everything, opened

from mlbox.base.errors import AlreadyExists, Conflict, MlboxError, NotFound
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import predictions, renames, workflows
from mlbox.engine.catalog.tables.predictions import TrafficRow
from mlbox.engine.workflows import definition


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    with opened(tmp_path_factory.mktemp("rename")) as made:
        yield made


def answer(shop: Everything, endpoint: str, body: dict[str, Any]) -> None:
    """One request by the application that answers at ``/v2``."""

    async def ask() -> int:
        transport = httpx.ASGITransport(app=shop.house.endpoints.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.post(f"/v2/models/shop.{endpoint}/infer", json=body)).status_code

    assert asyncio.run(ask()) == 200


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
    assert shop.rows("SELECT on_name FROM ml.alerts WHERE name = 'tardy'") == [{"on_name": "gaze"}]
    shop.run("REFRESH MONITOR gaze; ALTER ALERT tardy SUSPEND; ALTER ALERT tardy RESUME")
    for view, start in (("monitors", "CREATE MONITOR gaze ON ENDPOINT"), ("alerts", "CREATE ALERT tardy ON MONITOR")):
        (row,) = shop.rows(f"SELECT definition FROM ml.{view} WHERE name IN ('gaze', 'tardy')")
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
        shop.run("ALTER FUNCTION named RENAME TO unnamed")
    with pytest.raises(Conflict, match="model shop.looked is named by view shop.scores"):
        shop.run("ALTER MODEL looked RENAME TO unlooked")
    assert shop.fingerprint(("catalog.main.audit",)) == before


def test_an_endpoint_with_its_predictions(shop: Everything) -> None:
    """Address, monitor, prediction log and lineage follow; nothing of the old name is left anywhere."""
    request = {"inputs": [{"name": "spent", "shape": [1, 1], "datatype": "FP64", "data": [5.0]}]}
    shop.run("CREATE MODEL alone FROM MODEL m@1; CREATE ENDPOINT calm USING MODEL alone")
    shop.run("CREATE MONITOR gazer ON ENDPOINT calm BASELINE (SELECT 1.0::DOUBLE AS spent) METRICS (psi) WINDOW 1 DAY")
    answer(shop, "calm", request)
    before, watched = edges(shop, "shop.calm"), shop.rows("SELECT * FROM ml.monitors WHERE name = 'gazer'")
    shop.house.endpoints.flush()
    assert shop.rows("EXPLAIN ALTER ENDPOINT calm RENAME TO Quiet")[0]["action"] == "replace"
    assert "/v2/models/shop.Quiet/infer" in shop.run('ALTER ENDPOINT calm RENAME TO "Quiet"').message
    answer(shop, "quiet", request)
    with pytest.raises(NotFound):
        shop.house.endpoints.directory.find("shop.calm")
    shop.house.endpoints.flush()
    kept = "SELECT endpoint, count(*) AS n FROM ml.predictions WHERE endpoint IN ('calm', 'Quiet') GROUP BY ALL"
    assert shop.rows(kept) == [{"endpoint": "Quiet", "n": 2}]
    counted = "SELECT requests FROM ml.endpoints WHERE name = 'Quiet'"
    assert shop.rows(counted) == [{"requests": 2}]
    assert edges(shop, "shop.Quiet") == before and edges(shop, "shop.calm") == []
    (now_watched,) = shop.rows("SELECT * FROM ml.monitors WHERE name = 'gazer'")
    assert now_watched["target"] == "Quiet" and "calm" not in now_watched["definition"]
    assert {**now_watched, "target": 0, "definition": 0} == {**watched[0], "target": 0, "definition": 0}
    shop.run("REFRESH MONITOR gazer")
    assert {row["target"] for row in shop.rows("SELECT target FROM ml.drift WHERE monitor = 'gazer'")} <= {"Quiet"}
    shop.run("ALTER ENDPOINT quiet SUSPEND; ALTER ENDPOINT quiet RESUME")
    shop.run("DROP ENDPOINT quiet CASCADE; CREATE ENDPOINT calm USING MODEL alone")
    with pytest.raises(AlreadyExists, match="no more, but its predictions are kept"):
        shop.run("ALTER ENDPOINT calm RENAME TO quiet")
    with pytest.raises(AlreadyExists, match="endpoint shop.e already"):
        shop.run("ALTER ENDPOINT calm RENAME TO e")


def test_predictions_follow_when_the_server_was_stopped_in_between(shop: Everything) -> None:
    shop.run("CREATE MODEL other FROM MODEL m@1; CREATE ENDPOINT first USING MODEL other")
    answer(shop, "first", {"inputs": [{"name": "spent", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}]})
    shop.house.endpoints.flush()
    ref = Ref("shop", "first")
    shop.house.catalog.write(lambda cursor: renames.rename(cursor, "endpoint", ref, "second"))
    assert shop.rows("SELECT 1 FROM ml.predictions WHERE endpoint = 'second'") == []
    for _ in range(2):  # once more is harmless
        shop.house.endpoints.renames.complete()
        assert len(shop.rows("SELECT 1 FROM ml.predictions WHERE endpoint = 'second'")) == 1
    shop.house.catalog.write(lambda cursor: renames.rename(cursor, "endpoint", Ref("shop", "second"), "first"))
    shop.house.endpoints.renames.complete()


def test_requests_of_a_minute_under_both_names_are_added(shop: Everything) -> None:
    """Those who ask while the predictions have yet to follow are counted under the new name."""
    minutes = [datetime(2026, 1, 1, 0, minute, tzinfo=UTC) for minute in range(3)]

    def count(name: str, at: datetime, requests: int) -> None:
        row = TrafficRow("shop", name, at, requests, 1, 2, at + timedelta(seconds=requests))
        shop.house.catalog.write_data(lambda cursor: predictions.count(cursor, [row]))

    for name, at, requests in (("a", 0, 5), ("a", 1, 7), ("A2", 1, 9), ("A2", 2, 11)):
        count(name, minutes[at], requests)
    for _ in range(2):  # once more is harmless
        shop.house.catalog.write_data(lambda cursor: renames.move_predictions(cursor, "shop", "a", "A2"))
        with shop.house.catalog.read() as cursor:
            found = cursor.execute(
                "SELECT endpoint, requests, errors, unrecorded, last_request FROM data._mlbox.traffic "
                "WHERE project = 'shop' AND lower(endpoint) IN ('a', 'a2') ORDER BY minute"
            ).fetchall()
        assert found == [
            ("A2", 5, 1, 2, minutes[0] + timedelta(seconds=5)),
            ("A2", 16, 2, 4, minutes[1] + timedelta(seconds=9)),
            ("A2", 11, 1, 2, minutes[2] + timedelta(seconds=11)),
        ]
    shop.house.catalog.write_data(lambda cursor: renames.move_predictions(cursor, "shop", "a2", "a2"))
    with shop.house.catalog.read() as cursor:
        found = cursor.execute(
            "SELECT DISTINCT endpoint FROM data._mlbox.traffic WHERE lower(endpoint) = 'a2'"
        ).fetchall()
    assert found == [("a2",)]


def test_a_workflow_with_its_runs(shop: Everything) -> None:
    """Its statement too: places in it, which errors point at, move with the name."""
    shop.run("CREATE OR REPLACE WORKFLOW shop.sums AS (STEP a AS (SELECT 1 AS x), STEP b AFTER a AS (SELECT nothing))")
    with pytest.raises(MlboxError):
        shop.run("RUN WORKFLOW sums")
    shop.run("ALTER WORKFLOW sums RENAME TO totals")
    assert shop.rows("SELECT DISTINCT workflow FROM ml.workflow_runs WHERE workflow IN ('sums', 'totals')") == [
        {"workflow": "totals"}
    ]
    with shop.house.catalog.read() as cursor:
        row = workflows.require(cursor, "shop", "totals")
    assert row.definition.startswith('CREATE OR REPLACE WORKFLOW shop."totals" AS')
    steps, _ = definition.from_json(row.plan, row.definition)
    assert [step.body.source[step.body.offset :][: len(step.body.text)] for step in steps] == [
        step.body.text for step in steps
    ]
    with pytest.raises(MlboxError, match="workflow shop.totals failed at step b"):
        shop.run("RUN WORKFLOW totals")
    shop.run(row.definition)  # makes it again
    shop.run("CREATE WORKFLOW chain AS (STEP a AS (RUN WORKFLOW totals))")
    with pytest.raises(Conflict, match="workflow shop.totals is named by workflow shop.chain"):
        shop.run("ALTER WORKFLOW totals RENAME TO x")
    with pytest.raises(Conflict, match="workflow shop.w is named by schedule shop.hourly"):
        shop.run("ALTER WORKFLOW w RENAME TO x")
    shop.run("DROP WORKFLOW chain; DROP WORKFLOW totals; RESTORE WORKFLOW totals")
    with pytest.raises(AlreadyExists, match="workflow shop.w already"):
        shop.run("ALTER WORKFLOW totals RENAME TO w")
