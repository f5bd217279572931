"""In which form tensors stand in the prediction log: nested lists while they are small, else what tells them apart.

A row of a tensor of up to ``LISTED`` values is recorded whole, so that it can be computed again. Of a larger one the
log has its shape, its datatype, the SHA-256 of its bytes (little endian, row by row, as the binary form sends them),
and of numbers the least, the greatest and the mean: the log stays small, and equal inputs can be found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.serve.feeding import per_row
from mlbox.serve.tensors import datatype_of_array, to_binary

if TYPE_CHECKING:
    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Answer
    from mlbox.serve.tensors import Column

LISTED = 2048
"""Values of a row of a tensor up to which the log has all of them."""

REMEMBERED = 4 << 20
"""Bytes of a request's tensors up to which it may be remembered for the next version."""


def of_column(column: Column, rows: int) -> list[Any]:
    """What is recorded of an input for each row; of one that is shared by all rows the same."""
    array = column.array()
    if column.shared:
        return [_form(array, column.datatype.name)] * rows
    if column.plain or column.width <= LISTED:
        return column.by_row()
    return [_form(row, column.datatype.name) for row in array]


def of_output(values: Any, rows: int) -> list[Any]:
    """What is recorded of an output for each row; an output without rows belongs to the request's first one."""
    name = datatype_of_array(values.dtype, type(values)).name
    found: Sequence[Any] | None = per_row(values, rows)
    if found is None:
        return [_form(values, name), *[None] * (rows - 1)]
    return [_form(row, name) for row in found]


def held(request: Request | None, answer: Answer | None) -> int:
    """Bytes of memory that tensors of a request and its answer take until they are written, about."""
    size = 0
    if request is not None:
        for column in request.columns.values():
            if not column.datatype.size:
                size += _text_bytes(column.values)
            elif column.inner:
                size += column.rows * column.width * (32 if column.values.__class__ is list else column.datatype.size)
    if answer is not None:
        for values in answer.outputs.values():
            size += _text_bytes(values.ravel().tolist()) if values.dtype.kind == "O" else values.nbytes
    return size


def _text_bytes(values: Sequence[Any]) -> int:
    return sum(64 + len(value) if value.__class__ is str else 64 for value in values)


def _form(row: Any, datatype: str) -> Any:
    size = getattr(row, "size", 1)
    if size <= LISTED:
        return row.tolist() if hasattr(row, "tolist") else row
    import numpy as np

    text = row.dtype.kind == "O"
    content = _bytes(row, text)
    told: dict[str, Any] = {
        "shape": list(row.shape),
        "datatype": datatype,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if not text and row.dtype.kind != "b":
        known = row[~np.isnan(row)] if row.dtype.kind == "f" else row
        if known.size:
            mean = float(known.mean(dtype=np.float64))
            told |= {"min": known.min().item(), "max": known.max().item(), "mean": mean}
    return told


def _bytes(row: Any, text: bool) -> bytes:
    """The bytes of a row in the protocol's binary form."""
    import numpy as np

    if text:
        values = np.array(["" if value is None else value for value in row.ravel()], object)
        return to_binary(datatype_of_array(values.dtype, type(values)), values)
    return to_binary(datatype_of_array(row.dtype, type(row)), row)
