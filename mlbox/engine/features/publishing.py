"""Rows of a set at a place of the user's too (``WITH (location = .., format = ..)``), for other engines.

What lies there follows the table by its sequences, as the online store does: an ingest adds its rows, and after rows
went all are written anew. What a crash, or a store that was away, has left is made up for with the next ingest and when
the home is opened. Rows of streams follow within :data:`DELAY`, so that not every micro-batch makes files.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.errors import MlboxError
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import published
from mlbox.engine.catalog.tables.feature_sets import Reached
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.locations.base import FORMS, Job
from mlbox.engine.features.reading import SourceReader
from mlbox.engine.security.profiles import Profiles

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_log = logging.getLogger("mlbox")
DELAY = 60.0
"""Seconds after which rows of a stream stand at the location."""


class Publisher:
    """Writes the rows of sets that have a location; callers hold the set's lock."""

    def __init__(self, catalog: Catalog, reader: SourceReader, reached: Callable[[FeatureSet], Reached]) -> None:
        self._catalog = catalog
        self._reader = reader
        self._reached = reached
        self._profiles = Profiles(catalog)

    def check(self, built: FeatureSet) -> None:
        """Raise ``Invalid``, ``Conflict`` or ``Unavailable`` when its rows cannot be written there."""
        if built.location is None:
            return
        with self._reader.staging() as staging, self._catalog.session(built.project) as cursor:
            staging.mkdir(parents=True)
            FORMS.get(built.location_format).check(Job(built, cursor, staging, store=self._store(built)))

    def follow(self, found: FeatureSet) -> None:
        """Bring what lies there after the table; raises ``Unavailable`` when it cannot be written."""
        if found.location is None:
            return
        reached = self._reached(found)
        with self._catalog.read() as cursor:
            before = published.sequence(cursor, found.id)
        if before is not None and before >= reached.sequence:
            return
        anew = before is None or before < 0 or reached.removal > before
        first = 1 if anew or before is None else before + 1
        erase = before is not None and before < 0
        with self._reader.staging() as staging, self._catalog.session(found.project) as cursor:
            staging.mkdir(parents=True)
            job = Job(found, cursor, staging, first, reached.sequence, anew, erase, self._store(found))
            FORMS.get(found.location_format).write(job)
        self._catalog.write_data(lambda cursor: published.put(cursor, found.project, found.id, reached.sequence, now()))

    def _store(self, found: FeatureSet) -> dict[str, Any]:
        """Options of the profile that it names."""
        if found.location_profile is None or found.location is None:
            return {}
        return self._profiles.options(found.project, found.location_profile, found.location)

    def catch_up(self, versions: Iterable[FeatureSet]) -> None:
        """What is not written yet of these versions, or must be written anew; their sets are locked."""
        for found in versions:
            try:
                self.follow(found)
            except MlboxError as error:
                _log.warning("what %s has at its location is behind: %s", found.ref, error.message)


class StreamPlaces:
    """Called again and again for a set whose rows keep coming, it writes them to its location when it is time."""

    def __init__(
        self,
        publisher: Publisher,
        directory: Directory,
        locked: Callable[[Ref], AbstractContextManager[object]],
        behind: Callable[[FeatureSet, MlboxError], str],
    ) -> None:
        self._publisher = publisher
        self._directory = directory
        self._locked = locked
        self._behind = behind
        self._next: dict[str, float] = {}
        self._told: dict[str, str] = {}

    def __call__(self, found: FeatureSet) -> None:
        """A place that is away is told once."""
        if time.monotonic() < self._next.get(found.id, 0.0):
            return
        self._next[found.id] = time.monotonic() + DELAY
        ref = found.ref.at(None)
        with self._locked(ref):
            current = self._directory.find_set(ref)
            if current is None or current.id != found.id:
                return
            try:
                self._publisher.follow(found)
            except MlboxError as error:
                if self._told.get(found.id) != error.message:
                    self._told[found.id] = self._behind(found, error)
            else:
                self._told.pop(found.id, None)
