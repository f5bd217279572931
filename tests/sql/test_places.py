"""DuckDB's errors inside our bodies point into the user's text: line and column in a script of many lines."""

from __future__ import annotations

import pytest
from everything import Everything

from mlbox.base.errors import MlboxError, Where

BEFORE = "SELECT 'größe 日本 🙂' AS x; -- ü;\n/* é\n*/ "

WRONG = {
    "the query of a feature set": "CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts) AS\n"
    "  SELECT 'é', client, ts, «nope» FROM tx",
    "its table": "CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts) AS\nSELECT client, 'é', ts\n FROM «nope»",
    "its syntax": "CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts) AS SELECT 'ü', client\nFROM tx WHERE «)»",
    "its function": "CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts) AS "
    "SELECT client, ts, 'é' || «nope»(client) AS x FROM tx",
    "a CHECK": "CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts,\n"
    " amount CHECK ('é' <> '' AND «nope» > 0)) AS\n"
    "SELECT client, ts, amount FROM tx",
    "labels of a monitor": "CREATE MONITOR mm ON ENDPOINT e BASELINE (SELECT amount AS spent FROM tx)\n"
    "METRICS (psi, auc) "
    "LABELS FROM (SELECT 'é' AS id, «nope» AS label FROM tx)",
    "the baseline of a monitor": "CREATE MONITOR mm ON ENDPOINT e\n"
    "BASELINE (SELECT 'é', amount AS spent FROM «nope») METRICS (psi)",
    "what a run reads": "RUN train\n  FROM (SELECT 'é', «nope» FROM tx) WITH (lr = 1)",
    "a named input of a run": "RUN train WITH (lr = 1)\nINPUTS (a = (SELECT 'é', «nope» FROM tx))",
    "the condition of an alert": "CREATE ALERT aa WHEN EXISTS (SELECT 1 FROM tx\n"
    " WHERE 'é' = '' AND «nope» > 1) EVERY 1 HOUR THEN NOTIFY 'log:'",
    "a condition on metrics": "CREATE ALERT aa ON MONITOR watch\n"
    "WHEN 'é' <> '' AND psi > 0.2 AND «nope» > 1 THEN NOTIFY 'log:'",
    "SHOW": "SHOW RUNS\nWHERE 'é' <> '' AND «nope» = 1",
    "rows for a feature set": "INSERT INTO labels\nSELECT 'é', «nope», 1 FROM tx",
    "the syntax of these rows": "INSERT INTO labels (client, ts, late)\nSELECT 'é', «,», 1 FROM tx",
    "a plain query": "SELECT 'é',\n  «nope» FROM tx",
    "a plain change": "UPDATE tx\nSET amount = «nope»",
    "a plain table": "CREATE TABLE shop.u AS SELECT 'é',\n«nope» FROM tx",
    "plain syntax": "SELECT 'é'\n FROM tx WHERE «)»",
    "an explained statement": "EXPLAIN CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts) AS\n"
    "SELECT 'é', client, «nope» FROM tx",
    "a step of a workflow": "CREATE WORKFLOW ww AS (\n"
    "  STEP é AS (RUN train), STEP b AFTER é AS (RUN train «WTIH» (a = 1)))",
    "a condition of a step": "CREATE WORKFLOW ww AS (STEP a AS (SELECT 1 AS x),\n"
    " STEP b AFTER a WHEN (a.x > 0 AND «nope».y > 1) AS (SELECT 2))",
    "an option of a feature set": "CREATE FEATURE SET f (ENTITY client BIGINT, TIMESTAMP ts, x DOUBLE)\n"
    "WITH (owner = 'é', «timezone» = 'Europe/Berln')",
    "an option that a feature set has not": "CREATE FEATURE SET f (ENTITY client BIGINT, TIMESTAMP ts, x DOUBLE)\n"
    "WITH (owner = 'é', «allowed_latenes» = INTERVAL 1 HOUR)",
    "an option of a stream": "CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts) WITH (\n"
    "«allowed_lateness» = INTERVAL 1 HOUR) AS SELECT client, ts, 'é' AS x FROM tx",
    "an option of a function": "CREATE FUNCTION ff FROM 'train.py' RUNTIME docker\n"
    "WITH (user = 'é', «netwrk» = 'none')",
    "a value of an option of a function": "CREATE FUNCTION ff FROM 'train.py' RUNTIME docker\n"
    "WITH (user = 'é', «mounts» = ['é'])",
    "an option of a plan": "EXPLAIN CREATE FUNCTION ff FROM 'train.py'\nWITH («network» = 'é')",
    "an option of a source": "CREATE SOURCE so FROM 'é.csv'\nWITH («delimm» = ';')",
    "a secret as text": "CREATE SOURCE so FROM 'postgres://é@h/d'\nWITH (\"table\" = 'é', «password» = 'x')",
    "a parameter that a handler has not": "RUN train WITH («é» = 1)",
    "what a schedule does": "CREATE SCHEDULE ss EVERY 1 HOUR\nAS RUN train WITH (é = 1, «,»)",
    "an action of an alert": "CREATE ALERT aa ON MONITOR watch WHEN psi > 1\nTHEN (CREATE MODEL m «FORM» 'é')",
}
"""A script's last statement, with the place of the mistake in « »."""


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("before", ["", BEFORE], ids=["alone", "behind"])
def test_the_place_is_in_the_users_text(everything: Everything, what: str, before: str) -> None:
    marked = before + WRONG[what]
    text = marked.replace("«", "").replace("»", "")
    wanted = Where.at(text, marked.index("«"))
    with pytest.raises(MlboxError) as caught:
        everything.run(text)
    found = caught.value.where
    assert found is not None, caught.value.message
    assert (found.line, found.column) == (wanted.line, wanted.column), caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts) AS\nSELECT $a AS a, client, ts, «nope» FROM tx",
        "SHOW RUNS\nWHERE name = $a AND name <> $a AND «nope» = 1",
        "RUN train FROM (SELECT $a, $a,\n$a, «nope» FROM tx)",
        "SELECT $a, $a,\n$a, «nope» FROM tx",
        "INSERT INTO labels\nSELECT $a, «nope», 1 FROM tx",
        "CREATE FEATURE SET f (ENTITY client, TIMESTAMP ts, amount CHECK ($a <> '' AND «nope» > 0))\n"
        "AS SELECT client, ts, amount FROM tx",
        "CREATE ALERT aa WHEN EXISTS (SELECT 1 FROM tx\n WHERE $a = '' AND «nope» > 1) EVERY 1 HOUR THEN NOTIFY 'log:'",
    ],
)
@pytest.mark.parametrize("value", ["a text that is longer than its parameter: größe", ""])
def test_a_parameter_before_the_mistake_does_not_move_the_place(everything: Everything, text: str, value: str) -> None:
    plain = text.replace("«", "").replace("»", "")
    wanted = Where.at(plain, text.index("«"))
    with pytest.raises(MlboxError) as caught:
        everything.run(plain, {"a": value})
    found = caught.value.where
    assert found is not None and (found.line, found.column) == (wanted.line, wanted.column), caught.value.message


