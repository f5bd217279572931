"""Features of keys with all that is to be said of them: what is missing, what is stale, what stands in its place."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features import imputation
from mlbox.engine.features.imputation import Substitute
from mlbox.engine.features.online_parts import Wanted
from mlbox.engine.features.online_reader import OnlineReader

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

KEPT_SECONDS = 60.0
"""So long statistics are taken as they were."""
_KEPT = 256
Keys = Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Answer:
    """Of n keys: the entities, the features in the order of the vector, and of each set ``present``, ``missing`` or
    ``stale`` (older than its TTL); a stale set has no values. ``imputed`` are the features of each key that got a
    substitute; None where no policy was asked for."""

    entities: dict[str, list[Any]]
    features: dict[str, list[Any]]
    types: dict[str, str]
    """DuckDB types of entities and features."""
    status: dict[str, list[str]]
    imputed: list[list[str]] | None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A mapping for each key: entities, then features."""
        names = [*self.entities, *self.features]
        columns = [*self.entities.values(), *self.features.values()]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


class OnlineAnswers:
    """Answers ``ml.online``, ``POST /features/{vector}`` and the client. ``reader`` and ``wanted`` find a vector."""

    def __init__(
        self, catalog: Catalog, reader: Callable[[Ref], OnlineReader], wanted: Callable[[Ref], Wanted]
    ) -> None:
        self._catalog = catalog
        self._reader = reader
        self._wanted = wanted
        self._readers: dict[tuple[str, str], OnlineReader] = {}
        self._policies: dict[tuple[str, str, str], tuple[float, int, dict[str, Substitute]]] = {}

    def answer(self, ref: Ref, keys: Keys, impute: Mapping[str, Any] | None = None) -> Answer:
        """``keys`` are one mapping, several, or one of columns; raises ``NotFound``, ``Conflict``, ``Invalid``."""
        place = (ref.project.lower(), ref.name.lower())
        reader = self._readers.get(place)
        if reader is None:
            reader = self._remember(place, self._reader(ref))
        columns = _columns(keys, reader.entities, ref)
        found = reader.look(columns)
        policy = self._policy(ref, reader, impute) if impute else {}
        count = len(next(iter(columns.values()))) if columns else 0
        imputed: list[list[str]] | None = [[] for _ in range(count)] if impute else None
        values: dict[str, list[Any]] = {}
        types = dict(reader.entity_types)
        for own in found:
            part = own.part
            rows = [
                there if there is not None and status == "present" else part.nothing
                for there, status in zip(own.values, own.status, strict=True)
            ]
            for name, position, kind in zip(part.names, part.places, part.kinds, strict=True):
                column = [row[position] for row in rows]
                types[name] = kind
                if name in policy and imputed is not None:
                    _fill(column, policy[name], own.values, position, name, imputed)
                values[name] = column
        status = {own.part.label: own.status for own in found}
        return Answer(columns, {name: values[name] for name in reader.features}, types, status, imputed)

    def _remember(self, place: tuple[str, str], reader: OnlineReader) -> OnlineReader:
        if len(self._readers) >= _KEPT:
            self._readers.clear()
        self._readers[place] = reader
        return reader

    def _policy(self, ref: Ref, reader: OnlineReader, impute: Mapping[str, Any]) -> dict[str, Substitute]:
        key = (ref.project.lower(), ref.name.lower(), json.dumps(impute, sort_keys=True, default=str))
        known = self._policies.get(key)
        if known and known[1] == reader.generation and time.monotonic() - known[0] < KEPT_SECONDS:
            return known[2]
        policy = imputation.compiled(self._catalog, self._wanted(ref), impute)
        if len(self._policies) >= _KEPT:
            self._policies.clear()
        self._policies[key] = (time.monotonic(), reader.generation, policy)
        return policy


def _fill(
    column: list[Any],
    substitute: Substitute,
    stored: Sequence[tuple[Any, ...] | None],
    position: int,
    name: str,
    imputed: list[list[str]],
) -> None:
    for row, value in enumerate(column):
        if value is not None:
            continue
        there = stored[row]
        instead = (there[position] if there is not None else None) if substitute.previous else substitute.value
        if instead is not None:
            column[row] = instead
            imputed[row].append(name)


def _columns(keys: Keys, entities: Sequence[str], ref: Ref) -> dict[str, list[Any]]:
    """The entities as columns; other members of a key are not looked at."""
    if isinstance(keys, Mapping):
        given = [keys.get(name) for name in entities]
        if entities and all(isinstance(value, list) for value in given):
            if len({len(value) for value in given if value is not None}) > 1:
                raise Invalid("the columns of the entities have different lengths")
            return {name: list(keys[name]) for name in entities}
        keys = [keys]
    try:
        return {name: [key[name] for key in keys] for name in entities}
    except (KeyError, TypeError):
        needs = f"vector {ref.project}.{ref.name} needs: {', '.join(entities)}"
        for number, key in enumerate(keys, 1):
            if not isinstance(key, Mapping):
                raise Invalid(f"key {number} is no object with the entities", hint=needs) from None
            for name in entities:
                if name not in key:
                    where = f" in key {number}" if len(keys) > 1 else ""
                    meant = did_you_mean(name, key)
                    raise Invalid(
                        f"entity {name} is missing{where}", hint=f"{meant}; {needs}" if meant else needs
                    ) from None
        raise
