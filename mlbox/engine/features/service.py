"""The feature store's commands."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Caller, Handler, Plan, Query, Result, Step
from mlbox.base.errors import AlreadyExists, Conflict
from mlbox.base.events import Bus, Event
from mlbox.base.home import Home
from mlbox.base.names import Ref, quote
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.catalog.tables import feature_vectors, projects
from mlbox.engine.features import lineage
from mlbox.engine.features.building import build
from mlbox.engine.features.commands import (
    CreateFeatureSet,
    CreateFeatureVector,
    DropFeatureSet,
    DropFeatureVector,
    InsertFeatures,
    RefreshFeatureSet,
)
from mlbox.engine.features.definition import FeatureSet, FeatureVector
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.ingest import Ingest, Ingested, Range
from mlbox.engine.features.online import Materializer, OnlineReader
from mlbox.engine.features.retrieval import Retrieval
from mlbox.engine.features.stores.online.base import STORES
from mlbox.engine.features.vectors import resolve

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class Features:
    """Feature sets and vectors: definition, ingest, retrieval offline and online."""

    def __init__(self, *, catalog: Catalog, bus: Bus, home: Home) -> None:
        self._catalog = catalog
        self._bus = bus
        self._locks: dict[str, threading.RLock] = defaultdict(threading.RLock)
        self._directory = Directory(catalog)
        self._store = STORES.get("lmdb")(home.online)
        self._ingest = Ingest(catalog)
        self._online = Materializer(catalog, self._store)
        self._retrieval = Retrieval(catalog, self._directory, self._store)
        self._directory.load(self._online.load)

    def close(self) -> None:
        """Close the online store."""
        self._store.close()

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers."""
        return (
            Handler(CreateFeatureSet, self._plan_create, self._create),
            Handler(RefreshFeatureSet, self._plan_refresh, self._refresh),
            Handler(InsertFeatures, self._plan_insert, self._insert),
            Handler(DropFeatureSet, self._plan_drop, self._drop),
            Handler(CreateFeatureVector, self._plan_vector, self._create_vector),
            Handler(DropFeatureVector, self._plan_drop_vector, self._drop_vector),
        )

    # Retrieval, for SQL's functions, for runs and for serving.

    def features_sql(self, project: str, vector: str, spine: str) -> str:
        """The SQL behind ``ml.features``."""
        return self._retrieval.features_sql(project, vector, spine)

    def features_at_sql(self, project: str, vector: str, instant: str) -> str:
        """The SQL behind ``ml.features_at``."""
        return self._retrieval.features_at_sql(project, vector, instant)

    def online_rows(
        self, project: str, vector: str, keys: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """The rows behind ``ml.online``: the keys, then the features."""
        return self._retrieval.online_rows(project, vector, [keys] if isinstance(keys, Mapping) else list(keys))

    def reader(self, ref: Ref) -> OnlineReader:
        """A reader of a vector's online features; raises ``NotFound`` or, for a set kept offline only, ``Conflict``."""
        return self._retrieval.reader(ref)

    def training_query(self, ref: Ref) -> Query:
        """What ``RUN … FROM ref`` reads: a vector over the rows of its label's set, or a table as it is."""
        return self._retrieval.training_query(ref)

    # Commands.

    def _plan_create(self, command: CreateFeatureSet, caller: Caller) -> Plan:
        """Bind the query, find and type the columns."""
        present = self._directory.find_set(command.ref)
        if present is not None and command.if_not_exists:
            return Plan((Step("reuse", f"feature set {command.ref}", "exists already"),), {"present": present})
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
            numbers = [version for version, _ in table.versions(cursor, command.ref.project, command.ref.name)]
        if present is not None and not command.replace:
            raise AlreadyExists(
                f"feature set {command.ref} exists already",
                hint="CREATE OR REPLACE FEATURE SET makes a new version; IF NOT EXISTS keeps what is there",
            )
        self._refuse_taken(command.ref, present)
        built = build(command, max(numbers, default=0) + 1, self._catalog.describe)
        steps = [
            Step("replace" if present else "create", f"feature set {built.ref}", f"{len(built.features)} features"),
            Step("write", f"{built.project}.{built.name}", "offline: " + ("rows of the query" if built.body else "empty")),
        ]
        if built.store != "offline":
            steps.append(Step("write", "online store", "by REFRESH … ONLINE" if built.online_by_hand else "newest rows"))
        return Plan(tuple(steps), {"built": built, "present": None})

    def _refuse_taken(self, ref: Ref, present: FeatureSet | None) -> None:
        taken = self._catalog.row(
            "SELECT table_type FROM information_schema.tables WHERE table_catalog = 'data' AND lower(table_schema) = ? "
            "AND lower(table_name) = ?",
            [ref.project, ref.name.lower()],
        )
        if taken and present is None:
            raise AlreadyExists(
                f"project {ref.project} has a table or view {ref.name} already", hint="choose another name, or drop it"
            )

    def _create(self, command: CreateFeatureSet, plan: Plan, caller: Caller) -> Result:
        """Data first, with the definition beside it; then the catalog."""
        if plan.resolved["present"] is not None:
            return Result(f"feature set {command.ref} exists already")
        built: FeatureSet = plan.resolved["built"]
        with self._locks[str(command.ref).lower()]:
            done = self._ingest.create(built, fill=not command.options.get("defer", False))
            self._directory.put_set(built)
            self._catalog.write(lambda cursor: lineage.of_set(cursor, built))
        written = self._follow(built)
        self._bus.publish(Event("feature_set.created", built.project, built.name, {"rows": done.added}))
        online = f", {written:,} entities online" if written is not None else ""
        return Result(
            f"created feature set {built.project}.{built.name}: {_count(done)}, {len(built.features)} features{online}",
            facts={"rows": done.added, "version": built.version},
        )

    def _plan_refresh(self, command: RefreshFeatureSet, caller: Caller) -> Plan:
        """What will be read."""
        found = self._directory.set(command.ref)
        if command.online and found.store == "offline":
            raise Conflict(f"feature set {found.name} is kept offline only", hint="create it with STORE OFFLINE AND ONLINE")
        if not command.online and found.body is None:
            raise Conflict(f"feature set {found.name} has no query to refresh from", hint="add rows with INSERT INTO")
        target = "online store" if command.online else f"{found.project}.{found.name}"
        until = f"known before {command.end.isoformat()}" if command.end else "all that is known"
        return Plan((Step("write", target, until),), {"set": found})

    def _refresh(self, command: RefreshFeatureSet, plan: Plan, caller: Caller) -> Result:
        """Incrementally unless a range or FULL is asked for."""
        found: FeatureSet = plan.resolved["set"]
        if command.online:
            with self._locks[str(command.ref).lower()]:
                written = self._online.run(found, command.end)
            return Result(f"{written:,} entities online", facts={"rows": written})
        with self._locks[str(command.ref).lower()]:
            ranged = command.full or command.start is not None
            with self._catalog.read() as cursor:
                last, _ = table.reached(cursor, found.id)
            span = Range(None if ranged else last, command.start, command.end)
            done = self._ingest.refresh(found, span, replace=ranged)
        self._follow(found)
        self._bus.publish(Event("feature_set.refreshed", found.project, found.name, {"rows": done.added}))
        return Result(f"refreshed feature set {found.project}.{found.name}: {_count(done)}", facts={"rows": done.added})

    def _plan_insert(self, command: InsertFeatures, caller: Caller) -> Plan:
        """The rows must bind."""
        found = self._directory.set(command.ref)
        if found.windows:
            raise Conflict(
                f"feature set {found.name} has window aggregates over its query and takes no rows by INSERT",
                hint="insert into the table that it reads, then REFRESH FEATURE SET",
            )
        self._catalog.describe(caller.project, command.query)
        return Plan((Step("write", str(command.ref), "rows of the query"),), {"set": found})

    def _insert(self, command: InsertFeatures, plan: Plan, caller: Caller) -> Result:
        """Through the same checks as an ingest."""
        found: FeatureSet = plan.resolved["set"]
        with self._locks[str(command.ref).lower()]:
            done = self._ingest.insert(found, command.query, list(command.columns))
        self._follow(found)
        return Result(f"insert: {_count(done)}", facts={"rows": done.added})

    def _follow(self, found: FeatureSet) -> int | None:
        """Bring the online store after the offline one, where the set wants it."""
        if found.store == "offline" or found.online_by_hand:
            return None
        with self._locks[f"{found.project}.{found.name}".lower()]:
            return self._online.run(found)

    def _plan_drop(self, command: DropFeatureSet, caller: Caller) -> Plan:
        """Refused while vectors read it, unless CASCADE."""
        found = self._directory.find_set(command.ref) if command.if_exists else self._directory.set(command.ref)
        if found is None:
            return Plan((Step("reuse", str(command.ref), "does not exist"),), {"set": None, "vectors": []})
        readers = self._directory.readers(found)
        if readers and not command.cascade:
            names = ", ".join(vector.name for vector in readers)
            raise Conflict(
                f"feature set {found.name} is read by feature vector {names}", hint="drop it first, or add CASCADE"
            )
        steps = [Step("drop", f"feature vector {vector.project}.{vector.name}") for vector in readers]
        return Plan((*steps, Step("drop", f"feature set {found.ref}")), {"set": found, "vectors": readers})

    def _drop(self, command: DropFeatureSet, plan: Plan, caller: Caller) -> Result:
        """All versions: catalog first, so that nothing names what is gone."""
        found: FeatureSet | None = plan.resolved["set"]
        if found is None:
            return Result(f"there is no feature set {command.ref}")
        for vector in plan.resolved["vectors"]:
            self._remove_vector(vector)
        self._catalog.write(lambda cursor: table.delete(cursor, found.project, found.name))
        self._directory.remove_set(found)
        with self._catalog.transaction_data() as cursor:
            known = table.versions(cursor, found.project, found.name)
            table.delete_definitions(cursor, found.project, found.name)
            cursor.execute(f"DROP VIEW IF EXISTS {found.view}")
            for version, _ in known:
                cursor.execute(f"DROP TABLE IF EXISTS data._sets.{quote(f'{found.project}.{found.name}@{version}')}")
        for _, set_id in known:
            self._online.forget(set_id)
        return Result(f"dropped feature set {found.project}.{found.name}")

    def _plan_vector(self, command: CreateFeatureVector, caller: Caller) -> Plan:
        """Every feature must exist."""
        present = self._directory.find_vector(command.ref)
        if present is not None and command.if_not_exists:
            return Plan((Step("reuse", f"feature vector {command.ref}", "exists already"),), {"vector": None})
        if present is not None and not command.replace:
            raise AlreadyExists(f"feature vector {command.ref} exists already", hint="CREATE OR REPLACE FEATURE VECTOR …")
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
        vector = resolve(command, self._directory)
        sets = ", ".join(dict.fromkeys(feature.feature_set for feature in vector.features))
        detail = f"{len(vector.features)} features of {sets}"
        return Plan((Step("create", f"feature vector {command.ref}", detail),), {"vector": vector})

    def _create_vector(self, command: CreateFeatureVector, plan: Plan, caller: Caller) -> Result:
        """Definition and lineage in one write."""
        vector: FeatureVector | None = plan.resolved["vector"]
        if vector is None:
            return Result(f"feature vector {command.ref} exists already")
        self._directory.put_vector(vector)
        self._bus.publish(Event("feature_vector.created", vector.project, vector.name))
        return Result(
            f"created feature vector {vector.project}.{vector.name}: {len(vector.features)} features",
            facts={"features": len(vector.features)},
        )

    def _plan_drop_vector(self, command: DropFeatureVector, caller: Caller) -> Plan:
        """It must exist unless IF EXISTS."""
        found = self._directory.find_vector(command.ref) if command.if_exists else self._directory.vector(command.ref)
        return Plan((Step("drop", f"feature vector {command.ref}"),), {"vector": found})

    def _drop_vector(self, command: DropFeatureVector, plan: Plan, caller: Caller) -> Result:
        """Only the definition."""
        if plan.resolved["vector"] is None:
            return Result(f"there is no feature vector {command.ref}")
        self._remove_vector(plan.resolved["vector"])
        return Result(f"dropped feature vector {command.ref}")

    def _remove_vector(self, vector: FeatureVector) -> None:
        self._catalog.write(lambda cursor: feature_vectors.delete(cursor, vector.project, vector.name))
        self._directory.remove_vector(vector)
        self._bus.publish(Event("feature_vector.dropped", vector.project, vector.name))

    def forget_project(self, project: str) -> None:
        """Before a project is dropped: its online rows and what stands beside its features."""
        for found in self._directory.sets_of(project):
            with self._catalog.read() as cursor:
                known = table.versions(cursor, found.project, found.name)
            for _, set_id in known:
                self._online.forget(set_id)
            self._directory.remove_set(found)
        for vector in self._directory.vectors_of(project):
            self._directory.remove_vector(vector)
        self._catalog.write_data(lambda cursor: table.delete_definitions(cursor, project))


def _count(done: Ingested) -> str:
    told = f"{done.added:,} rows"
    if done.removed:
        told += f" in place of {done.removed:,}"
    if done.skipped:
        told += f", {done.skipped:,} wrong ones left out"
    return told
