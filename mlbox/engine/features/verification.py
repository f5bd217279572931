"""Does the online store say what the offline one says? A sample of entities is read from both and compared.

Windows that roll on with time online are left out: offline they stand as of their last event.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Conflict
from mlbox.base.names import Ref, quote
from mlbox.engine.features.asof import newest
from mlbox.engine.features.commands import VerifyFeatures
from mlbox.engine.features.definition import SEQUENCE, FeatureSet, moment
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.online import Materializer
from mlbox.engine.features.stores.online.base import OnlineStore, Row
from mlbox.engine.features.stores.online.codec import kind_of
from mlbox.engine.features.stores.online.rows import get_many

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.catalog.database import Catalog

LISTED = 1_000
"""So many differences are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A feature of an entity of which the stores say different things."""

    feature_set: str
    entity: str
    feature: str
    offline: str | None
    online: str | None
    reason: str


class Verification:
    """Answers VERIFY FEATURE SET and VERIFY FEATURE VECTOR."""

    def __init__(self, catalog: Catalog, directory: Directory, store: OnlineStore, online: Materializer) -> None:
        self._catalog = catalog
        self._directory = directory
        self._store = store
        self._online = online

    def handlers(self) -> Iterable[Handler]:
        """The command it answers."""
        return (Handler(VerifyFeatures, self.plan, self.execute),)

    def plan(self, command: VerifyFeatures, caller: Caller) -> Plan:
        """The sets that are kept online; ``Conflict`` when none is."""
        if command.kind == "feature set":
            sets = [self._directory.set(command.ref)]
        else:
            vector = self._directory.vector(command.ref)
            refs = dict.fromkeys(Ref(used.project, used.feature_set) for used in vector.features)
            sets = [self._directory.set(ref) for ref in refs]
        able = [found for found in sets if found.store != "offline"]
        if not able:
            raise Conflict(
                f"nothing of {command.kind} {command.ref} is kept online",
                hint="create its sets with STORE OFFLINE AND ONLINE",
            )
        told = f"{counted(command.sample, 'entity', 'entities')}, offline and online"
        return Plan(tuple(Step("read", f"feature set {found.ref}", told) for found in able), {"sets": able})

    def execute(self, command: VerifyFeatures, plan: Plan, caller: Caller) -> Result:
        """One row a difference."""
        compared, found = 0, []
        for feature_set in plan.resolved["sets"]:
            entities, differences = self._compare(feature_set, command.sample)
            compared += entities
            found += differences
        told = f"{counted(compared, 'entity', 'entities')} compared: " + (
            "the online store says what the offline one says" if not found else counted(len(found), "difference")
        )
        return Result(told, table=_table(found[:LISTED]), facts={"compared": compared, "differences": len(found)})

    def _compare(self, feature_set: FeatureSet, sample: int) -> tuple[int, list[Difference]]:
        state = self._online.state(feature_set.id)
        by_hand = feature_set.online_by_hand
        until = (state.until if by_hand else None) or now()
        names = ", ".join(map(quote, feature_set.entity_names))
        chosen = f"(SELECT DISTINCT {names} FROM {feature_set.table}) USING SAMPLE {sample} ROWS"
        condition = f"{quote(feature_set.axis)} < {moment(until)} AND ({names}) IN (SELECT ({names}) FROM {chosen})"
        if by_hand:  # what came since it was moved is not expected there
            condition += f" AND {SEQUENCE} <= {state.sequence}"
        with self._catalog.read() as cursor:
            offline = [_row(values, len(feature_set.entities)) for values in _fetched(cursor, feature_set, condition)]
        online = get_many(self._store, feature_set.online_schema, [row.key for row in offline])
        pairs = zip(offline, online, strict=True)
        return len(offline), [found for row, there in pairs for found in _differences(feature_set, row, there)]


def _fetched(cursor: Any, feature_set: FeatureSet, condition: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = cursor.execute(newest(feature_set, condition)).fetchall()
    return rows


def _row(values: Sequence[Any], entities: int) -> Row:
    known_at, event_time, sequence = values[entities : entities + 3]
    return Row(tuple(values[:entities]), known_at, event_time, sequence, tuple(values[entities + 3 :]))


def _differences(feature_set: FeatureSet, offline: Row, online: Row | None) -> list[Difference]:
    entity = ", ".join(f"{name} = {value}" for name, value in zip(feature_set.entity_names, offline.key, strict=True))
    if online is None:
        return [Difference(feature_set.name, entity, "*", "a row", None, "the online store has no row")]
    if online.order != offline.order:
        older = online.order < offline.order
        reason = "the online row is older: it is not moved yet" if older else "the online row is not offline any more"
    else:
        reason = "the same row has another value"
    rolling = {window.name for window in feature_set.windows} if feature_set.fed else set()
    return [
        Difference(feature_set.name, entity, feature.name, _shown(there), _shown(here), reason)
        for feature, there, here in zip(feature_set.features, offline.values, online.values, strict=True)
        if feature.name not in rolling and not _same(kind_of(feature.type), there, here)
    ]


def _same(kind: str, offline: Any, online: Any) -> bool:
    if offline is None or online is None:
        return offline is online
    if kind == "d":
        number = float(offline)
        return number == online or (number != number and online != online)
    if kind == "j":
        return bool(json.loads(json.dumps(offline, default=str)) == online)
    return bool((str(offline) if kind == "s" else offline) == online)


def _shown(value: Any) -> str | None:
    return None if value is None else str(value)


def _table(found: Sequence[Difference]) -> pyarrow.Table:
    import pyarrow as pa

    names = list(Difference.__dataclass_fields__)
    columns = list(zip(*map(astuple, found), strict=True)) or [()] * len(names)
    return pa.table({name: pa.array(values, pa.string()) for name, values in zip(names, columns, strict=True)})
