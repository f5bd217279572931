"""The messages of a queue that were stored last, so that one that is delivered again is known.

A broker gives again what was not acknowledged: after a crash between commit and acknowledgement the last batch, after a
crash of its own a little more, as it writes acknowledgements to disk some moments later. So some thousands are enough.
They stand in slots, each a part of the source's positions, so that a commit writes the last slot alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from mlbox.engine.features.sources.base import Position

SLOTS, SLOT = 4, 1000
"""Slots, and names in each: at least (SLOTS - 1) * SLOT messages are known, or that many prefetches."""
T = TypeVar("T")


class Recent:
    """Names in ``SLOTS`` slots; the oldest slot goes when a new one begins.

    A position of a slot is ``{"slot", "names"}``; slots are numbered on, and stand in the parts ``slot-0``, ...
    """

    def __init__(self, positions: Mapping[str, Position], size: int = SLOT) -> None:
        self._size = size
        self._slots: dict[int, list[str]] = {
            int(found["slot"]): list(found["names"]) for found in positions.values() if "names" in found
        }
        self._names = {name for names in self._slots.values() for name in names}
        self._changed: set[int] = set()

    def new(self, named: Iterable[tuple[str | None, T]]) -> list[T]:
        """Those that were not there before, which are known from now on; one without a name is always new."""
        found = []
        for name, item in named:
            if name is not None:
                if name in self._names:
                    continue
                self._add(name)
            found.append(item)
        return found

    def positions(self) -> dict[str, dict[str, Any]]:
        """The slots that changed since the last call."""
        changed, self._changed = self._changed & self._slots.keys(), set()
        return {f"slot-{slot % SLOTS}": {"slot": slot, "names": list(self._slots[slot])} for slot in sorted(changed)}

    def _add(self, name: str) -> None:
        slot = max(self._slots, default=0)
        if len(self._slots.setdefault(slot, [])) >= self._size:
            slot += 1
            self._slots[slot] = []
            self._names -= set(self._slots.pop(slot - SLOTS, []))
        self._slots[slot].append(name)
        self._names.add(name)
        self._changed.add(slot)
