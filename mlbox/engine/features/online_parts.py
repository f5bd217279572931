"""A vector made ready to be read online: its sets, how their keys are packed, and what is taken of their rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlbox.engine.features.definition import FeatureSet, VectorFeature
from mlbox.engine.features.stores.online.codec import Layout
from mlbox.engine.features.stores.online.keys import microseconds

Wanted = Sequence[tuple[FeatureSet, Sequence[VectorFeature]]]
Links = Mapping[str, Mapping[str, tuple[str, str]]]
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Readable:
    """A vector: names of its features, its sets in the order in which their entities are known, and which of those are
    features of other sets."""

    names: list[str]
    wanted: Wanted
    links: Links


@dataclass(frozen=True, slots=True)
class Part:
    """What is read of one set. ``ttl`` in microseconds; ``names`` stand at ``places`` among the set's features."""

    label: str
    """The set; with its project where another set of the vector has its name."""
    layout: Layout
    entities: tuple[str, ...]
    types: tuple[str, ...]
    kinds: tuple[str, ...]
    """DuckDB types of the features that are read."""
    ttl: int | None
    names: tuple[str, ...]
    places: tuple[int, ...]
    whole: bool
    """Whether it is all of the set, in its order."""
    nothing: tuple[None, ...]
    """The values of an entity that has none."""
    only: str
    """The entity, where it is one."""
    pack_one: Callable[[Any], bytes | None]
    decode: Callable[[bytes], tuple[int, tuple[Any, ...]]]

    @classmethod
    def of(cls, label: str, feature_set: FeatureSet, features: Sequence[VectorFeature]) -> Part:
        """The part of a vector that one set gives."""
        own = [feature.name for feature in feature_set.features]
        schema = feature_set.online_schema
        places = tuple(own.index(feature.feature) for feature in features)
        layout = Layout(schema)
        return cls(
            label,
            layout,
            tuple(feature_set.entity_names),
            schema.entities,
            tuple(schema.features[place] for place in places),
            None if feature_set.ttl is None else round(feature_set.ttl * 1_000_000),
            tuple(feature.name for feature in features),
            places,
            places == tuple(range(len(own))),
            (None,) * len(own),
            feature_set.entity_names[0] if len(feature_set.entities) == 1 else "",
            layout.keys.pack_one,
            layout.decode,
        )

    def keys(self, columns: Columns) -> list[bytes | None]:
        """The packed keys of the rows."""
        if len(self.entities) == 1:
            return list(map(self.pack_one, columns[self.only]))
        return list(map(self.layout.keys.pack, zip(*[columns[name] for name in self.entities], strict=True)))

    def named(self, raw: bytes | None, at: datetime | None) -> dict[str, Any]:
        """The features of one row by name; ``strict`` would cost as much as the decoding."""
        values: tuple[Any, ...] = self.nothing
        if raw is not None:
            known_at, there = self.decode(raw)
            if self.ttl is None or instant_of(at) - known_at <= self.ttl:
                values = there
        if self.whole:
            return dict(zip(self.names, values))  # noqa: B905
        return dict(zip(self.names, [values[place] for place in self.places]))  # noqa: B905

    def key(self, row: Mapping[str, Any]) -> bytes | None:
        """The packed key of one row."""
        if self.only:
            return self.pack_one(row[self.only])
        return self.layout.keys.pack([row[name] for name in self.entities])


@dataclass(frozen=True, slots=True)
class Compiled:
    """A vector made ready to be read; replaced as a whole when a definition changes."""

    generation: int
    features: list[str]
    parts: tuple[Part, ...]
    entities: list[str]
    entity_types: dict[str, str]
    links: tuple[Mapping[str, tuple[int, int]], ...]
    """Of each part its entities that come from others: the part, and the place of the feature in it."""
    linked: bool

    @classmethod
    def of(cls, generation: int, readable: Readable) -> Compiled:
        """From the vector's names and sets."""
        wanted = readable.wanted
        names = [feature_set.name for feature_set, _ in wanted]
        parts = tuple(
            Part.of(one.name if names.count(one.name) == 1 else f"{one.project}.{one.name}", one, own)
            for one, own in wanted
        )
        numbers = {feature_set.id: number for number, (feature_set, _) in enumerate(wanted)}
        links = []
        for feature_set, _ in wanted:
            own = {}
            for entity, (source, feature) in readable.links.get(feature_set.id, {}).items():
                names_of_source = [one.name for one in wanted[numbers[source]][0].features]
                own[entity] = (numbers[source], names_of_source.index(feature))
            links.append(own)
        types = {
            name: kind
            for part, own in zip(parts, links, strict=True)
            for name, kind in zip(part.entities, part.types, strict=True)
            if name not in own
        }
        return cls(generation, readable.names, parts, list(types), types, tuple(links), any(links))


def instant_of(at: datetime | None) -> int:
    """In microseconds since 1970; None is now."""
    return time.time_ns() // 1000 if at is None else microseconds(at)
