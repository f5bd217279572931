"""Collections that were dropped, until the garbage is collected: how they come back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Plan
from mlbox.base.errors import MlboxError
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import dropped, erasures
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

    def revive(self, found: Tombstone, caller: Caller) -> str:
        """As it was; its vectors are made anew when somebody was deleted from the project meanwhile, who must not come
        back: where they cannot be made, nothing is in it."""
        self._catalog.write(lambda cursor: dropped.put_back(cursor, found, ["collections"]))
        self._collections.load()
        with self._catalog.read() as cursor:
            erased = erasures.happened(cursor, found.project, found.dropped_at)
        if not erased:
            return ""
        ref = Ref(found.project, found.name)
        try:
            self._collections.refresh(RefreshCollection(ref=ref, full=True), Plan(()), caller)
        except MlboxError as error:
            self._collections.erase(found.project, [found.name], None)
            return (
                f"; somebody was deleted meanwhile, and it is empty, since its query fails: {error.message}; "
                f"REFRESH COLLECTION {ref} FULL fills it"
            )
        return ""

    def adopt(self, found: Tombstone) -> None:
        """A dropped project is back, with its rows; who was deleted meanwhile is not in them."""
        self._collections.load()

    def delete(self, ids: Iterable[str]) -> None:
        """A project is gone for good: remove the vectors of its collections."""
        for each in ids:
            self._collections.store.drop(each)

    def purge(self, found: Tombstone) -> None:
        """The vectors go."""
        self._collections.store.drop(found.object)
