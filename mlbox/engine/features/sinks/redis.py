"""A Redis stream: an entry a row, a field a column; a nested value is JSON. ``max_length`` keeps about the newest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlbox.base.errors import Unavailable
from mlbox.engine.features.sinks.base import SINKS, Row, Sink, Target, check_options, text_of
from mlbox.engine.features.sources.base import Source
from mlbox.engine.features.sources.redis import RedisSource, place_of

OPTIONS = ("stream", "username", "password", "max_length")


class RedisSink:
    """One stream."""

    def __init__(self, target: Target) -> None:
        import redis

        self._place = place_of(_source(target))
        self._most = target.options.get("max_length")
        self._client = redis.Redis.from_url(
            self._place.url,
            username=target.options.get("username"),
            password=target.options.get("password"),
            socket_connect_timeout=10,
            socket_timeout=30,
        )

    def write(self, rows: Sequence[Row]) -> None:
        """In one transaction: all or none."""
        import redis

        pipeline = self._client.pipeline(transaction=True)
        for row in rows:
            pipeline.xadd(self._place.stream, _fields(row), maxlen=self._most, approximate=True)
        try:
            pipeline.execute()
        except redis.RedisError as error:
            raise Unavailable(f"the stream {self._place.stream} of Redis: {error}") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _Kind:
    def check(self, target: Target) -> None:
        """As for a source of this kind."""
        check_options(target, "a Redis stream", OPTIONS)
        RedisSource().check(_source(target))

    def open(self, target: Target) -> Sink:
        """Connects at the first row."""
        return RedisSink(target)


def _source(target: Target) -> Source:
    options = {name: value for name, value in target.options.items() if name != "max_length"}
    return Source("", target.project, "sink", "redis", target.uri, options=options)


def _fields(row: Row) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for name, value in row.items():
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, (dict, list, tuple)):
            found[name] = text_of({"": value})[5:-1]
        elif value is not None:
            found[name] = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return found or {"": ""}  # an entry has a field at least


KIND = _Kind()
for scheme in ("redis", "rediss", "unix"):
    SINKS.add(scheme, KIND)
