"""A home with endpoints that are deployed on nothing, and replicas of them in processes of their own."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_server import Server

from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.engine.catalog.tables import deployments, endpoints
from mlbox.serve.deploy.packing import bundle_of

CALLERS = "callers-token"


@dataclass(frozen=True)
class Deployed:
    """As DEPLOY leaves it."""

    id: str
    name: str
    version: str
    token: str


def prepare(
    folder: Path,
    statements: list[str],
    names: list[str],
    *,
    settings: Settings | None = None,
    by: str = "home",
    before: Callable[[Any], None] = lambda house: None,
) -> dict[str, Deployed]:
    """Make a home in ``folder/home`` by statements, with deployments of the endpoints ``names``."""
    from mlbox.app.house import House

    house = House.open(Home(folder / "home"), settings or Settings())
    try:
        before(house)
        for text in statements:
            command = house.parser.parse_one(text, "default", {})
            house.dispatcher.dispatch(command, Caller())
        found = {}
        for number, name in enumerate(names):
            with house.catalog.read() as cursor:
                row = endpoints.get(cursor, "default", name)
            assert row is not None
            bundle = bundle_of(row, house.endpoints.shop, "0", by)
            bundle.callers = hashlib.sha256(CALLERS.encode()).hexdigest()
            identifier = f"{number:032x}"
            kept = deployments.DeploymentRow(
                project="default",
                endpoint=name,
                engine="docker",
                id=identifier,
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
                version=bundle.version,
            )
            house.catalog.write(lambda cursor, kept=kept: deployments.put(cursor, kept))
            token = house.deployments.replicas.token(identifier)
            found[name] = Deployed(identifier, name, bundle.version, token)
        return found
    finally:
        house.close()


def value(server: Server, query: str) -> Any:
    """The first value of a query."""
    return server.sql(query)[-1]["rows"][0][0]


class Replica:
    """``mlbox replica`` in a process of its own."""

    def __init__(self, folder: Path, url: str, deployed: Deployed) -> None:
        self._deployed = deployed
        told = {"MLBOX_REPLICA_URL": url, "MLBOX_REPLICA_OF": deployed.id, "MLBOX_REPLICA_TOKEN": deployed.token}
        told["MLBOX_REPLICA_VERSION"] = deployed.version
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

    def call(self, path: str, body: Any = None, token: str = CALLERS) -> tuple[int, Any]:
        """Any request; no exception for 4xx and 5xx."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def infer(self, token: str = CALLERS, **inputs: Any) -> tuple[int, Any]:
        """One row by columns: numbers as FP32, whole numbers as INT64, texts as BYTES."""
        kinds = {int: "INT64", float: "FP32", str: "BYTES"}
        tensors = [
            {"name": name, "shape": [1], "datatype": kinds[type(one)], "data": [one]} for name, one in inputs.items()
        ]
        return self.call(f"/v2/models/default.{self._deployed.name}/infer", {"inputs": tensors}, token)

    def outputs(self, **inputs: Any) -> dict[str, Any]:
        """The outputs for one row, by name."""
        status, answer = self.infer(**inputs)
        assert status == 200, answer
        return {output["name"]: output["data"][0] for output in answer["outputs"]}

    def end(self) -> None:
        """As an engine does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def kill(self) -> None:
        """As the out-of-memory killer does."""
        self.process.kill()
        self.process.wait()
