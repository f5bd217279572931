"""Predictions over Arrow data, for SQL: columns go in by name, 64-bit floats come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.models.sessions import Output, Predictor

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
        columns = [batch.column(index) for index in range(len(names))]
        parts.append(_run(predictor, columns, batch.num_rows).prediction)
    return pa.array(np.concatenate(parts), from_pandas=False)


def predict_struct(predictor: Predictor, rows: pyarrow.StructArray | pyarrow.ChunkedArray) -> pyarrow.Array:
    """A prediction for each row given as a struct; NULL for a row that is NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows, output = _of_struct(predictor, rows)
    result = pa.array(output.prediction, from_pandas=False)
    return result if rows.null_count == 0 else pc.if_else(rows.is_valid(), result, pa.scalar(None, pa.float64()))


def predict_all(predictor: Predictor, rows: pyarrow.StructArray | pyarrow.ChunkedArray) -> pyarrow.StructArray:
    """``{prediction, probabilities}`` for each row; no probabilities from a model that gives none."""
    import numpy as np
    import pyarrow as pa

    rows, output = _of_struct(predictor, rows)
    found = predictor.probabilities(output)
    if found is None:
        probabilities = pa.nulls(len(rows), pa.list_(pa.float64()))
    else:
        offsets = np.arange(0, found.size + 1, found.shape[1], dtype=np.int32)
        values = np.ascontiguousarray(found, dtype=np.float64).reshape(-1)
        probabilities = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, from_pandas=False))
    prediction = pa.array(output.prediction, from_pandas=False)
    return pa.StructArray.from_arrays([prediction, probabilities], ["prediction", "probabilities"])


def _of_struct(predictor: Predictor, rows: Any) -> tuple[Any, Output]:
    import pyarrow as pa

    if isinstance(rows, pa.ChunkedArray):
        rows = rows.combine_chunks()
    kind = rows.type
    if not pa.types.is_struct(kind):
        raise Invalid(
            f"a row is needed, not a value of type {kind}",
            hint="write a table alias as the row: SELECT ml.predict('m', t) FROM t",
        )
    names = [kind.field(index).name for index in range(kind.num_fields)]
    places = {name: index for index, name in enumerate(names)}
    # Of a row that is NULL the fields need not be; flatten makes them so.
    column = rows.flatten() if rows.null_count else _Fields(rows)
    return rows, _run(predictor, [column[places[name]] for name in predictor.order(names)], len(rows))


class _Fields:
    """Columns of a struct that has no NULL rows, without a copy of their validity."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __getitem__(self, index: int) -> Any:
        return self._rows.field(index)


def _run(predictor: Predictor, columns: list[Any], rows: int) -> Output:
    """Arrow columns in the order of the features through the model; the usual case without a copy in between."""
    if not predictor.matrix or not predictor.input_of(0).floating:
        return predictor.run([_values(predictor, i, column) for i, column in enumerate(columns)], rows)
    matrix = predictor.empty(rows)
    for index, column in enumerate(columns):
        matrix[:, index] = _floats(predictor, index, column)
    return predictor.run_matrix(matrix)


def _floats(predictor: Predictor, index: int, column: Any) -> Any:
    """A column as an array of numbers; a missing value is NaN."""
    import pyarrow as pa

    if isinstance(column, pa.Array) and column.null_count == 0:
        kind = column.type
        if pa.types.is_floating(kind) or pa.types.is_integer(kind):
            return column.to_numpy(zero_copy_only=True)
    return _values(predictor, index, column)


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
