"""The online store on Redis (7 or later, one node), for servers on several machines.

A set is a hash: the field is the key without its set, the value what ``Layout`` packs, the empty field the mark.
Scripts compare orders and write, so that what others read is one state. Several batches are gathered in a hash beside
it, and go in at once when all have come; that of an attempt that died expires.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid, NotExecuted, Unavailable
from mlbox.base.ids import new_id
from mlbox.engine.features.stores.online.base import SET_BYTES, STORES, Capabilities, Item, Place

T = TypeVar("T")
SECONDS = 5.0
"""Longest wait for a connection, and for an answer to a read; writes of whole sets may take longer."""
WRITE_SECONDS = 300.0
STAGED_SECONDS = 86_400
AWAY = "the online store does not answer"

# Lua has doubles only, so a 64-bit number of the order is compared as high and low half.
_ORDER = """
local function newer(raw, present)
    local a, b = {struct.unpack('<I4i4I4i4I4i4', raw)}, {struct.unpack('<I4i4I4i4I4i4', present)}
    for place = 1, 5, 2 do
        if a[place + 1] ~= b[place + 1] then return a[place + 1] > b[place + 1] end
        if a[place] ~= b[place] then return a[place] > b[place] end
    end
    return false
end
local function put(hash, field, raw)
    local present = redis.call('HGET', hash, field)
    if present and not newer(raw, present) then return 0 end
    redis.call('HSET', hash, field, raw)
    return 1
end
"""
_PUT = (
    _ORDER
    + """
local written = 0
if ARGV[1] == '1' then redis.call('UNLINK', KEYS[1]) end
for place = 4, #ARGV, 2 do written = written + put(KEYS[1], ARGV[place], ARGV[place + 1]) end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], '', ARGV[2]) end
if ARGV[3] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return written
"""
)
"""Key: hash. Arguments: whether what is there goes first, mark, seconds to live, then fields and values."""
_MERGE = (
    _ORDER
    + """
local written = 0
if ARGV[1] == '1' or redis.call('EXISTS', KEYS[2]) == 0 then
    written = redis.call('HLEN', KEYS[1])
    redis.call('UNLINK', KEYS[2])
    if written > 0 then
        redis.call('RENAME', KEYS[1], KEYS[2])
        redis.call('PERSIST', KEYS[2])
    end
else
    local cursor = '0'
    repeat
        local found = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', 1000)
        cursor = found[1]
        for place = 1, #found[2], 2 do written = written + put(KEYS[2], found[2][place], found[2][place + 1]) end
    until cursor == '0'
    redis.call('UNLINK', KEYS[1])
