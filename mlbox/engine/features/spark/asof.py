"""Point-in-time retrieval in Spark's SQL, from the declaration that ``features/asof`` makes DuckDB's of.

Spark has no ASOF JOIN. Rows of the spine and of a set are put one below the other and sorted within their entities by
time: rows of the set before those of the spine at the same time, among themselves by event time, then by arrival. The
last row of the set before each row of the spine is its value: one sort a set, whatever the data. Times travel as
microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlbox.base.errors import NotExecuted
from mlbox.base.names import quote
from mlbox.engine.features.definition import SEQUENCE, FeatureSet, VectorFeature, WindowColumn
from mlbox.engine.features.retrieval import Asked
from mlbox.engine.features.spark.plan import Input, tick
from mlbox.engine.features.spark.travelling import family, sent_as, sent_sql


@dataclass(frozen=True, slots=True)
class Generated:
    """Spark's SQL over ``inputs``."""

    inputs: tuple[Input, ...]
    text: str


def generated(asked: Asked, name: str) -> Generated:
    """The rows of ``ml.features`` as a query over inputs whose names begin with ``name``. ``NotExecuted`` names what
    Spark is not given."""
    return _Writing(asked, name).all()


def _instant(column: str) -> str:
    """Microseconds of an instant; NULL where there is none. An infinite one is an error: it has none."""
    time = f"CAST({quote(column)} AS TIMESTAMPTZ)"
    return f"CASE WHEN isinf({time}) THEN error('an infinite time does not go to Spark') ELSE epoch_us({time}) END"


_EXACT = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


def _window(feature_set: FeatureSet, window: WindowColumn, names: Sequence[str]) -> tuple[str, str]:
    """A window that rolls on with time, at the rows of the spine: the aggregate over rows of the set, and its frame.

    Only what is exact is the same in any order of rows; frames that are no length before the row Spark does not have.
    """
    kinds = {**dict(feature_set.entities), **{feature.name: feature.type for feature in feature_set.features}}
    kind = kinds.get(window.column, "")
    sums = window.function == "sum" and (kind in _EXACT or kind.startswith("DECIMAL"))
    exact = window.function in ("count", "min", "max") or sums
    if window.every is not None or window.calendar is not None or not exact:
        raise NotExecuted(
            f"{window.name} of feature set {feature_set.ref}, {window.told}, rolls on with time, which is not portable",
            hint="there are: count, min, max, and sum of whole numbers and decimals, over sliding windows",
        )
    frame = f"ORDER BY t RANGE BETWEEN {round(window.seconds * 1_000_000)} PRECEDING AND CURRENT ROW"
    if window.column == "*":
        return "sum(CASE WHEN o = 0 THEN 1 ELSE 0 END)", frame
    return f"{window.function}(f.v{names.index(window.column)})", frame


