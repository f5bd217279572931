"""Columns while they are computed: values of one kind, and which of them are NULL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from mlbox.base.errors import Invalid

if TYPE_CHECKING:
    from mlbox.serve.tensors import Column

Kind = Literal["double", "bigint", "boolean", "varchar", "timestamp", "null"]

_DTYPES = {"double": "f8", "bigint": "i8", "boolean": "?", "varchar": "O", "timestamp": "M8[us]", "null": "f8"}
_BY_NUMPY: dict[str, Kind] = {"f": "double", "i": "bigint", "u": "bigint", "b": "boolean"}
NUMBERS = ("double", "bigint", "null")


@dataclass(slots=True)
class Vector:
    """``data`` ``[n]`` of the kind's type; ``null`` ``[n]`` of booleans, None: no value is NULL."""

    kind: Kind
    data: Any
    null: Any = None

    def __len__(self) -> int:
        return len(self.data)

    def doubles(self) -> Any:
        """The values as 64-bit floats; raises ``Invalid`` for what is no number."""
        if self.kind not in NUMBERS:
            raise Invalid(f"a number is needed where there is {self.kind.upper()}", hint="cast it: x::DOUBLE")
        return self.data.astype("f8", copy=False)

    def list(self) -> list[Any]:
        """Python values, None for NULL."""
        found: list[Any] = self.data.tolist()
        if self.null is None:
            return found
        return [None if gone else value for value, gone in zip(found, self.null.tolist(), strict=True)]


def constant(value: Any, rows: int) -> Vector:
    """One value for every row."""
    import numpy as np

    if value is None:
        return Vector("null", np.zeros(rows), np.ones(rows, bool))
    kind: Kind = {bool: "boolean", int: "bigint", float: "double", str: "varchar"}[type(value)]  # type: ignore[assignment]
    data = np.empty(rows, _DTYPES[kind])
    data[:] = value
    return Vector(kind, data)


def of_column(column: Column) -> Vector:
    """What a request holds; NaN and null are NULL."""
    import numpy as np

    if not column.plain:
        raise Invalid(f"input {column.name!r} has shape {list(column.shape)}; an expression takes one value a row")
    kind: Kind = "varchar" if not column.datatype.number else _BY_NUMPY[np.dtype(column.datatype.numpy).kind]
    if column.datatype.name == "BF16":
        kind = "double"
    return of_values(column.values, kind)


def of_values(values: Any, kind: Kind | None = None) -> Vector:
    """A list or an array; a list without a kind has that of its values."""
    import numpy as np

    if isinstance(values, np.ndarray) and values.dtype.kind in _BY_NUMPY:
        found = _BY_NUMPY[values.dtype.kind]
        data = values.astype(_DTYPES[found], copy=False)
        gone = np.isnan(data) if found == "double" else None
        return Vector(found, data, gone if gone is not None and gone.any() else None)
    listed = list(values)
    kind = kind or _kind_of(listed)
    if kind == "double":
        data = np.array([np.nan if value is None else value for value in listed], "f8")
        gone = np.isnan(data)
        return Vector(kind, data, gone if gone.any() else None)
    gone = np.array([value is None for value in listed], bool)
    empty = {"varchar": "", "boolean": False, "bigint": 0}.get(kind)
    data = np.empty(len(listed), _DTYPES[kind])
    try:
        data[:] = [empty if value is None else value for value in listed]
    except (OverflowError, ValueError, TypeError):
        raise Invalid(f"a value is no {kind.upper()}") from None
    return Vector(kind, data, gone if gone.any() else None)


def _kind_of(values: Sequence[Any]) -> Kind:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {float, int} and float in kinds or not kinds:
        return "double"
    names: dict[type, Kind] = {int: "bigint", bool: "boolean", str: "varchar"}
    if len(kinds) == 1 and (kind := kinds.pop()) in names:
        return names[kind]
    raise Invalid("a column holds values that an expression cannot take", hint="numbers, texts, true and false")


def nulls(*vectors: Vector) -> Any:
    """Where any of them is NULL."""
    masks = [vector.null for vector in vectors if vector.null is not None]
    return reduce(lambda a, b: a | b, masks) if masks else None


def alike(vectors: Sequence[Vector]) -> list[Vector]:
    """The same with one kind for all: whole numbers become floats beside floats. Raises ``Invalid``."""
    kinds = {vector.kind for vector in vectors} - {"null"}
    if len(kinds) <= 1:
        kind = kinds.pop() if kinds else "null"
    elif kinds == {"double", "bigint"}:
        kind = "double"
    else:
        names = " and ".join(sorted(kind.upper() for kind in kinds))
        raise Invalid(f"{names} do not go together in an expression", hint="cast one of them: x::VARCHAR, y::DOUBLE")
    return [_as(vector, kind) for vector in vectors]


def _as(vector: Vector, kind: Kind) -> Vector:
    import numpy as np

    if vector.kind == kind:
        return vector
    if vector.kind == "null":
        return Vector(kind, np.zeros(len(vector), _DTYPES[kind]), vector.null)
    return Vector(kind, vector.data.astype(_DTYPES[kind]), vector.null)


def texts(function: Callable[..., Any], kind: Kind, *vectors: Vector) -> Vector:
    """``function`` of each row's values; NULL where one of them is."""
    import numpy as np

    gone = nulls(*vectors)
    data = np.empty(len(vectors[0]), _DTYPES[kind])
    columns = [vector.data.tolist() for vector in vectors]
    if gone is None:
        data[:] = [function(*row) for row in zip(*columns, strict=True)]
    else:
        empty = "" if kind == "varchar" else 0
        flags = gone.tolist()
        data[:] = [empty if none else function(*row) for none, *row in zip(flags, *columns, strict=True)]
    return Vector(kind, data, gone)


def time_of(text: str) -> datetime:
    """A time as DuckDB's TIMESTAMP reads it: an offset is passed over. Raises ``ValueError``."""
    found = datetime.fromisoformat(text.strip())
    return found.replace(tzinfo=None)
