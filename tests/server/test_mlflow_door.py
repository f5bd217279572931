"""MLflow's API with what no client sends: it is told as the sender's mistake, and changes nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from real_server import Server

API = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts/"
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def run(server: Server) -> str:
    """A run that is logged to."""
    status, _, body = server.request("POST", API + "runs/create", {"experiment_id": "0"})
    assert status == 200, body
    return str(json.loads(body)["run"]["info"]["run_id"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("runs/log-metric", {"key": "a", "value": "abc"}),
        ("runs/log-metric", {"key": "a", "value": 1, "step": "x"}),
        ("runs/log-metric", {"key": "a", "value": 1, "step": 10**30}),
        ("runs/log-batch", {"metrics": ["x"]}),
        ("runs/log-batch", {"metrics": 5}),
        ("runs/log-batch", {"params": {"lr": 1}}),
        ("runs/log-batch", {"tags": [{"k": 1}]}),
        ("runs/log-inputs", {"datasets": [{"dataset": "x"}]}),
        ("runs/outputs", {"models": [{}]}),
        ("runs/search", {"experiment_ids": ["0"], "filter": 5}),
        ("runs/search", {"experiment_ids": ["0"], "order_by": 5}),
        ("runs/search", {"experiment_ids": ["0"], "page_token": "-5"}),
        ("logged-models/search", {"experiment_ids": ["0"], "page_token": "-5"}),
    ],
)
def test_what_cannot_be_read_is_the_senders_mistake(server: Server, run: str, path: str, body: dict[str, Any]) -> None:
    logged = f"SELECT metrics::VARCHAR FROM ml.runs WHERE id = '{run}'"
    before = server.sql(logged)[0]["rows"]
    status, _, answer = server.request("POST", API + path, {"run_id": run, **body})
    assert (status, json.loads(answer)["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer
    assert server.sql(logged)[0]["rows"] == before


def test_a_parent_is_a_run_of_the_project(server: Server, run: str) -> None:
    tags = [{"key": "mlflow.parentRunId", "value": "0" * 32}]
    status, _, answer = server.request("POST", API + "runs/log-batch", {"run_id": run, "tags": tags})
    assert (status, json.loads(answer)["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert server.sql(f"SELECT parent_id FROM ml.runs WHERE id = '{run}'")[0]["rows"] == [[None]]


def test_a_history_comes_in_pages(server: Server, run: str) -> None:
    points = [{"key": "loss", "value": 1 / (step + 1), "step": step, "timestamp": 1} for step in range(5)]
    assert server.request("POST", API + "runs/log-batch", {"run_id": run, "metrics": points})[0] == 200
    found: list[int] = []
    token = ""
    for _ in range(3):
        address = f"metrics/get-history?run_id={run}&metric_key=loss&max_results=2&page_token={token}"
        page = json.loads(server.request("GET", API + address)[2])
        found += [point["step"] for point in page["metrics"]]
        token = page.get("next_page_token", "")
    assert (found, token) == ([0, 1, 2, 3, 4], "")


def test_a_file_of_any_name_is_downloaded(server: Server, run: str) -> None:
    """Headers hold Latin letters only; the name is told all the same."""
    name = 'größe €, "x".txt'
    assert server.request("PUT", f"{FILES}0/{run}/artifacts/{quote(name)}", b"hello", OCTETS)[0] == 200
    ((artifact,),) = server.sql("SELECT id FROM ml.artifacts WHERE name = $1", parameters=[name])[0]["rows"]
    status, headers, content = server.request("GET", f"/artifacts/{artifact}/content")
    assert (status, content) == (200, b"hello")
    assert headers["content-disposition"] == f"inline; filename*=UTF-8''{quote(name, safe='')}"


def test_many_at_once_make_one_experiment_and_lose_no_tag(server: Server) -> None:
    def create(number: int) -> int:
        return server.request("POST", API + "experiments/create", {"name": "contended"})[0]

    def tag(number: int) -> int:
        body = {"experiment_id": found["experiment_id"], "key": f"k{number}", "value": "v"}
        return server.request("POST", API + "experiments/set-experiment-tag", body)[0]

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(8))) == [200] + [400] * 7
        address = "experiments/get-by-name?experiment_name=contended"
        found = json.loads(server.request("GET", API + address)[2])["experiment"]
        assert list(pool.map(tag, range(8))) == [200] * 8
    tags = json.loads(server.request("GET", API + address)[2])["experiment"]["tags"]
    assert sorted(entry["key"] for entry in tags) == [f"k{number}" for number in range(8)]


def test_a_run_that_ends_here_takes_nothing_more_by_its_token(server: Server) -> None:
    """Begun by mlbox's client, ended by MLflow's: the token that it was given is worthless from then on."""
    status, _, body = server.request("POST", "/runs", {"name": "both"})
    assert status in (200, 201), body
    begun = json.loads(body)
    run = begun["run_id"]
    token = {"Authorization": f"Bearer {begun['token']}"}
    told = {"batch": "1", "events": [{"kind": "metric", "name": "loss", "value": 1.0}]}
    assert server.request("POST", f"/run-api/{run}/events", told, token)[0] == 200
    ended = {"run_id": run, "status": "FINISHED"}
    assert server.request("POST", API + "runs/update", ended)[0] == 200
    status, _, body = server.request("POST", f"/run-api/{run}/events", {**told, "batch": "2"}, token)
    assert status == 401, body


def test_a_tag_is_logged_while_the_run_goes_on_and_a_change_after_its_end(server: Server) -> None:
    """Only what changes an ended run is a statement that the audit tells of."""
    created = server.request("POST", API + "runs/create", {"experiment_id": "0", "run_name": "tagged"})[2]
    run = json.loads(created)["run"]["info"]["run_id"]
    audited = "SELECT count(*) FROM ml.audit WHERE statement = 'ALTER RUN'"
    before = server.sql(audited)[0]["rows"][0][0]
    for key, value in (("stage", "early"), ("mlflow.note.content", "first words")):
        assert server.request("POST", API + "runs/set-tag", {"run_id": run, "key": key, "value": value})[0] == 200
    assert server.sql(audited)[0]["rows"][0][0] == before
    assert server.request("POST", API + "runs/update", {"run_id": run, "status": "FINISHED"})[0] == 200
    assert server.request("POST", API + "runs/set-tag", {"run_id": run, "key": "stage", "value": "late"})[0] == 200
    shown = server.sql(f"SELECT labels.stage::VARCHAR, note FROM ml.runs WHERE id = '{run}'")[0]["rows"]
    assert shown == [["late", "first words"]]
    assert server.sql(audited)[0]["rows"][0][0] == before + 1
