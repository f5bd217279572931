"""DELETE ENTITY: somebody's rows go from every version of the sets, the online store and the prediction log.

What lies in the data file goes in one transaction with the record of it, in which the online keys stand until they have
gone as well: a crash in between is made up for when the home is opened.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Invalid, NotFound, Unavailable
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.names import quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import dropped_sets, erasures, projects, published
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.catalog.tables.erasures import Named
from mlbox.engine.features import erasing_kept, erasing_texts
from mlbox.engine.features.commands import DeleteEntity
from mlbox.engine.features.definition import FeatureSet, table_of
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.erasing_kept import Gone, folded, sets_of
from mlbox.engine.features.publishing import Publisher
from mlbox.engine.features.stores.online.base import OnlineStore, Schema
from mlbox.engine.features.stores.online.keys import KeyPacker
from mlbox.engine.features.streaming.service import Streams
from mlbox.engine.security.secrets import Secrets

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

_log = logging.getLogger("mlbox")


class Elsewhere(Protocol):
    """What else keeps rows that name entities, and has a place of its own for them."""

    def plan_erasure(self, project: str, entity: Mapping[str, Any], sets: Sequence[str] | None) -> Sequence[str]:
        """Names of the objects of a project that have the entity; of those only that read one of ``sets``."""
        ...

    def erase(self, project: str, names: Sequence[str], entity: Mapping[str, Any]) -> int:
        """Rows that have gone from them, with their files."""
        ...


class KeptElsewhere(Protocol):
    """What else is kept of dropped projects, and names entities."""

    def plan(self, project: str, entity: Mapping[str, Any]) -> Sequence[str]:
        """Names of the objects of dropped projects of this name that have the entity."""
        ...

    def erase(self, project: str, entity: Mapping[str, Any]) -> int:
        """Rows that have gone from them, with their files."""
        ...


class Feeding(Protocol):
    """Feeds, whose rows wait, were refused, or stand in tables with their answers."""

    def paused(self, project: str) -> AbstractContextManager[None]:
        """What is under way is given up and comes again, without what was deleted meanwhile."""
        ...

    def places(self, project: str, endpoints: Sequence[str] | None) -> tuple[Sequence[str], Sequence[str]]:
        """Ids of the feeds of a project, and the tables into which they write; of those that ask ``endpoints``."""
        ...


class Erasure:
    """Answers DELETE ENTITY. ``before`` are called first: what waits in memory is written, so that it is found."""

    def __init__(self, catalog: Catalog, bus: Bus, directory: Directory, streams: Streams, store: OnlineStore) -> None:
        self._catalog = catalog
        self._streams = streams
        self._bus = bus
        self._directory = directory
        self._store = store
        self._secrets = Secrets(catalog)
        self.before: list[Callable[[], None]] = []
        self.collections: Elsewhere | None = None
        self.kept_collections: KeptElsewhere | None = None
        self.feeds: Feeding | None = None
        self.publisher: Publisher | None = None
        self.changing: AbstractContextManager[object] = nullcontext()
        """Held while a project goes or comes back."""

    def handlers(self) -> Iterable[Handler]:
        """The command it answers."""
        return (Handler(DeleteEntity, self.plan, self.execute),)

    def plan(self, command: DeleteEntity, caller: Caller) -> Plan:
        """The sets that have the entity; its values must be of its type."""
        kept: list[str] = []
        known: set[str] = set()
        documents: list[str] = []
        if command.ref is not None:
            sets = [self._directory.set(command.ref)]
        else:
            kept, known = self._kept(command)
            if self.kept_collections is not None:
                documents = list(self.kept_collections.plan(command.project, command.entity))
            sets = self._directory.sets_of(command.project)
        wanted = folded(command.entity)
        able = [found for found in sets if wanted <= folded(found.entity_names)]
        project = command.ref.project if command.ref else command.project
        of = [f"{found.project}.{found.name}" for found in able] if command.ref else None
        collections = list(self.collections.plan_erasure(project, command.entity, of)) if self.collections else []
        if not able and not kept and not documents and not (collections and command.ref is None):
            known |= {name for found in sets for name in found.entity_names}
            where = f"feature set {command.ref}" if command.ref else f"a feature set of project {command.project}"
            raise NotFound(
                f"{', '.join(command.entity)} is no entity of {where}",
                hint=did_you_mean(next(iter(command.entity)), known)
                or f"entities: {', '.join(sorted(known)) or 'none'}",
            )
        for found in able:
            self._check(found, command.entity)
        steps = [
            Step("delete", f"feature set {found.project}.{found.name}", "all versions, online too") for found in able
        ]
        steps += [Step("delete", f"collection {project}.{name}", "documents and vectors") for name in collections]
        steps += [Step("delete", f"dropped project {name}", "what RESTORE PROJECT would bring back") for name in kept]
        steps += [Step("delete", f"dropped collection {project}.{name}", "documents and vectors") for name in documents]
        scope = "of endpoints that read it" if command.ref else f"of project {project}"
        steps.append(Step("delete", "predictions", f"that name the entity, {scope}"))
        steps.append(Step("delete", "rows of feeds", f"that wait, were refused, or are answered in tables, {scope}"))
        vectors = self._vectors(able)
        steps.append(erasing_texts.step(command))
        with self._catalog.read() as cursor:
            datasets = erasures.datasets_of(cursor, [(found.project, found.name) for found in able], vectors)
        steps += [Step("keep", f"dataset {name}", "immutable; DROP ARTIFACT deletes it") for name in datasets]
        reached = {"sets": able, "collections": collections, "kept_collections": documents, "datasets": datasets}
        return Plan(tuple(steps), reached)

    def _kept(self, command: DeleteEntity) -> tuple[list[str], set[str]]:
        """Dropped projects of this name of which a set has the entity; the entities of all their sets."""
        found, known = [], set()
        with self._catalog.read() as cursor:
            stones = sets_of(cursor, command.project)
            if not stones:  # what was dropped and can be restored counts, whether or not there is one of its name now
                projects.require(cursor, command.project)
            for stone, sets in stones:
                able = [one for one in sets if folded(command.entity) <= folded(one.entity_names)]
                for one in able:
                    self._check(one, command.entity)
                known |= {name for one in sets for name in one.entity_names}
                found += [stone.name] if able else []
        return found, known

    def _vectors(self, sets: Sequence[FeatureSet]) -> list[tuple[str, str]]:
        return [(reader.project, reader.name) for found in sets for reader in self._directory.readers(found)]

    def _check(self, found: FeatureSet, entity: Mapping[str, Any]) -> None:
        types = {name.lower(): kind for name, kind in found.entities}
        for name, value in entity.items():
            if value is None:
                raise Invalid(f"entity {name} needs a value", hint=f"DELETE ENTITY ({name} = 7) FROM …")
            kind = types[name.lower()]
            KeyPacker(Schema("00" * 16, (kind,), ())).pack((value,))
            with self._catalog.read() as cursor:
                if not erasures.is_of_type(cursor, value, kind):
                    raise Invalid(
                        f"entity value {value!r} is not of type {kind}", hint=f"entities of {found.name}: {kind}"
                    )

    def execute(self, command: DeleteEntity, plan: Plan, caller: Caller) -> Result:
        """The data file, then the online store; a store that is away is followed when the home is opened."""
        with self.changing:  # what was dropped may be back since the plan was made, and the other way round
            return self._carry_out(command, self.plan(command, caller), caller)

    def _carry_out(self, command: DeleteEntity, plan: Plan, caller: Caller) -> Result:
        for flush in self.before:
            flush()
        sets: list[FeatureSet] = plan.resolved["sets"]
        names: list[str] = plan.resolved["collections"]
        project = command.ref.project if command.ref else command.project
        # First: after a crash the statement was not answered, and is given again.
        documents = self.collections.erase(project, names, command.entity) if self.collections and names else 0
        kept_names: list[str] = plan.resolved["kept_collections"]
        if self.kept_collections is not None and kept_names:
            documents += self.kept_collections.erase(project, command.entity)
        with ExitStack() as held:
            if self.feeds is not None:
                held.enter_context(self.feeds.paused(project))
            for found in sorted(sets, key=lambda one: (one.project, one.name)):
                held.enter_context(self._streams.locks.of(found.ref))
            row = self._erase(command, sets, documents, caller)
            self._rewrite_files(sets)
            for found in sets:
                self._streams.forget(found.id)  # its window in memory, which is read again from what is left
            online = self._follow(row.id, row.pending)
        erasing_texts.redact(self._catalog, self._directory, command, sets)
        self._bus.publish(Event("entity.deleted", project, row.feature_set or "", {"erasure": row.id}))
        told = (
            f"{online:,} online" if online is not None else "those online follow when the online store can be reached"
        )
        facts: dict[str, Any] = {"rows": row.offline_rows, "online": online or 0, "predictions": row.predictions}
        if names := [*names, *kept_names]:
            told += f", {counted(documents, 'document')} of {counted(len(names), 'collection')}"
            facts["documents"] = documents
        if row.refused_rows:
            told += f", {counted(row.refused_rows, 'refused row')}"
            facts["refused"] = row.refused_rows
        if row.feed_rows:
            told += f", {counted(row.feed_rows, 'row')} of feeds"
            facts["feeds"] = row.feed_rows
        kept: list[str] = plan.resolved["datasets"]
        if kept:
            facts["datasets"] = kept
        return Result(
            f"deleted {counted(row.offline_rows, 'row')} of {counted(len(sets), 'feature set')}, {told}, and "
            f"{counted(row.predictions, 'prediction')}; sources and tables of yours are not touched{_told_of(kept)}",
            facts=facts,
        )

    def _erase(
        self, command: DeleteEntity, sets: Sequence[FeatureSet], documents: int, caller: Caller
    ) -> erasures.ErasureRow:
        project = command.ref.project if command.ref else command.project
        entity = command.entity
        with self._catalog.read() as cursor:
            endpoints = erasures.endpoints_reading(cursor, self._vectors(sets), project) if command.ref else None
        feeds, answers = self.feeds.places(project, endpoints) if self.feeds else ((), ())
        types = {name.lower(): kind for found in reversed(sets) for name, kind in found.entities}
        named = Named(entity, types)
        offline, pending, ids = 0, [], []
        with self._catalog.transaction_data() as cursor:
            for found in sets:
                for version, set_id in table.versions(cursor, found.project, found.name):
                    ids.append(set_id)
                    rows, keys = _erase_version(cursor, found, version, set_id, entity)
                    offline += rows
                    pending += keys
            published.mark(cursor, ids)
            told_of = [*ids, *feeds] if command.ref is not None else None
            erasing_texts.redaction(cursor, command, sets).of_streams(cursor, project, told_of)
            if command.ref is None:
                ids += _erase_dropped(cursor, project, entity)
            erasures.forget_statistics(cursor, ids, entity)
            some = command.ref is not None
            kept = Gone() if some else erasing_kept.erase(cursor, project, entity)
            refused = erasures.delete_refused(cursor, project, [*ids, *feeds] if some else None, named)
            waiting = erasures.delete_waiting(cursor, project, feeds if some else None, named)
            row = erasures.ErasureRow(
                id=new_id(),
                project=project,
                feature_set=sets[0].name if command.ref else None,
                entities=sorted(entity, key=str.lower),
                digest=self._secrets.digest(_canonical(entity)),
                requested_by=caller.user,
                requested_at=now(),
                offline_rows=offline + kept.offline,
                refused_rows=refused + kept.refused,
                predictions=erasures.delete_predictions(cursor, project, named, endpoints) + kept.predictions,
                pending=pending,
                documents=documents,
                feed_rows=waiting + kept.feeds + erasures.delete_answers(cursor, project, answers, named),
            )
            erasures.insert(cursor, row)
        return row

    def _rewrite_files(self, sets: Sequence[FeatureSet]) -> None:
        """Files of sets at locations of their own, in all versions; those that cannot be reached follow at open."""
        with self._catalog.read() as cursor:
            ids = [one for found in sets for _, one in table.versions(cursor, found.project, found.name)]
            versions = [FeatureSet.from_text(table.definition_of(cursor, one)) for one in ids]
        if self.publisher is not None:
            self.publisher.catch_up(versions)

    def _follow(self, erasure_id: str, keys: Sequence[bytes]) -> int | None:
        try:
            online = self._store.delete(keys) if keys else 0
        except Unavailable as error:
            _log.warning("deletion %s has not reached the online store: %s", erasure_id, error.message)
            return None
        with self._catalog.transaction_data() as cursor:
            erasures.complete(cursor, erasure_id, online)
        return online

    def catch_up(self) -> None:
        """At open: what a crash, or a store that was away, has left."""
        with self._catalog.read() as cursor:
            left = erasures.pending(cursor)
        for erasure_id, keys in left:
            self._follow(erasure_id, keys)


def _told_of(datasets: Sequence[str]) -> str:
    if not datasets:
        return ""
    more = f" and {len(datasets) - 3} more" if len(datasets) > 3 else ""
    return (
        f", nor datasets, which are immutable: DROP ARTIFACT deletes {', '.join(datasets[:3])}{more}, if the entity is "
        "in there"
    )


def _erase_version(
    cursor: DuckDBPyConnection, found: FeatureSet, version: int, set_id: str, entity: Mapping[str, Any]
) -> tuple[int, list[bytes]]:
    """Rows of a version, and the online keys of their entities. An older version may have had other entities."""
    definition = FeatureSet.from_text(table.definition_of(cursor, set_id))
    if not folded(entity) <= folded(definition.entity_names):
        return 0, []
    place = table_of(found.project, found.name, version)
    condition = erasures.matching(definition.entities, entity)
    names = ", ".join(quote(name) for name in definition.entity_names)
    packer = KeyPacker(definition.online_schema)
    owners = cursor.execute(f"SELECT DISTINCT {names} FROM {place} WHERE {condition}").fetchall()
    keys = [key for key in map(packer.pack, owners) if key is not None]
    if len(definition.entities) == len(entity):  # online without a row offline: of a source that was thinned
        values = {name.lower(): value for name, value in entity.items()}
        own = packer.pack([values[name.lower()] for name in definition.entity_names])
        keys += [own] if own is not None and own not in keys else []
    texts = erasures.own_texts(cursor, set_id, place, condition)
    gone = erasures.delete_rows(cursor, place, condition)
    erasures.forget_texts(cursor, set_id, place, texts)
    return gone, keys


def _erase_dropped(cursor: DuckDBPyConnection, project: str, entity: Mapping[str, Any]) -> list[str]:
    """Rows that RESTORE would bring back; ids of the versions that had any columns for them."""
    ids = []
    for kept in dropped_sets.versions(cursor, project):
        definition = FeatureSet.from_text(kept.definition)
        if folded(entity) <= folded(definition.entity_names):
            place, condition = kept.table(project), erasures.matching(definition.entities, entity)
            texts = erasures.own_texts(cursor, kept.id, place, condition)
            erasures.delete_rows(cursor, place, condition)
            erasures.forget_texts(cursor, kept.id, place, texts)
            ids.append(kept.id)
    return ids


def _canonical(entity: Mapping[str, Any]) -> str:
    """The same text for the same entity: ``7`` and ``"7"`` too."""
    return json.dumps(
        {name.lower(): str(value) for name, value in sorted(entity.items(), key=lambda pair: pair[0].lower())}
    )
