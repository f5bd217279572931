"""The embedded online store: LMDB, a memory-mapped B+ tree that many processes can read at once (symas.com/lmdb)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mlbox.engine.features.stores.online.base import STORES, Capabilities, Row
from mlbox.engine.features.stores.online.codec import Layout, order_of, pack_key

FIRST_SIZE = 1 << 30
"""Bytes of address space at first; the file takes what it holds. It doubles when full."""


class LmdbStore:
    """One environment for all sets of a home."""

    capabilities = Capabilities(many_machines=False, durable=True)

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        import lmdb

        folder.mkdir(parents=True, exist_ok=True)
        self._full = lmdb.MapFullError
        file = folder / "data.mdb"
        size = max(FIRST_SIZE, file.stat().st_size * 2 if file.exists() else 0)
        self._environment = lmdb.open(str(folder), map_size=size, readonly=read_only, max_readers=512)

    def put_many(self, set_id: str, types: Sequence[str], rows: Iterable[Row]) -> int:
        """One transaction."""
        layout, prefix = Layout(tuple(types)), bytes.fromhex(set_id)
        packed = [(pack_key(prefix, row.key), row.order, layout.pack(row)) for row in rows]
        while True:
            try:
                return self._put(packed)
            except self._full:
                self._environment.set_mapsize(self._environment.info()["map_size"] * 2)

    def _put(self, packed: list[tuple[bytes, tuple[int, int, int], bytes]]) -> int:
        written = 0
        with self._environment.begin(write=True) as transaction:
            for key, order, value in packed:
                present = transaction.get(key)
                if present is None or order_of(present) < order:
                    transaction.put(key, value)
                    written += 1
        return written

    def get_many(self, set_id: str, types: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> list[Row | None]:
        """One read transaction, so that all rows are of one state."""
        layout, prefix = Layout(tuple(types)), bytes.fromhex(set_id)
        found: list[Row | None] = []
        with self._environment.begin() as transaction:
            for key in keys:
                raw = transaction.get(pack_key(prefix, key))
                found.append(None if raw is None else layout.unpack(key, raw))
        return found

    def drop(self, set_id: str) -> None:
        """Delete all keys of the set."""
        prefix = bytes.fromhex(set_id)
        with self._environment.begin(write=True) as transaction, transaction.cursor() as cursor:
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                found = cursor.delete()

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()


@STORES.register("lmdb")
def open_lmdb(folder: Path) -> LmdbStore:
    """The embedded store in a folder."""
    return LmdbStore(folder)
