"""Definitions of sets and vectors in memory, so that a refresh or a request need not ask the catalog."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.names import Ref
from mlbox.base.suggest import no_such
from mlbox.engine.catalog import dependants
from mlbox.engine.catalog.dependants import Dependants
from mlbox.engine.catalog.tables import dropped, feature_vectors, projects
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.catalog.tables.lineage import record_all, record_columns
from mlbox.engine.features import column_lineage, lineage
from mlbox.engine.features.definition import FeatureSet, FeatureVector, Online
from mlbox.engine.features.sources.base import Source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

Key = tuple[str, str]


def _key(project: str, name: str) -> Key:
    return project.lower(), name.lower()


def users_of(catalog: Catalog, vectors: Iterable[FeatureVector]) -> Dependants:
    """The endpoints that enrich requests with one of the vectors, and what watches them."""
    with catalog.read() as cursor:
        return dependants.of_vectors(cursor, [(vector.project, vector.name) for vector in vectors])


def _named(vectors: list[FeatureVector]) -> str:
    return "feature vector " + ", ".join(f"{vector.project}.{vector.name}" for vector in vectors)


class Directory:
    """Finds sets and vectors by name; writes the catalog, then remembers."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._sets: dict[Key, FeatureSet] = {}
        self._vectors: dict[Key, FeatureVector] = {}
        self._generation = 0
        self.changed: list[Callable[[int], None]] = []
        """Told each new generation."""
        self.sources: Callable[[str], Source | None] = lambda source_id: None
        """Finds a source by its id."""

    def generation(self) -> int:
        """Changes with every definition that comes, changes or goes."""
        return self._generation

    def _advance(self) -> None:
        self._generation += 1
        for listener in self.changed:
            listener(self._generation)

    def load(self) -> None:
        """At open: repair what a crash between the two files left, then read all."""
        self._repair()
        with self._catalog.read() as cursor:
            alive = set(projects.names(cursor))  # the rest is half dropped, and nobody's any more
            for text, _, _ in table.every(cursor):
                found = FeatureSet.from_text(text)
                if found.project in alive:
                    self._sets[_key(found.project, found.name)] = found
            for text in feature_vectors.every(cursor):
                vector = FeatureVector.from_text(text)
                if vector.project in alive:
                    self._vectors[_key(vector.project, vector.name)] = vector
        self._generation += 1

    def _repair(self) -> None:
        """The catalog follows the definitions that stand beside the rows: those are committed with them."""
        with self._catalog.read() as cursor:
            newest = table.newest_definitions(cursor)
            listed = {found.id: found for found in (FeatureSet.from_text(text) for text, _, _ in table.every(cursor))}
            alive = set(projects.names(cursor))  # what is half dropped or half restored is no matter of ours
        listed = {set_id: found for set_id, found in listed.items() if found.project in alive}
        standing = [row for row in newest if row.project in alive]
        for row in standing:
            if row.id not in listed:  # CREATE: the data were committed, the catalog was not
                self._write_set(FeatureSet.from_text(row.definition), Online())
        places = {_key(row.project, row.name) for row in standing}
        for found in listed.values():
            if _key(found.project, found.name) not in places:  # DROP: the data have gone, the catalog's row has not
                self.remove_set(found, by="")

    def find_set(self, ref: Ref) -> FeatureSet | None:
        """The set, or None."""
        return self._sets.get(_key(ref.project, ref.name))

    def set(self, ref: Ref) -> FeatureSet:
        """The set; raises ``NotFound`` with the nearest names."""
        found = self.find_set(ref)
        if found is None:
            names = [known.name for known in self.sets_of(ref.project)]
            raise no_such("feature set", ref, names)
        return found

    def find_vector(self, ref: Ref) -> FeatureVector | None:
        """The vector, or None."""
        return self._vectors.get(_key(ref.project, ref.name))

    def vector(self, ref: Ref) -> FeatureVector:
        """The vector; raises ``NotFound`` with the nearest names."""
        found = self.find_vector(ref)
        if found is None:
            names = [known.name for known in self.vectors_of(ref.project)]
            raise no_such("feature vector", ref, names)
        return found

    def sets(self) -> list[FeatureSet]:
        """All sets."""
        with self._lock:
            return list(self._sets.values())

    def sets_of(self, project: str) -> list[FeatureSet]:
        """All sets of a project."""
        return [found for found in self.sets() if found.project.lower() == project.lower()]

    def vectors_of(self, project: str) -> list[FeatureVector]:
        """All vectors of a project."""
        with self._lock:
            return [found for (owner, _), found in self._vectors.items() if owner == project.lower()]

    def readers(self, found: FeatureSet) -> list[FeatureVector]:
        """The vectors that read a set."""
        with self._lock:
            return [vector for vector in self._vectors.values() if vector.reads(found)]

    def put_set(self, found: FeatureSet, online: Online) -> None:
        """A new set or version, with its lineage; from now on its readers see it."""
        self._write_set(found, online)
        with self._lock:
            self._sets[_key(found.project, found.name)] = found
            self._advance()

    def _write_set(self, found: FeatureSet, online: Online) -> None:
        row = table.DefinitionRow(
            found.project, found.name, found.version, found.id, found.to_text(), found.created_at or now()
        )
        source = self.sources(found.source) if found.source else None
        edges = lineage.of_set(self._catalog, found, source)
        columns = column_lineage.of_set(self._catalog, found, source)

        def write(cursor: DuckDBPyConnection) -> None:
            table.upsert(cursor, row, online.until, online.sequence)
            record_all(cursor, edges)
            record_columns(cursor, columns)

        self._catalog.write(write)

    def put_vector(self, vector: FeatureVector) -> None:
        """A new or replaced vector, with its lineage."""
        refs = [Ref(used.project, used.feature_set) for used in vector.uses]
        sets = {(ref.project, ref.name): self.set(ref) for ref in refs}
        edges, columns = lineage.of_vector(vector, sets), column_lineage.of_vector(vector, sets)

        def write(cursor: DuckDBPyConnection) -> None:
            feature_vectors.upsert(cursor, vector.project, vector.name, vector.to_text(), now())
            record_all(cursor, edges)
            record_columns(cursor, columns)

        self._catalog.write(write)
        with self._lock:
            self._vectors[_key(vector.project, vector.name)] = vector
            self._advance()

    def remove_set(self, found: FeatureSet, *, by: str) -> None:
        """From the catalog, and from here; for a while RESTORE brings it back."""

        def write(cursor: DuckDBPyConnection) -> None:
            dropped.bury_named(cursor, "feature set", found.project, found.name, by, found.id)
            table.delete(cursor, found.project, found.name)

        self._catalog.write(write)
        with self._lock:
            self._sets.pop(_key(found.project, found.name), None)
            self._advance()

    def remove_vectors(self, vectors: Iterable[FeatureVector], *, cascade: bool, by: str) -> Dependants:
        """From the catalog, and from here, with all that uses them; ``Conflict`` for that without ``cascade``."""
        gone = list(vectors)

        def write(cursor: DuckDBPyConnection) -> Dependants:
            users = dependants.of_vectors(cursor, [(vector.project, vector.name) for vector in gone])
            if not cascade:
                users.refuse(_named(gone))
            users.delete(cursor, by)
            for vector in gone:
                dropped.bury_named(cursor, "feature vector", vector.project, vector.name, by)
                feature_vectors.delete(cursor, vector.project, vector.name)
            return users

        users = self._catalog.write(write)
        with self._lock:
            for vector in gone:
                self._vectors.pop(_key(vector.project, vector.name), None)
            self._advance()
        return users

    def forget(self, project: str) -> None:
        """All of a project, whose rows in the catalog go otherwise."""
        with self._lock:
            self._sets = {key: found for key, found in self._sets.items() if key[0] != project.lower()}
            self._vectors = {key: found for key, found in self._vectors.items() if key[0] != project.lower()}
            self._advance()
