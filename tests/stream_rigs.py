"""Streams for the conformance suite: one rig for each kind of stream source."""

from __future__ import annotations

import json
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from engines import kafka, rabbitmq, redis

from mlbox.engine.features.sources.base import SOURCES, Source, StreamBatch

AOF = ("--appendonly", "yes", "--appendfsync", "always")


class Rig(Protocol):
    """``add`` brings rows, which are there when it returns; ``declared`` follows the name in CREATE SOURCE."""

    declared: str

    def add(self, rows: list[Any]) -> None: ...


class RedisRig:
    def __init__(self, folder: Path) -> None:
        import redis as library

        self.redis = redis.RedisServer(folder, more=AOF)
        self.redis.start()
        self.client = library.Redis(unix_socket_path=self.redis.socket)
        self.declared = f"FROM '{self.redis.url}' WITH (stream = 'events')"
        self.address: tuple[str, dict[str, Any]] = (self.redis.url, {"stream": "events"})

    def add(self, rows: list[Any]) -> None:
        pipeline = self.client.pipeline(transaction=False)
        for row in rows:
            fields = (
                {k: str(v) for k, v in row.items() if v is not None} if isinstance(row, dict) else {"odd": str(row)}
            )
            pipeline.xadd("events", fields)
        pipeline.execute()

    def close(self) -> None:
        self.client.close()
        self.redis.close()


class KafkaRig:
    def __init__(self, folder: Path) -> None:
        self.cluster = kafka.Cluster()
        self.cluster.make("events")
        self.declared = f"FROM 'kafka://{self.cluster.brokers}/events'"
        self.address: tuple[str, dict[str, Any]] = (f"kafka://{self.cluster.brokers}/events", {})

    def add(self, rows: list[Any]) -> None:
        self.cluster.send("events", [json.dumps(row).encode() for row in rows])

    def close(self) -> None:
        pass


class RabbitQueueRig:
    """A queue of the broker that this process shares; its messages have names."""

    type = "classic"

    def __init__(self, folder: Path, broker: rabbitmq.Broker | None = None) -> None:
        self.broker = broker or rabbitmq.shared(folder)
        self.queue = f"events-{uuid.uuid4().hex}"
        self.broker.declare(self.queue, self.type)
        self.address: tuple[str, dict[str, Any]] = (f"amqp://{self.broker.address}/{rabbitmq.VHOST}/{self.queue}", {})
        self.declared = f"FROM '{self.address[0]}'"

    def add(self, rows: list[Any]) -> None:
        self.broker.send(self.queue, [(json.dumps(row).encode(), uuid.uuid4().hex) for row in rows])

    def close(self) -> None:
        self.broker.delete(self.queue)


class RabbitQuorumRig(RabbitQueueRig):
    type = "quorum"


class RabbitStreamRig(RabbitQueueRig):
    type = "stream"


class HttpRig:
    """Pushes to the server, again and again until it is answered for: what a careful client does."""

    def __init__(self, folder: Path) -> None:
        self.declared = "TYPE http"
        self.space: Any = None
        self.number = 0

    def add(self, rows: list[Any]) -> None:
        self.number += 1
        key = {"Idempotency-Key": f"push-{self.number}"}
        while True:
            try:
                status, _, body = self.space.server.request("POST", f"/push/{self.space.project}.s", rows, key)
            except OSError:
                continue
            if status == 200:
                return
            assert status == 503, body

    def close(self) -> None:
        pass


RIGS = {
    "redis": RedisRig,
    "kafka": KafkaRig,
    "http": HttpRig,
    "rabbitmq-queue": RabbitQueueRig,
    "rabbitmq-quorum": RabbitQuorumRig,
    "rabbitmq-stream": RabbitStreamRig,
}
TYPES = {name: "amqp" if name.startswith("rabbitmq") else name for name in RIGS}
"""Rig → type of source."""
WHY_NOT = {"redis": redis.why_not(), "kafka": kafka.why_not(), "http": ""} | {
    name: rabbitmq.why_not() for name in RIGS if name.startswith("rabbitmq")
}


def batches_of(source: Source, positions: Mapping[str, Any] | None = None) -> Generator[StreamBatch]:
    """What a stream gives behind the positions; to be closed."""
    return SOURCES.get(source.type).consume(source, positions or {})


def params(*nightly: str) -> list[Any]:
    """All rigs, as parameters of a fixture. A broker that takes seconds to start is an engine; a quorum queue is read
    as a classic one."""
    engine, long = pytest.mark.engine, pytest.mark.nightly
    return [
        pytest.param(
            name,
            marks=[engine] * name.startswith("rabbitmq") + [long] * (name in nightly or name == "rabbitmq-quorum"),
        )
        for name in RIGS
    ]


@contextmanager
def rig(kind: str, folder: Path) -> Iterator[Any]:
    made = RIGS[kind](folder)
    try:
        yield made
    finally:
        made.close()
