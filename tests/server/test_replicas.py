"""A replica in a process of its own, of a real server: it answers, and its predictions come home, each once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import onnx_models
import pytest
from real_server import Server, wait_until
from replica_rig import Deployed, Replica, prepare, value

COUNTED = "SELECT count(*) || ' ' || count(DISTINCT request_id) FROM ml.predictions"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("central")


@pytest.fixture(scope="module")
def deployed(folder: Path) -> dict[str, Deployed]:
    (folder / "m.onnx").write_bytes(onnx_models.scaled(2.0))
    made = [f"CREATE MODEL m FROM '{folder / 'm.onnx'}'"]
    made += [f"CREATE ENDPOINT {name} USING MODEL m@1" for name in ("e", "other")]
    return prepare(folder, made, ["e", "other"])


@pytest.fixture(scope="module")
def central(folder: Path, deployed: dict[str, Deployed]) -> Iterator[Server]:
    server = Server(folder / "home")
    yield server
    server.stop()


def test_a_replica_answers_and_its_predictions_come_home_each_once(
    central: Server, deployed: dict[str, Deployed], tmp_path: Path
) -> None:
    port = central.url.rpartition(":")[2]
    requests = "SELECT coalesce(sum(requests), 0)::BIGINT FROM ml.endpoints WHERE name = 'e'"
    handed_in = "SELECT coalesce(sum(predictions), 0)::BIGINT FROM ml.deployments WHERE endpoint = 'e'"
    kept = "SELECT count(*) FROM ml.predictions"
    before, asked, given = (value(central, query) for query in (kept, requests, handed_in))  # of other tests
    replica = Replica(tmp_path / "replica", central.url, deployed["e"])
    try:
        assert replica.call("/v2/health/ready", token="")[0] == 200
        assert replica.infer(token="wrong", f0=1.0, f1=2.0)[0] == 401
        assert replica.call("/sql")[0] == 404
        assert replica.outputs(f0=1.0, f1=2.0)["prediction"] == 6.0
        wait_until(lambda: value(central, kept) == before + 1)
        central.stop()
        for _ in range(5):
            assert replica.infer(f0=1.0, f1=2.0)[0] == 200
        central.flags = ("--port", port)  # the last --port counts
        central.start()
        wait_until(lambda: value(central, kept) == before + 6)
        rows = {"instances": [[1.0, 2.0]]}
        assert replica.call("/v1/models/e:predict", rows) == (200, {"predictions": [6.0]})
        assert replica.call("/endpoints/e/invocations", rows, token="wrong")[0] == 401
    finally:
        replica.end()
    assert replica.process.returncode == 0
    assert value(central, COUNTED) == f"{before + 7} {before + 7}"
    assert value(central, requests) == asked + 7
    assert value(central, handed_in) == given + 7
    central.sql(
        "CREATE MONITOR d ON ENDPOINT e BASELINE (SELECT range * 1.0 AS f0, 2.0 AS f1 FROM range(50)) METRICS (psi)"
        " WINDOW INTERVAL '1 hour' EVERY INTERVAL '1 hour'"
    )
    central.sql(f"REFRESH MONITOR d TO '{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%d %H:%M:%S}+00'")
    assert central.sql("SHOW DEPLOYMENTS WHERE endpoint = 'e'")[-1]["rows"]
    seen = "SELECT sum(n)::INT, min(value) > 0.2 FROM ml.drift WHERE monitor = 'd' AND feature = 'f0'"
    assert central.sql(seen)[-1]["rows"] == [[before + 7, True]]


def test_what_a_killed_replica_has_kept_comes_with_its_next_life(
    central: Server, deployed: dict[str, Deployed], tmp_path: Path
) -> None:
    before = int(value(central, "SELECT count(*) FROM ml.predictions"))
    spool = tmp_path / "replica" / "spool"
    replica = Replica(tmp_path / "replica", central.url, deployed["e"])
    central.kill()
    for _ in range(4):
        replica.infer(f0=1.0, f1=2.0)
    wait_until(lambda: any(spool.iterdir()))
    held = list(spool.iterdir())
    wait_until(lambda: sum(path.stat().st_size for path in spool.iterdir()) > 0)
    replica.kill()
    assert held
    port = central.url.rpartition(":")[2]
    central.flags = ("--port", port)
    central.start()
    again = Replica(tmp_path / "replica", central.url, deployed["e"])
    try:
        wait_until(lambda: not any(spool.iterdir()))
    finally:
        again.end()
    assert value(central, "SELECT count(*) FROM ml.predictions") > before
    first, second = str(value(central, COUNTED)).split()
    assert first == second


def _call(url: str, token: str, body: bytes | None = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/msgpack"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_token_opens_its_deployment_and_nothing_else(central: Server, deployed: dict[str, Deployed]) -> None:
    own, other = deployed["e"], deployed["other"]
    base = f"{central.url}/replica-api/{own.id}"
    status, body = _call(f"{base}/bundle/{own.version}", own.token)
    assert status == 200
    digest = json.loads(body)["models"][0]["digest"]
    assert _call(f"{base}/blobs/{digest}", own.token)[0] == 200
    assert _call(f"{base}/blobs/{'0' * 64}", own.token)[0] == 404
    assert _call(f"{base}/bundle/{'0' * 16}", own.token)[0] == 404
    assert _call(f"{base}/features/default.v", own.token, b"\x80")[0] == 404
    assert _call(f"{base}/tables/t", own.token, b"\x80")[0] == 404
    assert _call(f"{base}/bundle/{own.version}", "x")[0] == 401
    assert _call(f"{central.url}/replica-api/{other.id}/bundle/{other.version}", own.token)[0] == 401
    assert _call(f"{central.url}/replica-api/{'f' * 32}/bundle/{own.version}", own.token)[0] == 401


def test_a_delivery_of_another_endpoint_or_twice_changes_nothing(
    central: Server, deployed: dict[str, Deployed]
) -> None:

    from mlbox.engine.catalog.tables.predictions import TrafficRow
    from mlbox.serve.deploy.delivery import encoded

    token = deployed["e"].token
    url = f"{central.url}/replica-api/{deployed['e'].id}/predictions/r1"
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
