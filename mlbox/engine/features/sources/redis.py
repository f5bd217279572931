"""Redis Streams (redis.io/docs/latest/develop/data-types/streams): ``redis://host:6379[/db]/stream``.

What has been read is remembered with the rows, not by a consumer group: entries are asked for by the last identifier.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.names import JSON_COLUMN
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

BATCH = 10_000
"""Entries that are asked for at once."""
WAIT = 500
"""Milliseconds after which an empty batch is given."""
OPTIONS = ("stream", "start", "field", "username", "password")
STARTS = ("earliest", "latest")


@dataclass(frozen=True, slots=True)
class Place:
    """A server (``url`` as its client takes it) and a stream of it."""

    url: str
    stream: str


def place_of(source: Source) -> Place:
    """Where the stream is; raises ``Invalid`` for a URI that does not say."""
    parts = urlsplit(source.uri or "")
    stream = source.options.get("stream")
    if parts.scheme == "unix":
        path, database = parts.path, ""
    else:
        names = [name for name in parts.path.split("/") if name]
        database = names.pop(0) if names and names[0].isdigit() else "0"
        stream = stream or (names.pop(0) if names else None)
        path = f"/{database}"
        if names:
            raise Invalid(f"{source.uri!r} names more than a database and a stream", hint="redis://host:6379/0/stream")
    if not stream or not isinstance(stream, str):
        raise Invalid(f"{source.uri!r} does not name the stream", hint="redis://host:6379/stream")
    return Place(f"{parts.scheme}://{parts.netloc}{path}", stream)


class RedisSource:
    """Entries of one stream. The fields of an entry are columns; with ``field`` that field holds an object as JSON."""

    capabilities = Capabilities(stream=True)

    def claims(self, uri: str) -> bool:
        """By the scheme."""
        return uri.startswith(("redis://", "rediss://", "unix://"))

    def check(self, source: Source) -> None:
        """A stream, and known options."""
        if source.uri is None or not self.claims(source.uri):
            raise Invalid(f"{source.uri!r} is no address of Redis", hint="FROM 'redis://host:6379/stream'")
        check_options(source, OPTIONS)
        place_of(source)
        if source.options.get("start", "earliest") not in STARTS:
            raise Invalid(f"start is {' or '.join(STARTS)}", hint="earliest reads all that the stream holds")

    def consume(self, source: Source, positions: Mapping[str, Position]) -> Generator[StreamBatch]:
        """``positions`` has the stream's name → ``{"id", "read"}``: the last entry, and how many were read in all."""
        import redis

        place = place_of(source)
        try:
            client = redis.Redis.from_url(
                place.url,
                username=source.options.get("username"),
                password=source.options.get("password"),
                socket_connect_timeout=10,
                socket_timeout=30,
            )
        except ValueError as error:
            raise Invalid(f"{source.uri!r} is no address of Redis: {error}") from None
        try:
            yield from _entries(client, place, source, positions.get(place.stream))
        except redis.AuthenticationError as error:
            raise Unavailable(f"Redis at {_shown(place)} refuses the log-in: {error}") from None
        except redis.RedisError as error:
            raise Unavailable(f"the stream {place.stream} of Redis at {_shown(place)}: {error}") from None
        finally:
            client.close()


def _shown(place: Place) -> str:
    parts = urlsplit(place.url)
    return parts.hostname + (f":{parts.port}" if parts.port else "") if parts.hostname else parts.path


def _entries(client: Any, place: Place, source: Source, known: Position | None) -> Generator[StreamBatch]:
    last, read = (str(known["id"]), int(known["read"])) if known else ("0-0", 0)
    if known is None and source.options.get("start") == "latest":
        last, read = _end(client, place.stream)
        yield StreamBatch(_table([], [], 0), {place.stream: {"id": last, "read": read}}, 0)
    while True:
        answer = client.xread({place.stream: last}, count=BATCH, block=WAIT)
        found = answer[0][1] if isinstance(answer, list) and answer else _only(answer)
        if not found:
            _, read = _end(client, place.stream) if last != "0-0" else (last, read)
            yield StreamBatch(_table([], [], 0), {}, 0)
            continue
        texts = [_text(fields, source.options.get("field")) for _, fields in found]
        rows = _table(texts, [name.decode() for name, _ in found], read)
        last, read = found[-1][0].decode(), read + len(found)
        added = _end(client, place.stream)[1]
        yield StreamBatch(rows, {place.stream: {"id": last, "read": read}}, max(added - read, 0))


def _only(answer: Any) -> Any:
    """The entries of the one stream, in the form of the third protocol."""
    found: Any = next(iter(answer.values()), []) if answer else []
    return found[0] if found and isinstance(found[0], list) else found


def _end(client: Any, stream: str) -> tuple[str, int]:
    """The last identifier of a stream and how many entries it was given in all; of none yet its beginning."""
    import redis

    try:
        told = client.xinfo_stream(stream)
    except redis.ResponseError as error:
        if "no such key" not in str(error).lower():
            raise
        return "0-0", 0
    last = told["last-generated-id"]
    return last.decode() if isinstance(last, bytes) else str(last), int(told.get("entries-added", told["length"]))


def _text(fields: Mapping[bytes, bytes] | None, field: str | None) -> str | None:
    import msgspec

    if fields is None:  # deleted meanwhile
        return None
    if field is not None:
        found = fields.get(field.encode())
        return None if found is None else found.decode(errors="replace")
    shown = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
    return msgspec.json.encode(shown).decode()


def _table(texts: list[str | None], names: list[str], read: int) -> pyarrow.Table:
    import pyarrow

    positions = [f'{{"id": "{name}", "read": {number}}}' for number, name in enumerate(names, read + 1)]
    columns = {JSON_COLUMN: texts, ID: names, POSITION: positions}
    return pyarrow.table({name: pyarrow.array(values, pyarrow.string()) for name, values in columns.items()})


SOURCES.add("redis", RedisSource())
