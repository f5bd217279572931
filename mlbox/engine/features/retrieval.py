"""Reading features: the SQL of a point-in-time join, rows of the online store, what a run trains on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.command import Query
from mlbox.base.errors import Conflict, Invalid, MlboxError
from mlbox.base.names import Ref, literal, quote
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables.feature_sets import Reached
from mlbox.engine.features import asof
from mlbox.engine.features.definition import FeatureSet, FeatureVector, VectorFeature
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.online_parts import Readable, Wanted
from mlbox.engine.features.online_reader import OnlineReader
from mlbox.engine.features.relations import asked_entities, joining_order, links, with_tolerance
from mlbox.engine.features.stores.online.base import OnlineStore

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

TIME_NAMES = ("event_time", "timestamp", "ts")
_NAME = re.compile(r'(?:"[^"]+"|\w+)(?:\s*\.\s*(?:"[^"]+"|\w+)){0,2}\Z')


@dataclass(frozen=True, slots=True)
class SpineColumns:
    """What is known of a spine: its columns with types, or None for a CTE; the set that it is, if it is one."""

    relation: str
    columns: dict[str, str] | None
    feature_set: FeatureSet | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A vector over a spine: its sets in the order in which they are joined with what is wanted of each, ``time`` the
    spine's column of time, and the set of the label where that is to be added."""

    vector: FeatureVector
    seen: SpineColumns
    time: str
    wanted: Sequence[tuple[FeatureSet, Sequence[VectorFeature]]]
    linked: asof.Links
    label: FeatureSet | None


