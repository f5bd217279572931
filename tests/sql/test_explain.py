"""EXPLAIN of every statement on a house that holds one of everything: a plan, and nothing has changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from everything import Everything

from mlbox.base.errors import AlreadyExists, MlboxError, NotExecuted, NotFound, StatementError
from mlbox.sql.grammar import REGISTRY, recognise
from mlbox.sql.parser import Cursor, Scope
from mlbox.sql.script import parse, split

PLANS = {
    "CREATE PROJECT other": ("create", "project other"),
    "USE PROJECT shop": ("read", "project shop"),
    "DROP PROJECT shop CASCADE": ("drop", "project shop"),
    "ALTER PROJECT shop SET (owner = 'ana')": ("replace", "project shop"),
    "ALTER FUNCTION train SET (comment = 'c')": ("replace", "function shop.train"),
    "ALTER WORKFLOW w SET (comment = NULL)": ("replace", "workflow shop.w"),
    "CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts) AS SELECT client, ts, amount FROM tx": ("create", "shop.f"),
    "CREATE OR REPLACE FEATURE SET labels (ENTITY client, TIMESTAMP ts) AS SELECT client, ts, 1 AS late FROM tx": (
        "replace",
        "shop.labels",
    ),
    "CREATE SOURCE fresh AS SELECT * FROM tx": ("create", "source shop.fresh"),
    "CREATE FEATURE SET g (ENTITY client, TIMESTAMP ts) FROM raw": ("create", "shop.g"),
    "ALTER SOURCE raw RENAME TO other": ("replace", "source shop.raw"),
    "DROP SOURCE raw CASCADE": ("drop", "source shop.raw"),
    "ALTER FEATURE SET copied ADD COLUMN x DOUBLE DEFAULT 1": ("create", "shop.copied@2"),
    "REFRESH FEATURE SET spending": (None, "shop.spending"),
    "REFRESH FEATURE SET spending ONLINE": ("write", "online store"),
    "DROP FEATURE SET spending CASCADE": ("drop", "shop.spending"),
    "INSERT INTO labels VALUES (1, now(), 1)": ("write", "shop.labels"),
    "CREATE FEATURE VECTOR v2 AS FEATURES (spending.*)": ("create", "shop.v2"),
    "REFRESH FEATURE VECTOR v": (None, "shop.spending"),
    "CREATE DATASET kept AS FROM ml.features('v', 'labels')": ("read", "feature vector shop.v"),
    "VERIFY FEATURE VECTOR v": ("read", "shop.spending"),
    "DELETE ENTITY (client = 1) FROM PROJECT shop": ("delete", "feature set shop.labels"),
    "DROP FEATURE VECTOR v CASCADE": ("drop", "shop.v"),
    "CREATE COLLECTION words KEY (client) TEXT note AS SELECT client, 'a' AS note FROM tx": ("create", "shop.words"),
    "REFRESH COLLECTION notes FULL": ("write", "shop.notes"),
    "DROP COLLECTION notes": ("drop", "shop.notes"),
    "CREATE FUNCTION again FROM 'train.py'": ("create", "shop.again"),
    "DROP FUNCTION train CASCADE": ("drop", "shop.train"),
    "RUN train FROM v WITH (lr = 0.2)": ("execute", "shop.train"),
    "RUN train FROM v SWEEP (lr IN (1, 2)) MAXIMIZE auc": (None, "shop.train"),
    "CANCEL RUN fit": None,  # it has finished
    "RERUN fit": (None, "shop.train"),
    "LOG METRIC auc = 1 RUN fit": (None, "fit"),
    "ALTER RUN fit SET (note = 'n')": ("replace", "run fit"),
    "ALTER FUNCTION train SET ALIAS stable = 1": ("move", "shop.train@stable"),
    "ALTER ARTIFACT model SET ALIAS stable = 1": ("move", "artifact shop.model@stable"),
    "DROP RUN fit": None,  # a model is made from it
    "DROP ARTIFACT model": None,  # as well
    "RESTORE MODEL m": None,  # it is there
    "CREATE MODEL n FROM 'model.onnx'": ("create", "shop.n"),
    "CREATE MODEL m FROM RUN fit ARTIFACT 'model'": ("create", "shop.m@3"),
    "ALTER MODEL m SET ALIAS champion = 2": ("move", "shop.m"),
    "DROP MODEL m@2": ("drop", "shop.m@2"),
    "CREATE ENDPOINT e2 USING MODEL m@2": ("create", "shop.e2"),
    "ALTER ENDPOINT e USING MODEL m@2": (None, "shop.e"),
    "DROP ENDPOINT e CASCADE": ("drop", "shop.e"),
    "CREATE FEED f2 FROM SOURCE app TO ENDPOINT e INTO TABLE s2": ("create", "feed shop.f2"),
    "ALTER FEED rows SUSPEND": ("replace", "feed shop.rows"),
    "DROP FEED rows": ("drop", "feed shop.rows"),
    "CREATE WORKFLOW w2 AS (STEP a AS (SELECT 1))": ("create", "shop.w2"),
    "RUN WORKFLOW w": ("execute", "step b"),
    "DROP WORKFLOW w CASCADE": ("drop", "shop.w"),
    "CREATE SCHEDULE s2 EVERY 1 HOUR AS SELECT 1": ("create", "shop.s2"),
    "ALTER SCHEDULE hourly SUSPEND": (None, "shop.hourly"),
    "DROP SCHEDULE hourly": ("drop", "shop.hourly"),
    "CREATE MONITOR m2 ON ENDPOINT e BASELINE (SELECT amount AS spent FROM tx) METRICS (psi)": ("create", "shop.m2"),
    "REFRESH MONITOR watch": (None, "shop.watch"),
    "ALTER MONITOR watch SUSPEND": (None, "shop.watch"),
    "DROP MONITOR watch CASCADE": ("drop", "shop.watch"),
    "CREATE ALERT a2 ON MONITOR watch WHEN psi > 1 THEN NOTIFY 'log:'": ("create", "shop.a2"),
    "ALTER ALERT late SUSPEND": (None, "shop.late"),
    "DROP ALERT late": ("drop", "shop.late"),
    "EXPORT PROJECT shop TO 'shop.zip'": ("write", "project shop"),
    "COLLECT GARBAGE": ("reuse", "everything"),
    "SHOW RUNS LIMIT 1": ("read", "shop"),
    "SHOW LINEAGE OF MODEL m": ("read", "shop.m"),
    "DESCRIBE MODEL m@champion": ("read", "ml.model_versions"),
    "EXPLAIN CREATE PROJECT other": ("create", "project other"),
}
"""Statement → an action and an object of its plan; None: the same clear error as without EXPLAIN."""


OTHERS = {
    "CREATE SOURCE": "CREATE SOURCE s FROM 'x.csv'",
    "DROP SOURCE": "DROP SOURCE s",
    "ALTER SOURCE": "ALTER SOURCE s SUSPEND",
    "REFRESH MODEL": "REFRESH MODEL m",
    "INSTALL FUNCTION": "INSTALL FUNCTION describe",
    "PUBLISH FUNCTION": "PUBLISH FUNCTION train TO 'x'",
    "GRANT": "GRANT viewer ON PROJECT shop TO 'ana'",
    "REVOKE": "REVOKE viewer ON PROJECT shop FROM 'ana'",
    "CREATE TOKEN": "CREATE TOKEN FOR 'ana'",
    "DROP TOKEN": "DROP TOKEN 'x'",
    "DEPLOY ENDPOINT": "DEPLOY ENDPOINT e ON DOCKER",
    "UNDEPLOY ENDPOINT": "UNDEPLOY ENDPOINT e",
    "SET SECRET": "SET SECRET k = 'v'",
    "DROP SECRET": "DROP SECRET k",
    "CREATE PROFILE": "CREATE PROFILE lake TYPE s3 WITH (key = 'k', secret = 's')",
    "DROP PROFILE": "DROP PROFILE IF EXISTS lake",
    "ALTER FEATURE SET": "ALTER FEATURE SET spending SUSPEND",
    "ALTER FEATURE VECTOR": "ALTER FEATURE VECTOR v RENAME TO u",
    "ALTER FUNCTION": "ALTER FUNCTION train RENAME TO fit",
    "ALTER MODEL": "ALTER MODEL m RENAME TO n",
    "ALTER WORKFLOW": "ALTER WORKFLOW w RENAME TO x",
}
"""Statements that this version may refuse to carry out."""


@pytest.fixture(scope="module")
def planned(everything: Everything) -> dict[str, Any]:
    """What EXPLAIN of each statement gave, with the fingerprints before and after all of them."""
    found: dict[str, Any] = {"before": everything.fingerprint()}
    for text in (*PLANS, *OTHERS.values()):
        try:
            found[text] = everything.run(f"EXPLAIN {text}")
        except MlboxError as error:
            found[text] = error
    found["after"] = everything.fingerprint()
    return found


@pytest.mark.parametrize("text", PLANS)
def test_every_statement_has_a_plan(planned: dict[str, Any], everything: Everything, text: str) -> None:
    wanted, found = PLANS[text], planned[text]
    if wanted is None:
        assert isinstance(found, MlboxError) and not isinstance(found, NotExecuted)
        with pytest.raises(type(found)) as caught:
            everything.run(text)
        assert caught.value.message == found.message
        return
    assert not isinstance(found, MlboxError), found
    steps = found.table.to_pylist()
    action, thing = wanted
    assert any(thing in step["object"] or thing in step["detail"] for step in steps), steps
    assert action is None or action in [step["action"] for step in steps], steps
    assert found.facts["statement"]


def test_explaining_changes_nothing(planned: dict[str, Any]) -> None:
    before, after = planned["before"], planned["after"]
    assert len(before) > 40
    assert before == after


def test_every_statement_is_explained() -> None:
    """Each of the language: by a plan above, or by the error that says that it is not executed."""
    known = {syntax.name for _, syntax in REGISTRY}
    covered = set()
    for text in PLANS:
        syntax = recognise(Cursor.over(Scope(text, "p"), text))
        covered.add(syntax.name if syntax else "INSERT")
    assert known - covered - set(OTHERS) == {"SET SEARCH_PATH"}  # refused by its parser


@pytest.mark.parametrize("text", OTHERS.values())
def test_what_is_not_executed_is_told_alike(everything: Everything, planned: dict[str, Any], text: str) -> None:
    """By the same clear error; what a later version does execute has a plan, or an error of its own."""
    executed = type(parse(split(text)[0], "shop")) in everything.house.dispatcher.commands
    found = planned[text]
    if executed and not isinstance(found, NotExecuted):
        assert isinstance(found, MlboxError) or found.table.num_rows > 0
        return
    with pytest.raises(NotExecuted) as plain:
        everything.run(text)
    assert isinstance(found, NotExecuted)
    assert (found.message, found.hint) == (plain.value.message, plain.value.hint)


def test_explain_analyze_carries_it_out(everything: Everything) -> None:
    result = everything.run("EXPLAIN ANALYZE CREATE PROJECT analyzed")
    assert result.table is not None
    last = result.table.to_pylist()[-1]
    assert last["action"] == "done" and last["detail"].endswith(" ms")
    assert everything.rows("SELECT name FROM ml.projects WHERE name = 'analyzed'")
    with pytest.raises(AlreadyExists):
        everything.run("EXPLAIN CREATE PROJECT analyzed")
    everything.run("EXPLAIN ANALYZE INSERT INTO labels VALUES (9, now(), 0)")
    assert everything.rows("SELECT late FROM labels WHERE client = 9") == [{"late": 0}]
    with pytest.raises(NotFound):
        everything.run("EXPLAIN USE PROJECT nowhere")
    assert everything.session.project == "shop"


def test_a_plan_of_restore_brings_nothing_back(everything: Everything) -> None:
    everything.run("CREATE WORKFLOW gone AS (STEP a AS (SELECT 1)); DROP WORKFLOW gone")
    before = everything.fingerprint()
    steps = everything.run("EXPLAIN RESTORE WORKFLOW gone").table.to_pylist()
    assert any("shop.gone" in step["object"] for step in steps), steps
    assert everything.fingerprint() == before
    everything.run("RESTORE WORKFLOW gone; DROP WORKFLOW gone")


DEFINITIONS = {
    "DROP TABLE tx": ("drop", r"table shop\.tx: [\d,]+ rows?"),
    "drop table if exists shop.tx": ("drop", r"table shop\.tx: [\d,]+ rows?"),
    "DROP TABLE IF EXISTS nothing": ("keep", r"table shop\.nothing: it is not there"),
    "ALTER TABLE tx ADD COLUMN more INTEGER": ("alter", r"table shop\.tx: ADD COLUMN more INTEGER"),
    'ALTER TABLE "tx" RENAME TO ty': ("alter", r"table shop\.tx: RENAME TO ty"),
    "CREATE TABLE fresh (a INTEGER,\n b TEXT)": ("create", r"table shop\.fresh: \(a INTEGER, b TEXT\)"),
    "CREATE OR REPLACE TABLE tx (a INTEGER)": ("replace", r"table shop\.tx: \(a INTEGER\)"),
    "CREATE TABLE IF NOT EXISTS tx (a INTEGER)": ("keep", r"table shop\.tx: it is there"),
    "CREATE VIEW seen AS SELECT * FROM tx": ("create", r"view shop\.seen: AS SELECT \* FROM tx"),
    "CREATE MACRO twice(x) AS x + x": ("create", r"macro shop\.twice: \(x\) AS x \+ x"),
}


@pytest.mark.parametrize("text", DEFINITIONS)
def test_plain_definitions_have_a_plan_and_are_not_carried_out(everything: Everything, text: str) -> None:
    before = everything.rows("SELECT table_name FROM information_schema.tables ORDER BY ALL")
    (told,) = everything.run(f"EXPLAIN {text}").table.to_pylist()
    key, value = DEFINITIONS[text]
    assert told["explain_key"] == key
    assert re.fullmatch(value, told["explain_value"]), told
    assert everything.rows("SELECT table_name FROM information_schema.tables ORDER BY ALL") == before


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("CREATE TABLE tx (a INTEGER)", AlreadyExists, "CREATE OR REPLACE TABLE"),
        ("DROP VIEW tx", StatementError, "write DROP TABLE tx"),
        ("DROP TABLE txx", NotFound, "tx"),
    ],
)
def test_a_plan_of_a_plain_definition_checks_it(
    everything: Everything, text: str, error: type[MlboxError], hint: str
) -> None:
    with pytest.raises(error) as caught:
        everything.run(f"EXPLAIN {text}")
    assert hint in (caught.value.hint or "")


def test_a_plan_of_rows_stays_that_of_duckdb(everything: Everything) -> None:
    (told,) = everything.run("EXPLAIN CREATE TABLE made AS SELECT * FROM tx").table.to_pylist()
    assert told["explain_key"] == "physical_plan" and "tx" in told["explain_value"]
