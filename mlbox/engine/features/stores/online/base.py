"""What an online store is: the newest row of each entity of a set, by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

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


class OnlineStore(Protocol):
    """Keys are tuples of entity values; a set is known by the id of its version."""

    capabilities: Capabilities

    def put_many(self, schema: Schema, rows: Iterable[Row], *, replace: bool = False) -> int:
        """Write rows, all or none; an older row never replaces a newer one. Returns how many were written.

        With ``replace`` the rows are all that the set has from then on; readers see the old or the new state.
        """
        ...

    def get_many(self, schema: Schema, keys: Sequence[Sequence[Any]]) -> list[Row | None]:
        """The row of each key, in order, all of one state; a key that holds None has no row.

        Values are taken by the entity's type: ``7``, ``7.0`` and ``"7"`` are one BIGINT. ``Invalid`` for what is none.
        """
        ...

    def drop(self, set_id: str) -> None:
        """Forget a set."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class StoreFactory(Protocol):
    """Opens a store under a folder of the home."""

    def __call__(self, folder: Path) -> OnlineStore:
        """The store."""
        ...


STORES: Registry[StoreFactory] = Registry("online store", "mlbox.engine.features.stores.online")
