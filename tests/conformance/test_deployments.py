"""Replicas of an endpoint on real engines: they answer, roll, hand in what they have predicted, and go."""

from __future__ import annotations

import importlib
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from engines import docker
from real_server import Server, wait_until

pytestmark = pytest.mark.engine
_INPUTS = [{"name": name, "shape": [1], "datatype": "FP32", "data": [value]} for name, value in (("f0", 1), ("f1", 2))]


@pytest.fixture(scope="module", params=["docker", "kubernetes"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    """Its name, and a server that deploys on it."""
    fixture = importlib.import_module(f"engines.{request.param}")
    if reason := fixture.why_not():
        pytest.skip(reason)
    if request.param == "kubernetes" and os.environ.get("KUBECONFIG") and not docker.reachable():
        pytest.skip("the cluster's nodes have no image with mlbox")
    folder = tmp_path_factory.mktemp(f"deploy-{request.param}")
    with fixture.engine(folder / "engine") as settings:
        docker.make_serving_image(settings.get("MLBOX_DOCKER_HOST") or docker.reachable())
        environment = {**settings, "MLBOX_SERVING_IMAGE": docker.SERVING_IMAGE}
        server = Server(folder / "home", environment=environment)
        try:
            yield request.param, server
        finally:
            server.stop()


def addresses(name: str, facts: dict[str, Any]) -> list[str]:
    """Of every replica, as this machine reaches it."""
    if name == "docker":
        return [facts["address"]]
    from kubernetes import client, config

    config.load_kube_config(os.environ["KUBECONFIG"])
    pods = client.CoreV1Api().list_namespaced_pod(
        "default", label_selector=f"app.kubernetes.io/instance={facts['name']}"
    )
    return [f"http://{pod.status.pod_ip}:8080" for pod in pods.items if pod.metadata.deletion_timestamp is None]


def ask(address: str, token: str) -> float:
    body = json.dumps({"inputs": _INPUTS}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    url = f"{address}/v2/models/default.e/infer"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
        return float(json.loads(response.read())["outputs"][0]["data"][0])


def test_scenario_of_a_deployment(engine: tuple[str, Server], tmp_path: Path) -> None:
    name, server = engine
    many = 2 if name == "kubernetes" else 1
    for factor in (2.0, 3.0):
        (tmp_path / f"{factor}.onnx").write_bytes(onnx_models.scaled(factor))
    server.sql(f"CREATE MODEL m FROM '{tmp_path / '2.0.onnx'}'")
    server.sql("CREATE ENDPOINT e USING MODEL m@1")
    deploy = f"DEPLOY ENDPOINT e ON {name} WITH (replicas = {many}, cpu = 0.2, wait = 300)"

    def deployed() -> tuple[list[str], str]:
        told = str(server.sql(deploy)[-1]["message"]).split()
        found = server.sql("SELECT name, address, state FROM ml.deployments")[-1]["rows"]
        assert found[0][2] == "ready"
        return addresses(name, {"name": found[0][0], "address": found[0][1]}), told[-1]

    def predictions() -> int:
        return int(server.sql("SELECT count(*) FROM ml.predictions")[-1]["rows"][0][0])

    replicas, token = deployed()
    assert len(replicas) == many
    assert [ask(address, token) for address in replicas] == [6.0] * many
    wait_until(lambda: predictions() == many)
    server.stop()
    assert [ask(address, token) for address in replicas] == [6.0] * many
    server.start()
    wait_until(lambda: predictions() == 2 * many, 60)
    server.sql(f"CREATE MODEL m FROM '{tmp_path / '3.0.onnx'}'")
    server.sql("ALTER ENDPOINT e USING MODEL m@2")
    replicas, again = deployed()
    assert again == token
    assert [ask(address, token) for address in replicas] == [9.0] * many
    server.sql("UNDEPLOY ENDPOINT e")
    assert server.sql("SELECT count(*) FROM ml.deployments")[-1]["rows"] == [[0]]
    assert predictions() == 3 * many