class _Writing:
    def __init__(self, asked: Asked, name: str) -> None:
        self._asked = asked
        self._name = name
        assert asked.seen.columns is not None
        self._spine = list(asked.seen.columns.items())
        self._inputs: list[Input] = []
        self._carried = [f"c{n}" for n in range(len(self._spine))] + ["t"]
        self._handed: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}

    def all(self) -> Generated:
        """Set by set, then the label, then the columns by their names."""
        self._send_spine()
        text = f"SELECT * FROM {tick(self._view('spine'))}"
        given = {used for own in self._asked.linked.values() for used in own.values()}
        for number, (feature_set, features) in enumerate(self._asked.wanted):
            handed = [feature for set_id, feature in sorted(given) if set_id == feature_set.id]
            if features or handed:
                text = self._step(text, number, feature_set, features, handed)
        chosen = [f"r.c{n} AS {tick(name)}" for n, (name, _) in enumerate(self._spine)]
        chosen += [
            f"r.{self._values[name]} AS {tick(name)}" for name in self._asked.vector.names if name in self._values
        ]
        label = self._asked.label
        if label is None:
            return Generated(tuple(self._inputs), f"SELECT {', '.join(chosen)} FROM (\n{text}\n) r")
        used = self._asked.vector.label
        assert used is not None
        self._send_set("label", label, [used.feature])
        chosen.append(f"l.v0 AS {tick(used.name)}")
        keys = ", ".join(f"k{n}" for n in range(len(label.entities)))
        newest = (
            f"SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY a DESC, e DESC, s DESC) AS n "
            f"FROM {tick(self._view('label'))}) WHERE n = 1"
        )
        equal = " AND ".join(
            f"{self._key(label, entity, kind)} = l.k{n}" for n, (entity, kind) in enumerate(label.entities)
        )
        joined = f"FROM (\n{text}\n) r LEFT JOIN (\n{newest}\n) l ON {equal}"
        return Generated(tuple(self._inputs), f"SELECT {', '.join(chosen)} {joined}")

    def _view(self, what: str) -> str:
        return f"{self._name}_{what}"

    def _send_spine(self) -> None:
        for name, kind in self._spine:
            if sent_as(kind) is None:
                raise NotExecuted(
                    f"column {name!r} of the spine {self._asked.seen.relation} is of type {kind}, which does not go to "
                    "Spark",
                    hint="leave it out of the spine, or cast it",
                )
        columns = [sent_sql(name, kind, f"c{n}") for n, (name, kind) in enumerate(self._spine)]
        columns.append(f"{_instant(self._asked.time)} AS t")
        select = f"SELECT {', '.join(columns)} FROM {self._asked.seen.relation}"
        relation = self._asked.seen.relation.replace('"', "")
        self._inputs.append(Input(self._view("spine"), select, f"spine {relation}"))

    def _send_set(self, what: str, feature_set: FeatureSet, features: Sequence[str]) -> None:
        """Keys ``k0..``, the time on its axis ``a``, event time ``e``, arrival ``s``, features ``v0..``."""
        kinds = {feature.name: feature.type for feature in feature_set.features}
        for name, kind in [*feature_set.entities, *((name, kinds[name]) for name in features)]:
            if sent_as(kind) is None:
                raise NotExecuted(
                    f"{name} of feature set {feature_set.ref} is of type {kind}, which does not go to Spark",
                    hint="leave it out of the vector, or leave ENGINE spark out",
                )
        columns = [sent_sql(name, kind, f"k{n}") for n, (name, kind) in enumerate(feature_set.entities)]
        columns += [f"{_instant(feature_set.axis)} AS a", f"{_instant(feature_set.timestamp)} AS e", f"{SEQUENCE} AS s"]
        columns += [sent_sql(name, kinds[name], f"v{n}") for n, name in enumerate(features)]
        select = f"SELECT {', '.join(columns)} FROM {feature_set.table}"
        self._inputs.append(Input(self._view(what), select, f"feature set {feature_set.ref}"))

    def _key(self, feature_set: FeatureSet, entity: str, kind: str) -> str:
        """The value of an entity in the rows so far."""
        source = self._asked.linked.get(feature_set.id, {}).get(entity)
        if source is not None:
            return f"r.{self._handed[source]}"
        place, own = next((n, own) for n, (name, own) in enumerate(self._spine) if name.lower() == entity.lower())
        if family(own) != family(kind):
            raise NotExecuted(
                f"the spine's column {entity!r} is of type {own}, the entity of feature set {feature_set.ref} of type "
                f"{kind}: engines compare these in ways of their own",
                hint=f"cast it in the spine: {entity}::{kind}",
            )
        return f"r.c{place}"

    def _step(
        self, text: str, number: int, feature_set: FeatureSet, features: Sequence[VectorFeature], handed: Sequence[str]
    ) -> str:
        wanted = {feature.feature for feature in features}
        moving = [window for window in feature_set.windows if feature_set.fed and window.name in wanted]
        rolling = {window.name for window in moving}
        inputs = (window.column for window in moving if window.column != "*")
        names = list(dict.fromkeys([*sorted(wanted - rolling), *handed, *inputs]))
        windows = [_window(feature_set, window, names) for window in moving]
        what = f"set{number}"
        self._send_set(what, feature_set, names)
        before = list(self._carried)
        keys = [self._key(feature_set, entity, kind) for entity, kind in feature_set.entities]
        row = ", ".join(f"'{name}', r.{name}" for name in before)
        hit = ", ".join(f"'{name}', {name}" for name in ["a", *(f"v{n}" for n in range(len(names)))])
        spine_keys = ", ".join(f"{key} AS k{n}" for n, key in enumerate(keys))
        set_keys = ", ".join(f"k{n}" for n in range(len(keys)))
        both = (
            f"SELECT named_struct({row}) AS r, {spine_keys}, r.t AS t, 1 AS o, CAST(0 AS BIGINT) AS e, "
            f"CAST(0 AS BIGINT) AS s, NULL AS f FROM (\n{text}\n) r\n"
            f"UNION ALL\n"
            f"SELECT NULL AS r, {set_keys}, a AS t, 0 AS o, e, s, named_struct({hit}) AS f "
            f"FROM {tick(self._view(what))}"
        )
        last = (
            f"last_value(f, true) OVER (PARTITION BY {set_keys} ORDER BY t, o, e, s "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS f"
        )
        found = [
            last,
            *(f"{sql} OVER (PARTITION BY {set_keys} {frame}) AS w{n}" for n, (sql, frame) in enumerate(windows)),
        ]
        values = {name: self._fresh(feature_set, f"f.v{n}") for n, name in enumerate(names)}
        there = "CASE WHEN f.a IS NOT NULL THEN w{} END"
        values |= {w.name: self._fresh(feature_set, there.format(n)) for n, w in enumerate(moving)}
        for place, feature in enumerate(features):
            self._values[feature.name] = f"x{number}_{place}"
        for place, name in enumerate(handed):
            self._handed[feature_set.id, name] = f"h{number}_{place}"
        made = [f"r.{name}" for name in before]
        made += [f"{values[feature.feature]} AS x{number}_{place}" for place, feature in enumerate(features)]
        made += [f"{values[name]} AS h{number}_{place}" for place, name in enumerate(handed)]
        self._carried += [column.rpartition(" AS ")[2] for column in made[len(before) :]]
        return f"SELECT {', '.join(made)} FROM (SELECT r, o, {', '.join(found)} FROM (\n{both}\n)) WHERE o = 1"

    @staticmethod
    def _fresh(feature_set: FeatureSet, value: str) -> str:
        if feature_set.ttl is None:
            return value
        return f"CASE WHEN f.a >= r.t - {round(feature_set.ttl * 1_000_000)} THEN {value} END"
