"""RabbitMQ (AMQP 0-9-1): ``amqp://[user@]host[:5672]/vhost/queue``, through pika.

A stream queue (``x-queue-type: stream``) has offsets: the next one is remembered with the rows, as of Kafka. A classic
or quorum queue has none: a message is acknowledged when its row is on disk, and one that comes again is known by its
property ``message_id`` (see :mod:`~mlbox.engine.features.sources.amqp_recent`); one without it may be stored twice.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.names import JSON_COLUMN
from mlbox.engine.features.sources.amqp_link import (
    LINK_OPTIONS,
    ONE_READER,
    PATIENCE,
    Place,
    check_texts,
    closed,
    connect,
    place_of,
    said,
    told,
)
from mlbox.engine.features.sources.amqp_recent import SLOT, Recent
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
PREFETCH = 1000
"""Messages that are taken at once, and not acknowledged meanwhile."""
MOST = 65_535
"""The largest prefetch that the protocol has."""
WAIT = 0.5
"""Seconds after which an empty batch is given."""
LINGER, LONGEST_LINGER = 0.01, 0.1
"""Seconds in which no further message comes, and in all, after which a batch is given."""
LAST_WAIT = 2.0
"""Seconds in which a stream that holds anything sends its last messages."""
OFFSET = "x-stream-offset"
"""The argument and header of stream queues."""
WRONG_ARGUMENT = 406
"""What the broker answers where a queue is no stream: it knows no argument OFFSET."""
STARTS = ("earliest", "latest")


class AmqpSource:
    """Messages of one queue, an object as JSON each."""

    capabilities = Capabilities(stream=True)

    def claims(self, uri: str) -> bool:
        """By the scheme."""
        return uri.startswith(("amqp://", "amqps://"))

    def check(self, source: Source) -> None:
        """A queue, and known options."""
        if source.uri is None or not self.claims(source.uri):
            raise Invalid(f"{source.uri!r} is no address of RabbitMQ", hint="FROM 'amqp://host/vhost/queue'")
        check_options(source, ("queue", "start", "prefetch", *LINK_OPTIONS))
        check_texts(source.options, LINK_OPTIONS)
        place = place_of(source)
        if not place.queue:
            raise Invalid(
                f"{source.uri!r} does not name the queue",
                hint="FROM 'amqp://host/vhost/queue' (%2F is the virtual host /), or WITH (queue = 'orders')",
            )
        if source.options.get("start", "earliest") not in STARTS:
            raise Invalid(f"start is {' or '.join(STARTS)}", hint="latest is for stream queues")
        prefetch = source.options.get("prefetch", PREFETCH)
        if isinstance(prefetch, bool) or not isinstance(prefetch, int) or not 1 <= prefetch <= MOST:
            raise Invalid(f"option prefetch is {prefetch!r}", hint=f"a whole number from 1 to {MOST:,}")

    def consume(self, source: Source, positions: Mapping[str, Position]) -> Generator[StreamBatch]:
        """``positions`` has the queue's name → ``{"offset"}`` of a stream's next message; else those of ``Recent``."""
        place = place_of(source)
        with told(place), connect(place, source.options) as connection:
            reading = _Reading(connection, place, source)
            known = positions.get(place.queue, {}).get("offset")
            yield from reading.stream(known) if reading.is_stream(known or 0) else reading.queue(positions)


@dataclass(frozen=True, slots=True)
class _Message:
    tag: int
    offset: int | None
    id: str | None
    body: bytes

    @property
    def name(self) -> str:
        """What another delivery of it has too; of other bodies under one id each has its own."""
        return hashlib.sha256(f"{self.id or ''}\0".encode() + self.body).hexdigest()[:24]


class _Reading:
    """One queue, on a channel of its own."""

    def __init__(self, connection: Any, place: Place, source: Source) -> None:
        self._connection = connection
        self._place = place
        self._source = source
        self._prefetch = int(source.options.get("prefetch", PREFETCH))
        self._messages: list[_Message] = []
        self._cancelled = False
        self._channel = self._opened()

    def is_stream(self, known: int) -> bool:
        """Whether the queue has offsets: only a stream takes the argument. Finds the end of one, for :meth:`stream`;
        ``known`` is the offset that was reached before."""
        import pika

        self._channel.basic_qos(prefetch_count=MOST)
        try:
            tag = self._consume({OFFSET: "last"})
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code != WRONG_ARGUMENT:
                raise
            self._channel = self._opened()
            return False
        self._end = self._last(known)
        self._channel.basic_cancel(tag)
        self._channel.close()
        self._messages.clear()
        self._channel = self._opened()
        return True

    def _last(self, known: int) -> int:
        """One more than the last offset that there is. Before it lies behind ``known`` it is waited for longer."""
        began, end = time.monotonic(), 0
        messages = self._gathered(LAST_WAIT)
        while messages:
            end = 1 + max(message.offset or 0 for message in messages)
            there = end >= known
            passed = time.monotonic() - began
            if (there and len(messages) < self._prefetch) or passed > (LAST_WAIT if there else PATIENCE):
                break
            messages = self._gathered(LONGEST_LINGER if there else LAST_WAIT)
        return end

    def stream(self, known: int | None) -> Generator[StreamBatch]:
        """From the offset ``known`` on, of the next message; None: as the source says."""
        known = self._again(known)
        latest = self._source.options.get("start") == "latest"
        at = known if known is not None else self._end if latest else 0
        if known is None and latest:
            yield StreamBatch(_table([]), {self._place.queue: {"offset": at}}, 0)
        self._consume({OFFSET: at})
        first = known is not None
        while True:
            messages = self._gathered(WAIT)
            fresh = [message for message in messages if message.offset is not None and message.offset >= at]
            if first and fresh:
                first = False
                if (begins := fresh[0].offset or 0) > at:
                    log.warning(
                        "messages %d to %d of %s are gone before they were read", at, begins - 1, self._source.ref
                    )
            read = {}
            if fresh:
                at = 1 + (fresh[-1].offset or 0)
                read = {self._place.queue: {"offset": at}}
            left = max(self._end - at, 0)  # what came since the beginning the broker does not tell
            yield StreamBatch(_table(fresh), read, left or (None if len(messages) >= self._prefetch else 0))
            self._acknowledge(messages)

    def _again(self, known: int | None) -> int | None:
        """``known``; 0 when the stream ends before it: one of its name was made anew, whose offsets begin at 0."""
        if known is None or known <= self._end:
            return known
        queue = self._place.queue
        if not self._end:  # or the broker is slow: to begin at 0 would then take all twice
            raise Unavailable(
                f"{said(self._place)}: the stream {queue} holds nothing, and was read up to offset {known - 1}",
                hint="was it made anew? It is read from its first message on as soon as it has one",
            )
        log.warning(
            "the stream %s of %s ends at offset %d, and was read up to %d: it was made anew, and is read from offset 0",
            *(queue, self._source.ref, self._end - 1, known - 1),
        )
        return 0

    def queue(self, positions: Mapping[str, Position]) -> Generator[StreamBatch]:
        """What the queue has, and gives to nobody else meanwhile."""
        recent = Recent(positions, max(SLOT, self._prefetch))
        if self._source.options.get("start") == "latest":
            raise Invalid(
                f"the queue {self._place.queue} is no stream, so it has no past that start = latest leaves out",
                hint=f"ALTER SOURCE {self._source.ref} SET (start = NULL)",
            )
        self._left(readers=0)
        tag = self._consume({}, exclusive=True)
        try:
            while True:
                messages = self._gathered(WAIT)
                # The answer comes behind the last acknowledgement on this channel, which is then with the queue.
                left = self._left(readers=1)
                fresh = recent.new((message.name if message.id else None, message) for message in messages)
                read = recent.positions()
                yield StreamBatch(_table(fresh), read, left)
                self._acknowledge(messages)
        finally:
            self._give_up(tag)

    def _give_up(self, tag: str) -> None:
        """No reader any more when it returns: of a closed connection queues hear later, and others read next."""
        import pika

        with suppress(pika.exceptions.AMQPError, OSError):
            self._channel.basic_cancel(tag)

    def _left(self, *, readers: int) -> int:
        """Messages that wait; ``Unavailable`` when more than so many read the queue. Quorum queues know no exclusive
        readers, and would give each a part of the messages."""
        told = self._channel.queue_declare(self._place.queue, passive=True).method
        if told.consumer_count > readers:
            raise Unavailable(
                f"{said(self._place)}: the queue {self._place.queue} has another reader, which takes a part of it",
                hint=ONE_READER,
            )
        return int(told.message_count)

    def _opened(self) -> Any:
        channel = self._connection.channel()
        channel.basic_qos(prefetch_count=self._prefetch)
        channel.add_on_cancel_callback(self._cancel)
        return channel

    def _consume(self, arguments: Mapping[str, Any], *, exclusive: bool = False) -> str:
        tag: str = self._channel.basic_consume(
            self._place.queue, self._take, exclusive=exclusive, arguments=dict(arguments)
        )
        return tag

    def _cancel(self, _: Any) -> None:
        self._cancelled = True

    def _take(self, _: Any, method: Any, properties: Any, body: bytes) -> None:
        offset = (properties.headers or {}).get(OFFSET)
        found = _Message(method.delivery_tag, None if offset is None else int(offset), properties.message_id, body)
        self._messages.append(found)

    def _acknowledge(self, messages: Sequence[_Message]) -> None:
        if messages:
            self._channel.basic_ack(messages[-1].tag, multiple=True)

    def _gathered(self, wait: float) -> list[_Message]:
        """What comes, with what comes right behind it; nothing after ``wait`` seconds without any."""
        until = time.monotonic() + wait
        while not self._messages and (left := until - time.monotonic()) > 0:
            self._turn(left)
        until = time.monotonic() + LONGEST_LINGER
        while 0 < (had := len(self._messages)) < self._prefetch and time.monotonic() < until:
            self._turn(LINGER)
            if len(self._messages) == had:
                break
        found, self._messages = self._messages, []
        return found

    def _turn(self, seconds: float) -> None:
        self._connection.process_data_events(time_limit=seconds)
        if self._cancelled:
            raise Unavailable(
                f"the queue {self._place.queue} of RabbitMQ at {self._place.address} was deleted or moved",
                hint="it is read as soon as it is there",
            )
        if not self._channel.is_open:
            raise closed(self._place)


def _table(messages: Sequence[_Message]) -> pyarrow.Table:
    import pyarrow

    columns: dict[str, list[Any]] = {JSON_COLUMN: [message.body.decode(errors="replace") for message in messages]}
    if any(message.offset is not None for message in messages):
        columns[ID] = [str(message.offset) for message in messages]
        columns[POSITION] = [f'{{"offset": {1 + (message.offset or 0)}}}' for message in messages]
    else:
        columns[ID] = [message.id or message.name for message in messages]
    return pyarrow.table({name: pyarrow.array(values, pyarrow.string()) for name, values in columns.items()})


SOURCES.add("amqp", AmqpSource())
