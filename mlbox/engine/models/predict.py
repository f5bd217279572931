"""Predictions over Arrow data, for SQL: columns go in by name, 64-bit floats come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.models.sessions import Predictor

BATCH = 65_536
"""Rows that go through a model at once."""


def predict_table(predictor: Predictor, table: pyarrow.Table | pyarrow.RecordBatch) -> pyarrow.Array:
    """A prediction for each row; columns are matched to features by name, case aside, others are ignored.

    Raises ``Invalid`` that names a missing feature and the nearest column, or a column that holds no numbers.
    """
    import numpy as np
    import pyarrow as pa

    names = predictor.order(table.schema.names)
    picked = table.select(names)
    parts = [np.empty(0)]
    for start in range(0, picked.num_rows, BATCH):
        batch = picked.slice(start, BATCH)
        columns = [_values(predictor, index, batch.column(index)) for index in range(len(names))]
        parts.append(predictor.run(columns, batch.num_rows).prediction)
    return pa.array(np.concatenate(parts), from_pandas=False)


def predict_struct(predictor: Predictor, rows: pyarrow.StructArray | pyarrow.ChunkedArray) -> pyarrow.Array:
    """A prediction for each row given as a struct; NULL for a row that is NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(rows, pa.ChunkedArray):
        rows = rows.combine_chunks()
    if not pa.types.is_struct(rows.type):
        raise Invalid(
            f"a row is needed, not a value of type {rows.type}",
            hint="write a table alias as the row: SELECT ml.predict('m', t) FROM t",
        )
    fields = [field.name for field in rows.type]
    table = pa.Table.from_arrays(rows.flatten(), names=fields)
    result = predict_table(predictor, table)
    return result if rows.null_count == 0 else pc.if_else(rows.is_valid(), result, pa.scalar(None, pa.float64()))


def _values(predictor: Predictor, index: int, column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    tensor = predictor.input_of(index)
    if tensor.element == "string":
        return pc.cast(column, pa.string()).to_pylist()
    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (numeric or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise Invalid(
            f"feature {predictor.features[index]!r} is given as {kind}, the model takes {tensor.element_type}",
            hint="cast the column in the query",
        )
    if tensor.element in ("int64", "uint64") and pa.types.is_integer(kind) and column.null_count == 0:
        return column.to_numpy(zero_copy_only=False)  # through a double it would lose digits
    return pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
