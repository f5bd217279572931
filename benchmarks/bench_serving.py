"""What does an endpoint cost over the bare model behind the same HTTP server?

The servers have one core, the load another one.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from load import apart, tool
from report import Table, folder, from_tests
from serving_target import Target, bare_server, body_of, check, take_turns

CONNECTIONS = (1, 16, 64)
ROUNDS = 3
LATE_ROUNDS = 11
"""For the slowest hundredth, which differs more from second to second."""
COLUMNS, STORED = 30, 10
TREES = 100
HIDDEN = 2200
"""Units of each of the two layers of the network: a call reads 20 MB of weights, which takes about a millisecond."""
NAMES = [f"x{number}" for number in range(COLUMNS)]
TEN = NAMES[:STORED]


def inputs(names: list[str]) -> str:
    return ", ".join(f"{name} DOUBLE" for name in names)


DEFINITIONS = f"""
CREATE FEATURE SET profiles (ENTITY id, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS
    SELECT range AS id, TIMESTAMPTZ '2026-01-01' AS ts,
        {", ".join(f"sin(range + {number}) AS {name}" for number, name in enumerate(TEN))}
    FROM range(10000);
CREATE FEATURE VECTOR v AS FEATURES (profiles.*);
CREATE MODEL m FROM 'model.onnx' INPUT ({inputs(NAMES)});
CREATE MODEL ten FROM 'ten.onnx' INPUT ({inputs(TEN)});
CREATE MODEL net FROM 'net.onnx' INPUT ({inputs(NAMES)});
CREATE ENDPOINT plain USING MODEL m LOG NONE;
CREATE ENDPOINT logged USING MODEL m LOG ALL;
CREATE ENDPOINT sent USING MODEL ten LOG NONE;
CREATE ENDPOINT stored USING MODEL ten ENRICH WITH FEATURE VECTOR v LOG NONE;
CREATE ENDPOINT mixed USING MODEL m ENRICH WITH FEATURE VECTOR v LOG NONE;
CREATE ENDPOINT four USING ENSEMBLE MEAN (m@1, m@1, m@1, m@1) LOG NONE;
CREATE ENDPOINT single USING MODEL net LOG NONE;
CREATE ENDPOINT batched USING MODEL net LOG NONE WITH (batch = 64)
"""


def matrix(row: list[float]) -> bytes:
    return body_of({"name": "X", "shape": [1, len(row)], "datatype": "FP32", "data": row})


def values(row: dict[str, float], key: int | None = None) -> bytes:
    """A tensor of one value for each feature, and for the key."""
    found = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in row.items()]
    if key is not None:
        found.append({"name": "id", "shape": [1], "datatype": "INT64", "data": [key]})
    return body_of(*found)


def models(place: Path) -> Path:
    """Writes them; the one that all servers compute."""
    made = from_tests("onnx_models")
    for name, columns in (("model", COLUMNS), ("ten", STORED)):
        content = made.gradient_boosting(zipmap=False, columns=columns, trees=TREES).onnx
        (place / f"{name}.onnx").write_bytes(content)
    (place / "net.onnx").write_bytes(made.perceptron(COLUMNS, HIDDEN))
    return place / "model.onnx"


def endpoints(server: Any, place: Path) -> dict[str, Target]:
    """Defines them; what is sent to each."""
    status, _, content = server.request("POST", "/sql", {"sql": DEFINITIONS, "folder": str(place)})
    if status != 200:
        raise RuntimeError(content.decode())
    query = ", ".join(f"sin(7 + {number}) AS {name}" for number, name in enumerate(NAMES))
    row = server.sql(f"SELECT {query}")[0]["rows"][0]
    named = dict(zip(NAMES, row, strict=True))
    path, process = f"{server.url}/v2/models", server.process.pid

    def target(name: str, endpoint: str, body: bytes, **more: Any) -> Target:
        return Target(name, f"{path}/{endpoint}/infer", body, process, **more)

    return {
        "plain": target("without log", "plain", matrix(row), connections=CONNECTIONS),
        "logged": target("with log", "logged", matrix(row), connections=CONNECTIONS, settle=0.4),
        "sent": target("10 features, sent as a tensor", "sent", matrix(row[:STORED])),
        "stored": target("10 features of a key", "stored", values({}, 7)),
        "named": target("30 features, each a tensor", "plain", values(named)),
        "mixed": target("20 features, 10 of a key", "mixed", values({k: named[k] for k in NAMES[STORED:]}, 7)),
        "four": target("ensemble of 4", "four", matrix(row)),
        "single": target("a network, one by one", "single", matrix(row), connections=(1, 64)),
        "batched": target("a network, in batches", "batched", matrix(row), connections=(1, 64)),
    }


def measure(place: Path) -> None:
    model = models(place)
    server = from_tests("real_server").Server(place / "home")
    try:
        found = endpoints(server, place)
        body = found["plain"].body
        with bare_server(model) as bare, bare_server(model, "--known-length") as brief:
            bound = Target("bound", bare[0], body, bare[1], CONNECTIONS)
            sharper = Target("sharper", brief[0], body, brief[1])
            check([bound, sharper, found["plain"], found["logged"], found["named"], found["mixed"]])
            check([found["sent"], found["stored"]])
            take_turns([bound, sharper, *found.values()], ROUNDS, place)
            late = [target.anew(64) for target in (bound, found["plain"], found["logged"])]
            take_turns(late, LATE_ROUNDS, place)
        lost = lost_by(server)
    finally:
        server.stop()
    tell(bound, sharper, found)
    tell_late(*late)
    print(f"Predictions that the log has lost: {lost:,}. One core for the servers, one for {tool()}.\n")


def lost_by(server: Any) -> int:
    """Requests that are not in the log when it had time to write them."""
    query = "SELECT requests - (SELECT count(*) FROM ml.predictions) FROM ml.endpoints WHERE name = 'logged'"
    until = time.monotonic() + 10
    while (lost := int(server.sql(query)[0]["rows"][0][0])) and time.monotonic() < until:
        time.sleep(0.2)
    return lost


def tell(bound: Target, sharper: Target, found: dict[str, Target]) -> None:
    peer = "the bound: a raw ASGI application on granian with the same ONNX session"
    requests = Table("How many requests a second?", peer)
    cpu = Table("How much CPU does a request take, with all that follows it?", "the same")
    for target in (found["plain"], found["logged"]):
        for number in CONNECTIONS:
            name = f"{target.name}, {number} connection{'s' if number > 1 else ''}"
            requests.add(name, target.requests[number], "requests/s", bound.requests[number])
            cpu.add(name, target.cpu[number], "µs", bound.cpu[number])
    for table in (requests, cpu):
        table.print()
    brief = Table("The same at 64 connections?", "the bound, which does not wait for the end of a body of known length")
    for target in (found["plain"], found["logged"]):
        brief.add(target.name, target.requests[64], "requests/s", sharper.requests[64])
    brief.print()
    parts = Table("What do features from the store cost?", "all features sent, in the same form where there is one")
    parts.add(
        "10 of 10 features, for a key alone", found["stored"].requests[64], "requests/s", found["sent"].requests[64]
    )
    parts.add(
        "10 of 30 features, each a tensor", found["mixed"].requests[64], "requests/s", found["named"].requests[64]
    )
    parts.print()
    four = Table("What does an ensemble of four cost?", "one of its models alone")
    four.add("CPU of a request", found["four"].cpu[64], "µs", found["plain"].cpu[64])
    four.print()
    gain = Table("What do batches gain for a model of a millisecond a call?", "the same without batches")
    for number in (1, 64):
        name = f"{number} connection{'s' if number > 1 else ''}"
        gain.add(name, found["batched"].requests[number], "requests/s", found["single"].requests[number])
    gain.print()


def tell_late(bound: Target, *targets: Target) -> None:
    late = Table("In which time are 99 % of the requests answered, at 64 connections?", "the bound")
    for target in targets:
        late.add(target.name, target.p99[64], "ms", bound.p99[64])
    late.print()


if __name__ == "__main__":
    apart()
    with folder() as place:
        measure(place)
