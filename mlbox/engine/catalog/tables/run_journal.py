"""What runs have told, one row a transaction, and how it comes into the tables of runs.

A row of the journal is written in a fraction of the time that those tables take, with their keys and VARIANT columns;
and of a short run all that it has told becomes one row, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mlbox.engine.catalog.tables import metrics, runs
from mlbox.engine.catalog.tables.metrics import Points
from mlbox.engine.catalog.tables.runs import AttemptRow, RunRow, TokenRow

if TYPE_CHECKING:
    import msgspec
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Points of metrics, column by column."""

    batch: str
    ordinals: Sequence[int]
    names: Sequence[str]
    steps: Sequence[int | None]
    values: Sequence[float]
    times: Sequence[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one transaction says of a run: that it begins, what it has told, that an attempt has ended."""

    project: str
    run_id: str
    at: datetime
    begun: RunRow | None = None
    token: TokenRow | None = None
    """With ``begun``."""
    batch: str | None = None
    """Which is let in only once."""
    told: Told | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Columns of the run."""
    ended: AttemptRow | None = None
    first: bool = False
    """No end of this attempt is on record."""


def encode(entry: Entry) -> bytes | None:
    """MessagePack; None when something in it has no place there, as a whole number of more than 64 bits."""
    import msgspec

    try:
        return msgspec.msgpack.encode(entry)
    except (TypeError, ValueError, OverflowError):
        return None


@cache
def _decoder() -> msgspec.msgpack.Decoder[Entry]:
    import msgspec

    return msgspec.msgpack.Decoder(Entry)


def append(cursor: DuckDBPyConnection, run_id: str, encoded: bytes) -> None:
    """Add an entry."""
    cursor.execute("INSERT INTO catalog.main.run_journal (run_id, entry) VALUES (?, ?)", [run_id, encoded])


def load(cursor: DuckDBPyConnection) -> list[Entry]:
    """All entries, in their order, those that were refused too. What this version cannot read stays where it is, and
    says so."""
    import msgspec

    found = []
    cursor.execute("UPDATE catalog.main.run_journal SET refused = NULL WHERE refused IS NOT NULL")
    rows = cursor.execute("SELECT run_id, entry FROM catalog.main.run_journal ORDER BY rowid").fetchall()
    for run_id, entry in rows:
        try:
            found.append(_decoder().decode(entry))
        except msgspec.DecodeError as error:
            refuse(cursor, run_id, f"it cannot be read: {error}")
    unread = set(run_id for run_id, _ in rows) - {entry.run_id for entry in found}
    return found if not unread else [entry for entry in found if entry.run_id not in unread]


def refuse(cursor: DuckDBPyConnection, run_id: str, why: str) -> None:
    """Leave the entries of a run where they are."""
    cursor.execute("UPDATE catalog.main.run_journal SET refused = ? WHERE run_id = ?", [why, run_id])


def take_over(cursor: DuckDBPyConnection, entries: Sequence[Entry]) -> None:
    """Bring ``entries`` into the tables and take them out of the journal; what was refused of their runs stays."""
    apply(cursor, entries)
    ids = list({entry.run_id for entry in entries})
    cursor.execute(
        "DELETE FROM catalog.main.run_journal WHERE list_contains(?::VARCHAR[], run_id) AND refused IS NULL", [ids]
    )


def apply(cursor: DuckDBPyConnection, entries: Sequence[Entry], before: Mapping[str, RunRow] | None = None) -> None:
    """Bring ``entries`` into the tables of runs; ``before``: runs as they are there."""
    of_run = sorted(entries, key=lambda entry: entry.run_id)  # stable: each run's in their order
    for run_id, said in groupby(of_run, key=lambda entry: entry.run_id):
        _apply_run(cursor, run_id, list(said), (before or {}).get(run_id))
    metrics.enter_batches(
        cursor, [(entry.project, entry.run_id, entry.batch, entry.at) for entry in entries if entry.batch is not None]
    )
    metrics.insert_all(cursor, list(_points(entries)))


def _apply_run(cursor: DuckDBPyConnection, run_id: str, said: Sequence[Entry], before: RunRow | None) -> None:
    changes: dict[str, Any] = {}
    for entry in said:
        changes.update(entry.changes)
    begun, token = said[0].begun, said[0].token
    ended = [entry for entry in said if entry.ended is not None]
    if begun is not None:
        runs.insert(cursor, replace(begun, **changes))
        if token is not None and not ended:
            runs.set_token(cursor, token, new=True)
    elif changes:
        runs.change(cursor, run_id, changes, before or runs.get(cursor, run_id))
    for entry in ended:
        assert entry.ended is not None
        runs.insert_attempt(cursor, entry.ended, entry.first)
    if ended and begun is None:
        runs.delete_token(cursor, run_id)


def _points(entries: Iterable[Entry]) -> Iterable[Points]:
    for entry in entries:
        if entry.told is not None and entry.told.names:
            told = entry.told
            yield Points(
                entry.project, entry.run_id, told.batch, told.ordinals, told.names, told.steps, told.values, told.times
            )
