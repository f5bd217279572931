"""Features of a vector by entity, from the online store: what an endpoint asks on every request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.definition import FeatureSet, VectorFeature
from mlbox.engine.features.stores.online.base import OnlineStore, Schema
from mlbox.engine.features.stores.online.keys import microseconds

Wanted = Sequence[tuple[FeatureSet, Sequence[VectorFeature]]]


@dataclass(frozen=True, slots=True)
class Part:
    """What is read of one set. ``ttl`` in microseconds; ``places`` are (name, position among the set's features)."""

    schema: Schema
    entities: tuple[str, ...]
    ttl: int | None
    places: tuple[tuple[str, int], ...]
    nothing: tuple[None, ...]
    """The values of an entity that has none."""

    @classmethod
    def of(cls, feature_set: FeatureSet, features: Sequence[VectorFeature]) -> Part:
        """The part of a vector that one set gives."""
        own = [feature.name for feature in feature_set.features]
        return cls(
            feature_set.online_schema,
            tuple(feature_set.entity_names),
            None if feature_set.ttl is None else round(feature_set.ttl * 1_000_000),
            tuple((feature.name, own.index(feature.feature)) for feature in features),
            (None,) * len(own),
        )


class OnlineReader:
    """``entities`` are the columns that a caller must give, ``features`` what it gets, in the order of the vector.

    ``entity_types`` are the DuckDB types of the entities, by name.

    Built once; rows are read from the store at each call, and definitions again when ``generation`` tells that one has
    changed. ``resolve`` finds names and sets of the vector and raises ``NotFound`` when it is gone.
    """

    def __init__(
        self, store: OnlineStore, resolve: Callable[[], tuple[list[str], Wanted]], generation: Callable[[], int]
    ) -> None:
        self._store = store
        self._resolve = resolve
        self._generation = generation
        self._refresh()

    def _refresh(self) -> None:
        seen = self._generation()
        self.features, wanted = self._resolve()
        self._parts = [Part.of(feature_set, features) for feature_set, features in wanted]
        types = [pair for part in self._parts for pair in zip(part.entities, part.schema.entities, strict=True)]
        self.entity_types = dict(types)
        self.entities = list(dict.fromkeys(name for part in self._parts for name in part.entities))
        self._seen = seen

    def read(
        self, columns: Mapping[str, Sequence[Any]], at: Sequence[datetime | None] | None = None
    ) -> dict[str, list[Any]]:
        """Values by feature, one a row of ``columns``; None where there is none, or it is older than the set's TTL.

        ``at`` are the rows' instants (UTC without a zone); without them, and for None, it is now. The age of a value
        counts from the time at which it was known. A missing entity column is ``Invalid``.
        """
        if self._seen != self._generation():
            self._refresh()
        try:
            given = [[columns[name] for name in part.entities] for part in self._parts]
        except KeyError as error:
            name = error.args[0]
            raise Invalid(f"entity {name} is missing", hint=did_you_mean(name, columns)) from None
        instants: list[int] | None = None
        found: dict[str, list[Any]] = {}
        for part, keys in zip(self._parts, given, strict=True):
            rows = self._store.get_many(part.schema, list(zip(*keys, strict=True)))
            if part.ttl is None:
                values = [None if row is None else row.values for row in rows]
            else:
                if instants is None:
                    instants = _instants(at, len(rows))
                ttl = part.ttl
                values = [
                    None if row is None or instant - row.known_at > ttl else row.values
                    for row, instant in zip(rows, instants, strict=True)
                ]
            if len(values) == 1:  # what an endpoint asks most
                only = values[0] or part.nothing
                for name, position in part.places:
                    found[name] = [only[position]]
            else:
                features = list(zip(*[row or part.nothing for row in values], strict=True))
                for name, position in part.places:
                    found[name] = list(features[position])
        return found


def _instants(at: Sequence[datetime | None] | None, rows: int) -> list[int]:
    current = microseconds(datetime.now(UTC))
    if at is None:
        return [current] * rows
    if len(at) != rows:
        raise Invalid(f"{len(at)} times were given for {rows} rows")
    return [current if instant is None else microseconds(instant) for instant in at]
