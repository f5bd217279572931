"""A Kafka broker for tests: the mock cluster of librdkafka, which lives as long as the producer that made it."""

from __future__ import annotations

from importlib.util import find_spec


def why_not() -> str:
    """Why there can be no broker here; empty: there can."""
    return "" if find_spec("confluent_kafka") else "the package confluent-kafka is not installed"


class Cluster:
    """``brokers`` is its address."""

    def __init__(self) -> None:
        from confluent_kafka import Producer

        self.producer = Producer(
            {"bootstrap.servers": "127.0.0.1", "test.mock.num.brokers": 1, "allow.auto.create.topics": True}
        )
        told = self.producer.list_topics(timeout=10).brokers
        self.brokers = ",".join(f"{broker.host}:{broker.port}" for broker in told.values())

    def make(self, topic: str) -> None:
        """A topic, which the mock makes when it is asked for."""
        self.partitions = len(self.producer.list_topics(topic, timeout=10).topics[topic].partitions)

    def send(self, topic: str, values: list[bytes]) -> None:
        """Returns when the broker has them."""
        for number, value in enumerate(values):
            self.producer.produce(topic, value, partition=number % self.partitions)
            if number % 1000 == 0:
                self.producer.poll(0)
        assert self.producer.flush(30) == 0
