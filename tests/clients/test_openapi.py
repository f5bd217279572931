"""Schemathesis asks a real server everything that its OpenAPI description allows, and what it forbids.

No answer is a defect (5xx), every status and media type is in the description, and every body is of its schema. The
requests are the same each time; with ``make nightly`` there are more of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from examples_of import examples
from real_server import Server

pytestmark = pytest.mark.timeout(1500)
CONFIG = Path(__file__).with_name("schemathesis.toml")
TOKEN = "the-owner-4711"


def _fill(server: Server) -> None:
    """Things to ask for."""
    model = server.home.parent / "m.onnx"
    model.write_bytes(onnx_models.scaled(2.0))
    server.sql(
        f"CREATE MODEL m FROM '{model}' INPUT (x DOUBLE, y DOUBLE); CREATE ENDPOINT e USING MODEL m;"
        "CREATE FEATURE SET people (ENTITY customer, TIMESTAMP seen) STORE OFFLINE AND ONLINE AS "
        "SELECT 7 AS customer, now() AS seen, 31.5 AS age; CREATE FEATURE VECTOR v AS FEATURES (people.age)"
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("described") / "home")
    _fill(running)
    yield running
    running.stop()


def _ask(server: Server, folder: Path, path: str, names: dict[str, str], *more: str, number: int = 40) -> str:
    """Let Schemathesis ask; what it found, if anything, is the message of the failure."""
    known = "".join(f'"path.{name}" = "{value}"\n' for name, value in names.items())
    config = CONFIG.read_text().replace("[parameters]\n", f"[parameters]\n{known}")
    (folder / "schemathesis.toml").write_text(config)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", "schemathesis.toml", "--no-color"),
            *("run", server.url + path, "--max-examples", str(examples(number)), *more),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5000:]
    return done.stdout


def test_the_whole_api_does_what_its_description_says(filled: Server, tmp_path: Path) -> None:
    told = _ask(filled, tmp_path, "/schema", {"endpoint": "e", "version": "1", "vector": "v"})
    assert "No issues found" in told, told[-3000:]


def test_the_api_of_a_run_does_what_the_description_says(filled: Server, tmp_path: Path) -> None:
    run = json.loads(filled.request("POST", "/runs", {"name": "asked"})[2])
    names = {"run_id": run["run_id"]}
    token = ("--header", f"Authorization: Bearer {run['token']}")
    told = _ask(filled, tmp_path, "/schema", names, "--include-path-regex", "^/run-api/", *token, number=100)
    assert "No issues found" in told, told[-3000:]


def test_an_endpoint_does_what_its_own_description_says(filled: Server, tmp_path: Path) -> None:
    _ask(filled, tmp_path, "/v2/models/e/openapi.json", {}, number=200)


def test_without_a_token_all_doors_are_closed_but_those_that_say_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    server = Server(home, environment={"MLBOX_TOKEN": TOKEN})
    try:
        document = json.loads(server.request("GET", "/schema", headers={"Authorization": f"Bearer {TOKEN}"})[2])
        closed: list[tuple[str, str]] = []
        for path, item in document["paths"].items():
            for method in item.keys() & {"get", "post", "put", "delete"}:
                operation: dict[str, Any] = item[method]
                address = path.replace("{", "").replace("}", "").replace("number", "1")
                status, headers, body = server.request(method.upper(), address, b"{}" if method != "get" else None)
                assert str(status) in operation["responses"], (method, path, status, body)
                if operation.get("security") == []:
                    assert status == 200, (method, path)
                else:
                    assert status == 401, (method, path, body)
                    kind = str if path.startswith("/v2") else dict
                    assert isinstance(json.loads(body)["error"], kind), path
                    closed.append((method, path))
        assert len(closed) > 35
    finally:
        server.stop()
