"""Sets of a vector that hang together: an entity of one is a feature of another (an order has a customer)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mlbox.base.errors import Invalid
from mlbox.engine.features.definition import FeatureSet, FeatureVector, VectorFeature

Key = tuple[str, str]
Wanted = Sequence[tuple[FeatureSet, Sequence[VectorFeature]]]
Links = Mapping[str, Mapping[str, tuple[str, str]]]


def joining_order(vector: FeatureVector, sets: Iterable[Key]) -> list[Key]:
    """The sets (project, name) with those that only hand an entity on; ``Invalid`` where they go in a circle."""
    needs: dict[Key, list[Key]] = {key: [] for key in sets}
    for link in vector.links:
        needs.setdefault((link.from_project, link.from_set), [])
    for link in vector.links:
        if (link.project, link.feature_set) in needs:
            needs[link.project, link.feature_set].append((link.from_project, link.from_set))
    ordered: list[Key] = []
    while len(ordered) < len(needs):
        ready = [key for key, before in needs.items() if key not in ordered and set(before) <= set(ordered)]
        if not ready:
            left = ", ".join(name for _, name in needs if (_, name) not in ordered)
            raise Invalid(f"the relations of vector {vector.name} go in a circle: {left}")
        ordered.append(ready[0])
    return ordered


def links(vector: FeatureVector, wanted: Wanted) -> dict[str, dict[str, tuple[str, str]]]:
    """By id of a set and entity: the id of the set, and the feature in it, whose value the entity is."""
    by_name = {(found.project, found.name): found for found, _ in wanted}
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for link in vector.links:
        to, source = by_name.get((link.project, link.feature_set)), by_name.get((link.from_project, link.from_set))
        if to is not None and source is not None:
            found.setdefault(to.id, {})[link.entity] = (source.id, link.feature)
    return found


def asked_entities(wanted: Wanted, linked: Links) -> list[str]:
    """The entities that a caller must give."""
    names = (name for found, _ in wanted for name in found.entity_names if name not in linked.get(found.id, {}))
    return list(dict.fromkeys(names))


def with_tolerance(found: FeatureSet, vector: FeatureVector) -> FeatureSet:
    """The set, whose rows may be as old as it and the vector allow."""
    own = (found.project, found.name)
    ages = [age for project, name, age in vector.tolerances if (project, name) == own]
    if not ages:
        return found
    return replace(found, ttl=min(ages if found.ttl is None else [*ages, found.ttl]))
