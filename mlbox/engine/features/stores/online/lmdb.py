"""The embedded online store: LMDB, a memory-mapped B+ tree that many processes can read at once (symas.com/lmdb)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlbox.base.errors import Unavailable
from mlbox.engine.features.stores.online.base import STORES, Capabilities, Item, Place
from mlbox.engine.features.stores.online.codec import order_of

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
        self._state = object()
        """Another one after each write."""
        self._spare: list[tuple[object, Any]] = []
        """A read transaction that the next fetch may go on with, and the state that it has begun in."""
        self._alone = not read_only
        """Whether what is written is written here."""
        if not read_only:
            self._environment.reader_check()  # slots of readers that died

    def put(self, set_id: str, batches: Iterable[Sequence[Item]], *, replace: bool = False, mark: bytes = b"") -> int:
        """One transaction; values in the order of their keys go in three times as fast."""
        import lmdb

        prefix = bytes.fromhex(set_id)
        written = 0
        try:
            with self._environment.begin(write=True, buffers=True) as transaction:
                if replace:
                    _delete(transaction, prefix)
                with transaction.cursor() as cursor:
                    empty = not _holds(cursor, prefix)
                    for batch in batches:
                        newer = _newer(transaction.get, batch, empty=empty)
                        empty = empty and not newer
                        cursor.putmulti(newer.items())
                        written += len(newer)
                if mark:
                    transaction.put(prefix, mark)
        except (lmdb.MapFullError, lmdb.DiskError, OSError) as error:
            raise Unavailable(f"the online store is full: {error}", hint="free space on the disk of the home") from None
        finally:
            self._written()
        return written

    def fetch(self, keys: Sequence[bytes | None]) -> list[bytes | None]:
        """One read transaction: the last one while nothing is written, since to begin one costs more than to read.

        Whoever takes it has it alone. Where others write, nothing tells of it, and each fetch begins one.
        """
        try:
            state, transaction = self._spare.pop()
        except IndexError:
            state = transaction = None
        if transaction is None or state is not self._state:
            if transaction is not None:
                transaction.abort()
            state = self._state  # before it begins: a write in between makes it old too early, never too late
            transaction = self._environment.begin()
        get = transaction.get
        try:
            found = [None if key is None else get(key) for key in keys]
        except BaseException:
            transaction.abort()
            raise
        if self._alone and not self._spare and state is self._state:
            self._spare.append((state, transaction))
        else:
            transaction.abort()
        return found

    def _written(self) -> None:
        """What was begun before is old, and would keep its pages from being used again."""
        self._state = object()
        with suppress(IndexError):
            while True:
                self._spare.pop()[1].abort()

    def delete(self, keys: Sequence[bytes]) -> int:
        """One transaction."""
        with self._environment.begin(write=True) as transaction:
            count: int = sum(map(transaction.delete, keys))
        self._written()
        return count

    def mark(self, set_id: str) -> bytes | None:
        """The value of the key that is the set's id and no more."""
        return self.fetch([bytes.fromhex(set_id)])[0]

    def drop(self, set_id: str) -> None:
        """Delete all keys of the set."""
        with self._environment.begin(write=True) as transaction:
            _delete(transaction, bytes.fromhex(set_id))
        self._written()

    def close(self) -> None:
        """Close the environment."""
        self._written()
        self._environment.close()


def _open(folder: Path, read_only: bool) -> Any:
    import lmdb

    for size in ADDRESS_SPACE:
        try:
            return lmdb.open(str(folder), map_size=size, readonly=read_only, max_readers=512)
        except lmdb.MemoryError:
            continue
        except lmdb.Error as error:
            refused = Unavailable(f"the online store {folder} cannot be opened: {error}")
            raise refused.kept_from_others("the online store cannot be opened") from None
    refused = Unavailable(f"the online store {folder} cannot be opened: the system grants no address space")
    raise refused.kept_from_others("the online store cannot be opened")


def _holds(cursor: Any, prefix: bytes) -> bool:
    """Whether there is a key with the prefix that is longer."""
    return bool(cursor.set_range(prefix + b"\x00")) and bytes(cursor.key()[: len(prefix)]) == prefix


def _newer(get: Callable[[bytes], Any], batch: Sequence[Item], *, empty: bool) -> dict[bytes, bytes]:
    """What of a batch is newer than what is there; of one key the newest."""
    newer: dict[bytes, bytes] = dict(batch)
    if empty and len(newer) == len(batch):
        return newer
    newer.clear()
    for key, raw in batch:
        present = newer.get(key) or get(key)
        if present is None or order_of(present) < order_of(raw):
            newer[key] = raw
    return newer


def _delete(transaction: Any, prefix: bytes) -> None:
    with transaction.cursor() as cursor:
        found = cursor.set_range(prefix)
        while found and bytes(cursor.key()[: len(prefix)]) == prefix:
            found = cursor.delete()


@STORES.register("lmdb")
def open_lmdb(place: Place) -> LmdbStore:
    """The embedded store in a folder."""
    return LmdbStore(place.folder, read_only=place.read_only)
