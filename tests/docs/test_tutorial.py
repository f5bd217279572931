"""docs/tutorial.md can be followed word by word: its blocks are run in order, on a real server, from an empty folder.

The requests of docs/how-to/send-predictions.md ask the endpoint that comes of it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_server import Server
from waiting import wait_until

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ADDRESS = "localhost:7070"
SETUP = "make setup"  # the block that begins so is what the fixture does


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on .mlbox of an empty folder, started in it, and ``mlbox`` on the path."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "mlbox"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlbox "$@"\n')
    command.chmod(0o755)
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    server = Server(tmp_path / "shop" / ".mlbox", environment={"PATH": path, "PYTHONPATH": str(ROOT)})
    yield server
    server.stop()


def blocks(name: str) -> list[tuple[str, str, str | None]]:
    """Language, text, and for Python the name of the file that the sentence before it gives."""
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(page):
        sentence = page[: match.start()].rstrip().rpartition("\n\n")[2]
        named = re.findall(r"[Ss]ave this as\s+`([\w.]+)`", sentence)
        found.append((match[1], match[2], named[-1] if named else None))
    return found


def carry_out(server: Server, *command: str, stdin: str = "") -> str:
    done = subprocess.run(
        command,
        cwd=server.home.parent,
        env=server.environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{stdin}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(300)  # seconds with packages from uv's cache, minutes where they must be fetched first
def test_tutorial_from_an_empty_folder(shop: Server) -> None:
    folder, address = shop.home.parent, shop.url.removeprefix("http://")
    project, answers = "default", []
    for language, text, file in blocks("tutorial.md"):
        text = text.replace(ADDRESS, address)
        if language == "python":
            assert file is not None, f"the tutorial does not say how this file is called:\n{text}"
            (folder / file).write_text(text)
        elif language == "sql":
            carry_out(shop, "mlbox", "sql", "--project", project, stdin=text)
            project = "shop"
        elif not text.startswith(SETUP):
            assert language == "sh"
            answers.append(carry_out(shop, "sh", "-e", stdin=text))
    made, one, asked = answers
    assert made == "" and len((folder / "orders.csv").read_text().splitlines()) > 5000
    (prediction,) = json.loads(one)["outputs"][0]["data"]
    assert 0 < prediction < 1 and "parameters" not in json.loads(one), one  # nothing was missing online
    assert len(asked.splitlines()) == 14

    def only(query: str) -> list[list[object]]:
        rows: list[list[object]] = shop.sql(query, "shop")[0]["rows"]
        return rows

    assert only("SELECT count(*) FROM ml.runs WHERE state = 'completed' AND name LIKE 'trial%'") == [[3]]
    assert only("SELECT metrics.auc::DOUBLE > 0.6 FROM ml.runs WHERE name = 'first_fit'") == [[True]]
    ((reason,),) = only("SELECT reason FROM ml.alert_activations")
    assert "spent_30d" in str(reason)
    assert only("SELECT count(*) > 3 FROM ml.drift WHERE metric = 'auc' AND n > 100") == [[True]]  # labels were joined
    wait_until(lambda: only("SELECT 1 FROM ml.workflow_runs WHERE finished_at IS NOT NULL"))
    assert only("SELECT workflow, state FROM ml.workflow_runs") == [["retrain", "completed"]]
    compared = only("SELECT facts.challenger::DOUBLE > facts.champion::DOUBLE FROM ml.steps WHERE step = 'compare'")
    (version,) = only("SELECT max(to_version) FROM ml.model_alias_moves WHERE alias = 'champion'")
    assert version == [2 if compared == [[True]] else 1]
    check_requests(shop, address)


def check_requests(server: Server, address: str) -> None:
    """The examples of send-predictions.md, in order, and that the JSON of the page is what is answered."""
    told, shown, foreign, rows = [], [], [], ""
    for language, text, _ in blocks("how-to/send-predictions.md"):
        text = text.replace(ADDRESS, address)
        if language == "json":
            shown.append(json.loads(text))
        elif language == "jsonl":
            foreign += [json.loads(line) for line in text.splitlines()]
        elif language == "sh":
            told.append(json.loads(carry_out(server, "sh", "-e", stdin=text)))
        elif language == "python":
            assert re.fullmatch(r"\[0\.\d+ 0\.\d+\]", carry_out(server, sys.executable, "-", stdin=text).strip())
        else:
            rows = carry_out(server, "mlbox", "sql", "--project", "shop", "--format", "ndjson", stdin=text)
    described, answered, by_rows, by_csv = told
    assert len(foreign) == 4
    for body in foreign:
        status, _, content = server.request("POST", "/v1/models/churn_score:predict", body)
        assert (status, json.loads(content)) == (200, by_csv), content
    example, error = shown
    assert [column["name"] for column in described["inputs"] if "parameters" not in column] == ["customer"]
    assert answered.keys() | {"parameters"} == example.keys() and answered["id"] == example["id"]
    assert [output.keys() for output in answered["outputs"]] == [output.keys() for output in example["outputs"]]
    assert [row.keys() for row in by_rows["rows"]] and len(by_rows["rows"]) == 2
    logged = [json.loads(row) for row in rows.splitlines()]
    assert {row["row_id"] for row in logged} == {"c-17/2025-12-01", "c-18/2025-12-01"}
    assert {row["event_time"] for row in logged} == {"2025-12-01T00:00:00Z"}
    wrong = {"inputs": [{"name": "custmer", "shape": [1], "datatype": "BYTES", "data": ["c-17"]}]}
    status, _, body = server.request("POST", "/v2/models/churn_score/infer", wrong)
    assert (status, json.loads(body)) == (400, error)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, body = server.request("POST", "/v2/models/churn_score/infer", wrong, form)
    assert status == 403 and json.loads(body)["code"] == "forbidden"
