"""The feature store: its commands, and what SQL's functions, runs and serving ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Dispatcher, Handler, Parser, Query
from mlbox.base.events import Bus, Event
from mlbox.base.home import Home
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.engine.catalog.restoring import Keeper
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.catalog.tables.feature_checks import CheckRow
from mlbox.engine.features import imputation
from mlbox.engine.features.altering import Alterations
from mlbox.engine.features.clock import RefreshClock
from mlbox.engine.features.datasets import Datasets
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.erasure import Erasure
from mlbox.engine.features.framing import Framing
from mlbox.engine.features.ingest import Ingest
from mlbox.engine.features.keeping import KeptSets, KeptSources, KeptVectors
from mlbox.engine.features.online import Materializer
from mlbox.engine.features.online_answers import Answer, Keys, OnlineAnswers
from mlbox.engine.features.online_reader import OnlineReader
from mlbox.engine.features.reading import SourceReader
from mlbox.engine.features.retrieval import Retrieval
from mlbox.engine.features.sets import FeatureSets
from mlbox.engine.features.sourcing import Sources
from mlbox.engine.features.spark.service import SparkQueries
from mlbox.engine.features.stores.online.base import Place, open_store
from mlbox.engine.features.streaming.pushing import Pushing, SourceListener
from mlbox.engine.features.streaming.service import Streams
from mlbox.engine.features.transforming import Transforms
from mlbox.engine.features.vectors import FeatureVectors
from mlbox.engine.features.verification import Verification
from mlbox.engine.storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class Features:
    """Feature sets and vectors: definition, ingest, retrieval offline and online."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        bus: Bus,
        home: Home,
        settings: Settings | None = None,
        artifacts: ArtifactStore | None = None,
    ) -> None:
        settings = settings or Settings()
        self._catalog = catalog
        self.listeners: list[SourceListener] = []
        """Who reads sources besides feature sets."""
        self._directory = Directory(catalog)
        self.changed = self._directory.changed
        """Listeners that are told each new generation of the definitions."""
        self._store = open_store(Place(home.online, settings.online_store, settings.online_store_password))
        self.sources = Sources(catalog, bus, self._readers_of_source)
        self.sources.load()
        self._directory.sources = self.sources.by_id
        reader = SourceReader(catalog, self.sources)
        ingest = Ingest(catalog, reader)
        self._online = Materializer(catalog, self._store, ingest.reached)
        self._retrieval = Retrieval(catalog, self._directory, self._store, ingest.reached)
        self.streams = Streams(catalog, bus, self._directory, ingest, reader, self._store)
        self._sets = FeatureSets(catalog, bus, self._directory, ingest, self._online, self.streams)
        self._alterations = Alterations(catalog, bus, self._directory, self._sets)
        self.statistic = partial(imputation.statistic, catalog, self._retrieval.online_parts)
        """What IMPUTE takes for a feature of a vector."""
        self._vectors = FeatureVectors(catalog, bus, self._directory, self._sets)
        self._answers = OnlineAnswers(catalog, self._retrieval.reader, self._retrieval.online_parts)
        self._verification = Verification(catalog, self._directory, self._store, self._online)
        self.erasure = Erasure(catalog, bus, self._directory, self.streams, self._store)
        self._spark = ingest.spark = SparkQueries(catalog, self._retrieval, home, settings)
        store = artifacts or ArtifactStore(home.artifacts)
        self.erasure.publisher = self._sets.publisher
        self._datasets = Datasets(catalog, bus, self._directory, store, self._spark)
        self.keepers: Mapping[str, Keeper] = {
            "feature set": KeptSets(catalog, self._directory, self._sets, self.streams, self._online),
            "feature vector": KeptVectors(catalog, self._directory),
            "source": KeptSources(catalog, self.sources),
        }
        """How what was dropped comes back, by kind."""
        self._ingest = ingest
        ingest.tell = partial(_tell, bus)
        self._directory.load()
        self.erasure.catch_up()
        self._sets.catch_up(self._directory.sets())

    def give_functions(self, transforms: Transforms) -> None:
        """Rows of sources may go through functions of the user from now on."""
        self._ingest.transforms = transforms

    def users_of_function(self, project: str, name: str, version: int | None) -> list[str]:
        """Feature sets whose rows go through a function, in a version or in any."""
        return sorted(
            f"{found.project}.{found.name}"
            for found in self._directory.sets()
            if found.transform is not None
            and (found.transform[0].lower(), found.transform[1].lower()) == (project.lower(), name.lower())
            and version in (None, found.transform[2])
        )

    def keep_time(self, dispatcher: Dispatcher, parser: Parser) -> None:
        """Sets may be refreshed by the clock from now on, and computed by runs."""
        self._sets.clock = RefreshClock(self._catalog, dispatcher, parser)
        self._spark.dispatcher = dispatcher

    def start(self) -> None:
        """What only a server does: read streams, keep windows up with time."""
        self.streams.start()
        self._spark.tidy()

    def close(self) -> None:
        """Let what is being written be written, then close the online store."""
        self.streams.stop()
        self._store.close()

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers."""
        pushing = Pushing(self._directory, self.streams.reader, self.streams.pushes, self.sources.find, self.listeners)
        sets = (self.sources, self._sets, self._alterations, self._vectors)
        parts = (pushing, Framing(self._sets), *sets, self._verification, self.erasure, self._datasets)
        return (handler for part in parts for handler in part.handlers())

    def _readers_of_source(self, source_id: str) -> list[str]:
        sets = self._directory.sets()
        readers = sorted(f"feature set {found.project}.{found.name}" for found in sets if found.source == source_id)
        return [*readers, *(f"feed {name}" for each in self.listeners for name in each.readers(source_id))]

    def features_sql(self, project: str, vector: str, spine: str) -> str:
        """The SQL behind ``ml.features``."""
        return self._retrieval.features_sql(project, vector, spine)

    def features_at_sql(self, project: str, vector: str, instant: str) -> str:
        """The SQL behind ``ml.features_at``."""
        return self._retrieval.features_at_sql(project, vector, instant)

    def online(self, ref: Ref, keys: Keys, impute: Mapping[str, Any] | None = None) -> Answer:
        """Features of keys by what is online now; see :class:`OnlineAnswers`."""
        return self._answers.answer(ref, keys, impute)

    @property
    def embedded(self) -> bool:
        """Whether the online store is in this process, so that a read does not wait for anybody."""
        return not self._store.capabilities.many_machines

    def reader(self, ref: Ref) -> OnlineReader:
        """A reader of a vector's online features; raises ``NotFound`` or, for a set kept offline only, ``Conflict``."""
        return self._retrieval.reader(ref)

    def training_query(self, ref: Ref) -> Query:
        """What ``RUN … FROM ref`` reads: a vector over the rows of its label's set, or a table as it is."""
        return self._retrieval.training_query(ref)

    def forget_project(self, project: str) -> None:
        """A project is dropped: wait for those who write into its sets, then forget them and their online rows."""
        self._directory.forget(project)
        self._sets.settle(project)
        self._directory.forget(project)
        self.sources.forget_project(project)
        with self._catalog.read() as cursor:
            known = table.ids_of(cursor, project)
        for set_id in known:
            self._online.forget(set_id)

    def adopt_project(self, project: str) -> None:
        """A project has come with all its rows: know its sets and vectors, and put online what is to be there."""
        self.sources.load()
        self._directory.load()
        self._sets.catch_up(self._directory.sets_of(project))

    def readers_elsewhere(self, project: str) -> Iterable[str]:
        """Feature sets and vectors of other projects that read sources and sets of ``project``."""
        mine = {source.id for source in self.sources.of(project)}
        for found in self._directory.sets():
            through = found.transform is not None and found.transform[0].lower() == project.lower()
            if (found.source in mine or through) and found.project.lower() != project.lower():
                yield f"feature set {found.project}.{found.name}"
        for found in self._directory.sets_of(project):
            for vector in self._directory.readers(found):
                if vector.project.lower() != project.lower():
                    yield f"feature vector {vector.project}.{vector.name}"


def _tell(bus: Bus, checks: Sequence[CheckRow]) -> None:
    """An event for each check that rows of an ingest break."""
    for check in checks:
        if check.broken:
            told = {"column": check.column_name, "check": check.condition, "severity": check.severity}
            counts = {"broken": check.broken, "rows": check.rows, "ingest": check.ingest_id}
            bus.publish(Event("feature_set.check_broken", check.project, check.feature_set, {**told, **counts}))
