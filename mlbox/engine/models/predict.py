"""Predictions over Arrow data, for SQL: columns go in by name, 64-bit floats come out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.engine.models.lists import unnested
from mlbox.engine.models.sessions import Output

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.models.sessions import Predictor

BATCH = 65_536
"""Rows that go through a model at once."""

VALUES = 1 << 22
"""Values of tensors that go through a model at once."""


def predict_table(predictor: Predictor, table: pyarrow.Table | pyarrow.RecordBatch) -> pyarrow.Array:
    """A prediction for each row; columns are matched to features by name, case aside, others are ignored.

    Raises ``Invalid`` that names a missing feature and the nearest column, or a column that holds no numbers.
    """
    import numpy as np
    import pyarrow as pa

    _require_number(predictor)
    names = predictor.order(table.schema.names)
    picked = table.select(names)
    parts = [np.empty(0)]
    size = rows_at_once(predictor)
    for start in range(0, picked.num_rows, size):
        batch = picked.slice(start, size)
        columns = [_values(predictor, index, batch.column(index)) for index in range(len(names))]
        parts.append(predictor.run(columns, batch.num_rows).prediction)
    return pa.array(np.concatenate(parts), from_pandas=False)


class Rows:
    """A predictor for rows that come as structs, batch after batch of one type: names are looked up once."""

    def __init__(self, predictor: Predictor) -> None:
        """Raises ``Invalid`` for a model that gives no number for each row."""
        _require_number(predictor)
        self.predictor = predictor
        self._plan: tuple[Any, list[int], bool] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and other.predictor is self.predictor

    def __hash__(self) -> int:
        return id(self.predictor)

    def predict(self, rows: pyarrow.StructArray | pyarrow.ChunkedArray) -> pyarrow.Array:
        """A prediction for each row; NULL for a row that is NULL, and where the model makes no number of it."""
        rows, output = self._output(rows)
        return _nullable(rows, output.prediction)

    def predict_all(self, rows: pyarrow.StructArray | pyarrow.ChunkedArray) -> pyarrow.StructArray:
        """``{prediction, probabilities}`` for each row, both NULL where there is no prediction; no probabilities from a
        model that gives none."""
        import numpy as np
        import pyarrow as pa

        rows, output = self._output(rows)
        prediction = _nullable(rows, output.prediction)
        found = self.predictor.probabilities(output)
        if found is None:
            probabilities = pa.nulls(len(rows), pa.list_(pa.float64()))
        else:
            offsets = np.arange(0, found.size + 1, found.shape[1], dtype=np.int32)
            values = np.ascontiguousarray(found, dtype=np.float64).reshape(-1)
            gaps = prediction.is_null() if prediction.null_count else None
            probabilities = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, from_pandas=False), mask=gaps)
        return pa.StructArray.from_arrays([prediction, probabilities], ["prediction", "probabilities"])

    def _output(self, rows: Any) -> tuple[Any, Output]:
        import pyarrow as pa

        if isinstance(rows, pa.ChunkedArray):
            # One chunk, as DuckDB gives it, is taken as it is: to combine it would copy it.
            rows = rows.chunk(0) if rows.num_chunks == 1 else rows.combine_chunks()
        plan = self._plan
        if plan is None or plan[0] != rows.type:
            plan = self._plan = self._planned(rows.type)
        _, places, direct = plan
        if self.predictor.tensors_in:
            return rows, self._of_tensors(rows, places)
        if rows.null_count:
            flat = rows.flatten()  # the fields of a row that is NULL need not be
            columns = [flat[place] for place in places]
        else:
            columns = [rows.field(place) for place in places]
        if direct and not any(column.null_count for column in columns):
            matrix = self.predictor.empty(len(rows))
            for index, column in enumerate(columns):
                matrix[:, index] = column.to_numpy()
            return rows, self.predictor.run_matrix(matrix)
        values = [_values(self.predictor, index, column) for index, column in enumerate(columns)]
        return rows, self.predictor.run(values, len(rows))

    def _of_tensors(self, rows: Any, places: list[int]) -> Output:
        """Lists of a row are tensors, which have no gaps: a row that is NULL is not computed. Of the outputs the one
        that the prediction is taken from is kept; others may be as large as the inputs, and nobody asks for them."""
        import numpy as np

        predictor = self.predictor
        valid = rows.drop_null() if rows.null_count else rows
        found = np.full(len(valid), np.nan)
        parts: list[Any] = []
        size = rows_at_once(predictor)
        for start in range(0, len(valid), size):
            piece = valid.slice(start, size)
            fields = piece.flatten()
            output = predictor.run(
                [_values(predictor, index, fields[place]) for index, place in enumerate(places)], len(piece)
            )
            found[start : start + size] = output.prediction
            parts.append(output.outputs[predictor.chosen])
        chosen = np.concatenate(parts) if parts else np.empty((0, 1))
        if len(valid) == len(rows):
            return Output(found, {predictor.chosen: chosen})
        there = rows.is_valid().to_numpy(zero_copy_only=False)
        whole = np.full(len(rows), np.nan)
        whole[there] = found
        wide = np.zeros((len(rows), *chosen.shape[1:]), chosen.dtype)
        wide[there] = chosen
        return Output(whole, {predictor.chosen: wide})

    def _planned(self, kind: Any) -> tuple[Any, list[int], bool]:
        """Where the features are among the fields, and whether they can be copied into the matrix as they are."""
        import pyarrow as pa

        if not pa.types.is_struct(kind):
            raise Invalid(
                f"a row is needed, not a value of type {kind}",
                hint="write a table alias as the row: SELECT ml.predict('m', t) FROM t",
            )
        names = [kind.field(index).name for index in range(kind.num_fields)]
        places = [names.index(name) for name in self.predictor.order(names)]
        types = [kind.field(place).type for place in places]
        numbers = all(pa.types.is_floating(one) or pa.types.is_integer(one) for one in types)
        return kind, places, numbers and self.predictor.matrix and self.predictor.input_of(0).floating


def _nullable(rows: Any, prediction: Any) -> Any:
    """Predictions with NULL for NaN and for rows that are NULL, as an endpoint has ``null``."""
    import numpy as np
    import pyarrow as pa

    gaps = np.isnan(prediction)
    if rows.null_count:
        gaps |= rows.is_null().to_numpy(zero_copy_only=False)
    return pa.array(prediction, mask=gaps) if gaps.any() else pa.array(prediction, from_pandas=False)


def predict_struct(predictor: Predictor, rows: pyarrow.StructArray | pyarrow.ChunkedArray) -> pyarrow.Array:
    """A prediction for each row given as a struct; NULL for a row that is NULL."""
    return Rows(predictor).predict(rows)


def rows_at_once(predictor: Predictor) -> int:
    """How many rows go through a model in one call: fewer, the more values a row has."""
    if not predictor.tensors_in:
        return BATCH
    width = sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in predictor.tensors)
    return predictor.fixed_rows or max(1, min(BATCH, VALUES // width))


def _require_number(predictor: Predictor) -> None:
    if not predictor.numbered:
        gives = ", ".join(f"{tensor.name} {tensor.sql_type}" for tensor in predictor.outputs)
        raise Invalid(
            f"the model gives {gives}, and no number for each row",
            hint="serve it, its answers are tensors: CREATE ENDPOINT … USING MODEL …",
        )


def _tensor(predictor: Predictor, index: int, column: Any) -> Any:
    """A column of lists, or of plain values, as an array."""
    import numpy as np
    import pyarrow as pa

    name = predictor.features[index]
    chunks = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    flat, inner = unnested(name, chunks)
    values = _plain_values(predictor, index, flat)
    if isinstance(values, list):
        made: Any = np.empty(len(values), object)
        made[:] = values
        values = made
    return values.reshape((len(column), *inner))


def _values(predictor: Predictor, index: int, column: Any) -> Any:
    return (_tensor if predictor.tensors_in else _plain_values)(predictor, index, column)


def _plain_values(predictor: Predictor, index: int, column: Any) -> Any:
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
