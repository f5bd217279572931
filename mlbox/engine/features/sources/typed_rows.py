"""Rows of a database driver as Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid

if TYPE_CHECKING:
    import pyarrow

Fetch = Callable[[], Sequence[Sequence[Any]]]
"""The next rows; none at the end."""


def reader_of(
    names: Sequence[str], types: Sequence[pyarrow.DataType], fetch: Fetch, close: Callable[[], None]
) -> pyarrow.RecordBatchReader:
    """Batches of rows as they are fetched; ``Invalid`` names the row and column of a value of another type."""
    import pyarrow

    schema = pyarrow.schema(list(zip(names, types, strict=True)))

    def batches() -> Iterator[pyarrow.RecordBatch]:
        count = 0
        try:
            while rows := fetch():
                columns = list(zip(*rows, strict=True))
                yield pyarrow.record_batch(
                    [_column(values, field, count) for values, field in zip(columns, schema, strict=True)],
                    schema=schema,
                )
                count += len(rows)
        finally:
            close()

    return pyarrow.RecordBatchReader.from_batches(schema, batches())


def _column(values: Sequence[Any], field: pyarrow.Field, before: int) -> pyarrow.Array:
    import pyarrow

    try:
        if pyarrow.types.is_string(field.type):
            values = [None if value is None else value if isinstance(value, str) else str(value) for value in values]
        return pyarrow.array(values, field.type)
    except (pyarrow.ArrowException, TypeError, ValueError):
        for place, value in enumerate(values):
            try:
                pyarrow.array([value], field.type)
            except (pyarrow.ArrowException, TypeError, ValueError):
                raise Invalid(
                    f'row {before + place + 1:,}, column "{field.name}": {value!r} is no {field.type}',
                    hint="convert it in the source: WITH (query = 'SELECT CAST(..) ..')",
                ) from None
        raise
