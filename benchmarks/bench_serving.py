"""What does an endpoint cost over the bare model behind the same HTTP server?"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from load import cpu_seconds, send, tool
from report import Table, folder, from_tests

CONNECTIONS = (1, 16, 64)
ROUNDS = 5
SECONDS = 1
SETTLE = 0.5
COLUMNS = 30
TREES = 100
HIDDEN = 1000
"""Units of each of the two layers of the network."""
NAMES = [f"x{number}" for number in range(COLUMNS)]

DEFINITIONS = f"""
CREATE FEATURE SET profiles (ENTITY id, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS
    SELECT range AS id, TIMESTAMPTZ '2026-01-01' AS ts,
        {", ".join(f"sin(range + {number}) AS {name}" for number, name in enumerate(NAMES))}
    FROM range(10000);
CREATE FEATURE VECTOR v AS FEATURES (profiles.*);
CREATE MODEL m FROM 'model.onnx' INPUT ({", ".join(f"{name} DOUBLE" for name in NAMES)});
CREATE ENDPOINT plain USING MODEL m LOG NONE;
CREATE ENDPOINT logged USING MODEL m LOG ALL;
CREATE ENDPOINT enriched USING MODEL m ENRICH WITH FEATURE VECTOR v LOG NONE;
CREATE ENDPOINT four USING ENSEMBLE MEAN (m@1, m@1, m@1, m@1) LOG NONE;
CREATE MODEL net FROM 'net.onnx' INPUT ({", ".join(f"{name} DOUBLE" for name in NAMES)});
CREATE ENDPOINT single USING MODEL net LOG NONE;
CREATE ENDPOINT batched USING MODEL net LOG NONE WITH (batch = 64)
"""


@dataclass
class Target:
    """Where to send what, and what was found."""

    name: str
    url: str
    body: bytes
    process: int
    requests: dict[int, list[float]] = field(default_factory=lambda: {number: [] for number in CONNECTIONS})
    cpu: dict[int, list[float]] = field(default_factory=lambda: {number: [] for number in CONNECTIONS})
    p99: dict[int, list[float]] = field(default_factory=lambda: {number: [] for number in CONNECTIONS})

    def measure(self, connections: int, place: Path) -> None:
        """Requests a second, and µs of CPU a request: with what it writes afterwards."""
        before = cpu_seconds(self.process)
        load = send(self.url, self.body, connections, SECONDS, place)
        time.sleep(SETTLE)
        used = cpu_seconds(self.process) - before
        self.requests[connections].append(load.requests / load.seconds)
        self.cpu[connections].append(used / load.requests * 1e6)
        self.p99[connections].append(load.p99_ms)


def body_of(*inputs: dict[str, Any]) -> bytes:
    return json.dumps({"inputs": inputs}).encode()


@contextmanager
def bare_server(model: Path) -> Iterator[tuple[str, int]]:
    """Its address and process."""
    script = str(Path(__file__).with_name("bare_server.py"))
    with subprocess.Popen([sys.executable, script, str(model)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        try:
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.kill()


def prepare(server: Any, place: Path) -> None:
    status, _, content = server.request("POST", "/sql", {"sql": DEFINITIONS, "folder": str(place)})
    if status != 200:
        raise RuntimeError(content.decode())


def check(targets: list[Target]) -> None:
    """The same prediction everywhere, to what a float32 holds."""
    found = []
    for target in targets:
        request = urllib.request.Request(target.url, target.body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            outputs = {output["name"]: output["data"] for output in json.load(answer)["outputs"]}
        found.append(outputs["probabilities"])
    assert all(abs(a - b) < 1e-6 for other in found[1:] for a, b in zip(found[0], other, strict=True)), found


def measure(place: Path) -> None:
    model = place / "model.onnx"
    model.write_bytes(from_tests("onnx_models").gradient_boosting(zipmap=False, columns=COLUMNS, trees=TREES).onnx)
    (place / "net.onnx").write_bytes(from_tests("onnx_models").perceptron(COLUMNS, HIDDEN))
    server = from_tests("real_server").Server(place / "home")
    try:
        prepare(server, place)
        with bare_server(model) as (bare_url, bare_process):
            row = server.sql(f"SELECT {', '.join(NAMES)} FROM profiles WHERE id = 7")[0]["rows"][0]
            matrix = body_of({"name": "X", "shape": [1, COLUMNS], "datatype": "FP32", "data": row})
            entity = body_of({"name": "id", "shape": [1], "datatype": "INT64", "data": [7]})
            path, process = f"{server.url}/v2/models", server.process.pid
            bare = Target("bare", bare_url, matrix, bare_process)
            targets = [
                Target("without log", f"{path}/plain/infer", matrix, process),
                Target("with log", f"{path}/logged/infer", matrix, process),
                Target("enriched, without log", f"{path}/enriched/infer", entity, process),
                Target("ensemble of 4, without log", f"{path}/four/infer", matrix, process),
            ]
            single = Target("a network, one by one", f"{path}/single/infer", matrix, process)
            batched = Target("a network, in batches", f"{path}/batched/infer", matrix, process)
            check([bare, *targets[:3]])
            for target in (bare, *targets, single, batched):
                send(target.url, target.body, 4, 1, place)
            for number in range(ROUNDS):
                for connections in CONNECTIONS:
                    for target in (bare, *targets, single, batched)[:: -1 if number % 2 else 1]:
                        target.measure(connections, place)
        lost = server.sql(
            "SELECT requests - (SELECT count(*) FROM ml.predictions) FROM ml.endpoints WHERE name = 'logged'"
        )[0]["rows"][0][0]
    finally:
        server.stop()
    tell(bare, targets, single, batched)
    print(f"Predictions that the log has lost: {lost:,}. Sent from the same machine by {tool()}.\n")


def tell(bare: Target, targets: list[Target], single: Target, batched: Target) -> None:
    requests = Table("How many requests a second?", "a raw ASGI application on granian with the same ONNX session")
    cpu = Table("How much CPU does a request take, with all that follows it?", "the same")
    for target in targets:
        for number in CONNECTIONS:
            name = f"{target.name}, {number} connection{'s' if number > 1 else ''}"
            requests.add(name, target.requests[number], "requests/s", bare.requests[number])
            cpu.add(name, target.cpu[number], "µs", bare.cpu[number])
    requests.print()
    cpu.print()
    late = Table("In which time are 99 % of the requests answered?", "the same")
    for target in targets:
        late.add(f"{target.name}, 64 connections", target.p99[64], "ms", bare.p99[64])
    late.print()
    parts = Table("What do features from the store, and four models instead of one, cost?", "the model alone")
    for target in targets[2:]:
        parts.add(target.name, target.requests[64], "requests/s", targets[0].requests[64])
    parts.print()
    gain = Table("What do batches gain for a model that reads 4 MB of weights a call?", "the same without batches")
    for number in CONNECTIONS:
        gain.add(
            f"{number} connection{'s' if number > 1 else ''}",
            batched.requests[number],
            "requests/s",
            single.requests[number],
        )
    gain.print()


if __name__ == "__main__":
    with folder() as place:
        measure(place)
