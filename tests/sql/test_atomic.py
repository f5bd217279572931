"""A statement that fails leaves nothing behind: no object, no row, no table, whatever the cause."""

from __future__ import annotations

import json
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from everything import Everything
from real_server import Server

from mlbox.base.errors import Forbidden, MlboxError

FAILING = {
    "a row that breaks a CHECK": "CREATE FEATURE SET half (ENTITY client, TIMESTAMP ts, amount CHECK (amount < 40)) "
    "AS SELECT client, ts, amount FROM tx",
    "a value that is no number, far in": "CREATE FEATURE SET half (ENTITY client, TIMESTAMP ts) "
    "STORE OFFLINE AND ONLINE AS SELECT client, ts, CASE WHEN amount = 49 THEN 'x' ELSE '1' END::INTEGER AS n FROM tx",
    "a NULL where none may be": "CREATE FEATURE SET half (ENTITY client, TIMESTAMP ts, n DOUBLE NOT NULL) "
    "AS SELECT client, ts, nullif(amount, 30) AS n FROM tx",
    "a replacement that fails": "CREATE OR REPLACE FEATURE SET spending (ENTITY client, TIMESTAMP ts) "
    "AS SELECT client, ts, error('no ' || amount::VARCHAR) AS n FROM tx",
    "a bad row among good ones": "INSERT INTO spending SELECT client, ts + INTERVAL 9 YEARS, 20 - amount FROM tx",
    "a vector with an unknown feature": "CREATE FEATURE VECTOR half AS FEATURES (spending.spent, labels.nope)",
    "a file that is no model": "CREATE MODEL half FROM 'broken.onnx'",
    "an artifact that is not there": "CREATE MODEL half FROM RUN fit ARTIFACT 'nope' ALIAS champion",
    "code that does not compile": "CREATE FUNCTION half FROM 'broken.py'",
    "a model that is not there": "CREATE ENDPOINT half USING MODEL nope",
    "a switch to a version that is not there": "ALTER ENDPOINT e USING MODEL m@99",
    "traffic to one that is not there": "ALTER ENDPOINT e SET TRAFFIC (m@1 50%, m@99 50%)",
    "labels that are not there": "CREATE MONITOR half ON ENDPOINT e BASELINE (SELECT amount AS spent FROM tx) "
    "METRICS (psi, auc) LABELS FROM (SELECT nope AS id FROM tx)",
    "an alias of a version that is not there": "ALTER MODEL m SET ALIAS champion = 99",
    "an alert on nothing": "CREATE ALERT half ON MONITOR nope WHEN psi > 1 THEN NOTIFY 'log:'",
    "a step that does not parse": "CREATE WORKFLOW half AS (STEP a AS (SELECT 1), STEP b AS (RUN f WTIH (a = 1)))",
    "something that is in use": "DROP RUN fit",
    "a plain table that fails": "CREATE TABLE shop.half AS SELECT error('no') AS x",
    "a plain change that fails": "UPDATE tx SET amount = CASE WHEN amount = 49 THEN error('no')::DOUBLE ELSE 0 END",
}


@pytest.mark.parametrize("cause", FAILING)
def test_nothing_is_left_of_a_statement_that_fails(everything: Everything, cause: str) -> None:
    (everything.folder / "broken.onnx").write_bytes(b"\x08\x07 not a model")
    (everything.folder / "broken.py").write_text("def handler(ctx:\n")
    before = everything.fingerprint(("catalog.main.audit", "catalog.main.events"))
    with pytest.raises(MlboxError):
        everything.run(FAILING[cause])
    assert everything.fingerprint(("catalog.main.audit", "catalog.main.events")) == before


def test_a_store_that_takes_no_bytes(everything: Everything) -> None:
    """The folder of artifacts is gone and a file stands in its place, which stops root too."""
    folder: Path = everything.house.home.artifacts
    aside = folder.with_name("aside")
    before = everything.fingerprint(("catalog.main.audit", "catalog.main.events"))
    folder.rename(aside)
    folder.write_text("not a folder")
    try:
        for text in ("CREATE MODEL half FROM 'model.onnx'", "CREATE FUNCTION half FROM 'train.py'"):
            with pytest.raises(MlboxError):
                everything.run(text)
    finally:
        folder.unlink()
        aside.rename(folder)
    assert everything.fingerprint(("catalog.main.audit", "catalog.main.events")) == before
    everything.run("CREATE MODEL whole FROM 'model.onnx'")


def test_a_script_stops_at_the_first_error_and_keeps_what_was_done(everything: Everything) -> None:
    with pytest.raises(MlboxError):
        everything.run("CREATE TABLE shop.kept AS SELECT 1 AS x; SELECT nope; CREATE TABLE shop.never AS SELECT 1")
    names = {row["name"] for row in everything.rows("SELECT table_name AS name FROM duckdb_tables()")}
    assert "kept" in names and "never" not in names


def test_statements_inside_a_transaction_are_refused_with_a_hint(everything: Everything) -> None:
    for text in ("BEGIN; DROP MODEL m; COMMIT", "BEGIN TRANSACTION", "COMMIT", "ROLLBACK"):
        with pytest.raises(Forbidden) as caught:
            everything.run(text)
        assert caught.value.hint and "BEGIN" in caught.value.hint
    assert everything.rows("SELECT 1 AS x FROM ml.models WHERE name = 'm'")


def ask(server: Server, sql: str) -> dict[str, Any]:
    body = json.dumps({"sql": sql}).encode()
    request = urllib.request.Request(f"{server.url}/sql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=100) as answer:
        return dict(json.load(answer))


def test_a_killed_writer_leaves_no_half_of_a_set(own_server: Server) -> None:
    """The process is killed while it computes a set's rows; after a restart the set is whole or not there."""
    text = (
        "CREATE FEATURE SET big (ENTITY id, TIMESTAMP ts) AS SELECT i % 1000 AS id, "
        "TIMESTAMP '2026-01-01' + to_seconds(i) AS ts, sqrt(i) AS x FROM range(20000000) t(i)"
    )

    def send() -> None:
        try:
            ask(own_server, text)
        except (OSError, HTTPException):
            return

    asking = Thread(target=send, daemon=True)
    asking.start()
    time.sleep(0.5)  # somewhere in the middle, wherever that is
    own_server.kill()
    asking.join(60)
    own_server.start()
    sets = ask(own_server, "SELECT name FROM ml.feature_sets")["results"][0]["rows"]
    views = ask(own_server, "SELECT view_name FROM duckdb_views() WHERE database_name = 'data' AND view_name = 'big'")
    assert len(views["results"][0]["rows"]) == len(sets)
    if sets:
        assert ask(own_server, "SELECT count(*) FROM big")["results"][0]["rows"] == [[20000000]]
    else:
        ask(own_server, text.replace("20000000", "1000"))
        assert ask(own_server, "SELECT count(*) FROM big")["results"][0]["rows"] == [[1000]]
