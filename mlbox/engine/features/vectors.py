"""The commands on feature vectors, and how a vector's features are found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Invalid, NotFound
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref, check_name
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import projects
from mlbox.engine.features.commands import (
    CreateFeatureVector,
    DropFeatureVector,
    FeatureRef,
    RefreshFeatureVector,
    Relation,
)
from mlbox.engine.features.definition import FeatureSet, FeatureVector, Link, VectorFeature
from mlbox.engine.features.directory import Directory, users_of
from mlbox.engine.features.relations import joining_order
from mlbox.engine.features.sets import FeatureSets, Span

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class FeatureVectors:
    """CREATE, REFRESH and DROP of feature vectors."""

    def __init__(self, catalog: Catalog, bus: Bus, directory: Directory, sets: FeatureSets) -> None:
        self._catalog = catalog
        self._bus = bus
        self._directory = directory
        self._sets = sets

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers."""
        return (
            Handler(CreateFeatureVector, self.plan_create, self.create),
            Handler(RefreshFeatureVector, self.plan_refresh, self.refresh),
            Handler(DropFeatureVector, self.plan_drop, self.drop),
        )

    def plan_create(self, command: CreateFeatureVector, caller: Caller) -> Plan:
        """Every feature must exist."""
        present = self._directory.find_vector(command.ref)
        keeps = kept("feature vector", command, present, "replaces its definition")
        if keeps is not None:
            return keeps
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
        vector = resolve(command, self._directory, present.name if present else command.ref.name)
        sets = ", ".join(dict.fromkeys(feature.feature_set for feature in vector.features))
        detail = f"{counted(len(vector.features), 'feature')} of {sets}"
        return Plan((Step("create", f"feature vector {command.ref}", detail),), {"vector": vector})

    def create(self, command: CreateFeatureVector, plan: Plan, caller: Caller) -> Result:
        """Definition and lineage in one write."""
        vector: FeatureVector = plan.resolved["vector"]
        self._directory.put_vector(vector)
        self._bus.publish(Event("feature_vector.created", vector.project, vector.name))
        return Result(
            f"created feature vector {vector.project}.{vector.name}: {counted(len(vector.features), 'feature')}",
            facts={"features": len(vector.features)},
        )

    def plan_refresh(self, command: RefreshFeatureVector, caller: Caller) -> Plan:
        """Its sets that have a query or a source, or with ONLINE those that are kept online."""
        vector = self._directory.vector(command.ref)
        found = self._sets_of(vector)
        able = [one for one in found if (one.store != "offline" if command.online else one.refreshable)]
        if not able:
            self._sets.check_refresh(found[0], online=command.online)
        steps = [Step("write", "online store" if command.online else f"{one.project}.{one.name}") for one in able]
        return Plan(tuple(steps), {"sets": able})

    def refresh(self, command: RefreshFeatureVector, plan: Plan, caller: Caller) -> Result:
        """One set after the other."""
        span = Span(command.full, command.start, command.end, command.online)
        done = [self._sets.renew(Ref(one.project, one.name), span) for one in plan.resolved["sets"]]
        return Result("; ".join(message for message, _ in done), facts={"rows": sum(rows for _, rows in done)})

    def _sets_of(self, vector: FeatureVector) -> list[FeatureSet]:
        refs = dict.fromkeys(
            [
                *(Ref(used.project, used.feature_set) for used in vector.uses),
                *(Ref(link.from_project, link.from_set) for link in vector.links),
            ]
        )
        return [self._directory.set(ref) for ref in refs]

    def plan_drop(self, command: DropFeatureVector, caller: Caller) -> Plan:
        """It must exist unless IF EXISTS; refused while endpoints enrich with it, unless CASCADE."""
        found = self._directory.find_vector(command.ref) if command.if_exists else self._directory.vector(command.ref)
        if found is None:
            return missing(f"feature vector {command.ref}")
        users = users_of(self._catalog, [found])
        if not command.cascade:
            users.refuse(f"feature vector {command.ref}")
        return Plan((Step("drop", f"feature vector {command.ref}"), *users.steps()), {"vector": found})

    def drop(self, command: DropFeatureVector, plan: Plan, caller: Caller) -> Result:
        """Only the definition; with CASCADE also the endpoints that enrich with it and what watches them."""
        vector: FeatureVector = plan.resolved["vector"]
        users = self._directory.remove_vectors([vector], cascade=command.cascade, by=caller.user)
        for event in (*users.events(), Event("feature_vector.dropped", vector.project, vector.name)):
            self._bus.publish(event)
        return Result(f"dropped feature vector {vector.project}.{vector.name}{users}")


