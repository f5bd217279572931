"""Features of a vector by entity, from the online store: what an endpoint asks on every request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.definition import FeatureSet, VectorFeature
from mlbox.engine.features.stores.online.base import OnlineStore
from mlbox.engine.features.stores.online.codec import Layout
from mlbox.engine.features.stores.online.keys import microseconds

if TYPE_CHECKING:
    import numpy

Wanted = Sequence[tuple[FeatureSet, Sequence[VectorFeature]]]
Columns = Mapping[str, Sequence[Any]]
Times = Sequence[datetime | None] | None


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
            if self.ttl is None or _instant(at) - known_at <= self.ttl:
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

    @classmethod
    def of(cls, generation: int, features: list[str], wanted: Wanted) -> Compiled:
        """From the vector's names and sets."""
        names = [feature_set.name for feature_set, _ in wanted]
        parts = tuple(
            Part.of(one.name if names.count(one.name) == 1 else f"{one.project}.{one.name}", one, own)
            for one, own in wanted
        )
        types = {name: kind for part in parts for name, kind in zip(part.entities, part.types, strict=True)}
        return cls(generation, features, parts, list(types), types)


@dataclass(frozen=True, slots=True)
class Found:
    """What one set has for each row: values of its features, and of each row whether it is there and how old.

    ``status`` is ``present``, ``missing`` or ``stale`` (older than the TTL; its values are not given); ``known_at`` is
    in microseconds since 1970, None for a missing row.
    """

    part: Part
    status: list[str]
    known_at: list[int | None]
    values: list[tuple[Any, ...] | None]
    """Of all features of the set, in its order; stale ones too."""


