"""MLflow's own client against a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_server import Server

pytestmark = pytest.mark.timeout(300)
SCRIPT = Path(__file__).with_name("mlflow_script.py")


@pytest.fixture(scope="module")
def seen(server: Server) -> dict[str, Any]:
    """The script has run once, in a project of its own."""
    server.sql("CREATE PROJECT churned")
    return run_script(server, f"{server.url}/mlflow/churned")


def run_script(server: Server, uri: str, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "GIT_PYTHON_REFRESH": "quiet"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(server: Server, query: str) -> list[list[Any]]:
    found: list[list[Any]] = server.sql(query, "churned")[0]["rows"]
    return found


def test_the_client_finds_what_it_logged(seen: dict[str, Any]) -> None:
    assert seen["found"] == [seen["forest"]]
    assert seen["history"] == [[1, 0.5], [2, 0.75]]
    assert seen["files"] == ["about/data.json", "about/note.txt"]
    assert seen["text"] == "ö"
    assert seen["run"] == ["FINISHED", "by hand", "7", "forest"]
    assert seen["datasets"] == 1
    assert seen["refused"] == "INVALID_PARAMETER_VALUE"
    assert seen["without"] == 0
    assert seen["same"] and seen["by_run"]
    assert seen["version"] == ["1", True, {"checked": "yes"}]


def test_what_it_logged_is_in_the_tables(server: Server, seen: dict[str, Any]) -> None:
    found = rows(
        server,
        "SELECT name, state, experiment, runtime FROM ml.runs "
        "WHERE project = 'churned' AND parent_id IS NULL ORDER BY id",
    )
    names = [row[0] for row in found]
    assert names[:3] == ["forest", "boosted", "light"] and names[-1] == "registered"
    assert {tuple(row[1:]) for row in found} == {("completed", "churn", "external")}
    children = rows(server, "SELECT count(*) FROM ml.runs WHERE project = 'churned' AND parent_id IS NOT NULL")
    assert children[0][0] >= 2  # the grid search
    assert rows(
        server,
        "SELECT metrics.score FROM ml.runs WHERE project = 'churned' AND name = 'forest' AND params.n_estimators = 7",
    ) == [[0.75]]
    assert rows(server, "SELECT count(*) FROM ml.metrics WHERE name = 'score' AND project = 'churned'") == [[2]]
    artifacts = rows(server, f"SELECT name, kind FROM ml.artifacts WHERE run_id = '{seen['forest']}'")
    assert ["about/data.json", "file"] in artifacts
    assert ["estimator.html", "file"] in artifacts
    assert any(kind == "model" for _, kind in artifacts)


def test_models_are_registered(server: Server, seen: dict[str, Any]) -> None:
    found = rows(
        server, "SELECT name, version, aliases, framework, features FROM ml.model_versions WHERE project = 'churned'"
    )
    assert found == [["churn", 1, ["champion"], "sklearn", ["a", "b", "c", "d"]]]
    lineage = rows(server, "SELECT from_kind, to_kind FROM ml.lineage WHERE to_ref = 'churned.churn@1'")
    assert sorted(lineage) == [["artifact", "model"], ["run", "model"]]
    error = server.error("SELECT ml.predict('churn', {'a': 1.0, 'b': 1.0, 'c': 1.0, 'd': 1.0})", "churned")
    assert error["code"] == "not_executed" and "sklearn" in error["message"]