end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[2], '', ARGV[2]) end
return written
"""
)
"""Keys: gathered, hash. Arguments: whether what is there goes first, mark."""


class RedisStore:
    """Connections are made when they are first needed, and again after they broke."""

    capabilities = Capabilities(many_machines=True, durable=False)

    def __init__(self, url: str, password: str) -> None:
        self._shown = shown(url)
        self._reads = _connect(url, password, SECONDS, self._shown)
        self._writes = _connect(url, password, WRITE_SECONDS, self._shown)
        self._put = self._writes.register_script(_PUT)
        self._merge = self._writes.register_script(_MERGE)
        self._lock = threading.Lock()

    def put(self, set_id: str, batches: Iterable[Sequence[Item]], *, replace: bool = False, mark: bytes = b"") -> int:
        """One batch goes in by itself, several are gathered first."""
        target, staged = _hash(set_id), f"{_hash(set_id)}:{new_id()}"
        every = iter(batches)
        first, second = next(every, ()), next(every, None)
        flag = b"1" if replace else b"0"
        if second is None:
            arguments = [flag, mark, b"0", *_fields(first)]
            return int(self._ask(lambda: self._put(keys=[target], args=arguments)))
        try:
            for batch in chain((first, second), every):
                self._gather(staged, batch)
            return int(self._ask(lambda: self._merge(keys=[staged, target], args=[flag, mark])))
        except BaseException:
            with suppress(Unavailable):
                self._ask(lambda: self._writes.unlink(staged))
            raise

    def _gather(self, staged: str, batch: Sequence[Item]) -> None:
        arguments = [b"0", b"", str(STAGED_SECONDS).encode(), *_fields(batch)]
        self._ask(lambda: self._put(keys=[staged], args=arguments))

    def fetch(self, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """One round trip: a command for one set, a transaction for several."""
        fields: dict[bytes, list[bytes]] = {}
        for key in keys:
            if key is not None:
                fields.setdefault(key[:SET_BYTES], []).append(key[SET_BYTES:])
        if not fields:
            return [None] * len(keys)
        values = self._ask(lambda: self._values(fields))
        found = {prefix: iter(own) for prefix, own in zip(fields, values, strict=True)}
        return [None if key is None else next(found[key[:SET_BYTES]]) for key in keys]

    def _values(self, fields: dict[bytes, list[bytes]]) -> list[list[bytes | None]]:
        if len(fields) == 1:
            ((prefix, own),) = fields.items()
            return [self._reads.hmget(_hash(prefix.hex()), own)]
        with self._reads.pipeline(transaction=True) as pipeline:
            for prefix, own in fields.items():
                pipeline.hmget(_hash(prefix.hex()), own)
            answers: list[list[bytes | None]] = pipeline.execute()
            return answers

    def delete(self, keys: Sequence[bytes]) -> int:
        """By set."""
        fields: dict[bytes, list[bytes]] = {}
        for key in keys:
            fields.setdefault(key[:SET_BYTES], []).append(key[SET_BYTES:])
        return sum(
            int(self._ask(lambda own=own, prefix=prefix: self._writes.hdel(_hash(prefix.hex()), *own)))  # type: ignore[misc]
            for prefix, own in fields.items()
        )

    def mark(self, set_id: str) -> bytes | None:
        """The empty field."""
        found: bytes | None = self._ask(lambda: self._reads.hget(_hash(set_id), ""))
        return found

    def drop(self, set_id: str) -> None:
        """The hash goes in the background of Redis."""
        self._ask(lambda: self._writes.unlink(_hash(set_id)))

    def close(self) -> None:
        """Close the connections."""
        self._reads.close()
        self._writes.close()

    def _ask(self, work: Callable[[], T]) -> T:
        with _told(self._shown):
            return work()


def _hash(set_id: str) -> str:
    return f"mlbox:online:{set_id}"


def _fields(batch: Sequence[Item]) -> Iterator[bytes]:
    for key, raw in batch:
        yield key[SET_BYTES:]
        yield raw


def shown(url: str) -> str:
    """An address without its password, and without what follows the path."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}"


def _connect(url: str, password: str, seconds: float, told: str) -> Any:
    try:
        import redis
        from redis.backoff import ExponentialBackoff
        from redis.retry import Retry
    except ImportError:
        raise NotExecuted(
            "the online store on Redis needs the package redis", hint="pip install 'mlbox[redis]'"
        ) from None
    more = {"password": password} if password else {}
    try:
        return redis.Redis.from_url(
            url,
            socket_connect_timeout=SECONDS,
            socket_timeout=seconds,
            health_check_interval=30,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), 3),
            retry_on_error=[redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError],
            **more,
        )
    except ValueError as error:
        raise Invalid(
            f"the setting online_store = {told} is no address of Redis: {error}",
            hint="redis://host:6379/0, rediss://… with TLS, or unix:///path/to/socket",
        ) from None


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Errors of Redis as ours."""
    import redis

    try:
        yield
    except redis.AuthenticationError as error:
        raise Unavailable(
            f"the online store {place} refuses the password: {error}",
            hint="set MLBOX_ONLINE_STORE_PASSWORD, or the user and password of the address",
        ).kept_from_others(AWAY) from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise Unavailable(
            f"the online store {place} cannot be reached: {error}",
            hint="start it, or see the setting online_store; what was written offline follows by itself",
        ).kept_from_others(AWAY) from None
    except redis.RedisError as error:
        if "maxmemory" in str(error):
            full = Unavailable(f"the online store {place} is full", hint="raise its maxmemory, or drop sets")
            raise full.kept_from_others("the online store is full") from None
        refused = Unavailable(f"the online store {place} refuses: {error}", hint="its own log has the details")
        raise refused.kept_from_others(AWAY) from None


@STORES.register("redis")
def open_redis(place: Place) -> RedisStore:
    """The store at an address."""
    return RedisStore(place.url, place.password)
