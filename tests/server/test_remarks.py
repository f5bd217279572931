"""What people say of runs and functions later: notes, labels, aliases; by statement, by the SDK, by MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from real_server import Server, wait_until

from mlbox.client.connection import Connection
from mlbox.client.runs import Run
from mlbox.client.tracking import start_run

CODE = "def work(ctx):\n    ctx.log_metric('n', {})\n    ctx.note('from inside')\n    ctx.set_tags({{'team': 'a'}})\n"


def row(server: Server, run: str) -> dict[str, Any]:
    answer = server.sql(f"SELECT note, labels::JSON::VARCHAR, name FROM ml.runs WHERE id = '{run}'")
    note, labels, name = answer[0]["rows"][0]
    return {"note": note, "labels": json.loads(labels), "name": name}


@pytest.fixture
def run(server: Server) -> str:
    """A run of a script, ended."""
    with start_run("remarked", labels={"kept": "yes"}, connection=Connection(server.url)) as begun:
        begun.note("first")
        begun.set_tags({"team": "risk"})
    wait_until(lambda: row(server, begun.run_id)["note"] == "first")
    return begun.run_id


def test_by_statement_and_by_the_client(server: Server, run: str) -> None:
    assert row(server, run)["labels"] == {"kept": "yes", "team": "risk"}
    server.sql(f"ALTER RUN '{run}' SET (note = 'it''s good')")
    server.sql(f"ALTER RUN '{run}' SET LABELS (team = 'fraud', 'a.b' = 'c')")
    assert row(server, run) == {
        "note": "it's good", "labels": {"kept": "yes", "team": "fraud", "a.b": "c"}, "name": "remarked"
    }  # fmt: skip
    handle = Run(Connection(server.url), run)
    handle.note = "by hand"
    handle.set_tags({"a.b": "d", "more": 1})
    handle.delete_tags("team")
    assert (handle.note, handle.tags) == ("by hand", {"kept": "yes", "a.b": "d", "more": "1"})
    handle.note = None
    assert handle.note is None
    server.sql(f"ALTER RUN '{run}' SET (name = 'renamed')")
    assert row(server, run)["name"] == "renamed"
    error = server.error(f"ALTER RUN '{run}' DROP LABELS (keep)")
    assert "has no label 'keep'" in error["message"] and "kept" in error["hint"]
    assert "did you mean note" in server.error(f"ALTER RUN '{run}' SET (nota = 'x')")["hint"]
    assert "needs a text" in server.error(f"ALTER RUN '{run}' SET (note = 3)")["message"]


def test_by_mlflow(server: Server, run: str) -> None:
    def call(path: str, **body: Any) -> Any:
        status, _, answer = server.request("POST", f"/api/2.0/mlflow/runs/{path}", {"run_id": run, **body})
        assert status == 200, answer
        return json.loads(answer)

    def tags() -> dict[str, str]:
        answer = json.loads(server.request("GET", f"/api/2.0/mlflow/runs/get?run_id={run}")[2])
        return {entry["key"]: entry["value"] for entry in answer["run"]["data"]["tags"]}

    call("set-tag", key="mlflow.note.content", value="# a note")
    call("set-tag", key="stage", value="review")
    assert row(server, run)["note"] == "# a note" and row(server, run)["labels"]["stage"] == "review"
    assert tags()["mlflow.note.content"] == "# a note" and tags()["stage"] == "review"
    found = call("search", experiment_ids=["0"], filter="tags.`mlflow.note.content` LIKE '%note'")
    assert [entry["info"]["run_id"] for entry in found["runs"]] == [run]
    call("log-batch", tags=[{"key": "mlflow.note.content", "value": "in a batch"}, {"key": "x", "value": "y"}])
    assert row(server, run)["note"] == "in a batch"
    call("delete-tag", key="stage")
    call("delete-tag", key="mlflow.note.content")
    assert row(server, run)["note"] is None and "stage" not in tags() and "mlflow.note.content" not in tags()
    status, _, _ = server.request("POST", "/api/2.0/mlflow/runs/delete-tag", {"run_id": run, "key": "stage"})
    assert status == 400


def test_aliases_of_functions(server: Server, tmp_path: Path) -> None:
    def script(text: str) -> list[dict[str, Any]]:
        status, _, body = server.request("POST", "/sql", {"sql": text, "folder": str(tmp_path)})
        assert status == 200, body
        return list(json.loads(body)["results"])

    for number in (1, 2):
        (tmp_path / "work.py").write_text(CODE.format(number))
        script("CREATE OR REPLACE FUNCTION aliased FROM 'work.py'")
    script("ALTER FUNCTION aliased SET ALIAS stable = 1; ALTER FUNCTION aliased SET ALIAS Next TO VERSION 2")
    ran = script("RUN aliased@stable AS old")[0]["rows"][0]
    versions = server.sql(f"SELECT function_version, note FROM ml.runs WHERE id = '{ran[0]}'")[0]["rows"]
    assert versions == [[1, "from inside"]]
    shown = server.sql("SELECT version, aliases FROM ml.functions WHERE name = 'aliased' ORDER BY version")[0]["rows"]
    assert shown == [[1, ["stable"]], [2, ["next"]]]
    described = {line[0]: line[1] for line in server.sql("DESCRIBE FUNCTION aliased@stable")[0]["rows"]}
    assert str(described["version"]) == "1"
    script("ALTER FUNCTION aliased SET ALIAS stable = next")
    assert script("EXPLAIN RUN aliased@stable")[0]["rows"][-1][1] == "function default.aliased@2"
    error = server.error("RUN aliased@stabel")
    assert "no version or alias 'stabel'" in error["message"] and "stable" in error["hint"]
    script("DROP FUNCTION aliased@2")
    assert "no version or alias 'stable'" in server.error("RUN aliased@stable")["message"]
    script("RESTORE FUNCTION aliased@2; ALTER FUNCTION aliased DROP ALIAS stable")
    assert "no alias 'stable'" in server.error("ALTER FUNCTION aliased DROP ALIAS stable")["message"]
    assert "has a meaning" in server.error("ALTER FUNCTION aliased SET ALIAS latest = 1")["message"]
