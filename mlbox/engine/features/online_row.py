"""Some features of one key, in an order of their own: what an endpoint asks on every request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlbox.engine.features.online_reader import OnlineReader

Pick = Callable[[tuple[Any, ...]], tuple[Any, ...]]


class RowReader:
    """``features`` of the key that it is called with; None where there is none, or it is older than the set's TTL.

    What is known of the sets is looked up once, and again when a definition has changed: a call packs the key, reads,
    and unpacks the row at once. Raises ``Invalid`` for a missing entity, as the reader itself.
    """

    def __init__(self, reader: OnlineReader, features: Sequence[str]) -> None:
        self._reader = reader
        self._features = tuple(features)
        self._prepare()

    def _prepare(self) -> None:
        compiled = self._reader.compiled
        self.generation = compiled.generation
        self._parts = compiled.parts
        self._alone = len(self._parts) == 1 and bool(self._parts[0].only) and not compiled.linked
        self._linked = compiled.linked
        first = self._parts[0]
        self._entity, self._pack, self._decode = first.only, first.pack_one, first.decode
        self._ttl, self._nothing = first.ttl, (None,) * len(self._features)
        self._fetch = self._reader.fetch
        places: dict[str, int] = {}
        begin = 0
        for part in self._parts:
            places |= {name: begin + place for name, place in zip(part.names, part.places, strict=True)}
            begin += len(part.nothing)
        wanted = [places[name] for name in self._features if name in places]
        if len(wanted) != len(self._features):  # the vector has lost a feature: its general reading tells of that
            self._linked = True
        self._pick = _pick(wanted, begin)

    def __call__(self, key: Mapping[str, Any]) -> Sequence[Any]:
        """The values, in the order of the features."""
        if self.generation != self._reader.current():
            self._prepare()
        if not self._alone or self._linked:
            return self._several(key)
        if self._entity not in key:
            raise self._reader.lacks(self._entity, key)
        raw = self._fetch((self._pack(key[self._entity]),))[0]
        if raw is None:
            return self._nothing
        known_at, values = self._decode(raw)
        if self._ttl is not None and time.time_ns() // 1000 - known_at > self._ttl:
            return self._nothing
        return self._pick(values)

    def _several(self, key: Mapping[str, Any]) -> Sequence[Any]:
        """Of a vector over several sets, or several entities."""
        if self._linked:
            found = self._reader.read({name: [value] for name, value in key.items()})
            return [found[name][0] for name in self._features]
        try:
            raws = self._fetch([part.key(key) for part in self._parts])
        except KeyError as error:
            raise self._reader.lacks(error.args[0], key) from None
        instant = time.time_ns() // 1000
        values: tuple[Any, ...] = ()
        for part, raw in zip(self._parts, raws, strict=True):
            known_at, there = (0, part.nothing) if raw is None else part.decode(raw)
            values += there if part.ttl is None or instant - known_at <= part.ttl else part.nothing
        return self._pick(values)


def _pick(places: Sequence[int], width: int) -> Pick:
    """What takes the values at ``places``."""
    if list(places) == list(range(width)):
        return tuple  # the values are one already, and it gives them back
    if len(places) == 1:
        only = places[0]
        return lambda values: (values[only],)
    return itemgetter(*places)
