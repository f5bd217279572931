"""What does user code behind an endpoint cost over a model that is computed in the server?"""

from __future__ import annotations

import json
from pathlib import Path

from bench_serving import SETTLE, Target
from load import send, tool
from report import Table, folder, from_tests

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
    print(f"Sent from the same machine by {tool()}, one row a request, nothing recorded. Pauses of {SETTLE} s.\n")


if __name__ == "__main__":
    with folder() as place:
        measure(place)
