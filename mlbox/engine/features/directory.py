"""Definitions of sets and vectors in memory, so that a refresh or a request need not ask the catalog."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.errors import NotFound
from mlbox.base.names import Ref
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.catalog.tables import feature_vectors, projects
from mlbox.engine.features import lineage
from mlbox.engine.features.definition import FeatureSet, FeatureVector

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

Key = tuple[str, str]


def _key(project: str, name: str) -> Key:
    return project.lower(), name.lower()


class Directory:
    """Finds sets and vectors by name; writes the catalog, then remembers."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._sets: dict[Key, FeatureSet] = {}
        self._vectors: dict[Key, FeatureVector] = {}

    def load(self, online: Callable[[str, datetime | None, int | None], None]) -> None:
        """At open: repair what a crash between the two files left, then read all."""
        self._repair()
        with self._catalog.read() as cursor:
            for text, until, sequence in table.every(cursor):
                found = FeatureSet.from_text(text)
                self._sets[_key(found.project, found.name)] = found
                online(found.id, until, sequence)
            for text in feature_vectors.every(cursor):
                vector = FeatureVector.from_text(text)
                self._vectors[_key(vector.project, vector.name)] = vector

    def _repair(self) -> None:
        """A definition that stands beside its rows and not in the catalog was committed there last: follow it."""
        with self._catalog.read() as cursor:
            known = {FeatureSet.from_text(text).id for text, _, _ in table.every(cursor)}
            lost = [
                row
                for row in table.newest_definitions(cursor)
                if row.id not in known and projects.exists(cursor, row.project)
            ]
        for row in lost:
            self._catalog.write(lambda cursor, row=row: table.upsert(cursor, row))  # type: ignore[misc]

    def find_set(self, ref: Ref) -> FeatureSet | None:
        """The set, or None."""
        return self._sets.get(_key(ref.project, ref.name))

    def set(self, ref: Ref) -> FeatureSet:
        """The set; raises ``NotFound`` with the nearest names."""
        found = self.find_set(ref)
        if found is None:
            names = [known.name for known in self.sets_of(ref.project)]
            raise NotFound(f"there is no feature set {ref}", hint=did_you_mean(ref.name, names, kind="feature set"))
        return found

    def find_vector(self, ref: Ref) -> FeatureVector | None:
        """The vector, or None."""
        return self._vectors.get(_key(ref.project, ref.name))

    def vector(self, ref: Ref) -> FeatureVector:
        """The vector; raises ``NotFound`` with the nearest names."""
        found = self.find_vector(ref)
        if found is None:
            names = [known.name for known in self.vectors_of(ref.project)]
            raise NotFound(
                f"there is no feature vector {ref}", hint=did_you_mean(ref.name, names, kind="feature vector")
            )
        return found

    def sets_of(self, project: str) -> list[FeatureSet]:
        """All sets of a project."""
        with self._lock:
            return [found for (owner, _), found in self._sets.items() if owner == project.lower()]

    def vectors_of(self, project: str) -> list[FeatureVector]:
        """All vectors of a project."""
        with self._lock:
            return [found for (owner, _), found in self._vectors.items() if owner == project.lower()]

    def readers(self, found: FeatureSet) -> list[FeatureVector]:
        """The vectors that read a set."""
        key = _key(found.project, found.name)
        with self._lock:
            return [
                vector
                for vector in self._vectors.values()
                if any(
                    _key(feature.project, feature.feature_set) == key
                    for feature in (*vector.features, *([vector.label] if vector.label else []))
                )
            ]

    def put_set(self, found: FeatureSet) -> None:
        """A new set or version."""
        row = table.DefinitionRow(
            found.project, found.name, found.version, found.id, found.to_text(), found.created_at or now()
        )
        self._catalog.write(lambda cursor: table.upsert(cursor, row))
        with self._lock:
            self._sets[_key(found.project, found.name)] = found

    def put_vector(self, vector: FeatureVector) -> None:
        """A new or replaced vector, with its lineage."""

        def write(cursor: DuckDBPyConnection) -> None:
            feature_vectors.upsert(cursor, vector.project, vector.name, vector.to_text(), now())
            lineage.of_vector(cursor, vector)

        self._catalog.write(write)
        with self._lock:
            self._vectors[_key(vector.project, vector.name)] = vector

    def remove_set(self, found: FeatureSet) -> None:
        """Forget it."""
        with self._lock:
            self._sets.pop(_key(found.project, found.name), None)

    def remove_vector(self, vector: FeatureVector) -> None:
        """Forget it."""
        with self._lock:
            self._vectors.pop(_key(vector.project, vector.name), None)
