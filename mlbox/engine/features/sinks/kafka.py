"""A Kafka topic: a message a row, as JSON; ``key`` names the column whose value is the message's key."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from mlbox.base.errors import Unavailable
from mlbox.engine.features.sinks.base import SINKS, Row, Sink, Target, check_options, text_of
from mlbox.engine.features.sources.base import Source
from mlbox.engine.features.sources.kafka import CLIENT, PATIENCE, KafkaSource, address_of

log = logging.getLogger("mlbox")


class KafkaSink:
    """One topic, written by an idempotent producer: what it sends again is there once."""

    def __init__(self, target: Target) -> None:
        try:
            from confluent_kafka import Producer
        except ImportError:
            raise Unavailable(
                "the package confluent-kafka, which writes to Kafka, is not installed",
                hint="pip install 'mlbox[kafka]'",
            ) from None
        brokers, self._topic = address_of(_source(target))
        self._key = target.options.get("key")
        given = {name: target.options[option] for option, name in CLIENT.items() if option in target.options}
        given.pop("group.id", None)
        settings = {"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 5}
        self._producer = Producer({**settings, "message.timeout.ms": round(PATIENCE * 1000), **given}, logger=log)
        self._lock = threading.Lock()

    def write(self, rows: Sequence[Row]) -> None:
        """Returns when the brokers have acknowledged all."""
        failed: list[str] = []

        def delivered(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(error.str())

        with self._lock:
            for row in rows:
                key = None if self._key is None or row.get(self._key) is None else str(row[self._key])
                try:
                    self._producer.produce(self._topic, text_of(row), key, on_delivery=delivered)
                except BufferError:
                    self._producer.flush(PATIENCE)
                    self._producer.produce(self._topic, text_of(row), key, on_delivery=delivered)
            left = self._producer.flush(2 * PATIENCE)
        if failed or left:
            raise Unavailable(f"topic {self._topic}: {failed[0] if failed else 'the broker does not answer'}")

    def close(self) -> None:
        """Send what waits."""
        self._producer.flush(PATIENCE)


class _Kind:
    def check(self, target: Target) -> None:
        """As for a source of this kind."""
        check_options(target, "a Kafka topic", ("key", *CLIENT))
        KafkaSource().check(_source(target))

    def open(self, target: Target) -> Sink:
        """Connects by itself."""
        return KafkaSink(target)


def _source(target: Target) -> Source:
    options = {name: value for name, value in target.options.items() if name != "key"}
    return Source("", target.project, "sink", "kafka", target.uri, options=options)


SINKS.add("kafka", _Kind())
