"""Collections that were dropped, until the garbage is collected: how they come back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Plan
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import collections, dropped, erasures
from mlbox.engine.catalog.tables.dropped import Tombstone
from mlbox.engine.search.commands import RefreshCollection
from mlbox.engine.search.service import Collections

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class KeptCollections:
    """The vectors of a collection lie where they lay, in a folder that has its id."""

    def __init__(self, catalog: Catalog, collections: Collections) -> None:
        self._catalog = catalog
        self._collections = collections

    def check(self, found: Tombstone) -> None:
        """Nothing but its name can be in the way, which is looked at anyway."""

    def revive(self, found: Tombstone, caller: Caller) -> None:
        """As it was; its vectors are made anew when somebody was deleted from the project meanwhile."""
        self._catalog.write(lambda cursor: dropped.put_back(cursor, found, ["collections"]))
        self._know([found.name], found, caller)

    def adopt(self, found: Tombstone, caller: Caller) -> None:
        """A dropped project is back, with its rows: the same for all its collections."""
        with self._catalog.read() as cursor:
            names = [row.name for row in collections.every(cursor) if row.project == found.name]
        self._know(names, found, caller)

    def delete(self, ids: Iterable[str]) -> None:
        """A project is gone for good: remove the vectors of its collections."""
        for each in ids:
            self._collections.store.drop(each)

    def _know(self, names: Iterable[str], found: Tombstone, caller: Caller) -> None:
        self._collections.load()
        with self._catalog.read() as cursor:
            erased = erasures.happened(cursor, found.project, found.dropped_at)
        for name in names if erased else ():
            command = RefreshCollection(ref=Ref(found.project, name), full=True)
            self._collections.refresh(command, Plan(()), caller)

    def purge(self, found: Tombstone) -> None:
        """The vectors go."""
        self._collections.store.drop(found.object)
