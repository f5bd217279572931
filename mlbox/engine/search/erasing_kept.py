"""DELETE ENTITY in collections of dropped projects: what RESTORE PROJECT would bring back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables import collections as table
from mlbox.engine.catalog.tables import kept_projects
from mlbox.engine.catalog.tables.dropped import Tombstone, find
from mlbox.engine.search.definition import State
from mlbox.engine.search.erasing import keys_of, names_entity, without
from mlbox.engine.search.filling import finished

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.search.store import VectorStore


class KeptDocuments:
    """Rows of the collections of dropped projects. Callers keep projects from coming back meanwhile."""

    def __init__(self, catalog: Catalog, store: VectorStore) -> None:
        self._catalog = catalog
        self._store = store

    def plan(self, project: str, entity: Mapping[str, Any]) -> list[str]:
        """Names of the collections of dropped projects of this name whose documents have the entity."""
        return [state.collection.name for _, _, state in self._of(project, entity)]

    def erase(self, project: str, entity: Mapping[str, Any]) -> int:
        """Documents that have gone; what is left is written anew. Nothing is embedded for it."""
        count = 0
        for stone, place, state in self._of(project, entity):
            documents = self._store.reader(state.row.id, state.row.table_version)
            keys = keys_of(state.collection, documents, entity)
            if keys:
                count += len(keys)
                self._rewrite(stone, place, state, documents, keys)
        return count

    def _of(self, project: str, entity: Mapping[str, Any]) -> Iterator[tuple[Tombstone, str, State]]:
        found = []
        with self._catalog.read() as cursor:
            for stone in find(cursor, project, "project"):
                for place in kept_projects.places(cursor, "collections", stone.id):
                    found += [(stone, place, State.of(row)) for row in table.every(cursor, place)]
        return (one for one in found if names_entity(one[2].collection, entity))

    def _rewrite(self, stone: Tombstone, place: str, state: State, documents: Any, keys: set[str]) -> None:
        old, fresh = state.row, new_id()
        try:
            made = self._store.create(fresh, documents.schema)
            for rows in without(documents, keys):
                made.add(rows)
            row = finished(state.moved(id=fresh), made, old.documents - len(keys)).row
            with self._catalog.read() as cursor:  # an archive of the project may have come into the home since
                alone = old.id in kept_projects.ids_of_one(cursor, "collections", stone.id)
            self._catalog.write(lambda cursor: table.change(cursor, place, row))
        except BaseException:
            self._store.drop(fresh)
            raise
        if alone:
            self._store.drop(old.id)
