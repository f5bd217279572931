"""What tests of deployments need: where replicas answer, callers that ask all the time, what an engine still has."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from engines import docker
from real_server import Server

INPUTS = [{"name": name, "shape": [1], "datatype": "FP32", "data": [value]} for name, value in (("f0", 1), ("f1", 2))]
LAG_SECONDS = 1.0
"""By which those who send requests to a Service know later who is in it: no node is quicker than the API."""


@contextmanager
def deploying(kind: str, folder: Path) -> Iterator[Server]:
    """A server that deploys on an engine of this kind, with a model ``m``: version 1 answers 6, version 2 answers 9."""
    fixture = importlib.import_module(f"engines.{kind}")
    if reason := fixture.why_not():
        pytest.skip(reason)
    if kind == "kubernetes" and os.environ.get("KUBECONFIG") and not docker.reachable():
        pytest.skip("the cluster's nodes have no image with mlbox")
    with fixture.engine(folder / "engine") as settings:
        docker.make_serving_image(settings.get("MLBOX_DOCKER_HOST") or docker.reachable())
        environment = {**settings, "MLBOX_SERVING_IMAGE": docker.SERVING_IMAGE}
        server = Server(folder / "home", environment=environment)
        server.seconds = 600.0
        for factor in (2.0, 3.0):
            (folder / f"{factor}.onnx").write_bytes(onnx_models.scaled(factor))
            server.sql(f"CREATE MODEL m FROM '{folder / f'{factor}.onnx'}'")
        try:
            yield server
        finally:
            server.stop()


def core() -> Any:
    """The cluster that ``KUBECONFIG`` names."""
    from kubernetes import client, config

    config.load_kube_config(os.environ["KUBECONFIG"])
    return client.CoreV1Api()


def object_name(server: Server, endpoint: str = "e") -> str:
    """Of a deployment on its engine."""
    found = server.sql(f"SELECT name FROM ml.deployments WHERE endpoint = '{endpoint}'")[-1]["rows"]
    return str(found[0][0])


def predictions(server: Server, endpoint: str = "e") -> int:
    """That came home."""
    found = server.sql(f"SELECT count(*) FROM ml.predictions WHERE endpoint = '{endpoint}'")[-1]["rows"]
    return int(found[0][0])


def slowly(condition: Callable[[], Any], seconds: float, told: Callable[[], object] = str) -> Any:
    """As ``wait_until``, for what is asked of an engine: a few times in a second; ``told`` says how it stands."""
    stop_by = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < stop_by, f"it did not happen in time: {told()}"
        time.sleep(0.5)
    return value


def pods(name: str) -> list[Any]:
    """Of a deployment, those that are not going."""
    found = core().list_namespaced_pod("default", label_selector=f"app.kubernetes.io/instance={name}")
    return [pod for pod in found.items if pod.metadata.deletion_timestamp is None]


def addresses(engine: str, facts: dict[str, Any]) -> list[str]:
    """Of every replica, as this machine reaches it; on Docker that before all of them."""
    if engine == "docker":
        return [facts["address"]]
    return [f"http://{pod.status.pod_ip}:8080" for pod in pods(facts["name"])]


def ask(address: str, token: str, endpoint: str = "e") -> float:
    """One answer."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    body = json.dumps({"inputs": INPUTS}).encode()
    request = urllib.request.Request(f"{address}/v2/models/default.{endpoint}/infer", body, headers)
    with urllib.request.urlopen(request) as response:
        return float(json.loads(response.read())["outputs"][0]["data"][0])


class Members:
    """Who is in a Service, as a node sends connections to it: those that were in it ``LAG_SECONDS`` ago."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: list[tuple[float, list[str]]] = []
        self._stop = threading.Event()
        self._core = core()
        self._look()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def choose(self) -> str:
        """Host and port; none is there: as a node refuses it."""
        seen = time.monotonic() - LAG_SECONDS
        known = [members for at, members in self._known if at <= seen] or [self._known[0][1]]
        if not known[-1]:
            raise ConnectionRefusedError("the Service has no members")
        return random.choice(known[-1])

    def end(self) -> None:
        """Follow no more."""
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stop.wait(0.1):
            self._look()

    def _look(self) -> None:
        found = self._core.read_namespaced_endpoints(self._name, "default")
        members = [
            f"{address.ip}:{port.port}"
            for subset in found.subsets or ()
            for port in subset.ports
            for address in subset.addresses or ()
        ]
        if not self._known or members != self._known[-1][1]:
            self._known.append((time.monotonic(), members))


class Load:
    """Callers that ask all the time, each for a while over a connection; what they were told, and what failed."""

    def __init__(
        self,
        choose: Callable[[], str],
        token: str,
        *,
        endpoint: str = "e",
        callers: int = 4,
        pause: float = 0.005,
        kept: int = 1_000_000_000,
    ) -> None:
        """``choose`` is asked for host and port of every new connection, which is used ``kept`` times."""
        self.answers: dict[str, float] = {}
        """Request → its prediction."""
        self.failures: list[str] = []
        self.pause = pause
        self._choose = choose
        self._kept = kept
        self._path = f"/v2/models/default.{endpoint}/infer"
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        self._numbers = count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def says(self, prediction: float) -> bool:
        """Whether the newest is this one."""
        return next(reversed(list(self.answers.values())), None) == prediction

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        used = 0
        while not self._stop.is_set():
            name = f"r{next(self._numbers)}"
            try:
                if connection is None or used >= self._kept or connection.sock is None:
                    if connection is not None:
                        connection.close()
                    connection, used = http.client.HTTPConnection(self._choose(), timeout=30), 0
                used += 1
                connection.request("POST", self._path, json.dumps({"id": name, "inputs": INPUTS}), self._headers)
                response = connection.getresponse()
                body = response.read()
                if response.status == 200:
                    self.answers[name] = float(json.loads(body)["outputs"][0]["data"][0])
                else:
                    self.failures.append(f"{response.status} {body!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                if connection is not None:
                    connection.close()
                connection = None
            time.sleep(self.pause)
        if connection is not None:
            connection.close()

    def end(self) -> None:
        """No more requests."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def leftovers(engine: str, named: str, environment: dict[str, str]) -> list[str]:
    """What an engine still has of a deployment."""
    if engine == "docker":
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
