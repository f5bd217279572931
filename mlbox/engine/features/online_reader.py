"""Features of a vector by entity, from the online store: what an endpoint asks on every request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.online_parts import Columns, Compiled, Part, Readable
from mlbox.engine.features.online_row import RowReader
from mlbox.engine.features.stores.online.base import OnlineStore
from mlbox.engine.features.stores.online.keys import microseconds

if TYPE_CHECKING:
    import numpy

Times = Sequence[datetime | None] | None


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

    def __init__(self, store: OnlineStore, resolve: Callable[[], Readable], generation: Callable[[], int]) -> None:
        self._store = store
        self.fetch = store.fetch
        """Rows by packed key."""
        self.remote = store.capabilities.many_machines
        """Whether a read waits for another process, and so has no place on an event loop."""
        self._resolve = resolve
        self.current = generation
        """The number of the definitions that stand now."""
        self._compiled = self._compile()

    def _compile(self) -> Compiled:
        seen = self.current()
        return Compiled.of(seen, self._resolve())

    def _now(self) -> Compiled:
        compiled = self._compiled
        if compiled.generation != self.current():
            compiled = self._compiled = self._compile()
        return compiled

    def readable(self) -> Readable:
        """What it reads, as it is defined now: a reader in another process is made of it."""
        return self._resolve()

    @property
    def compiled(self) -> Compiled:
        """The vector as it stands now."""
        return self._now()

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
        if compiled.generation != self.current():
            compiled = self._now()
        if compiled.linked:
            return {name: values[0] for name, values in self.read(_column(key), None if at is None else [at]).items()}
        parts = compiled.parts
        try:
            if len(parts) == 1 and parts[0].only:
                raws = self.fetch((parts[0].pack_one(key[parts[0].only]),))
            else:
                raws = self.fetch([part.key(key) for part in parts])
        except KeyError as error:
            raise self.lacks(error.args[0], key) from None
        if len(parts) == 1:
            return parts[0].named(raws[0], at)
        found: dict[str, Any] = {}
        for part, raw in zip(parts, raws, strict=True):
            found |= part.named(raw, at)
        return found

    def row_of(self, features: Sequence[str]) -> RowReader:
        """What reads these features of one key, again and again."""
        return RowReader(self, features)

    @staticmethod
    def lacks(name: str, given: Mapping[str, Any]) -> Invalid:
        """The error of a key without an entity."""
        return Invalid(f"entity {name} is missing", hint=did_you_mean(name, given))

    def read(self, columns: Columns, at: Times = None) -> dict[str, list[Any]]:
        """Values by feature, one a row of ``columns``; None where there is none, or it is older than the set's TTL."""
        compiled = self._now()
        raws = self._raws(compiled, columns, at)
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
        raws = self._raws(compiled, columns, at)
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
        for part, own in zip(compiled.parts, self._raws(compiled, columns, at), strict=True):
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

    def _raws(self, compiled: Compiled, columns: Columns, at: Times) -> list[list[bytes | None]]:
        """What the store has for the rows, part by part; of one state, unless an entity comes from another set."""
        try:
            if compiled.linked:
                return self._linked_raws(compiled, columns, at)
            keys = [part.keys(columns) for part in compiled.parts]
        except KeyError as error:
            raise self.lacks(error.args[0], columns) from None
        if len(keys) == 1:
            return [self.fetch(keys[0])]
        rows = len(keys[0]) if keys else 0
        if any(len(own) != rows for own in keys):
            raise Invalid("the columns of the entities have different lengths")
        raws = self.fetch([key for own in keys for key in own])
        return [raws[start : start + rows] for start in range(0, len(raws), rows)] if rows else [[] for _ in keys]

    def _linked_raws(self, compiled: Compiled, columns: Columns, at: Times) -> list[list[bytes | None]]:
        found: list[list[bytes | None]] = []
        for part, links in zip(compiled.parts, compiled.links, strict=True):
            own: dict[str, Sequence[Any]] = {}
            for name in part.entities:
                if name not in links:
                    own[name] = columns[name]
                    continue
                number, place = links[name]
                source = compiled.parts[number]
                raws = found[number]
                instants = _instants(at, len(raws))
                fresh = [raw and _fresh(source, raw, instant) for raw, instant in zip(raws, instants, strict=True)]
                own[name] = [values[place] if values else None for values in fresh]
            if len({len(values) for values in own.values()}) > 1:
                raise Invalid("the columns of the entities have different lengths")
            found.append(self.fetch(part.keys(own)))
        return found


def _column(key: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [value] for name, value in key.items()}


def _fresh(part: Part, raw: bytes, instant: int) -> tuple[Any, ...] | None:
    known_at, values = part.decode(raw)
    return values if part.ttl is None or instant - known_at <= part.ttl else None


def _instants(at: Times, rows: int) -> list[int]:
    current = time.time_ns() // 1000
    if at is None:
        return [current] * rows
    if len(at) != rows:
        raise Invalid(f"{len(at)} times were given for {rows} rows")
    return [current if instant is None else microseconds(instant) for instant in at]
