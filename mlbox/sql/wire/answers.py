"""What a statement answers on the wire, and how its rows are taken in portions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Result
from mlbox.base.errors import Conflict
from mlbox.base.underway import current
from mlbox.sql.wire.columns import data_rows
from mlbox.sql.wire.messages import Field
from mlbox.sql.wire.types import field_of

if TYPE_CHECKING:
    import pyarrow

PORTION_BYTES = 8 << 20
"""What is converted and held at a time of a result."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``schema`` is None where there are no rows; ``tag`` is for CommandComplete, with rows the number is appended."""

    tag: str
    schema: pyarrow.Schema | None = None
    batches: Iterable[pyarrow.RecordBatch] = ()
    close: Callable[[], None] = lambda: None
    notices: tuple[str, ...] = ()
    warning: str = ""
    cut: Callable[[], bool] = lambda: False
    """Whether there were more rows than the caller may have; known at the end."""

    @property
    def fields(self) -> list[Field] | None:
        """Columns as RowDescription tells them."""
        return None if self.schema is None else [field_of(column) for column in self.schema]


def of_result(result: Result, tag: str, notices: tuple[str, ...] = ()) -> Answer:
    """The answer for a result of the dispatcher."""
    if result.rows is not None:
        rows = result.rows
        return Answer(tag, rows.schema, rows, rows.close, notices, cut=lambda: bool(getattr(rows, "truncated", False)))
    if result.table is not None:
        return Answer(tag, result.table.schema, result.table.to_batches(), notices=notices)
    return Answer(tag, notices=notices)


def of_texts(columns: Sequence[str], rows: Sequence[Sequence[str | None]], tag: str = "SHOW") -> Answer:
    """Rows of text."""
    import pyarrow

    arrays = [pyarrow.array([row[index] for row in rows], pyarrow.string()) for index in range(len(columns))]
    table = pyarrow.table(arrays, names=list(columns))
    return Answer(tag, table.schema, table.to_batches())


class Delivery:
    """The rows of an answer on their way to the client."""

    def __init__(self, answer: Answer, fields: Sequence[Field], zone: str) -> None:
        self.answer = answer
        self._fields = fields
        self._zone = zone
        self._iterator: Iterator[pyarrow.RecordBatch] | None = iter(answer.batches)
        self._left: pyarrow.RecordBatch | None = None
        self.rows = 0
        """Delivered so far."""

    def portions(self, limit: int = 0) -> Iterator[memoryview]:
        """DataRow messages, of ``limit`` rows at most (0: all); then :attr:`finished` tells whether there are more."""
        wanted = limit or -1
        while wanted:
            batch = self._next()
            if batch is None:
                return
            count = _portion(batch) if wanted < 0 else min(wanted, _portion(batch))
            self._left = batch.slice(count) if count < batch.num_rows else None
            self.rows += count
            wanted -= count if wanted > 0 else 0
            yield data_rows(self._fitting(batch.slice(0, count)), self._fields, self._zone)

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """All rows as they are."""
        while (batch := self._next()) is not None:
            self._left = None
            self.rows += batch.num_rows
            yield batch

    @property
    def finished(self) -> bool:
        """Whether all has been delivered; looks for the next row."""
        self._left = self._next()
        return self._left is None

    def close(self) -> None:
        """Nobody wants the rest."""
        self._iterator = self._left = None
        self.answer.close()

    def _next(self) -> pyarrow.RecordBatch | None:
        underway = current()
        while self._left is None or not self._left.num_rows:
            if underway is not None:
                underway.check()
            batch = next(self._iterator, None) if self._iterator is not None else None
            if batch is None:
                self._iterator = None
                return None
            self._left = batch
        return self._left

    def _fitting(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """The columns that were described before the statement ran, where it gave others as well."""
        import pyarrow

        if batch.num_columns == len(self._fields):
            return batch
        names = batch.schema.names
        missing = [field.name for field in self._fields if field.name not in names]
        if missing:
            raise Conflict(f"the result has no column {missing[0]!r} any more", hint="prepare the statement again")
        picked = [batch.column(names.index(field.name)) for field in self._fields]
        return pyarrow.RecordBatch.from_arrays(picked, names=[field.name for field in self._fields])


def _portion(batch: Any) -> int:
    """So many rows of a batch are converted at once."""
    size = max(1, batch.nbytes)
    return int(max(1, min(batch.num_rows, batch.num_rows * PORTION_BYTES // size)))
