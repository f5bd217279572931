"""Rows of runs as the writer has left them, so that a batch of a run need not read what the one before has written.

Reading a run takes a millisecond, and what it has told may wait in the journal; a short run of a script is two writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.runs import RunRow

_MOST = 512
_MOST_BATCHES = 5_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """A row, and whether it is of a run that began in this process and has done nothing but tell: none of its
    attempts has ended."""

    row: RunRow
    first: bool
    batches: set[str] | None = None
    """Those that were let in, when all of them are known."""


class RunMemory:
    """For operations of one catalog's writer, which alone calls it: all that changes a run forgets it, and who has
    changed it may say how it is now."""

    def __init__(self) -> None:
        self._rows: dict[str, Remembered] = {}
        _ALL.add(self)

    def get(self, run_id: str) -> Remembered | None:
        """The run as it is in the catalog; None when that must be read."""
        return self._rows.get(run_id)

    def put(self, row: RunRow, first: bool, batches: set[str] | None = None) -> None:
        """How the run is after the operation that says so."""
        if batches is not None and len(batches) > _MOST_BATCHES:
            batches = None
        if len(self._rows) >= _MOST and row.id not in self._rows:
            self._rows.pop(next(iter(self._rows)), None)
        params, metrics, labels = (dict(sorted(values.items())) for values in (row.params, row.metrics, row.labels))
        row = replace(row, params=params, metrics=metrics, labels=labels)  # in the order that the catalog gives
        self._rows[row.id] = Remembered(row, first, batches)

    def forget(self, run_ids: Iterable[str]) -> None:
        """These runs are not as they were."""
        for run_id in run_ids:
            self._rows.pop(run_id, None)

    def clear(self) -> None:
        """Nothing is known: a transaction was undone."""
        self._rows.clear()


_ALL: WeakSet[RunMemory] = WeakSet()


def changed(run_ids: Iterable[str] | None = None) -> None:
    """Rows of these runs, or of unknown ones, have been changed."""
    for memory in list(_ALL):
        if run_ids is None:
            memory.clear()
        else:
            memory.forget(run_ids)
