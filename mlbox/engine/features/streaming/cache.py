"""The rows within reach of a set's windows, in memory: a cache of what stands in its table.

Rows are sorted by entity and time. A window of a row is then a range of positions, found by two searches, and all rows
of a micro-batch are computed at once. What it cannot do (sketches, types beyond 64 bits, values that are not finite, a
time that reaches behind what is held, rows of equal time where their order counts) it leaves to SQL.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlbox.engine.features.definition import FeatureSet, WindowColumn
from mlbox.engine.features.streaming.ranges import REDUCTIONS, Found, Ranges, Values
from mlbox.engine.features.streaming.starts import expiries, starts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_FLOATS = ("FLOAT", "DOUBLE")
NEVER = 2**62


@dataclass(slots=True)
class Fresh:
    """Rows to be added: entities by number, times in microseconds, aggregated columns by name."""

    keys: Integers
    times: Integers
    columns: dict[str, Values]

    def taken(self, at: Any) -> Fresh:
        """Some of them."""
        columns = {
            name: Values(v.numbers[at], None if v.valid is None else v.valid[at]) for name, v in self.columns.items()
        }
        return Fresh(self.keys[at], self.times[at], columns)


def computes(feature_set: FeatureSet) -> bool:
    """Whether all windows of the set can be computed here."""
    kinds = {feature.name.lower(): feature.type.upper() for feature in feature_set.features}
    for window in feature_set.windows:
        kind = kinds.get(window.column.lower(), "")
        if window.function not in REDUCTIONS:
            return False
        if window.function != "count" and kind not in (*_INTEGERS, *_FLOATS):
            return False
    return True


def columns_of(feature_set: FeatureSet) -> list[str]:
    """The aggregated columns, each once."""
    return list({w.column.lower(): w.column for w in feature_set.windows if w.column != "*"}.values())


class WindowCache:
    """One set's rows. Not for several threads at once: who writes the set holds its lock."""

    def __init__(self, feature_set: FeatureSet) -> None:
        import numpy as np

        self.windows: Sequence[WindowColumn] = feature_set.windows
        self.reach = round(max(window.seconds for window in feature_set.windows) * 1_000_000)
        self.since = -NEVER
        """Rows before this time (microseconds) are not held."""
        self.vectorised = computes(feature_set)
        self._ordered = any(window.function in ("first", "last") for window in self.windows)
        self._numbers: dict[Hashable, int] = {}
        self.entities: list[tuple[Any, ...]] = []
        empty = np.empty(0, dtype=np.int64)
        self._rows = Fresh(empty, empty, {})
        self._codes = empty
        self._base = 0
        self._bits = 0
        self.last = np.empty(0, dtype=np.int64)
        """Time of the latest row, by entity."""
        self.tied = np.empty(0, dtype=bool)
        """Entities with rows of equal time, whose order SQL decides, where it matters."""
        self.odd = np.empty(0, dtype=bool)
        """Entities with values that are not finite or so large that sums may not fit."""
        self.expires = np.empty(0, dtype=np.int64)
        """When a window of the entity loses a row next."""

    def __len__(self) -> int:
        return len(self._codes)

    def number(self, entities: Sequence[tuple[Any, ...]]) -> Integers:
        """A number for each entity; new ones are remembered."""
        import numpy as np

        known = self._numbers
        found = np.fromiter((known.setdefault(e, len(known)) for e in entities), dtype=np.int64, count=len(entities))
        if len(known) > len(self.entities):
            self.entities.extend(list(known)[len(self.entities) :])  # type: ignore[arg-type]
            more = len(known) - len(self.last)
            self.last = np.append(self.last, np.full(more, -NEVER))
            self.tied = np.append(self.tied, np.zeros(more, dtype=bool))
            self.odd = np.append(self.odd, np.zeros(more, dtype=bool))
            self.expires = np.append(self.expires, np.full(more, NEVER))
        return found

    def in_order(self, fresh: Fresh) -> NDArray[np.bool_]:
        """By entity number: whether its fresh rows can be computed here before they are added."""
        import numpy as np

        fine = np.zeros(len(self.last), dtype=bool)
        if not self.vectorised:
            return fine
        fine[fresh.keys] = True
        fine[fresh.keys[fresh.times <= self.last[fresh.keys]]] = False
        fine[fresh.keys[fresh.times - self.reach < self.since]] = False
        if self._ordered:
            fine &= ~self.tied
            order = np.lexsort((fresh.times, fresh.keys))
            keys, times = fresh.keys[order], fresh.times[order]
            equal = (keys[1:] == keys[:-1]) & (times[1:] == times[:-1])
            fine[keys[1:][equal]] = False
        self._find_odd(fresh)
        return fine & ~self.odd

    def _find_odd(self, fresh: Fresh) -> None:
        import numpy as np

        for values in fresh.columns.values():
            odd = ~np.isfinite(values.numbers)
            if values.numbers.dtype.kind == "i":
                odd = np.abs(values.numbers) > 2**40
            if odd.any():
                self.odd[fresh.keys[odd]] = True

    def computable(self, keys: Integers, times: Integers) -> NDArray[np.bool_]:
        """Which values at times can be computed here from what is held."""
        import numpy as np

        if not self.vectorised:
            return np.zeros(len(keys), dtype=bool)
        fine = times - self.reach >= self.since
        if self._ordered:
            fine &= ~self.tied[keys]
        return np.asarray(fine & ~self.odd[keys])

    def add(self, fresh: Fresh) -> None:
        """Put rows in their places."""
        import numpy as np

        if not len(fresh.keys):
            return
        np.maximum.at(self.last, fresh.keys, fresh.times)
        self._find_odd(fresh)
        codes = self._encode(fresh.keys, fresh.times)
        order = np.argsort(codes, kind="stable")
        codes, fresh = codes[order], fresh.taken(order)
        at = np.searchsorted(self._codes, codes, side="right")
        held = self._rows
        columns = {}
        for name, values in fresh.columns.items():
            before = held.columns.get(name)
            columns[name] = values if before is None else _inserted(before, at, values)
        self._rows = Fresh(np.insert(held.keys, at, fresh.keys), np.insert(held.times, at, fresh.times), columns)
        self._codes = np.insert(self._codes, at, codes)
        if self._ordered:
            places = at + np.arange(len(at))
            for near in (places - 1, places + 1):
                near = np.clip(near, 0, len(self._codes) - 1)
                self.tied[fresh.keys[(self._codes[near] == codes) & (near != places)]] = True

    def forget(self, before: int) -> None:
        """Rows that no window reaches from ``before`` (microseconds) on; when they are worth it."""
        import numpy as np

        since = before - self.reach
        gone = self._rows.times < since
        if np.count_nonzero(gone) * 8 < len(gone):
            return
        self.since = max(since, self.since)
        self._rows = self._rows.taken(~gone)
        self._codes = self._codes[~gone]

    def evaluate(self, keys: Integers, times: Integers) -> list[Found]:
        """The value of each window at the given entities and times."""
        import numpy as np

        right = self._places(keys, times, "right")
        found: list[Found] = []
        lefts: dict[object, Integers] = {}
        for window in self.windows:
            frame = (window.seconds, window.every, window.calendar, window.zone)
            if frame not in lefts:
                begin = starts(window, times)
                lefts[frame] = self._places(keys, begin, "left")
            left = np.minimum(lefts[frame], right)
            values = self._rows.columns.get(window.column) if window.column != "*" else None
            if values is None:
                values = Values(self._rows.keys, None)
            found.append(REDUCTIONS[window.function](values, Ranges(left, right)))
        return found

    def note_expiry(self, keys: Integers, times: Integers) -> None:
        """After a look at ``times``: remember when a window of each entity loses its earliest row."""
        import numpy as np

        right = self._places(keys, times, "right")
        soonest = np.full(len(keys), NEVER)
        for window in {(w.seconds, w.every, w.calendar, w.zone): w for w in self.windows}.values():
            left = self._places(keys, starts(window, times), "left")
            some = np.flatnonzero(left < right)
            if len(some):
                soonest[some] = np.minimum(soonest[some], expiries(window, self._rows.times[left[some]]))
        self.expires[keys] = soonest

    def _places(self, keys: Integers, times: Integers, side: Literal["left", "right"]) -> Integers:
        import numpy as np

        codes = self._encode(keys, times)  # first: it may change the codes that are held
        return np.searchsorted(self._codes, codes, side=side)

    def _encode(self, keys: Integers, times: Integers) -> Integers:
        """Entity and time as one number; times outside of what is held become its ends."""
        import numpy as np

        if len(times):
            low, high = int(times.min()), int(times.max())
            held = len(self._codes) > 0
            if not held or high - self._base >= (1 << self._bits) - 2 or low - self.reach <= self._base:
                self._rebase(low, high)
        if len(self._numbers).bit_length() + self._bits > 62:
            raise OverflowError("entities and times do not fit into 63 bits")
        return (keys << self._bits) | np.clip(times - self._base, 0, (1 << self._bits) - 1)

    def _rebase(self, low: int, high: int) -> None:
        import numpy as np

        held = self._rows.times
        low = min(low, int(held.min())) if len(held) else low
        high = max(high, int(held.max())) if len(held) else high
        self._base = low - 2 * self.reach - 1
        self._bits = (2 * (high - self._base) + 4).bit_length()
        self._codes = (self._rows.keys << self._bits) | np.clip(held - self._base, 0, (1 << self._bits) - 1)


def _inserted(before: Values, at: Integers, more: Values) -> Values:
    import numpy as np

    numbers = np.insert(before.numbers, at, more.numbers)
    if before.valid is None and more.valid is None:
        return Values(numbers, None)
    old = np.ones(len(before.numbers), dtype=bool) if before.valid is None else before.valid
    new = np.ones(len(more.numbers), dtype=bool) if more.valid is None else more.valid
    return Values(numbers, np.insert(old, at, new))
