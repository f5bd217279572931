"""What is measured of a server of models: requests a second, CPU a request, and the time of the slowest hundredth."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from load import cpu_seconds, send

SECONDS = 1


@dataclass
class Target:
    """Where to send what, and what was found for each number of connections."""

    name: str
    url: str
    body: bytes
    process: int
    connections: Sequence[int] = (64,)
    settle: float = 0.05
    """Seconds after the load that still belong to it: what is written afterwards."""
    requests: dict[int, list[float]] = field(default_factory=dict)
    cpu: dict[int, list[float]] = field(default_factory=dict)
    p50: dict[int, list[float]] = field(default_factory=dict)
    p99: dict[int, list[float]] = field(default_factory=dict)

    def anew(self, *connections: int) -> Target:
        """The same with nothing found yet."""
        return Target(self.name, self.url, self.body, self.process, connections, self.settle)

    def measure(self, connections: int, place: Path) -> None:
        """Once."""
        before = cpu_seconds(self.process)
        load = send(self.url, self.body, connections, SECONDS, place)
        time.sleep(self.settle)
        used = cpu_seconds(self.process) - before
        self.requests.setdefault(connections, []).append(load.requests / load.seconds)
        self.cpu.setdefault(connections, []).append(used / load.requests * 1e6)
        self.p50.setdefault(connections, []).append(load.p50_ms)
        self.p99.setdefault(connections, []).append(load.p99_ms)

    def outputs(self) -> dict[str, Any]:
        """Of one request, by name."""
        request = urllib.request.Request(self.url, self.body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return {output["name"]: output["data"] for output in json.load(answer)["outputs"]}


def check(targets: Sequence[Target]) -> None:
    """The same prediction everywhere, to what a float32 holds."""
    found = [_flat(target.outputs()["probabilities"]) for target in targets]
    assert all(abs(a - b) < 1e-6 for other in found[1:] for a, b in zip(found[0], other, strict=True)), found


def _flat(values: Any) -> list[float]:
    return [number for value in values for number in (value if isinstance(value, list) else [value])]


def take_turns(targets: Sequence[Target], rounds: int, place: Path) -> None:
    """One measurement of each a round, every other round backwards."""
    for target in targets:
        send(target.url, target.body, 4, 1, place)
    cases = [(target, number) for target in targets for number in target.connections]
    cases.sort(key=lambda case: case[1])
    for number in range(rounds):
        for target, connections in cases[:: -1 if number % 2 else 1]:
            target.measure(connections, place)


def body_of(*inputs: dict[str, Any]) -> bytes:
    """A request of the Open Inference Protocol."""
    return json.dumps({"inputs": inputs}).encode()


@contextmanager
def bare_server(model: Path, *flags: str) -> Iterator[tuple[str, int]]:
    """The address and process of the bound."""
    command = [sys.executable, str(Path(__file__).with_name("bare_server.py")), str(model), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        try:
            yield f"http://127.0.0.1:{port}/", process.pid
        finally:
            process.kill()
