"""The image of mlbox, built on a real Docker engine out of this checkout: servers, replicas and runs are made of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from engines import docker
from real_server import Server, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.nightly, pytest.mark.timeout(1500)]
ROOT = Path(__file__).resolve().parents[2]
IMAGE = "mlbox-test-image:1"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if reason := docker.why_not():
        pytest.skip(reason)
    import docker as library

    with docker.engine(tmp_path_factory.mktemp("image") / "engine") as settings:
        address = settings["MLBOX_DOCKER_HOST"]
        docker.make_base_image(address)
        build = ["packaging/image.py", "--tag", IMAGE, "--base", docker.BASE_IMAGE]
        build += ["--with", "six==1.17.0"]
        build += [word for name in ("vectors", "tune", "remote", "kafka") for word in ("--without", name)]
        done = subprocess.run(
            [sys.executable, *build],
            cwd=ROOT,
            env={**os.environ, "DOCKER_HOST": address},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        client = library.DockerClient(base_url=address)
        yield client, address
        client.images.remove(IMAGE, force=True)


def test_a_server_runs_in_it_as_nobody_in_particular_and_is_healthy(engine: tuple[Any, str]) -> None:
    client, _ = engine
    container = client.containers.run(
        IMAGE, detach=True, environment={"MLBOX_TOKEN": "owner"}, ports={"7070/tcp": ("127.0.0.1", None)}
    )
    try:

        def state() -> Any:
            container.reload()
            assert container.status in ("created", "running"), container.logs().decode()
            return container.attrs["State"]["Health"]["Status"]

        wait_until(lambda: state() == "healthy", 120)
        port = container.attrs["NetworkSettings"]["Ports"]["7070/tcp"][0]["HostPort"]
        url = f"http://127.0.0.1:{port}/sql"
        body = json.dumps({"sql": "SELECT 6 * 7 AS answer"}).encode()
        headers = {"Content-Type": "application/json", "Authorization": "Bearer owner"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
            assert json.loads(response.read())["results"][0]["rows"] == [[42]]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}))
        start = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Authorization": "Bearer owner"})
        with urllib.request.urlopen(start) as page:
            assert b"<html" in page.read().lower()
        said = container.exec_run(["python3", "-c", "import os; print(os.getuid())"])
        assert said.output.strip() == b"10001"
    finally:
        container.remove(force=True, v=True)


def test_replicas_and_runs_are_made_of_the_same(engine: tuple[Any, str], tmp_path: Path) -> None:
    _, address = engine
    (tmp_path / "m.onnx").write_bytes(onnx_models.scaled(2.0))
    (tmp_path / "f.py").write_text("def f(x=1):\n    return {'y': x * 2}\n")
    (tmp_path / "g.py").write_text("import six\ndef g(event):\n    return {**event, 'six': six.__version__}\n")
    (tmp_path / "g.yaml").write_text("steps: [{kind: map, function: g}, {kind: model, model: m@1, result: score}]")
    told = {"MLBOX_DOCKER_HOST": address, "MLBOX_DOCKER_IMAGE": IMAGE, "MLBOX_SERVING_IMAGE": IMAGE}
    told["MLBOX_PACKAGE_OFFLINE"] = "true"
    server = Server(tmp_path / "home", environment=told)
    server.seconds = 600.0
    try:
        server.sql(f"CREATE MODEL m FROM '{tmp_path / 'm.onnx'}'; CREATE ENDPOINT e USING MODEL m@1")
        message = str(server.sql("DEPLOY ENDPOINT e ON DOCKER WITH (replicas = 2, wait = 300)")[-1]["message"])
        where, token = message.split()[3], message.split()[-1]
        row = {"rows": [{"f0": 1, "f1": 2}]}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(where, json.dumps(row).encode(), headers)
        with urllib.request.urlopen(request) as response:
            assert b"6.0" in response.read()
        server.sql("UNDEPLOY ENDPOINT e")
        # where the image has the very versions, a replica builds nothing: it is told that there is no index
        server.sql(f"CREATE FUNCTION g FROM '{tmp_path / 'g.py'}' REQUIREMENTS ('six==1.17.0')")
        server.sql(f"CREATE ENDPOINT flow USING GRAPH '{tmp_path / 'g.yaml'}'")
        message = str(server.sql("DEPLOY ENDPOINT flow ON DOCKER WITH (wait = 300)")[-1]["message"])
        where, headers["Authorization"] = message.split()[3], f"Bearer {message.split()[-1]}"
        event = urllib.request.Request(where.replace("/infer", "/event"), b'{"f0": 1, "f1": 2}', headers)
        with urllib.request.urlopen(event) as response:
            assert json.loads(response.read()) == {"f0": 1, "f1": 2, "six": "1.17.0", "score": 6.0}
        server.sql("UNDEPLOY ENDPOINT flow")
        server.sql(f"CREATE FUNCTION f FROM '{tmp_path / 'f.py'}' RUNTIME docker; RUN f WITH (x = 21) AS once")
        assert server.sql("SELECT value FROM ml.metrics WHERE name = 'y'")[-1]["rows"] == [[42.0]]
    finally:
        server.stop()
