"""What an online store is: the newest row of each entity of a set, by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mlbox.base.registry import Registry


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do."""

    many_machines: bool
    """Whether servers on other machines can read it."""
    durable: bool
    """Whether what was acknowledged survives a crash."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a set: times in microseconds since 1970 (UTC), values in the order of the set's features."""

    key: tuple[Any, ...]
    known_at: int
    event_time: int
    sequence: int
    values: tuple[Any, ...]

    @property
    def order(self) -> tuple[int, int, int]:
        """A row replaces one of lower order only."""
        return (self.known_at, self.event_time, self.sequence)


class OnlineStore(Protocol):
    """Keys are tuples of entity values; a set is named by the id of its version, its schema by its feature types."""

    capabilities: Capabilities

    def put_many(self, set_id: str, types: Sequence[str], rows: Iterable[Row]) -> int:
        """Write rows, all or none; an older row never replaces a newer one. Returns how many were written."""
        ...

    def get_many(self, set_id: str, types: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> list[Row | None]:
        """The row of each key, in order."""
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
