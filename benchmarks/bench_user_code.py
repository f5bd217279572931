"""What does user code behind an endpoint cost over a model that is computed in the server?"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
from load import send, tool
from report import Table, folder, from_tests, in_turn
from serving_target import SECONDS, Target

if TYPE_CHECKING:
    from mlbox.serve.python.pool import Pool

CONNECTIONS = (1, 16, 64)
ROUNDS = 5

CODE = """
class Quick:
    async def predict(self, inputs):
        return inputs["x"] + inputs["y"]

def score(inputs):
    return inputs["x"] + inputs["y"]
"""
GRAPH = """
steps:
  - {kind: map, set: {z: x * 2}}
  - {kind: model, model: m, result: score}
  - {kind: filter, where: score IS NOT NULL}
"""
DEFINITIONS = """
CREATE MODEL m FROM 'model.onnx' INPUT (x DOUBLE, y DOUBLE);
CREATE FUNCTION f FROM 'code.py' HANDLER score;
CREATE FUNCTION later FROM 'code.py' HANDLER Quick;
CREATE ENDPOINT plain USING MODEL m LOG NONE;
CREATE ENDPOINT shaped USING MODEL m PREPROCESS (x / 2 AS x, coalesce(y, 0) AS y) LOG NONE;
CREATE ENDPOINT called USING FUNCTION f LOG NONE;
CREATE ENDPOINT awaited USING FUNCTION later LOG NONE;
CREATE ENDPOINT flow USING GRAPH 'graph.yaml' LOG NONE
"""
IMAGE = """
class Image:
    def predict(self, inputs):
        return {"mask": inputs["image"]}
"""
IMAGES = {"16 kB": (1, 64, 64), "64 kB": (1, 128, 128), "588 kB": (3, 224, 224), "4 MB": (1, 1024, 1024)}
ASKED = 40
NAMES = {
    "shaped": "ONNX with PREPROCESS",
    "called": "a function, one process",
    "awaited": "an async class, one process",
    "flow": "a graph of three steps",
}


def measure(place: Path) -> None:
    (place / "model.onnx").write_bytes(from_tests("onnx_models").scaled(2.0))
    (place / "code.py").write_text(CODE)
    (place / "graph.yaml").write_text(GRAPH)
    server = from_tests("real_server").Server(place / "home")
    try:
        status, _, content = server.request("POST", "/sql", {"sql": DEFINITIONS, "folder": str(place)})
        if status != 200:
            raise RuntimeError(content.decode())
        inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1.5]} for name in "xy"]
        body = json.dumps({"inputs": inputs}).encode()
        path, process = f"{server.url}/v2/models", server.process.pid
        plain = Target("plain", f"{path}/plain/infer", body, process)
        targets = [Target(told, f"{path}/{name}/infer", body, process) for name, told in NAMES.items()]
        for target in (plain, *targets):
            send(target.url, body, 4, 1, place)
        for number in range(ROUNDS):
            for connections in CONNECTIONS:
                for target in (plain, *targets)[:: -1 if number % 2 else 1]:
                    target.measure(connections, place)
    finally:
        server.stop()
    table = Table("How many requests a second does user code answer?", "the same server's answer by an ONNX model")
    for target in targets:
        for number in CONNECTIONS:
            name = f"{target.name}, {number} connection{'s' if number > 1 else ''}"
            table.add(name, target.requests[number], "requests/s", plain.requests[number])
    table.print()
    print(f"Sent from the same machine by {tool()}, one row a request, nothing recorded. {SECONDS} s each.\n")


def exchange(place: Path) -> None:
    """An image to a process of user code, which gives it back: where memory is shared, and where it is not."""
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings
    from mlbox.client.serving import arena, wire
    from mlbox.serve.python.launch import Launch, Places
    from mlbox.serve.python.pool import Pool, Size

    home = Home(place / "images")
    home.logs.mkdir(parents=True)
    (place / "image.py").write_text(IMAGE)
    spec = {"kind": "function", "folder": str(place), "file": "image.py", "handler": "Image"}
    pools = {}
    for form in ("shared memory", "socket"):
        with patch.object(arena, "made", arena.made if form == "shared memory" else lambda: None):
            pools[form] = Pool(Launch(form, spec, log="image"), Size(), Places(home, Settings()), lambda *_: None)
            pools[form].start()

    def asked(pool: Pool, head: dict[str, Any], buffers: Sequence[Any]) -> Callable[[], float]:
        def ask() -> float:
            seconds = []
            for _ in range(ASKED):
                begin = perf_counter()
                pool.wait(head, buffers, 60)
                seconds.append(perf_counter() - begin)
            return median(seconds) * 1e6

        return ask

    table = Table("How long does an image take to a process of user code and back?", "the same through the socket")
    for name, shape in IMAGES.items():
        entries, buffers = wire.pack({"image": np.random.default_rng(0).random((1, *shape), np.float32)})
        head = {"verb": "predict", "columns": entries, "rows": 1}
        found = in_turn({form: asked(pool, head, buffers) for form, pool in pools.items()}, ROUNDS)
        table.add(f"an image of {name}", found["shared memory"], "µs", found["socket"])
    for pool in pools.values():
        pool.stop()
    table.print()
    print(
        f"Bodies of {arena.SHARED_FROM // 1024} kB and more are shared; smaller ones go through the socket in both.\n"
    )


if __name__ == "__main__":
    with folder() as place:
        measure(place)
        exchange(place)
