"""RUNTIME sql: a function that is one query runs like any other, and its rows are kept as a data set."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_server import Server, wait_until

SLOW = "SELECT count(*) AS n FROM range(100000) a, range(10000000) b WHERE (a.range * 31 + b.range) % 7 = $rest"


class Desk:
    """A server with a project of its own and a folder of files."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        server.sql("CREATE PROJECT IF NOT EXISTS pure")
        server.sql(
            "CREATE OR REPLACE TABLE pure.pays AS SELECT i AS id, i * 1.5 AS amount FROM range(1000) t(i)", "pure"
        )

        self.script("CREATE OR REPLACE FUNCTION large RUNTIME sql AS SELECT id, amount FROM pays WHERE amount > $least")

    def script(self, text: str, expected: int = 200) -> Any:
        body = {"sql": text, "project": "pure", "folder": str(self.folder)}
        status, _, answer = self.server.request("POST", "/sql", body)
        assert status == expected or (expected >= 400 and status >= 400), answer
        told = json.loads(answer)
        return told["results"] if status == 200 else told["error"]

    def row(self, run: str) -> dict[str, Any]:
        (result,) = self.server.sql(f"SELECT * FROM ml.runs WHERE id = '{run}'")
        return dict(zip([column["name"] for column in result["columns"]], result["rows"][0], strict=True))


@pytest.fixture
def desk(server: Server, tmp_path: Path) -> Iterator[Desk]:
    yield Desk(server, tmp_path)


def test_rows_are_kept_with_schema_and_statistics(desk: Desk) -> None:
    from pyarrow import parquet

    (ran,) = desk.script("RUN large WITH (least = 1000.0) AS first")
    run = ran["rows"][0][0]
    text = f"SELECT id, name, kind, metadata::JSON::VARCHAR FROM ml.artifacts WHERE run_id = '{run}'"
    ((artifact, name, kind, metadata),) = desk.server.sql(text)[0]["rows"]
    told = json.loads(metadata)
    assert (name, kind, told["rows"]) == ("result", "dataset", 333)
    assert [column["name"] for column in told["schema"]] == ["id", "amount"]
    assert told["stats"]["amount"]["min"] == 1000.5 and sum(told["stats"]["amount"]["histogram"]["counts"]) == 333
    content = desk.server.request("GET", f"/artifacts/{artifact}/content")[2]
    assert parquet.read_table(io.BytesIO(content)).num_rows == 333
    row = desk.row(run)
    assert (row["state"], row["runtime"], row["params"], row["metrics"]) == (
        "completed", "sql", {"least": 1000.0}, {"rows": 333.0}
    )  # fmt: skip
    log = desk.server.request("GET", f"/runs/{run}/log")[2].decode()
    assert "333 rows of 2 columns" in log
    edges = desk.server.sql(f"SELECT from_kind, from_ref FROM ml.lineage WHERE to_ref = '{run}' ORDER BY ALL")
    assert edges[0]["rows"] == [["function", "pure.large@1"], ["table", "pure.pays"]]
    again = desk.script("RERUN first")[0]["rows"][0][0]
    assert desk.row(again)["metrics"] == {"rows": 333.0}


def test_one_row_is_metrics_and_can_be_searched(desk: Desk) -> None:
    (desk.folder / "score.sql").write_text("-- above\nSELECT avg((amount > $least)::INT) AS share FROM frame\n")
    desk.script("CREATE OR REPLACE FUNCTION score FROM 'score.sql' RUNTIME sql")
    (ran,) = desk.script("RUN score FROM (SELECT * FROM pays WHERE id < 10) WITH (least = 6) AS one")
    assert desk.row(ran["rows"][0][0])["metrics"] == {"rows": 1.0, "share": 0.5}
    (swept,) = desk.script("RUN score FROM pays SWEEP (least IN (0, 500, 1000)) MAXIMIZE share")
    best = desk.row(desk.row(swept["rows"][0][0])["best_trial"])
    assert best["params"]["least"] == 0


