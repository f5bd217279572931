"""Rows in and out of a store, by the layout of their set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.engine.features.stores.online.base import Item, OnlineStore, Row, Schema
from mlbox.engine.features.stores.online.codec import Layout

BATCH = 10_000


def put_many(store: OnlineStore, schema: Schema, rows: Iterable[Row], *, replace: bool = False) -> int:
    """Write rows, all or none; see ``OnlineStore.put``. ``Invalid`` for a row without an entity or of another type."""
    return store.put(schema.set_id, packed(Layout(schema), rows), replace=replace)


def packed(layout: Layout, rows: Iterable[Row]) -> Iterator[list[Item]]:
    """Keys and values of rows, batch by batch."""
    found = iter(rows)
    while batch := list(islice(found, BATCH)):
        yield [(check(layout.keys.pack(row.key)), layout.pack(row)) for row in batch]


def check(key: bytes | None) -> bytes:
    """A row has every entity."""
    if key is None:
        raise Invalid("an entity value is missing")
    return key


def get_many(store: OnlineStore, schema: Schema, keys: Sequence[Sequence[Any]]) -> list[Row | None]:
    """The row of each key, in order, all of one state; a key that holds None has no row.

    Values are taken by the entity's type: ``7``, ``7.0`` and ``"7"`` are one BIGINT. ``Invalid`` for what is none.
    """
    layout = Layout(schema)
    raws = store.fetch([layout.keys.pack(key) for key in keys])
    return [None if raw is None else layout.unpack(key, raw) for key, raw in zip(keys, raws, strict=True)]
