"""Feature sets, vectors and sources that were dropped, until the garbage is collected: how they come back."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, Unavailable
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import dropped, dropped_sets, feature_sets, published
from mlbox.engine.catalog.tables.dropped import Tombstone
from mlbox.engine.features.definition import FeatureSet, FeatureVector, Online
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.ingest import keep_older
from mlbox.engine.features.offline import view_sql
from mlbox.engine.features.online import Materializer
from mlbox.engine.features.sets import FeatureSets, refuse_taken
from mlbox.engine.features.sourcing import Sources
from mlbox.engine.features.streaming.service import Streams

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


_log = logging.getLogger("mlbox")


class KeptSets:
    """The rows of a set lie where they lay, under hidden names; online they are made anew."""

    def __init__(
        self, catalog: Catalog, directory: Directory, sets: FeatureSets, streams: Streams, online: Materializer
    ) -> None:
        self._catalog = catalog
        self._directory = directory
        self._sets = sets
        self._streams = streams
        self._online = online

    def check(self, found: Tombstone) -> None:
        """Its rows must be there, and nothing else have its name."""
        with self._catalog.read() as cursor:
            kept = dropped_sets.versions(cursor, found.project, found.object)
        if not kept:
            raise Conflict(f"the rows of feature set {found.project}.{found.name} are not kept any more")
        refuse_taken(self._catalog, Ref(found.project, found.name))

    def revive(self, found: Tombstone, caller: Caller) -> None:
        """All versions, with ledger, statistics and what they had read of their sources."""
        with self._catalog.read() as cursor:
            ((text,),) = dropped.kept(cursor, found, "feature_sets", "online_until")
        until = datetime.fromisoformat(text) if text else None
        with self._streams.locks.of(Ref(found.project, found.name)):
            with self._catalog.transaction_data() as cursor:
                dropped_sets.revive(cursor, found.project, found.name, found.object)
                revived = FeatureSet.from_text(feature_sets.definition_of(cursor, found.object))
                cursor.execute(view_sql(revived))
                keep_older(cursor, revived)
                kept = feature_sets.versions(cursor, found.project, found.name)
                published.mark(cursor, [set_id for _, set_id in kept])  # somebody may have been deleted meanwhile
            self._directory.put_set(revived, Online(until))
            self._put_online(revived, until)
            self._sets.clock.follow(revived, None, caller)

    def _put_online(self, revived: FeatureSet, until: datetime | None) -> None:
        """Up to where it was."""
        if revived.store == "offline" or until is None:
            return
        try:
            if not self._online.behind(revived):
                return
            if revived.fed and revived.windows:
                self._streams.rebuild(revived)
            else:
                self._online.run(revived, until)
        except Unavailable as error:  # the next refresh finds it behind
            _log.warning("%s is not moved online: %s", revived.ref, error.message)

    def purge(self, found: Tombstone) -> None:
        """The rows go."""
        with self._catalog.transaction_data() as cursor:
            dropped_sets.purge(cursor, found.project, found.object)


class KeptVectors:
    """A vector is its definition."""

    def __init__(self, catalog: Catalog, directory: Directory) -> None:
        self._catalog = catalog
        self._directory = directory

    def check(self, found: Tombstone) -> None:
        """What it reads must be there."""
        with self._catalog.read() as cursor:
            ((text,),) = dropped.kept(cursor, found, "feature_vectors", "definition")
        vector = FeatureVector.from_text(text)
        for used in vector.uses:
            known = self._directory.find_set(Ref(used.project, used.feature_set))
            if known is None:
                raise Conflict(
                    f"feature set {used.project}.{used.feature_set}, which vector {found.name} reads, is not there",
                    hint=f"RESTORE FEATURE SET {used.feature_set} first, if it was dropped",
                )
            lost = [name for name in vector.reads(known) if name not in {entry.name for entry in known.features}]
            if lost:
                raise Conflict(f"feature set {known.ref} has no feature {lost[0]} any more, which the vector reads")

    def revive(self, found: Tombstone, caller: Caller) -> None:
        """Into the catalog, and into memory."""
        self._catalog.write(lambda cursor: dropped.put_back(cursor, found, ["feature_vectors"]))
        self._directory.load()

    def purge(self, found: Tombstone) -> None:
        """There is nothing else."""


class KeptSources:
    """A source is its declaration; what was read from it is with the sets, which know it by id."""

    def __init__(self, catalog: Catalog, sources: Sources) -> None:
        self._catalog = catalog
        self._sources = sources

    def check(self, found: Tombstone) -> None:
        """Nothing is in its way."""

    def revive(self, found: Tombstone, caller: Caller) -> None:
        """Into the catalog, and into memory: sets that read it go on where they were."""
        self._catalog.write(lambda cursor: dropped.put_back(cursor, found, ["sources"]))
        self._sources.load()

    def purge(self, found: Tombstone) -> None:
        """There is nothing else."""
