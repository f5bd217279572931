"""What workers have counted, on its way to the server, and added up there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlbox.serve.meter import Meter

if TYPE_CHECKING:
    from mlbox.serve.directory import Slot
    from mlbox.serve.record import Statistics


@dataclass(slots=True)
class Counted:
    """Meters and versions by the key of an endpoint, and rows that the log has lost and taken."""

    meters: dict[str, Meter] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    dropped: int = 0
    written: int = 0
    """Rows that have arrived at the server."""
    by_worker: dict[int, int] = field(default_factory=dict)
    """Requests that each worker that is there has answered since it began."""
    ended: int = 0
    """Workers that have ended without being told to."""

    @classmethod
    def of(cls, slots: Iterable[Slot], log: Statistics) -> Counted:
        """As it is now."""
        found = cls(dropped=log.dropped)
        for slot in slots:
            found.meters[slot.key] = slot.meter
            if slot.runtime is not None:
                found.versions[slot.key] = slot.runtime.version
        return found

    def add(self, other: Counted) -> None:
        """Add what another has counted."""
        for key, meter in other.meters.items():
            self.meters.setdefault(key, Meter()).add(meter)
        self.versions.update(other.versions)
        self.dropped += other.dropped
        self.written += other.written
        self.ended += other.ended

    @property
    def requests(self) -> int:
        """Of all endpoints."""
        return sum(meter.requests for meter in self.meters.values())

    def rest(self) -> Counted:
        """What stays of a worker that is gone: nothing of it is under way."""
        for meter in self.meters.values():
            meter.waiting = 0
        return self


def total(parts: Iterable[Counted]) -> Counted:
    """All together."""
    found = Counted()
    for part in parts:
        found.add(part)
    return found


def merged(comparisons: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """What was compared at switching, by several: numbers added up, of the differences the largest."""
    found: dict[str, float] = {}
    for each in comparisons:
        for name, value in each.items():
            largest = name == "largest_difference"
            found[name] = max(found.get(name, 0.0), value) if largest else found.get(name, 0) + value
    return found
