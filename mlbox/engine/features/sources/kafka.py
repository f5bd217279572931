"""Kafka: ``kafka://broker:9092[,broker:9092]/topic``, through librdkafka.

Partitions are assigned, not subscribed to, and offsets are remembered with the rows: the broker keeps none for us.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.names import JSON_COLUMN, PART_COLUMN
from mlbox.engine.features.sources.base import (
    ID,
    POSITION,
    SOURCES,
    Capabilities,
    Position,
    Source,
    StreamBatch,
    check_options,
)

if TYPE_CHECKING:
    import pyarrow

log = logging.getLogger("mlbox")
BATCH = 10_000
"""Messages that are taken at once."""
WAIT = 0.5
"""Seconds after which an empty batch is given."""
PARTITIONS_EVERY = 30.0
"""Seconds after which it is asked whether the topic has more partitions."""
PATIENCE = 10.0
"""Seconds for a broker to answer."""
CLIENT = {
    "group_id": "group.id",
    "username": "sasl.username",
    "password": "sasl.password",
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "ca_file": "ssl.ca.location",
}
"""Our options → those of librdkafka."""
STARTS = ("earliest", "latest")


class KafkaSource:
    """Messages of one topic, an object as JSON each."""

    capabilities = Capabilities(stream=True)

    def claims(self, uri: str) -> bool:
        """By the scheme."""
        return uri.startswith("kafka://")

    def check(self, source: Source) -> None:
        """Brokers, a topic, and known options."""
        if source.uri is None or not self.claims(source.uri):
            raise Invalid(f"{source.uri!r} is no address of Kafka", hint="FROM 'kafka://broker:9092/topic'")
        check_options(source, ("start", "format", *CLIENT))
        brokers, topic = address_of(source)
        if not brokers or not topic or "/" in topic:
            raise Invalid(f"{source.uri!r} does not name broker and topic", hint="FROM 'kafka://broker:9092/topic'")
        if source.options.get("start", "earliest") not in STARTS:
            raise Invalid(f"start is {' or '.join(STARTS)}", hint="earliest reads all that the topic holds")
        if source.options.get("format", "json") != "json":
            raise Invalid("messages are read as JSON objects", hint="format = json, or leave it away")

    def consume(self, source: Source, positions: Mapping[str, Position]) -> Generator[StreamBatch]:
        """``positions`` has partition → ``{"offset"}``: of the next message."""
        client = _client(source)
        _, topic = address_of(source)
        try:
            offsets, ends = _assign(client, topic, source, positions)
            if offsets.keys() != positions.keys():
                yield StreamBatch(_table([], [], []), {part: {"offset": at} for part, at in offsets.items()}, None)
            ask_again = time.monotonic() + PARTITIONS_EVERY
            while time.monotonic() < ask_again or not _has_more(client, topic, offsets):
                if time.monotonic() >= ask_again:
                    ask_again = time.monotonic() + PARTITIONS_EVERY
                yield _batch(client, topic, offsets, ends)
        finally:
            client.close()


def address_of(source: Source) -> tuple[str, str]:
    """Brokers and topic."""
    parts = urlsplit(source.uri or "")
    return parts.netloc.rpartition("@")[2], parts.path.strip("/")


def _client(source: Source) -> Any:
    try:
        from confluent_kafka import Consumer
    except ImportError:
        raise Unavailable(
            "the package confluent-kafka, which reads Kafka, is not installed", hint="pip install 'mlbox[kafka]'"
        ) from None
    brokers, _ = address_of(source)
    given = {name: source.options[option] for option, name in CLIENT.items() if option in source.options}
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "mlbox",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 32_768,  # what is read ahead stays small
            "allow.auto.create.topics": False,
            **given,
        },
        logger=log,
    )


def _partitions(client: Any, topic: str) -> list[str]:
    from confluent_kafka import KafkaException

    try:
        found = client.list_topics(topic, timeout=PATIENCE).topics[topic]
    except KafkaException as error:
        raise Unavailable(f"Kafka does not answer: {error.args[0].str()}", hint="is the broker there?") from None
    if found.error is not None:
        raise Unavailable(f"topic {topic}: {found.error.str()}", hint="it is read as soon as it is there")
    return [str(number) for number in sorted(found.partitions)]


def _assign(
    client: Any, topic: str, source: Source, positions: Mapping[str, Position]
) -> tuple[dict[str, int], dict[str, int]]:
    """By partition: the offset of the next message, and that of the end now."""
    from confluent_kafka import KafkaException, TopicPartition

    offsets: dict[str, int] = {}
    ends: dict[str, int] = {}
    first = not positions
    for part in _partitions(client, topic):
        try:
            low, high = client.get_watermark_offsets(TopicPartition(topic, int(part)), timeout=PATIENCE)
        except KafkaException as error:
            raise Unavailable(f"partition {part} of topic {topic}: {error.args[0].str()}") from None
        ends[part] = high
        if part in positions:
            offsets[part] = int(positions[part]["offset"])
            if offsets[part] < low:
                gone = low - offsets[part]
                log.warning("%d messages of %s, partition %s, are gone before they were read", gone, source.ref, part)
                offsets[part] = low
        else:  # a partition that is added later is read from its beginning
            offsets[part] = high if first and source.options.get("start") == "latest" else low
    client.assign([TopicPartition(topic, int(part), offset) for part, offset in offsets.items()])
    return offsets, ends


def _has_more(client: Any, topic: str, offsets: Mapping[str, int]) -> bool:
    return set(_partitions(client, topic)) != set(offsets)


def _batch(client: Any, topic: str, offsets: dict[str, int], ends: dict[str, int]) -> StreamBatch:
    from confluent_kafka import KafkaError, TopicPartition

    messages = client.consume(BATCH, timeout=WAIT)
    texts: list[str | None] = []
    parts: list[str] = []
    places: list[int] = []
    read: dict[str, int] = {}
    for message in messages:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:  # behind marks of transactions, which are no messages
                part = str(message.partition())
                offsets[part] = ends[part] = max(offsets[part], message.offset())
                continue
            if texts:
                break  # first what is good; it comes again
            raise Unavailable(f"topic {topic}: {error.str()}")
        value = message.value()
        texts.append(None if value is None else value.decode(errors="replace"))
        parts.append(str(message.partition()))
        places.append(message.offset())
        read[parts[-1]] = message.offset() + 1
    offsets.update({part: max(offset, offsets[part]) for part, offset in read.items()})
    lag = 0
    for part, offset in offsets.items():
        _, high = client.get_watermark_offsets(TopicPartition(topic, int(part)), cached=True)
        ends[part] = max(ends[part], high)  # what is not known yet is negative
        lag += max(ends[part] - offset, 0)
    return StreamBatch(_table(texts, parts, places), {part: {"offset": offset} for part, offset in read.items()}, lag)


def _table(texts: list[str | None], parts: list[str], places: list[int]) -> pyarrow.Table:
    import pyarrow

    names = [f"{part}:{place}" for part, place in zip(parts, places, strict=True)]
    columns = {
        JSON_COLUMN: texts,
        PART_COLUMN: parts,
        ID: names,
        POSITION: [f'{{"offset": {place + 1}}}' for place in places],
    }
    return pyarrow.table({name: pyarrow.array(values, pyarrow.string()) for name, values in columns.items()})


SOURCES.add("kafka", KafkaSource())