class OnlineReader:
    """``entities`` are the columns that a caller must give, ``features`` what it gets, in the order of the vector.

    ``entity_types`` are the DuckDB types of the entities, by name.

    Built once; rows are read from the store at each call, and definitions again when ``generation`` tells that one has
    changed. ``resolve`` finds names and sets of the vector and raises ``NotFound`` when it is gone.

    All sets of a vector are read in one state of the store. The rows' instants ``at`` are UTC without a zone; without
    them, and for None, it is now. The age of a value counts from the time at which it was known. A missing entity is
    ``Invalid``.
    """

    def __init__(
        self, store: OnlineStore, resolve: Callable[[], tuple[list[str], Wanted]], generation: Callable[[], int]
    ) -> None:
        self._store = store
        self._fetch = store.fetch
        self._resolve = resolve
        self._generation = generation
        self._compiled = self._compile()

    def _compile(self) -> Compiled:
        seen = self._generation()
        features, wanted = self._resolve()
        return Compiled.of(seen, features, wanted)

    def _now(self) -> Compiled:
        compiled = self._compiled
        if compiled.generation != self._generation():
            compiled = self._compiled = self._compile()
        return compiled

    @property
    def generation(self) -> int:
        """Of the definitions that it reads by."""
        return self._now().generation

    @property
    def features(self) -> list[str]:
        """Names of the features."""
        return self._now().features

    @property
    def entities(self) -> list[str]:
        """Names of the keys."""
        return self._now().entities

    @property
    def entity_types(self) -> dict[str, str]:
        """Their DuckDB types."""
        return self._now().entity_types

    def row(self, key: Mapping[str, Any], at: datetime | None = None) -> dict[str, Any]:
        """The features of one key by name, set by set; None where there is none, or it is older than the TTL."""
        compiled = self._compiled
        if compiled.generation != self._generation():
            compiled = self._now()
        parts = compiled.parts
        try:
            if len(parts) == 1 and parts[0].only:
                raws = self._fetch((parts[0].pack_one(key[parts[0].only]),))
            else:
                raws = self._fetch([part.key(key) for part in parts])
        except KeyError as error:
            raise _lacks(error.args[0], key) from None
        if len(parts) == 1:
            return parts[0].named(raws[0], at)
        found: dict[str, Any] = {}
        for part, raw in zip(parts, raws, strict=True):
            found |= part.named(raw, at)
        return found

    def read(self, columns: Columns, at: Times = None) -> dict[str, list[Any]]:
        """Values by feature, one a row of ``columns``; None where there is none, or it is older than the set's TTL."""
        compiled = self._now()
        raws = self._raws(compiled, columns)
        instants: list[int] | None = None
        found: dict[str, list[Any]] = {}
        for part, own in zip(compiled.parts, raws, strict=True):
            decode, nothing, ttl = part.decode, part.nothing, part.ttl
            values: list[tuple[Any, ...]]
            if ttl is None:
                values = [nothing if raw is None else decode(raw)[1] for raw in own]
            else:
                if instants is None:
                    instants = _instants(at, len(own))
                values = []
                for raw, instant in zip(own, instants, strict=True):
                    known_at, there = (0, nothing) if raw is None else decode(raw)
                    values.append(there if instant - known_at <= ttl else nothing)
            if len(values) == 1:  # what an endpoint asks most
                only = values[0]
                for name, place in zip(part.names, part.places, strict=True):
                    found[name] = [only[place]]
            else:
                by_feature = list(zip(*values, strict=True)) or [()] * len(nothing)
                for name, place in zip(part.names, part.places, strict=True):
                    found[name] = list(by_feature[place])
        return found

    def matrix(self, columns: Columns, at: Times = None, features: Sequence[str] | None = None) -> numpy.ndarray:
        """Float64 ``[rows, features]``, in the order of ``features`` (all of the vector); NaN where there is none.

        For features that are numbers or booleans; any other is ``Invalid``.
        """
        import numpy as np

        compiled = self._now()
        wanted = compiled.features if features is None else features
        raws = self._raws(compiled, columns)
        rows = len(raws[0]) if raws else 0
        target = {name: index for index, name in enumerate(wanted)}
        matrix = np.full((rows, len(target)), np.nan)
        given = 0
        for part, own in zip(compiled.parts, raws, strict=True):
            chosen = [(name, place) for name, place in zip(part.names, part.places, strict=True) if name in target]
            given += len(chosen)
            for name, place in chosen:
                if part.layout.kinds[place] not in "qdb":
                    raise Invalid(f"feature {name} is no number and has no place in a matrix", hint="leave it out")
            if not chosen or not rows:
                continue
            known_at, values = part.layout.numbers(own, [place for _, place in chosen])
            if part.ttl is not None:
                instants = np.array(_instants(at, rows), np.int64)
                values[known_at < instants - part.ttl] = np.nan
            matrix[:, [target[name] for name, _ in chosen]] = values
        if given != len(target):
            known = set(compiled.features)
            name = next(name for name in wanted if name not in known)
            raise Invalid(f"the vector has no feature {name!r}", hint=did_you_mean(name, compiled.features))
        return matrix

    def look(self, columns: Columns, at: Times = None) -> list[Found]:
        """What every set has, told apart: a missing row, a stale one, a present one whose value may still be None."""
        compiled = self._now()
        looked = []
        for part, own in zip(compiled.parts, self._raws(compiled, columns), strict=True):
            decoded = [None if raw is None else part.decode(raw) for raw in own]
            instants = _instants(at, len(own))
            status = [
                "missing"
                if one is None
                else "stale"
                if part.ttl is not None and instant - one[0] > part.ttl
                else "present"
                for one, instant in zip(decoded, instants, strict=True)
            ]
            times = [None if one is None else one[0] for one in decoded]
            looked.append(Found(part, status, times, [None if one is None else one[1] for one in decoded]))
        return looked

    def _raws(self, compiled: Compiled, columns: Columns) -> list[list[bytes | None]]:
        """What the store has for the rows, part by part, of one state."""
        try:
            keys = [part.keys(columns) for part in compiled.parts]
        except KeyError as error:
            raise _lacks(error.args[0], columns) from None
        if len(keys) == 1:
            return [self._fetch(keys[0])]
        rows = len(keys[0]) if keys else 0
        if any(len(own) != rows for own in keys):
            raise Invalid("the columns of the entities have different lengths")
        raws = self._fetch([key for own in keys for key in own])
        return [raws[start : start + rows] for start in range(0, len(raws), rows)] if rows else [[] for _ in keys]


def _lacks(name: str, given: Mapping[str, Any]) -> Invalid:
    return Invalid(f"entity {name} is missing", hint=did_you_mean(name, given))


def _instant(at: datetime | None) -> int:
    return time.time_ns() // 1000 if at is None else microseconds(at)


def _instants(at: Times, rows: int) -> list[int]:
    current = time.time_ns() // 1000
    if at is None:
        return [current] * rows
    if len(at) != rows:
        raise Invalid(f"{len(at)} times were given for {rows} rows")
    return [current if instant is None else microseconds(instant) for instant in at]
