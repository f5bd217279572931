"""Replicas of an endpoint on real engines: they answer, roll without a failed request, go back from what does not
answer, hand in what they have predicted, and leave nothing behind."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import onnx_models
import pytest
from engines import docker
from real_server import Server, wait_until

pytestmark = pytest.mark.engine
_INPUTS = [{"name": name, "shape": [1], "datatype": "FP32", "data": [value]} for name, value in (("f0", 1), ("f1", 2))]
_BODY = json.dumps({"inputs": _INPUTS}).encode()
_PATH = "/v2/models/default.e/infer"


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
        server.seconds = 600.0
        for factor in (2.0, 3.0):
            (folder / f"{factor}.onnx").write_bytes(onnx_models.scaled(factor))
            server.sql(f"CREATE MODEL m FROM '{folder / f'{factor}.onnx'}'")
        server.sql("CREATE ENDPOINT e USING MODEL m@1")
        try:
            yield request.param, server
        finally:
            server.stop()


def addresses(name: str, facts: dict[str, Any]) -> list[str]:
    """Of every replica, as this machine reaches it; on Docker that before all of them."""
    if name == "docker":
        return [facts["address"]]
    pods = core().list_namespaced_pod("default", label_selector=f"app.kubernetes.io/instance={facts['name']}")
    return [f"http://{pod.status.pod_ip}:8080" for pod in pods.items if pod.metadata.deletion_timestamp is None]


def core() -> Any:
    from kubernetes import client, config

    config.load_kube_config(os.environ["KUBECONFIG"])
    return client.CoreV1Api()


def ask(address: str, token: str) -> float:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(address + _PATH, _BODY, headers)) as response:
        return float(json.loads(response.read())["outputs"][0]["data"][0])


class Load:
    """Callers that keep their connections and ask all the time; what they were told, and what failed."""

    def __init__(self, address: str, token: str, callers: int = 4) -> None:
        self.answers: list[float] = []
        self.failures: list[str] = []
        self._host = address.removeprefix("http://")
        self._token = token
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        connection = http.client.HTTPConnection(self._host, timeout=30)
        while not self._stop.is_set():
            try:
                connection.request("POST", _PATH, _BODY, headers)
                response = connection.getresponse()
                body = response.read()
                if response.status == 200:
                    self.answers.append(float(json.loads(body)["outputs"][0]["data"][0]))
                else:
                    self.failures.append(f"{response.status} {body!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            time.sleep(0.005)
        connection.close()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def deploy(engine: tuple[str, Server], more: str = "") -> tuple[list[str], str]:
    """Addresses and the callers' token."""
    name, server = engine
    many = 2 if name == "kubernetes" else 1
    text = f"DEPLOY ENDPOINT e ON {name} WITH (replicas = {many}, cpu = 0.2, wait = 300{more})"
    told = str(server.sql(text)[-1]["message"]).split()
    found = server.sql("SELECT name, address, state, problem FROM ml.deployments")[-1]["rows"]
    assert found[0][2:] == ["ready", None]
    return addresses(name, {"name": found[0][0], "address": found[0][1]}), told[-1]


def predictions(server: Server) -> int:
    return int(server.sql("SELECT count(*) FROM ml.predictions")[-1]["rows"][0][0])


def test_scenario_of_a_deployment(engine: tuple[str, Server]) -> None:
    name, server = engine
    many = 2 if name == "kubernetes" else 1
    replicas, token = deploy(engine)
    assert len(replicas) == many
    assert [ask(address, token) for address in replicas] == [6.0] * many
    wait_until(lambda: predictions(server) == many)
    server.stop()
    assert [ask(address, token) for address in replicas] == [6.0] * many
    server.start()
    wait_until(lambda: predictions(server) == 2 * many, 60)
    assert deploy(engine) == (replicas, token)  # nothing has changed, so nothing rolls
    server.sql("ALTER ENDPOINT e USING MODEL m@2")
    load = Load(replicas[0], token) if name == "docker" else None
    replicas, again = deploy(engine)
    if load is not None:
        wait_until(lambda: load.answers[-1] == 9.0)
        load.end()
        assert load.failures == []
        assert set(load.answers) == {6.0, 9.0}
    assert again == token
    assert [ask(address, token) for address in replicas] == [9.0] * many
    asked = 3 * many + (len(load.answers) if load is not None else 0)
    goes_back(engine, replicas, token)
    asked += many
    if name == "kubernetes":
        scales(server)
    named = object_name(server)
    server.sql("UNDEPLOY ENDPOINT e")
    assert server.sql("SELECT count(*) FROM ml.deployments")[-1]["rows"] == [[0]]
    assert predictions(server) == asked
    assert leftovers(name, named, server.environment) == []