class Retrieval:
    """Answers the ``ml`` functions of features, the reader of serving and the frame of runs."""

    def __init__(
        self, catalog: Catalog, directory: Directory, store: OnlineStore, reached: Callable[[FeatureSet], Reached]
    ) -> None:
        self._catalog = catalog
        self._reached = reached
        self._ties: dict[str, tuple[int, bool]] = {}
        self._directory = directory
        self._store = store

    def features_sql(self, project: str, vector: str, spine: str) -> str:
        """See ``asof``. ``spine`` names a table, view or CTE.

        A CTE cannot be looked into when the text is made: its time column is then the one of the label's set, else
        ``event_time``, and the label is not added to it.
        """
        asked = self.ask(project, vector, spine)
        spine_rows = asof.Spine(asked.seen.relation, asked.time)
        names, wanted = asked.vector.names, asked.wanted
        text = asof.retrieval(spine_rows, wanted, names, asked.linked, self._unique(wanted))
        return self._with_label(asked, text)

    def ask(self, project: str, vector: str, spine: str) -> Asked:
        """Everything that a point-in-time join is made of, checked; see :meth:`features_sql`."""
        found = self._directory.vector(ref_of(vector, project))
        seen = self._look(project, spine)
        wanted = self._by_set(found, found.features)
        linked = links(found, wanted)
        time = self._time_of(found, seen)
        if seen.columns is not None:
            self._check_entities(found, seen.columns, wanted, linked)
            wanted = self._without_own(seen, wanted)
            self._check_names(seen, wanted)
        return Asked(found, seen, time, wanted, linked, self._label_of(found, seen))

    def features_at_sql(self, project: str, vector: str, instant: str) -> str:
        """Every entity as of an instant; one set of the vector must hold all entity columns."""
        found = self._directory.vector(ref_of(vector, project))
        wanted = self._by_set(found, found.features)
        linked = links(found, wanted)
        entities = asked_entities(wanted, linked)
        whole = next((one for one, _ in wanted if set(one.entity_names) == set(entities)), None)
        if whole is None:
            raise Invalid(
                f"no set of vector {found.name} knows all entities together ({', '.join(entities)})",
                hint="give the entities as rows with a time: FROM ml.features('vector', 'table')",
            )
        names = ", ".join(quote(name) for name in entities)
        moment = f"{literal(instant)}::TIMESTAMPTZ"
        known = f"{quote(whole.axis)} <= {moment}"
        relation = f"(SELECT DISTINCT {names}, {moment} AS event_time FROM {whole.table} WHERE {known})"
        return asof.retrieval(asof.Spine(relation, "event_time"), wanted, found.names, linked, self._unique(wanted))

    def reader(self, ref: Ref) -> OnlineReader:
        """For serving; it follows its vector's definition and tells when that is gone."""

        def resolve() -> Readable:
            found, wanted = self._directory.vector(ref), self.online_parts(ref)
            return Readable(found.names, wanted, links(found, wanted))

        return OnlineReader(self._store, resolve, self._directory.generation)

    def online_parts(self, ref: Ref) -> Wanted:
        """The sets of a vector with what it reads of them; ``Conflict`` where one is kept offline only."""
        found = self._directory.vector(ref)
        wanted = self._by_set(found, found.features)
        for feature_set, _ in wanted:
            if feature_set.store == "offline":
                raise Conflict(
                    f"feature set {feature_set.name} of vector {found.name} is kept offline only",
                    hint="create it with STORE OFFLINE AND ONLINE",
                )
        return wanted

    def training_query(self, ref: Ref) -> Query:
        """A vector over its label's set; any other name is read as a table."""
        vector = self._directory.find_vector(ref)
        if vector is None:
            return Query(f"FROM {quote(ref.project)}.{quote(ref.name)}")
        if vector.label is None:
            raise Invalid(
                f"vector {vector.name} has no label, so its rows are not known",
                hint=f"RUN … FROM (SELECT * FROM ml.features('{vector.name}', 'spine')), or give the vector a LABEL",
            )
        spine = f"{quote(vector.label.project)}.{quote(vector.label.feature_set)}"
        return Query(f"FROM ml.features({literal(f'{ref.project}.{ref.name}')}, {literal(spine)})")

    def _by_set(
        self, vector: FeatureVector, features: Sequence[VectorFeature]
    ) -> list[tuple[FeatureSet, list[VectorFeature]]]:
        """In an order in which the entities that come from other sets are known; as old as the vector allows."""
        grouped: dict[tuple[str, str], list[VectorFeature]] = {}
        for feature in features:
            grouped.setdefault((feature.project, feature.feature_set), []).append(feature)
        found = [
            (with_tolerance(self._directory.set(Ref(*key)), vector), grouped.get(key, []))
            for key in joining_order(vector, grouped)
        ]
        for feature_set, own in found:
            names = {feature.name for feature in feature_set.features}
            gone = next((feature.feature for feature in own if feature.feature not in names), None)
            if gone is not None:
                raise Conflict(
                    f"feature set {feature_set.ref} has no feature {gone!r}, which vector {vector.name} reads",
                    hint="CREATE OR REPLACE FEATURE VECTOR without it",
                )
        return found

    def _unique(self, wanted: Sequence[tuple[FeatureSet, Sequence[VectorFeature]]]) -> set[str]:
        """The sets without ties: ASOF joins them as they are, in half the time. Looked up once an ingest."""
        for feature_set, _ in wanted:
            sequence = self._reached(feature_set).sequence
            known = self._ties.get(feature_set.id)
            if known is None or known[0] != sequence:
                with self._catalog.read() as cursor:
                    tied = bool(cursor.execute(asof.ties(feature_set)).fetchall()[0][0])
                self._ties[feature_set.id] = (sequence, tied)
        return {feature_set.id for feature_set, _ in wanted if not self._ties[feature_set.id][1]}

    def _look(self, project: str, spine: str) -> SpineColumns:
        text = spine.strip()
        if not _NAME.match(text):
            raise Invalid(
                f"the spine {spine!r} is not a name",
                hint="put the query into a CTE: WITH s AS (SELECT …) FROM ml.features('vector', 's')",
            )
        parts = [part.strip().strip('"') for part in re.findall(r'"[^"]+"|\w+', text)]
        relation = ".".join(quote(part) for part in parts)
        own = self._directory.find_set(Ref(*parts)) if len(parts) == 2 else None
        own = own or (self._directory.find_set(Ref(project, parts[0])) if len(parts) == 1 else None)
        try:
            columns = dict(self._catalog.describe(project, Query(f"FROM {relation}")))
        except MlboxError:
            return SpineColumns(relation, None, None)
        return SpineColumns(relation, columns, own)

    def _time_of(self, vector: FeatureVector, seen: SpineColumns) -> str:
        """The column of the spine's own time."""
        label = self._directory.find_set(Ref(vector.label.project, vector.label.feature_set)) if vector.label else None
        if seen.feature_set is not None:
            return seen.feature_set.timestamp
        if seen.columns is None:
            return label.timestamp if label else TIME_NAMES[0]
        times = [name for name, kind in seen.columns.items() if kind.startswith("TIMESTAMP") or kind == "DATE"]
        preferred = ([label.timestamp] if label else []) + list(TIME_NAMES)
        for name in preferred:
            for time in times:
                if time.lower() == name.lower():
                    return time
        if len(times) == 1:
            return times[0]
        told = f"it has {len(times)}: {', '.join(times)}" if times else f"its columns: {', '.join(seen.columns)}"
        raise Invalid(f"which column of the spine {seen.relation} is its time? {told}", hint=f"call it {preferred[0]}")

    def _check_entities(
        self,
        vector: FeatureVector,
        columns: Mapping[str, str],
        wanted: Sequence[tuple[FeatureSet, Sequence[VectorFeature]]],
        linked: asof.Links,
    ) -> None:
        folded = {name.lower() for name in columns}
        for feature_set, _ in wanted:
            for name in feature_set.entity_names:
                if name.lower() not in folded and name not in linked.get(feature_set.id, {}):
                    raise Invalid(
                        f"the spine has no column {name!r}, the entity of feature set {feature_set.name} "
                        f"in vector {vector.name}",
                        hint=did_you_mean(name, columns),
                    )

    def _without_own(
        self, seen: SpineColumns, wanted: list[tuple[FeatureSet, list[VectorFeature]]]
    ) -> list[tuple[FeatureSet, list[VectorFeature]]]:
        """Features of the set that is the spine are its columns already, where a row is known at its event time.

        With KNOWN AT they are not: at its event time a row knows earlier rows only.
        """
        spine = seen.feature_set
        if spine is None or spine.known_at is not None:
            return wanted
        return [
            (one, [feature for feature in own if one.id != spine.id or feature.name != feature.feature])
            for one, own in wanted
        ]

    def _check_names(self, seen: SpineColumns, wanted: Sequence[tuple[FeatureSet, Sequence[VectorFeature]]]) -> None:
        folded = {name.lower() for name in seen.columns or ()}
        for feature_set, features in wanted:
            own = seen.feature_set is not None and feature_set.id == seen.feature_set.id
            why = f"; at {feature_set.timestamp} only rows known before are seen" if own else ""
            for feature in features:
                if feature.name.lower() in folded:
                    raise Invalid(
                        f"the spine has a column {feature.name!r}, and so has feature set {feature_set.name}{why}",
                        hint=f"rename the feature in the vector: {feature_set.name}.{feature.feature} AS …",
                    )

    def _label_of(self, vector: FeatureVector, seen: SpineColumns) -> FeatureSet | None:
        """The set of the label, unless the spine holds the label or cannot be looked into."""
        if vector.label is None or seen.columns is None:
            return None
        label = self._directory.set(Ref(vector.label.project, vector.label.feature_set))
        folded = {name.lower() for name in seen.columns}
        if vector.label.name.lower() in folded or not {name.lower() for name in label.entity_names} <= folded:
            return None
        return label

    def _with_label(self, asked: Asked, text: str) -> str:
        """Add the label by its set's entities."""
        vector, label = asked.vector, asked.label
        if vector.label is None or label is None:
            return text
        rows = asof.unique_rows(label, [vector.label.feature])
        keys = ", ".join(quote(name) for name in label.entity_names)
        last = f"row_number() OVER (PARTITION BY {keys} ORDER BY {quote(label.axis)} DESC) = 1"
        equal = " AND ".join(f"_rows.{quote(name)} = _label.{quote(name)}" for name in label.entity_names)
        wanted = f"_label.{quote(vector.label.feature)} AS {quote(vector.label.name)}"
        newest = f"(FROM ({rows}) QUALIFY {last})"
        return f"SELECT _rows.*, {wanted} FROM ({text}) AS _rows LEFT JOIN {newest} AS _label ON {equal}"


def ref_of(name: str, project: str) -> Ref:
    """``[project.]name`` as users write it, with quotes where a name needs them."""
    parts = [part.strip('"') for part in re.findall(r'"[^"]+"|[^.]+', name)]
    return Ref(parts[0], ".".join(parts[1:])) if len(parts) > 1 else Ref(project, name.strip('"'))
