"""What does a worker more cost in memory, and how soon is one that was killed replaced?"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

from load import cpu_seconds, send
from report import Table, folder, from_tests

WIDTH, LAYERS = 2000, 5
ROUNDS = 5
CONNECTIONS, SECONDS = 64, 2
COLUMNS = 30

PREPARE = """
CREATE MODEL trees FROM 'trees.onnx';
CREATE ENDPOINT trees USING MODEL trees LOG ALL;
CREATE MODEL network FROM 'network.onnx';
CREATE ENDPOINT network USING MODEL network LOG NONE;
"""


def megabytes(process: int) -> dict[str, float]:
    """Resident, proportional (what is shared counts in parts), and of that what no file holds."""
    found = {}
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) / 1024
    return {
        "resident": found["Rss"],
        "proportional": found["Pss"],
        "of its own": found.get("Pss_Anon", found["Anonymous"]),
    }


def workers(server: Any) -> list[int]:
    return list(json.loads((server.home / "server.json").read_text()).get("workers", []))


def body_of(columns: int) -> bytes:
    tensor = {"name": "X", "shape": [1, columns], "datatype": "FP32", "data": [0.5] * columns}
    return json.dumps({"inputs": [tensor]}).encode()


def use(server: Any, endpoint: str, columns: int) -> None:
    """Let every process load it: connections are spread over them by chance."""
    for _ in range(40):
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{server.url}/v2/models/{endpoint}/infer", body_of(columns), headers)
        urllib.request.urlopen(request).read()


def started(place: Path, count: int) -> Any:
    server = from_tests("real_server").Server(place / f"home{count}", "--workers", str(count))
    status, _, content = server.request("POST", "/sql", {"sql": PREPARE, "folder": str(place)})
    if status != 200:
        raise RuntimeError(content.decode())
    return server


def memory(place: Path) -> None:
    """Of a server alone, and of workers beside one, with models of both kinds."""
    network = (place / "network.onnx").stat().st_size / (1 << 20)
    table = Table(
        f"Memory of processes that answer: a small tree ensemble, then a network of {network:.0f} MB too.",
        "the server alone, of the same kind of memory",
    )
    alone, several = started(place, 1), started(place, 3)
    try:
        for endpoint, columns in (("trees", COLUMNS), ("network", 2)):
            use(alone, endpoint, columns)
            use(several, endpoint, columns)
            own = megabytes(alone.process.pid)
            each = [megabytes(process) for process in workers(several)]
            for kind in own:
                value = sum(one[kind] for one in each) / len(each)
                table.add(f"{endpoint}: a worker of 3, {kind}", [value], "MB", [own[kind]])
    finally:
        alone.stop()
        several.stop()
    table.print()


def replaced(place: Path) -> None:
    """Kill one, and wait until another stands in its place."""
    server = started(place, 2)
    try:
        use(server, "trees", COLUMNS)
        took = []
        for number in range(ROUNDS):
            before = workers(server)
            began = time.perf_counter()
            os.kill(before[number % 2], signal.SIGKILL)
            while len(set(workers(server)) - set(before)) == 0:
                time.sleep(0.005)
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(0.5)
    finally:
        server.stop()
    table = Table("How soon is a killed worker replaced?", "none")
    table.add("until its successor answers", took, "ms")
    table.print()


def costs(place: Path) -> None:
    """CPU of all processes of a server for a request that is recorded: workers hand rows on, which costs something."""
    servers = {
        count: from_tests("real_server").Server(place / f"home{count}", "--workers", str(count)) for count in (1, 2)
    }
    found: dict[int, list[float]] = {count: [] for count in servers}
    try:
        for _ in range(ROUNDS):
            for count, server in servers.items():
                members = [server.process.pid, *workers(server)]
                before = sum(map(cpu_seconds, members))
                sent = send(f"{server.url}/v2/models/trees/infer", body_of(COLUMNS), CONNECTIONS, SECONDS, place)
                time.sleep(1)
                found[count].append((sum(map(cpu_seconds, members)) - before) * 1e6 / sent.requests)
    finally:
        for server in servers.values():
            server.stop()
    table = Table("CPU of a recorded request, all processes together.", "the server alone")
    table.add("2 workers, 64 connections", found[2], "µs", found[1])
    table.print()


if __name__ == "__main__":
    with folder() as here:
        models = from_tests("onnx_models")
        (here / "trees.onnx").write_bytes(models.gradient_boosting(zipmap=False, columns=COLUMNS, trees=100).onnx)
        (here / "network.onnx").write_bytes(models.wide(WIDTH, LAYERS))
        memory(here)
        replaced(here)
        costs(here)