HOLD = "CREATE SCHEDULE rot EVERY 1 HOUR AS "


@pytest.mark.parametrize(
    "text",
    [
        "CREATE PROFILE lake TYPE s3 WITH (key = 'AK', secret = 'hunter2', «kee» = 'a')",
        "EXPLAIN CREATE PROFILE lake TYPE s3 WITH (secret = 'hunter2', «anon» = 'a')",
        "CREATE SOURCE so FROM 'postgres://h/d' WITH (\"table\" = 'a', «password» = 'hunter2')",
        "CREATE SOURCE so FROM 's3://b/x.csv' WITH (secret = 'hunter2', «kee» = 'a')",
        HOLD + "«CREATE» PROFILE api TYPE http WITH (token = 'hunter2')",
        HOLD + "«CREATE» PROFILE api TYPE http WITH (token = 'hunter2', username = $later)",
        HOLD + "«EXPLAIN» CREATE OR REPLACE PROFILE api TYPE http WITH (token = 'hunter2')",
        HOLD + "«SET» SECRET api = 'hunter2'",
        "CREATE WORKFLOW ww AS (STEP a AS («CREATE» PROFILE api TYPE http WITH (token = 'hunter2')))",
        HOLD + "CREATE WORKFLOW ww AS (STEP a AS («CREATE» PROFILE api TYPE http WITH (token = 'hunter2')))",
        "CREATE ALERT aa ON MONITOR watch WHEN psi > 1 THEN («CREATE» PROFILE p TYPE http WITH (token = 'hunter2'))",
    ],
)
def test_the_place_of_a_mistake_beside_a_credential_shows_no_line(everything: Everything, text: str) -> None:
    plain = text.replace("«", "").replace("»", "")
    wanted = Where.at(plain, text.index("«"))
    with pytest.raises(MlboxError) as caught:
        everything.run(plain)
    found = caught.value.where
    assert found is not None and (found.line, found.column) == (wanted.line, wanted.column), caught.value.message
    assert "hunter2" not in str(caught.value.to_dict())
