"""The commands on feature sets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Handler, Plan, Query, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import AlreadyExists, Conflict, MlboxError, NotFound, Unavailable
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import dropped_sets, projects, published
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.features.building import FromSource, build, check
from mlbox.engine.features.clock import NoClock, RefreshClock
from mlbox.engine.features.commands import (
    CreateFeatureSet,
    DropFeatureSet,
    InsertFeatures,
    RefreshFeatureSet,
)
from mlbox.engine.features.definition import FeatureSet, view_of
from mlbox.engine.features.directory import Directory, users_of
from mlbox.engine.features.ingest import Ingest
from mlbox.engine.features.loading import Range
from mlbox.engine.features.online import Materializer
from mlbox.engine.features.publishing import Publisher, StreamPlaces
from mlbox.engine.features.streaming.service import Streams
from mlbox.engine.features.transforming import Foreseen
from mlbox.engine.features.wording import count_of, steps_of_create

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_log = logging.getLogger("mlbox")


@dataclass(frozen=True, slots=True)
class Span:
    """What a refresh asks for; see ``RefreshFeatureSet``."""

    full: bool
    start: datetime | None
    end: datetime | None
    online: bool


class FeatureSets:
    """CREATE, REFRESH, INSERT INTO and DROP of feature sets. One writer at a time for each set."""

    def __init__(
        self,
        catalog: Catalog,
        bus: Bus,
        directory: Directory,
        ingest: Ingest,
        online: Materializer,
        streams: Streams,
    ) -> None:
        self.clock: RefreshClock = NoClock()
        self._catalog = catalog
        self._bus = bus
        self._directory = directory
        self._ingest = ingest
        self._online = online
        self._streams = streams
        self._reader = streams.reader
        self.publisher = Publisher(catalog, streams.reader, ingest.reached)
        self._locked = streams.locks.of
        self.settle = streams.locks.settle
        """Wait for those who write into sets of a project now."""
        streams.after = self._move
        streams.place = StreamPlaces(self.publisher, directory, self._locked, self._behind)

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers."""
        return (
            Handler(CreateFeatureSet, self.plan_create, self.create),
            Handler(RefreshFeatureSet, self.plan_refresh, self.refresh),
            Handler(InsertFeatures, self.plan_insert, self.insert),
            Handler(DropFeatureSet, self.plan_drop, self.drop),
        )

    def plan_create(self, command: CreateFeatureSet, caller: Caller) -> Plan:
        """Bind the query, find and type the columns."""
        present = self._directory.find_set(command.ref)
        keeps = kept("feature set", command, present, "makes a new version")
        if keeps is not None:
            return keeps
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
            numbers = [version for version, _ in table.versions(cursor, command.ref.project, command.ref.name)]
        if present is None:
            refuse_taken(self._catalog, command.ref)
        else:  # in the spelling that it has
            command = replace(command, ref=Ref(present.project, present.name))
        check(command)
        given: FromSource | None = None
        if command.source is not None:
            source, columns = self._reader.columns(command.source)
            given = FromSource(source.id, columns, stream=not self._reader.is_batch(source))
        through: Foreseen | None = None
        if command.transform is not None and given is not None:
            through = self._ingest.transforms.foresee(command.transform)
            given = replace(given, transform=through.key, push=self._reader.is_pushed(source))
        built = build(command, max(numbers, default=0) + 1, self._catalog.describe, given)
        built = replace(built, owner=command.options.get("owner") or (present.owner if present else caller.user))
        if present is not None:
            self.refuse_loss(present, built)
        self.publisher.check(built)
        steps = steps_of_create(command, built, present)
        steps = (*self._steps_of_engine(built, command.query), *steps)
        if through is not None:
            steps = (Step("use", f"function {built.transform_ref}", through.told), *steps)
        schedule = self.clock.check(built)
        if schedule is not None:
            steps = (*steps, Step("create", f"schedule {schedule}", built.refresh or ""))
        return Plan(steps, {"built": built, "present": present})

    def refuse_loss(self, present: FeatureSet, built: FeatureSet) -> None:
        """Raise ``Conflict`` when a vector reads what the new version lacks."""
        names = {feature.name for feature in built.features}
        for vector in self._directory.readers(present):
            lost = [name for name in vector.reads(present) if name not in names]
            if lost:
                raise Conflict(
                    f"feature vector {vector.name} reads {present.name}.{lost[0]}, which the new version lacks",
                    hint="drop the vector first, or keep the feature",
                )

    def create(self, command: CreateFeatureSet, plan: Plan, caller: Caller) -> Result:
        """Rows with the definition beside them, the online store, then the catalog, which switches readers over."""
        built: FeatureSet = plan.resolved["built"]
        with self._locked(command.ref):
            done = self._ingest.create(built, fill=not command.options.get("defer", False))
            told = self._follow(built)
            self._directory.put_set(built, self._online.known_state(built.id))
            self.clock.follow(built, plan.resolved["present"], caller)
            self._forget_older(built)
        self._bus.publish(Event("feature_set.created", built.project, built.name, {"rows": done.added}))
        features = counted(len(built.features), "feature")
        return Result(
            f"created feature set {built.project}.{built.name}: {count_of(done, built)}, {features}{told}",
            facts={"rows": done.added, "version": built.version},
        )

    def supersede(self, following: FeatureSet, values: Mapping[str, str], caller: Caller) -> int:
        """Make the next version of a set out of the rows of the last one; how many there are."""
        with self._locked(following.ref.at(None)):
            present = self._directory.set(following.ref.at(None))
            if present.version >= following.version:
                raise Conflict(f"feature set {present.name} has changed meanwhile", hint="look at it, and try again")
            rows = self._ingest.evolve(present, following, values)
            self._follow(following)
            self._directory.put_set(following, self._online.known_state(following.id))
            self._forget_older(following)
        return rows

    def annotate(self, changed: FeatureSet) -> None:
        """Keep the same version with another comment, owner or tags."""
        with self._locked(changed.ref.at(None)):
            with self._catalog.transaction_data() as cursor:
                table.replace_definition(cursor, changed.id, changed.to_text())
            self._directory.put_set(changed, self._online.known_state(changed.id))

    def _follow(self, found: FeatureSet) -> str:
        """Bring files and online store after the offline one, where the set wants it; what to say about it.

        What is offline is committed already: a store that is away is told of, and made up for later.
        """
        return self._publish(found) + self._move(found)

    def _publish(self, found: FeatureSet) -> str:
        try:
            self.publisher.follow(found)
        except MlboxError as error:
            return f"; not written to its location yet: {self._behind(found, error)}"
        return ""

    def _behind(self, found: FeatureSet, error: MlboxError) -> str:
        _log.warning("%s is behind: %s", found.ref, error.message)
        self._bus.publish(Event("feature_set.behind", found.project, found.name, {"error": error.message}))
        return error.message

    def _move(self, found: FeatureSet) -> str:
        if found.store == "offline" or found.online_by_hand:
            return ""
        try:
            return f", {counted(self._materialize(found, None), 'entity', 'entities')} online"
        except Unavailable as error:
            return f"; not online yet: {self._behind(found, error)}"

    def _materialize(self, found: FeatureSet, end: datetime | None) -> int:
        return self._streams.rebuild(found) if found.fed and found.windows else self._online.run(found, end)

    def _forget_older(self, built: FeatureSet) -> None:
        """Online rows of versions before the previous one, which requests under way may still read."""
        with self._catalog.read() as cursor:
            known = table.versions(cursor, built.project, built.name)
        for version, set_id in known:
            if version < built.version - 1:
                self._online.forget(set_id)
            if version < built.version:
                self._streams.forget(set_id)

    def catch_up(self, sets: Iterable[FeatureSet]) -> None:
        """At open: what was committed offline, and is not in the online store: after a crash, or in another store."""
        sets = list(sets)
        for found in sets:
            with self._locked(found.ref.at(None)):
                with self._catalog.read() as cursor:
                    ids = published.marked(cursor, found.project, found.name)
                    marked = [FeatureSet.from_text(table.definition_of(cursor, one)) for one in ids]
                self.publisher.catch_up({one.id: one for one in (found, *marked)}.values())
        for found in sets:
            if found.store == "offline":
                continue
            try:
                if not found.online_by_hand:
                    if self._online.behind(found):
                        self._materialize(found, None)
                elif (until := self._until(found)) and self._online.state(found.id).until is None:
                    self._materialize(found, until)
            except Unavailable as error:  # the next refresh finds it behind
                _log.warning("%s is not moved online: %s", found.ref, error.message)

    def _until(self, found: FeatureSet) -> datetime | None:
        with self._catalog.read() as cursor:
            return table.online_until(cursor, found.id)

    def plan_refresh(self, command: RefreshFeatureSet, caller: Caller) -> Plan:
        """What will be read."""
        found = self._directory.set(command.ref)
        self.check_refresh(found, online=command.online)
        if found.fed and not command.online and (command.full or command.start or command.end):
            raise Conflict(
                f"feature set {found.name} reads a stream, of which rows are read once",
                hint="REFRESH FEATURE SET without FULL, FROM and TO reads what has come",
            )
        target = "online store" if command.online else f"{found.project}.{found.name}"
        until = f"known before {command.end.isoformat()}" if command.end else "all that is known"
        steps = [Step("write", target, until)]
        if found.transform_ref is not None and not command.online:
            steps.insert(0, Step("use", f"function {found.transform_ref}", self._function_of(found)))
        engine = () if command.online else self._steps_of_engine(found, Query(found.body or "", 0, found.body or ""))
        return Plan((*engine, *steps))

    def _steps_of_engine(self, found: FeatureSet, query: Query | None) -> tuple[Step, ...]:
        """What another engine than DuckDB does; refused where the query is not portable."""
        if found.engine == "duckdb" or query is None or self._ingest.spark is None:
            return ()
        return self._ingest.spark.steps(self._ingest.spark.plan(found.project, query), found.engine_options)

    def _function_of(self, found: FeatureSet) -> str:
        """How the function of a set runs; ``Conflict`` when it was dropped."""
        assert found.transform_ref is not None
        try:
            return self._ingest.transforms.foresee(found.transform_ref).told
        except NotFound:
            raise Conflict(
                f"function {found.transform_ref}, which rows of feature set {found.name} go through, was dropped",
                hint=f"RESTORE FUNCTION {found.transform_ref.at(None)}, or CREATE OR REPLACE the set with another",
            ) from None

    def check_refresh(self, found: FeatureSet, *, online: bool) -> None:
        """Raise ``Conflict`` when there is nothing to refresh from or to."""
        if online and found.store == "offline":
            raise Conflict(
                f"feature set {found.name} is kept offline only", hint="create it with STORE OFFLINE AND ONLINE"
            )
        if not online and not found.refreshable:
            raise Conflict(
                f"feature set {found.name} has no query and no source to refresh from", hint="add rows with INSERT INTO"
            )
        if not online and found.source is not None:
            self._reader.source_of(found)
            if found.transform is not None:
                self._function_of(found)

    def refresh(self, command: RefreshFeatureSet, plan: Plan, caller: Caller) -> Result:
        """Incrementally unless a range or FULL is asked for; the same refresh twice adds nothing."""
        span = Span(command.full, command.start, command.end, command.online)
        message, rows = self.renew(command.ref, span)
        return Result(message, facts={"rows": rows})

    def renew(self, ref: Ref, span: Span) -> tuple[str, int]:
        """Carry a refresh out; a line that says what was done, and how many rows."""
        with self._locked(ref):
            found = self._directory.set(ref)
            if span.online:
                written = self._materialize(found, span.end)
                return f"{counted(written, 'entity', 'entities')} of {found.project}.{found.name} online", written
            replacing = span.full or span.start is not None
            if found.fed:
                done, told = self._streams.drain(found), self._publish(found)
            else:
                after = None if replacing else self._ingest.reached(found).known
                done = self._ingest.refresh(found, Range(after, span.start, span.end), replacing=replacing)
                told = self._follow(found)
        if done.added or done.removed:
            self._bus.publish(Event("feature_set.refreshed", found.project, found.name, {"rows": done.added}))
        return f"refreshed feature set {found.project}.{found.name}: {count_of(done, found)}{told}", done.added

    def plan_insert(self, command: InsertFeatures, caller: Caller) -> Plan:
        """The rows must bind."""
        found = self._directory.set(command.ref)
        if found.windows and not found.fed:
            raise Conflict(
                f"feature set {found.name} has window aggregates over its query and takes no rows by INSERT",
                hint="insert into the table that it reads, then REFRESH FEATURE SET",
            )
        self._catalog.describe(caller.project, command.query)
        return Plan((Step("write", str(command.ref), "rows of the query"),))

    def insert(self, command: InsertFeatures, plan: Plan, caller: Caller) -> Result:
        """Through the same checks as an ingest."""
        with self._locked(command.ref):
            found = self._directory.set(command.ref)
            if found.fed and found.windows:
                done, told = self._streams.insert(found, command.query, command.columns, caller.project), ""
            else:
                done = self._ingest.insert(found, command.query, command.columns, caller.project)
                told = self._follow(found)
        return Result(
            f"inserted into {found.project}.{found.name}: {count_of(done, found)}{told}", facts={"rows": done.added}
        )

    def plan_drop(self, command: DropFeatureSet, caller: Caller) -> Plan:
        """Refused while vectors read it, unless CASCADE, which drops them and what uses them."""
        found = self._directory.find_set(command.ref) if command.if_exists else self._directory.set(command.ref)
        if found is None:
            return missing(f"feature set {command.ref}")
        readers = self._directory.readers(found)
        if readers and not command.cascade:
            names = ", ".join(vector.name for vector in readers)
            first = "; ".join(f"DROP FEATURE VECTOR {vector.project}.{vector.name}" for vector in readers)
            raise Conflict(
                f"feature set {found.name} is read by feature vector {names}", hint=f"first {first}, or add CASCADE"
            )
        steps = [Step("drop", f"feature vector {vector.project}.{vector.name}") for vector in readers]
        steps += users_of(self._catalog, readers).steps()
        return Plan((*steps, Step("drop", f"feature set {found.ref}")), {"set": found})

    def drop(self, command: DropFeatureSet, plan: Plan, caller: Caller) -> Result:
        """All versions: data with their definition first, as they are made; at open the catalog follows. The rows are
        kept for RESTORE."""
        with self._locked(command.ref):
            found = self._directory.set(command.ref)
            readers = self._directory.readers(found)
            users = self._directory.remove_vectors(readers, cascade=command.cascade, by=caller.user)
            gone = (Event("feature_vector.dropped", vector.project, vector.name) for vector in readers)
            for event in (*users.events(), *gone):
                self._bus.publish(event)
            with self._catalog.transaction_data() as cursor:
                known = table.versions(cursor, found.project, found.name)
                cursor.execute(f"DROP VIEW IF EXISTS {found.view}")
                for version, _ in known:
                    cursor.execute(f"DROP VIEW IF EXISTS {view_of(found.project, found.name, version)}")
                dropped_sets.bury(cursor, found.project, found.name, found.id)
            self._directory.remove_set(found, by=caller.user)
            self.clock.drop(found, caller)
            for _, set_id in known:
                self._streams.forget(set_id)
                self._online.forget(set_id)
        self._bus.publish(Event("feature_set.dropped", found.project, found.name))
        return Result(f"dropped feature set {found.project}.{found.name}{users}")


def refuse_taken(catalog: Catalog, ref: Ref) -> None:
    """Raise ``AlreadyExists`` when a table or view has the name."""
    taken = catalog.row(
        "SELECT table_type FROM information_schema.tables WHERE table_catalog = 'data' AND lower(table_schema) = ? "
        "AND lower(table_name) = ?",
        [ref.project.lower(), ref.name.lower()],
    )
    if taken:
        raise AlreadyExists(
            f"project {ref.project} has a table or view {ref.name} already", hint="choose another name, or drop it"
        )
