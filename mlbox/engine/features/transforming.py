"""Rows of a source through a function of the user (``TRANSFORM``), batch by batch.

The function runs in a process of its own; who starts that is handed in as :class:`Transforms`. A row that the function
fails at is found by halving its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mlbox.base.errors import Invalid, NotExecuted
from mlbox.base.names import Ref
from mlbox.base.suggest import did_you_mean
from mlbox.engine.features.definition import FeatureSet

if TYPE_CHECKING:
    import pyarrow

BATCH = 50_000
"""Rows that a function is given at once, at most."""
LARGEST = 64 << 20
"""Bytes that a function is given at once, about."""
HOPELESS = 100
"""So many rows that each fail, and none that passes, are the fault of the function."""


class FunctionFailed(Exception):
    """The function raised, or returned no rows; ``reason`` says what and where in its file."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A function that rows can go through: project, name and version, and how it runs, for people."""

    key: tuple[str, str, int]
    told: str


class Transform(Protocol):
    """A function whose process is there."""

    def start(self, rows: pyarrow.Table) -> Callable[[], pyarrow.Table]:
        """Give it rows; the call of what comes back waits for its answer. That raises :class:`FunctionFailed`, or an
        ``MlboxError`` when the process ended or took too long."""
        ...


class Transforms(Protocol):
    """Gives functions by name."""

    def foresee(self, ref: Ref) -> Foreseen:
        """The version that a reference means now; raises an ``MlboxError``. Starts nothing."""
        ...

    def open(self, feature_set: FeatureSet) -> AbstractContextManager[Transform]:
        """The function of a set, for one ingest."""
        ...


class NoTransforms:
    """Where nobody runs functions."""

    def foresee(self, ref: Ref) -> Foreseen:
        """Refused."""
        raise NotExecuted("functions are not run here, so nothing can be transformed")

    def open(self, feature_set: FeatureSet) -> AbstractContextManager[Transform]:
        """Refused."""
        raise NotExecuted("functions are not run here, so nothing can be transformed")


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that the function fails at: its number in the part (from 1), why, and the row."""

    number: int
    reason: str
    row: pyarrow.Table


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a batch: rows of the function, and those that it failed at."""

    rows: list[pyarrow.Table]
    failed: list[Failed]


@dataclass(slots=True)
class Passage:
    """The rows of one part (``name``) on their way through a function. ``lenient``: rows that it fails at are left out
    and told; else the first ends it."""

    label: str
    name: str
    needed: dict[str, set[str]]
    """Columns that every batch must give, each with the names under which it may come, in lower case."""
    lenient: bool
    _passed: int = 0
    _hopeless: int = 0
    _given: int = 0
    _transform: Transform | None = None

    def results(self, transform: Transform, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[Made]:
        """Batch by batch, in order; the next one is under way while one is taken."""
        self._transform = transform
        before: tuple[pyarrow.Table, int, Callable[[], pyarrow.Table]] | None = None
        for rows in _cut(batches):
            following = (rows, self._given, transform.start(rows))
            self._given += rows.num_rows
            if before is not None:
                yield self._made(*before)
            before = following
        if before is not None:
            yield self._made(*before)

    def _made(self, rows: pyarrow.Table, first: int, answer: Callable[[], pyarrow.Table]) -> Made:
        try:
            found = self._checked(answer(), first, rows.num_rows)
        except FunctionFailed as error:
            if not self.lenient:
                raise self._told(rows, first, error) from None
            made = Made([], [])
            self._sift(rows, first, error, made)
            return made
        self._passed += rows.num_rows
        return Made([found], [])

    def _sift(self, rows: pyarrow.Table, first: int, error: FunctionFailed, made: Made) -> None:
        """Halve until what fails is single rows."""
        if rows.num_rows == 1:
            self._hopeless += 1
            if not self._passed and self._hopeless >= HOPELESS:
                raise Invalid(
                    f"function {self.label} fails at every one of {self._hopeless} rows of {self._where()}: "
                    f"{error.reason}; nothing was stored",
                    hint=error.hint or "mend the function, CREATE OR REPLACE it and the feature set",
                )
            made.failed.append(Failed(first + 1, f"{self.label}: {error.reason}", rows))
            return
        half = rows.num_rows // 2
        for start, length in ((0, half), (half, rows.num_rows - half)):
            part = rows.slice(start, length)
            try:
                made.rows.append(self._checked(self._ask(part), first + start, length))
                self._passed += length
            except FunctionFailed as inner:
                self._sift(part, first + start, inner, made)

    def _ask(self, rows: pyarrow.Table) -> pyarrow.Table:
        assert self._transform is not None
        return self._transform.start(rows)()

    def _told(self, rows: pyarrow.Table, first: int, error: FunctionFailed) -> Invalid:
        """The row that the function fails at, where it is one."""
        while rows.num_rows > 1:
            half = rows.num_rows // 2
            for start, length in ((0, half), (half, rows.num_rows - half)):
                part = rows.slice(start, length)
                try:
                    self._ask(part)
                except FunctionFailed as inner:
                    rows, first, error = part, first + start, inner
                    break
            else:  # only together
                break
        place = _span(first, rows.num_rows)
        return Invalid(
            f"function {self.label} failed at {place} of {self._where()}: {error.reason}; nothing was stored",
            hint=error.hint or "mend the row or the function, or put such rows aside: ON ERROR QUARANTINE",
            details={"function": self.label, "part": self.name, "row": first + 1, "rows": rows.num_rows},
        )

    def _checked(self, found: pyarrow.Table, first: int, count: int) -> pyarrow.Table:
        """The wanted columns of what the function gave; the same in every batch, whatever else there is."""
        known = {name.lower(): place for place, name in reversed(list(enumerate(found.column_names)))}
        chosen = []
        for column, names in self.needed.items():
            place = next((known[name] for name in names if name in known), None)
            if place is None:
                raise Invalid(
                    f"function {self.label} gave no column {column!r} for {_span(first, count)} of {self._where()}; "
                    f"nothing was stored",
                    hint=did_you_mean(column, found.column_names) or "every batch has the columns of the feature set",
                )
            chosen.append(place)
        return found.select(chosen)

    def _where(self) -> str:
        return self.name or "the source"


def _span(first: int, count: int) -> str:
    return f"row {first + 1:,}" if count == 1 else f"rows {first + 1:,} to {first + count:,}"


def _cut(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.Table]:
    """Batches that are neither empty nor too large."""
    import pyarrow

    for batch in batches:
        count = batch.num_rows
        pieces = max(1, -(-count // BATCH), -(-batch.nbytes // LARGEST))
        size = -(-count // pieces) or 1
        for start in range(0, count, size):
            yield pyarrow.Table.from_batches([batch.slice(start, size)])


def needed_columns(feature_set: FeatureSet) -> dict[str, set[str]]:
    """What a function must give for a set: all columns but windows and those that came later."""
    older = {new.lower(): old.lower() for old, new in feature_set.adapted}
    windows = {window.name for window in feature_set.windows}
    names = [*feature_set.entity_names, *feature_set.times]
    names += [one.name for one in feature_set.features if one.name not in windows]
    found = {}
    for name in names:
        if older.get(name.lower()) == "":
            continue
        also = older.get(name.lower())
        found[name] = {name.lower(), *([also] if also else [])}
    return found
