"""What an endpoint needs to answer: inputs of its callers, and features of their entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class OnlineReader(Protocol):
    """Features of a vector by entity, from the online store."""

    @property
    def entities(self) -> Sequence[str]:
        """Names of the keys."""
        ...

    @property
    def entity_types(self) -> Mapping[str, str]:
        """Their types in SQL's words."""
        ...

    @property
    def features(self) -> Sequence[str]:
        """Names of what it gives."""
        ...

    def read(
        self, columns: Mapping[str, Sequence[Any]], at: Sequence[datetime | None] | None = None
    ) -> Mapping[str, Sequence[Any]]:
        """Values of each feature for each row of keys; ``None`` where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Need:
    """A tensor that callers send."""

    name: str
    datatype: str
    required: bool = True
    shape: tuple[int, ...] = (-1,)
