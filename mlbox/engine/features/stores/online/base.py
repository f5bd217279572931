"""What an online store is: the newest row of each entity of a set, by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mlbox.base.errors import Invalid
from mlbox.base.registry import Registry


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do."""

    many_machines: bool
    """Whether servers on other machines can read it."""
    durable: bool
    """Whether what was acknowledged survives a crash."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A version of a set: its id (32 hexadecimal digits) and the DuckDB types of its entities and features."""

    set_id: str
    entities: tuple[str, ...]
    features: tuple[str, ...]


class Row(NamedTuple):
    """A row of a set: times in microseconds since 1970 (UTC), values in the order of the set's features."""

    key: Sequence[Any]
    known_at: int
    event_time: int
    sequence: int
    values: tuple[Any, ...]

    @property
    def order(self) -> tuple[int, int, int]:
        """A row replaces one of lower order only."""
        return (self.known_at, self.event_time, self.sequence)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is: ``folder`` of the home, or ``url`` and ``password`` of the settings."""

    folder: Path
    url: str = ""
    password: str = ""
    read_only: bool = False
    """For a process that is not the owner of the home."""


SET_BYTES = 16
"""Bytes of a key that name its set."""
Item = tuple[bytes, bytes]
"""Key and value as :class:`~.codec.Layout` packs them: a key begins with its set, a value with its order."""


class OnlineStore(Protocol):
    """Bytes by key. A key begins with the 16 bytes of the id of its set's version; see ``codec`` for the value.

    ``Unavailable`` while it cannot be used.
    """

    capabilities: Capabilities

    def put(self, set_id: str, batches: Iterable[Sequence[Item]], *, replace: bool = False, mark: bytes = b"") -> int:
        """Write values of one set, all or none (what ``batches`` raises too); how many were written.

        A value replaces one of lower order only (``codec.order_of``). With ``replace`` the values are all that the set
        has from then on; readers see the old or the new state. A ``mark`` is kept with them, in place of the last one.
        """
        ...

    def fetch(self, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """The values of keys of any sets, in order and all of one state; None for what is not there."""
        ...

    def delete(self, keys: Sequence[bytes]) -> int:
        """Forget values; how many there were."""
        ...

    def mark(self, set_id: str) -> bytes | None:
        """The last mark of the set; None where there is none, or the store has lost it."""
        ...

    def drop(self, set_id: str) -> None:
        """Forget a set."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class StoreFactory(Protocol):
    """Opens a store: in a folder of the home, or at the address of the setting ``online_store``."""

    def __call__(self, place: Place) -> OnlineStore:
        """The store."""
        ...


STORES: Registry[StoreFactory] = Registry("online store", "mlbox.engine.features.stores.online")

_SCHEMES = {"": "lmdb", "rediss": "redis", "unix": "redis"}


def open_store(place: Place) -> OnlineStore:
    """The store at an address, by its scheme; in the home without one."""
    scheme = place.url.partition("://")[0].lower()
    name = _SCHEMES.get(scheme, scheme)
    if name not in STORES.names():
        raise Invalid(
            f"the setting online_store names no online store: {scheme}", hint=f"known: {', '.join(STORES.names())}"
        )
    return STORES.get(name)(place)
