"""What is taken from the buffer of the prediction log to be written together, and how it is divided."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlbox.engine.catalog.tables.predictions import TrafficRow

if TYPE_CHECKING:
    from mlbox.serve.rows import Recorded

WRITTEN_AT = 16 << 20
"""Bytes of tensors from which on they are written at once, and as many together."""


@dataclass(slots=True)
class Count:
    """Of an endpoint in a minute, as :class:`TrafficRow`."""

    requests: int = 0
    errors: int = 0
    unrecorded: int = 0
    last_us: int = 0

    def add(self, other: Count) -> None:
        """Those of the same endpoint and minute."""
        self.requests += other.requests
        self.errors += other.errors
        self.unrecorded += other.unrecorded
        self.last_us = max(self.last_us, other.last_us)


@dataclass(slots=True)
class Taken:
    """Entries and counts that are written in one transaction."""

    entries: Sequence[Recorded] = ()
    counts: dict[tuple[str, str, int], Count] = field(default_factory=dict)
    """By project, endpoint and minute since 1970."""
    rows: int = 0
    held: int = 0
    waited: bool = False
    """Whether somebody waits for what was taken together."""


def chunk(entries: deque[Recorded], most: int) -> Taken:
    """Entries of so many rows from the front, taken away there."""
    taken: list[Recorded] = []
    rows = held = 0
    while entries and rows < most and held < WRITTEN_AT:
        entry = entries.popleft()
        taken.append(entry)
        rows += entry.rows
        held += entry.held
    return Taken(taken, rows=rows, held=held)


def parts_of(taken: Taken) -> list[Taken]:
    """The counts alone, then the entries of each endpoint."""
    found: dict[tuple[str, str], list[Recorded]] = {}
    for entry in taken.entries:
        found.setdefault((entry.project, entry.endpoint), []).append(entry)
    return [Taken(counts=taken.counts), *(_part(entries, taken.waited) for entries in found.values())]


def halves(taken: Taken) -> list[Taken]:
    """The entries of both halves."""
    middle = len(taken.entries) // 2
    return [_part(entries, taken.waited) for entries in (taken.entries[:middle], taken.entries[middle:])]


def _part(entries: Sequence[Recorded], waited: bool) -> Taken:
    rows, held = sum(entry.rows for entry in entries), sum(entry.held for entry in entries)
    return Taken(entries, rows=rows, held=held, waited=waited)


def traffic(key: tuple[str, str, int], count: Count) -> TrafficRow:
    """As the table has it."""
    project, endpoint, minute = key
    return TrafficRow(
        project,
        endpoint,
        datetime.fromtimestamp(minute * 60, UTC),
        count.requests,
        count.errors,
        count.unrecorded,
        datetime.fromtimestamp((count.last_us or minute * 60_000_000) / 1e6, UTC),
    )