def test_errors_point_into_the_query(desk: Desk) -> None:
    (desk.folder / "wrong.sql").write_text("SELECT id,\n       amout\nFROM pays\n")
    desk.script("CREATE OR REPLACE FUNCTION wrong FROM 'wrong.sql' RUNTIME sql")
    error = desk.script("RUN wrong AS bad", 400)
    run = error["details"]["run"] if "run" in error.get("details", {}) else None
    rows = desk.server.sql("SELECT id, error_type, error, traceback FROM ml.runs WHERE name = 'bad'")[0]["rows"]
    _, kind, message, traceback = rows[0]
    assert kind == "SqlError" and "amout" in message and "wrong.sql, line 2" in message
    assert 'File "wrong.sql", line 2\n    amout\n    ^' in traceback
    assert run is None or run == rows[0][0]
    (desk.folder / "torn.sql").write_text("SELECT id\nFORM pays")
    error = desk.script("CREATE FUNCTION torn FROM 'torn.sql' RUNTIME sql", 400)
    assert error["where"]["line"] == 2
    for statement, words in (
        ("CREATE FUNCTION f RUNTIME sql AS DELETE FROM pays", "is not one query"),
        ("CREATE FUNCTION f RUNTIME sql AS SELECT $1", "parameters without a name"),
        ("CREATE FUNCTION f AS SELECT 1", "AS SELECT .. is a function of SQL"),
        ("CREATE FUNCTION f RUNTIME sql REQUIREMENTS ('numpy') AS SELECT 1", "takes no REQUIREMENTS"),
        ("CREATE FUNCTION f RUNTIME sql RESOURCES (cpu = 1) AS SELECT 1", "takes no RESOURCES"),
        ("CREATE FUNCTION f FROM 'nowhere.sql' RUNTIME sql", "there is no file"),
        ("RUN large WITH (most = 1)", "has no parameter 'most'"),
        ("RUN large", "needs 'least'"),
        ("RUN large ON docker WITH (least = 1)", "which the server computes itself"),
    ):
        assert words in desk.script(statement, 400)["message"], statement


def test_it_is_cancelled_and_has_a_time_limit(desk: Desk) -> None:
    """The query ends in DuckDB too, and not only its process."""
    desk.script(f"CREATE OR REPLACE FUNCTION slow RUNTIME sql AS {SLOW}")
    run = desk.script("RUN slow WITH (rest = 3) AS waiting ASYNC")[0]["rows"][0][0]
    wait_until(lambda: desk.row(run)["state"] == "running")
    time.sleep(1)  # the query is under way
    desk.script(f"CANCEL RUN '{run}'")
    assert desk.row(run)["state"] == "cancelled"
    error = desk.script("RUN slow WITH (rest = 3) AS late TIMEOUT 1 SECOND", 400)
    assert "late" in error["message"]
    state, kind = desk.server.sql("SELECT state, error_type FROM ml.runs WHERE name = 'late'")[0]["rows"][0]
    assert (state, kind) == ("error", "Timeout")
    wait_until(lambda: threads_at_work(desk.server) < 50)


def threads_at_work(server: Server) -> float:
    """Processor time that the server takes, in percent of one processor."""

    def used() -> int:
        fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = used()
    time.sleep(0.5)
    return (used() - before) / 100 / 0.5 * 100


def test_it_begins_anew_with_a_new_server(own_server: Server, tmp_path: Path) -> None:
    desk = Desk(own_server, tmp_path)
    text = "SELECT count(*) AS n FROM range(30000) a, range(100000) b WHERE (a.range * 31 + b.range) % 7 = 3"
    desk.script(f"CREATE FUNCTION slow RUNTIME sql AS {text}")
    run = desk.script("RUN slow ASYNC")[0]["rows"][0][0]
    wait_until(lambda: desk.row(run)["state"] == "running")
    own_server.kill()
    own_server.start()
    row = wait_until(lambda: (found := desk.row(run))["state"] in ("completed", "error") and found, 120)
    assert (row["state"], row["metrics"]["rows"]) == ("completed", 1.0)
