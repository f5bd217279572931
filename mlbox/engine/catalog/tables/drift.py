"""Rows of drift: the values of a monitor's metrics, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.engine.catalog.incoming import registered

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class DriftRow:
    """A value. ``segment`` is empty for all rows of the window, ``feature`` for a metric of the whole window."""

    project: str
    monitor: str
    target: str
    window_start: datetime
    window_end: datetime
    segment: str
    metric: str
    feature: str
    value: float | None
    n: int
    computed_at: datetime


_NAMES = tuple(entry.name for entry in fields(DriftRow))


def replace(
    cursor: DuckDBPyConnection, project: str, monitor: str, windows: Sequence[datetime], rows: Sequence[DriftRow]
) -> None:
    """Put ``rows`` in the place of all that was known of these windows."""
    import pyarrow

    cursor.execute(
        "DELETE FROM catalog.main.drift "
        "WHERE project = ? AND monitor = ? AND list_contains(?::TIMESTAMPTZ[], window_start)",
        [project, monitor, list(windows)],
    )
    if not rows:
        return
    time = pyarrow.timestamp("us", "UTC")
    kinds = {"value": pyarrow.float64(), "n": pyarrow.int64()}
    kinds |= dict.fromkeys(("window_start", "window_end", "computed_at"), time)
    batch = pyarrow.table(
        {
            name: pyarrow.array([getattr(row, name) for row in rows], kinds.get(name, pyarrow.string()))
            for name in _NAMES
        }
    )
    with registered(cursor, "_drift_batch", batch):
        cursor.execute("INSERT INTO catalog.main.drift BY NAME SELECT * FROM _drift_batch")
