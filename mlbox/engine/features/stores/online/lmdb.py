"""The embedded online store: LMDB, a memory-mapped B+ tree that many processes can read at once (symas.com/lmdb)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.features.stores.online.base import STORES, Capabilities, Row, Schema
from mlbox.engine.features.stores.online.codec import Layout, order_of

ADDRESS_SPACE = (1 << 40, 1 << 36, 1 << 32)
"""Bytes of addresses reserved: the first that the system grants. The file takes what it holds, never more.

It is not grown later: that would need every reader of every process to pause.
"""


class LmdbStore:
    """One environment for all sets of a home. Other processes may open it with ``read_only``."""

    capabilities = Capabilities(many_machines=False, durable=True)

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = _open(folder, read_only)
        self._layouts: dict[str, Layout] = {}
        if not read_only:
            self._environment.reader_check()  # slots of readers that died

    def _layout(self, schema: Schema) -> Layout:
        layout = self._layouts.get(schema.set_id)
        if layout is None:
            layout = self._layouts[schema.set_id] = Layout(schema)
        return layout

    def put_many(self, schema: Schema, rows: Iterable[Row], *, replace: bool = False) -> int:
        """One transaction."""
        import lmdb

        layout = self._layout(schema)
        written = 0
        try:
            with self._environment.begin(write=True) as transaction:
                if replace:
                    _delete(transaction, layout.keys.prefix)
                for row in rows:
                    key = layout.keys.pack(row.key)
                    if key is None:
                        raise Invalid("an entity value is missing")
                    present = transaction.get(key)
                    if present is None or order_of(present) < row.order:
                        transaction.put(key, layout.pack(row))
                        written += 1
        except (lmdb.MapFullError, lmdb.DiskError, OSError) as error:
            raise Unavailable(f"the online store is full: {error}", hint="free space on the disk of the home") from None
        return written

    def get_many(self, schema: Schema, keys: Sequence[Sequence[Any]]) -> list[Row | None]:
        """One read transaction, so that all rows are of one state."""
        layout = self._layouts.get(schema.set_id) or self._layout(schema)
        pack, unpack = layout.keys.pack, layout.unpack
        found: list[Row | None] = []
        with self._environment.begin(buffers=False) as transaction:
            get = transaction.get
            for key in keys:
                packed = pack(key)
                raw = None if packed is None else get(packed)
                found.append(None if raw is None else unpack(key, raw))
        return found

    def drop(self, set_id: str) -> None:
        """Delete all keys of the set."""
        with self._environment.begin(write=True) as transaction:
            _delete(transaction, bytes.fromhex(set_id))
        self._layouts.pop(set_id, None)

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()


def _open(folder: Path, read_only: bool) -> Any:
    import lmdb

    for size in ADDRESS_SPACE:
        try:
            return lmdb.open(str(folder), map_size=size, readonly=read_only, max_readers=512)
        except lmdb.MemoryError:
            continue
        except lmdb.Error as error:
            raise Unavailable(f"the online store {folder} cannot be opened: {error}") from None
    raise Unavailable(f"the online store {folder} cannot be opened: the system grants no address space")


def _delete(transaction: Any, prefix: bytes) -> None:
    with transaction.cursor() as cursor:
        found = cursor.set_range(prefix)
        while found and cursor.key().startswith(prefix):
            found = cursor.delete()


@STORES.register("lmdb")
def open_lmdb(folder: Path) -> LmdbStore:
    """The embedded store in a folder."""
    return LmdbStore(folder)