def goes_back(engine: tuple[str, Server], replicas: list[str], token: str) -> None:
    """A version that does not come up is told with its reason, and the one before answers on."""
    name, server = engine
    before = server.sql("SELECT version, image FROM ml.deployments")[-1]["rows"]
    sized = f"replicas = {len(replicas)}, cpu = 0.2, memory = '7MB', wait = 60"
    error = server.error(f"DEPLOY ENDPOINT e ON {name} WITH ({sized})")
    assert "does not answer" in error["message"], error
    assert "answers on as before" in error["hint"]
    assert any(word in error["message"] for word in ("137", "memory", "OOM", "ended", "Warning", "minimum")), error
    assert [ask(address, token) for address in replicas] == [9.0] * len(replicas)
    found = server.sql("SELECT version, image, state, problem FROM ml.deployments")[-1]["rows"]
    assert found[0][:2] == before[0] and found[0][2] == "ready" and found[0][3]
    if name == "kubernetes":
        error = server.error("DEPLOY ENDPOINT e ON kubernetes WITH (replicas = 2, image = 'nobody/has-this:1')")
        assert "nobody/has-this:1" in error["message"] and "mage" in error["message"], error
        assert sorted(addresses(name, {"name": object_name(server)})) == sorted(replicas)


def object_name(server: Server) -> str:
    return str(server.sql("SELECT name FROM ml.deployments")[-1]["rows"][0][0])


def scales(server: Server) -> None:
    """The autoscaler is written in a version that the cluster has, changed, and taken away."""
    from kubernetes import client

    api = client.AutoscalingV1Api(core().api_client)
    name = object_name(server)
    for most in (3, 4):
        server.sql(f"DEPLOY ENDPOINT e ON kubernetes WITH (replicas = 2, max_replicas = {most}, cpu = 0.2, wait = 300)")
        spec = api.read_namespaced_horizontal_pod_autoscaler(name, "default").spec
        assert (spec.min_replicas, spec.max_replicas, spec.scale_target_ref.name) == (2, most, name)
        assert spec.target_cpu_utilization_percentage == 70
    told = server.sql("EXPLAIN DEPLOY ENDPOINT e ON kubernetes WITH (replicas = 2, max_replicas = 4)")[-1]["rows"]
    written = {row[1].split()[0]: row[2] for row in told if row[0] == "write"}
    assert list(written) == ["Secret", "Deployment", "Service", "HorizontalPodAutoscaler"]
    known = client.ApisApi(api.api_client).get_api_versions().groups
    versions = {one.version for group in known if group.name == "autoscaling" for one in group.versions}
    assert f"autoscaling/{'v2' if 'v2' in versions else 'v1'}" in written["HorizontalPodAutoscaler"]
    server.sql("DEPLOY ENDPOINT e ON kubernetes WITH (replicas = 2, cpu = 0.2, wait = 300)")
    assert api.list_namespaced_horizontal_pod_autoscaler("default").items == []


def leftovers(name: str, named: str, environment: dict[str, str]) -> list[str]:
    """What an engine still has of a deployment."""
    if name == "docker":
        import docker as engine_client

        client = engine_client.DockerClient(base_url=environment.get("MLBOX_DOCKER_HOST") or docker.reachable())
        things = [*client.containers.list(all=True), *client.networks.list(), *client.volumes.list()]
        return [str(thing.name) for thing in things if str(thing.name).startswith(named)]
    from kubernetes import client

    label = f"app.kubernetes.io/instance={named}"
    apis = client.AppsV1Api(core().api_client)
    scaling = client.AutoscalingV1Api(core().api_client)
    lists = [
        *(core().list_namespaced_pod, core().list_namespaced_secret, core().list_namespaced_service),
        *(apis.list_namespaced_deployment, apis.list_namespaced_replica_set),
        scaling.list_namespaced_horizontal_pod_autoscaler,
    ]
    return [item.metadata.name for find in lists for item in find("default", label_selector=label).items]
