"""RabbitMQ: a message a row, as JSON, to a queue (``amqp://host/vhost/queue``) or to an exchange with a routing key.

Messages are persistent, and the broker confirms that it has them; what no queue takes is told of, and not lost. A row
with the name of an event (``event_id``) has it as its ``message_id``, by which a reader knows what comes twice.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.features.sinks.amqp_publisher import Publisher
from mlbox.engine.features.sinks.base import EVENT, SINKS, Row, Sink, Target, check_options, text_of
from mlbox.engine.features.sources.amqp_link import LINK_OPTIONS, check_texts, parameters, place_of
from mlbox.engine.features.sources.base import Source

OPTIONS = ("queue", "exchange", "routing_key", *LINK_OPTIONS)


class AmqpSink:
    """One queue or exchange; connects at the first row, and anew when the connection is lost."""

    def __init__(self, target: Target) -> None:
        self._place = place_of(_source(target))
        self._options = target.options
        self._exchange = str(target.options.get("exchange", ""))
        self._key = str(target.options.get("routing_key", "" if self._exchange else self._place.queue))
        self._lock = threading.Lock()
        self._publisher: Publisher | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Returns when the broker has confirmed all."""
        messages = [(text_of(row).encode(), None if row.get(EVENT) is None else str(row[EVENT])) for row in rows]
        with self._lock:
            kept = self._publisher is not None
            try:
                self._publish(messages)
            except Unavailable:
                if not kept:
                    raise
                self._publish(messages)  # what was open may be from before the broker's restart

    def _publish(self, messages: Sequence[tuple[bytes, str | None]]) -> None:
        try:
            if self._publisher is None:
                given = parameters(self._place, self._options)
                self._publisher = Publisher(self._place, given, self._exchange, self._key)
            self._publisher.publish(messages)
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()


class _Kind:
    def check(self, target: Target) -> None:
        """A queue or an exchange, and known options."""
        check_options(target, "RabbitMQ", OPTIONS)
        check_texts(target.options, OPTIONS)
        queue, exchange = place_of(_source(target)).queue, target.options.get("exchange")
        hint = "amqp://host/vhost/queue, or amqp://host/vhost WITH (exchange = 'alarms', routing_key = 'high')"
        if bool(queue) == bool(exchange):
            what = "names a queue, and option exchange is given" if queue else "names neither queue nor exchange"
            raise Invalid(f"{target.uri!r} {what}", hint=hint)
        if "routing_key" in target.options and not exchange:
            raise Invalid("option routing_key is for an exchange: the key of a queue is its name", hint=hint)

    def open(self, target: Target) -> Sink:
        """Connects at the first row."""
        return AmqpSink(target)


def _source(target: Target) -> Source:
    return Source("", target.project, "sink", "amqp", target.uri, options=target.options)


KIND = _Kind()
for scheme in ("amqp", "amqps"):
    SINKS.add(scheme, KIND)
