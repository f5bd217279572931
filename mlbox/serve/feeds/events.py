"""Events on their way: each with a name of its own and the place behind it, so that work can go on from there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlbox.engine.features.sources.base import ID, POSITION, StreamBatch
from mlbox.engine.features.streaming.rows import JSON, PART

if TYPE_CHECKING:
    import pyarrow

Positions = Mapping[str, str]
"""By part: how far it was read, as JSON text."""
WHOLE = ""
"""The one part of what has no parts."""


@dataclass(frozen=True, slots=True)
class Event:
    """``body`` is its JSON object; ``wrong`` says why it has none. ``position`` is that of its part behind it; None
    where only that behind the whole batch is known."""

    id: str
    text: str
    body: Mapping[str, Any] | None
    wrong: str | None = None
    part: str = WHOLE
    position: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Events that have come, the positions behind all of them, and how many wait behind these."""

    events: Sequence[Event]
    positions: Positions = field(default_factory=dict)
    lag: int | None = None


def read(identifier: str, text: str | None, part: str = WHOLE, position: str | None = None) -> Event:
    """An event from its text."""
    if text is None:
        return Event(identifier, "null", None, "the row is empty", part, position)
    try:
        body = json.loads(text)
    except ValueError:
        return Event(identifier, text, None, "the row is not JSON", part, position)
    if not isinstance(body, dict) or not body:
        return Event(identifier, text, None, "the row is not a JSON object with fields", part, position)
    return Event(identifier, text, body, None, part, position)


def of_batch(batch: StreamBatch) -> Chunk:
    """What a stream gave. A row without a name is named by its text."""
    positions = {part: json.dumps(dict(position)) for part, position in batch.positions.items()}
    rows = batch.rows
    if not len(rows):
        return Chunk((), positions, batch.lag)
    only = next(iter(positions)) if len(positions) == 1 else WHOLE
    parts: list[str] = rows.column(PART).to_pylist() if PART in rows.column_names else [only] * len(rows)
    texts = _texts(rows)
    names = rows.column(ID).to_pylist() if ID in rows.column_names else [_named(text) for text in texts]
    places = rows.column(POSITION).to_pylist() if POSITION in rows.column_names else [None] * len(rows)
    events = [read(*given) for given in zip(names, texts, parts, places, strict=True)]
    return Chunk(events, positions, batch.lag)


def slices(chunk: Chunk, size: int) -> Iterator[Chunk]:
    """The same in pieces that can be committed one by one; whole where the events do not say their places."""
    events = chunk.events
    if len(events) <= size or any(event.position is None for event in events):
        yield chunk
        return
    for start in range(0, len(events), size):
        piece = events[start : start + size]
        left = len(events) - start - len(piece)
        positions = {event.part: str(event.position) for event in piece}
        lag = None if chunk.lag is None else chunk.lag + left
        yield Chunk(piece, positions if left else {**positions, **chunk.positions}, lag)


def _texts(rows: pyarrow.Table) -> list[str | None]:
    if JSON in rows.column_names:
        found: list[str | None] = rows.column(JSON).to_pylist()
        return found
    plain = rows.drop_columns([name for name in (PART, ID, POSITION) if name in rows.column_names])
    return [json.dumps(row, default=str) for row in plain.to_pylist()]


def _named(text: str | None) -> str:
    return hashlib.sha256((text or "").encode()).hexdigest()[:32]