def resolve(command: CreateFeatureVector, directory: Directory, name: str) -> FeatureVector:
    """Wildcards become names; every feature must exist and have a name of its own."""
    check_name(name, "feature vector name")
    features = [found for wanted in command.features for found in _named(wanted, directory)]
    seen: dict[str, VectorFeature] = {}
    for feature in features:
        other = seen.setdefault(feature.name.lower(), feature)
        if other is not feature:
            raise Invalid(
                f"two features are called {feature.name!r}: {other.feature_set}.{other.feature} and "
                f"{feature.feature_set}.{feature.feature}",
                hint="rename one with AS",
            )
    label = None
    if command.label is not None:
        (label,) = _named(command.label, directory) if command.label.feature != "*" else (None,)
        if label is None:
            raise Invalid("the label is one column", hint="LABEL set.column")
    vector = FeatureVector(command.ref.project, name, tuple(features), label, command.comment)
    relations = tuple(_link(relation, directory) for relation in command.relations)
    vector = replace(vector, links=relations, tolerances=_tolerances(command, vector, directory))
    for link in relations:
        _check_read(vector, Ref(link.project, link.feature_set), "RELATIONS")
    joining_order(vector, dict.fromkeys((feature.project, feature.feature_set) for feature in features))
    return vector


def _link(relation: Relation, directory: Directory) -> Link:
    (source,) = _named(relation.feature, directory)
    to = directory.set(relation.entity.feature_set)
    asked = relation.entity.feature
    entity = next((name for name in to.entity_names if name.lower() == asked.lower()), None)
    if entity is None:
        raise NotFound(
            f"feature set {to.name} has no entity {asked!r}",
            hint=did_you_mean(asked, to.entity_names)
            or f"RELATIONS (set.feature = {to.name}.{', '.join(to.entity_names)})",
        )
    if (source.project, source.feature_set) == (to.project, to.name):
        raise Invalid(f"feature set {to.name} stands on both sides of a relation")
    return Link(to.project, to.name, entity, source.project, source.feature_set, source.feature)


def _tolerances(
    command: CreateFeatureVector, vector: FeatureVector, directory: Directory
) -> tuple[tuple[str, str, float], ...]:
    found = []
    for tolerance in command.tolerances:
        of = directory.set(tolerance.feature_set)
        _check_read(vector, Ref(of.project, of.name), "TOLERANCE")
        found.append((of.project, of.name, tolerance.age.total_seconds()))
    return tuple(found)


def _check_read(vector: FeatureVector, ref: Ref, clause: str) -> None:
    read = {(feature.project, feature.feature_set) for feature in vector.features}
    read |= {(link.from_project, link.from_set) for link in vector.links}
    if (ref.project, ref.name) not in read:
        names = sorted(name for _, name in read)
        raise Invalid(
            f"{clause} names feature set {ref.name}, which vector {vector.name} does not read",
            hint=did_you_mean(ref.name, names),
        )


def _named(wanted: FeatureRef, directory: Directory) -> list[VectorFeature]:
    found = directory.set(wanted.feature_set)
    names = [feature.name for feature in found.features]
    if wanted.feature == "*":
        return [VectorFeature(found.name, found.project, name, name) for name in names]
    name = next((name for name in names if name.lower() == wanted.feature.lower()), None)
    if name is None:
        raise NotFound(
            f"feature set {found.name} has no feature {wanted.feature!r}", hint=did_you_mean(wanted.feature, names)
        )
    return [VectorFeature(found.name, found.project, name, wanted.alias or name)]
