"""A replica in a process of its own, of a real server: it answers, and its predictions come home, each once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from real_server import Server, wait_until

from mlbox.base.clock import now
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.engine.catalog.tables import deployments, endpoints
from mlbox.serve.deploy.bundle import bundle_of

ID = "0123456789abcdef0123456789abcdef"
CALLERS = "callers-token"
_INPUTS = [{"name": name, "shape": [1], "datatype": "FP32", "data": [value]} for name, value in (("f0", 1), ("f1", 2))]


def prepare(folder: Path) -> str:
    """A home with an endpoint that is deployed on nothing, as DEPLOY leaves it; the token of its replicas."""
    import hashlib

    from mlbox.app.house import House
    from mlbox.base.command import Caller

    (folder / "m.onnx").write_bytes(onnx_models.scaled(2.0))
    house = House.open(Home(folder / "home"), Settings())
    try:
        for text in (f"CREATE MODEL m FROM '{folder / 'm.onnx'}'", "CREATE ENDPOINT e USING MODEL m@1"):
            house.dispatcher.dispatch(house.parser.parse_one(text, "default", {}), Caller())
        with house.catalog.read() as cursor:
            row = endpoints.get(cursor, "default", "e")
        assert row is not None
        bundle = bundle_of(row, house.endpoints.shop, "0")
        bundle.callers = hashlib.sha256(CALLERS.encode()).hexdigest()
        kept = deployments.DeploymentRow(
            project="default",
            endpoint="e",
            engine="docker",
            id=ID,
            name="none",
            place="nowhere",
            image="none",
            replicas=1,
            max_replicas=1,
            address="",
            state="ready",
            bundle=bundle.encoded(),
            deployed_at=now(),
            deployed_by="local",
        )
        house.catalog.write(lambda cursor: deployments.put(cursor, kept))
        other = replace(kept, id=ID[::-1], endpoint="other")
        house.catalog.write(lambda cursor: deployments.put(cursor, other))
        return house.deployments.token(ID)
    finally:
        house.close()


def value(server: Server, query: str) -> Any:
    return server.sql(query)[-1]["rows"][0][0]


class Replica:
    """``mlbox replica`` in a process of its own."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        told = {"MLBOX_REPLICA_URL": url, "MLBOX_REPLICA_OF": ID, "MLBOX_REPLICA_TOKEN": token}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlbox", "--home", str(folder), "replica", "--port", "0"],
            env={**os.environ, **told},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert " answers at " in line, line + self.process.stdout.read()
        self.url = line.split()[-1]

    def ask(self, token: str = CALLERS, path: str = "/v2/models/default.e/infer") -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        body = json.dumps({"inputs": _INPUTS}).encode() if path.endswith("infer") else None
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers)) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("central")


@pytest.fixture(scope="module")
def token(folder: Path) -> str:
    return prepare(folder)


@pytest.fixture(scope="module")
def central(folder: Path, token: str) -> Iterator[Server]:
    server = Server(folder / "home")
    yield server
    server.stop()


def test_a_replica_answers_and_its_predictions_come_home_each_once(central: Server, token: str, tmp_path: Path) -> None:
    port = central.url.rpartition(":")[2]
    replica = Replica(tmp_path / "replica", central.url, token)
    try:
        assert replica.ask(path="/v2/health/ready", token="")[0] == 200
        assert replica.ask(token="wrong")[0] == 401
        assert replica.ask(path="/sql")[0] == 404
        status, answer = replica.ask()
        assert status == 200
        assert answer["outputs"][0]["data"] == [6.0]
        wait_until(lambda: value(central, "SELECT count(*) FROM ml.predictions") == 1)
        central.stop()
        for _ in range(5):
            assert replica.ask()[0] == 200
        central.flags = ("--port", port)  # the last --port counts
        central.start()
        wait_until(lambda: value(central, "SELECT count(*) FROM ml.predictions") == 6)
        replica.ask()
    finally:
        replica.end()
    assert replica.process.returncode == 0
    found = "SELECT count(*) || ' ' || count(DISTINCT request_id) FROM ml.predictions"
    assert value(central, found) == "7 7"
    assert value(central, "SELECT requests FROM ml.endpoints WHERE name = 'e'") == 7
    assert value(central, "SELECT predictions FROM ml.deployments WHERE endpoint = 'e'") == 7


def _call(url: str, token: str, body: bytes | None = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/msgpack"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_token_opens_its_deployment_and_nothing_else(central: Server, token: str) -> None:
    base = f"{central.url}/replica-api/{ID}"
    status, body = _call(f"{base}/bundle", token)
    assert status == 200
    digest = json.loads(body)["models"][0]["digest"]
    assert _call(f"{base}/blobs/{digest}", token)[0] == 200
    assert _call(f"{base}/blobs/{'0' * 64}", token)[0] == 404
    assert _call(f"{base}/bundle", "x")[0] == 401
    assert _call(f"{central.url}/replica-api/{ID[::-1]}/bundle", token)[0] == 401
    assert _call(f"{central.url}/replica-api/{'f' * 32}/bundle", token)[0] == 401


def test_a_delivery_of_another_endpoint_or_twice_changes_nothing(central: Server, token: str) -> None:
    from datetime import UTC, datetime

    from mlbox.engine.catalog.tables.predictions import TrafficRow
    from mlbox.serve.deploy.delivery import encoded

    url = f"{central.url}/replica-api/{ID}/predictions/r1"
    at = datetime(2026, 1, 1, tzinfo=UTC)
    foreign = encoded([], [TrafficRow("default", "other", at, 5, 0, 0, at)])
    assert _call(f"{url}/1", token, foreign)[0] == 400
    assert _call(f"{url}/1", token, b"rubbish")[0] == 400
    own = encoded([], [TrafficRow("default", "e", at, 5, 0, 0, at)])
    assert json.loads(_call(f"{url}/1", token, own)[1]) == {"taken": True}
    assert json.loads(_call(f"{url}/1", token, own)[1]) == {"taken": False}


def test_a_replica_says_what_it_misses(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLBOX_REPLICA")}
    command = [sys.executable, "-m", "mlbox", "--home", str(tmp_path), "replica"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "MLBOX_REPLICA_URL" in done.stderr
    assert "Traceback" not in done.stderr
