"""Sends messages to RabbitMQ, all of a batch at once, and waits for the broker to confirm each (publisher confirms).

pika's blocking channel waits for each message before the next; here its event loop turns in the caller's thread until
the whole batch is confirmed, so that a batch costs about as much as one message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlbox.base.errors import Unavailable
from mlbox.engine.features.sources.amqp_link import PATIENCE, Place, explained, said

PERSISTENT = 2
"""``delivery_mode`` of a message that is on disk when it is confirmed, in a durable queue."""


class Publisher:
    """A connection with one channel; of one thread at a time. Raises ``Unavailable``; it is of no use then."""

    def __init__(self, place: Place, parameters: Any, exchange: str, key: str) -> None:
        import pika

        self._place = place
        self._exchange, self._key = exchange, key
        self._channel: Any = None
        self._ready = False
        self._sent = 0
        self._waiting: set[int] = set()
        self._refused = 0
        self._returned = ""
        self._error: BaseException | None = None
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._begin),
            on_open_error_callback=self._fail,
            on_close_callback=self._fail,
        )
        try:
            self._turn(lambda: self._ready)
        except BaseException:
            self.close()  # nobody else has it
            raise

    def publish(self, messages: Sequence[tuple[bytes, str | None]]) -> None:
        """(body, message_id) each; returns when the broker has them."""
        import pika

        self._refused, self._returned = 0, ""
        for body, name in messages:
            if not self._channel.is_open:
                break
            properties = pika.BasicProperties("application/json", delivery_mode=PERSISTENT, message_id=name)
            self._channel.basic_publish(self._exchange, self._key, body, properties, mandatory=True)
            self._sent += 1
            self._waiting.add(self._sent)
        self._turn(lambda: not self._waiting)
        if self._returned or self._refused:
            target = f"exchange {self._exchange} with routing key {self._key!r}" if self._exchange else self._key
            if self._returned:
                raise Unavailable(
                    f"{said(self._place)}: no queue takes what is sent to {target} ({self._returned})",
                    hint="declare the queue, or bind one to the exchange",
                )
            raise Unavailable(f"{said(self._place)} refuses what is sent to {target}", hint="is the queue full?")

    def close(self) -> None:
        """Harmless when it is closed."""
        if self._connection.is_open:
            self._connection.close()
            self._connection.ioloop.call_later(1, self._connection.ioloop.stop)
            self._connection.ioloop.start()
        self._connection.ioloop.close()

    def _begin(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._fail)
        channel.add_on_return_callback(self._give_back)
        channel.confirm_delivery(self._confirm, callback=self._be_ready)

    def _be_ready(self, _: Any) -> None:
        self._ready = True
        self._connection.ioloop.stop()

    def _confirm(self, frame: Any) -> None:
        """One, or all up to it."""
        tag, several = frame.method.delivery_tag, frame.method.multiple
        done = {sent for sent in self._waiting if sent <= tag} if several else {tag}
        self._waiting -= done
        if frame.method.NAME == "Basic.Nack":
            self._refused += len(done)
        if not self._waiting:
            self._connection.ioloop.stop()

    def _give_back(self, _: Any, method: Any, *__: Any) -> None:
        self._returned = str(method.reply_text)

    def _fail(self, _: Any, error: Any) -> None:
        """The first reason is the one: what is closed then follows from it."""
        if self._error is None:
            self._error = error if isinstance(error, BaseException) else OSError(str(error))
        self._connection.ioloop.stop()

    def _turn(self, done: Any) -> None:
        """Until it is done."""
        loop = self._connection.ioloop
        late = loop.call_later(2 * PATIENCE, loop.stop)
        if self._error is None and not done():
            loop.start()
        loop.remove_timeout(late)
        if self._error is not None:
            raise explained(self._error, self._place) or self._error
        if not done():
            raise Unavailable(
                f"{said(self._place)} does not confirm what is sent",
                hint="it takes no messages while memory or disk is short: its log says so",
            )
