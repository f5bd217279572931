"""Tensors of the Open Inference Protocol: types, checks, and the binary form."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Datatype:
    """A type of elements; ``size`` in bytes is 0 for BYTES, whose elements differ in length."""

    name: str
    numpy: str
    size: int
    classes: frozenset[type]
    """Python types that JSON values of it may have."""
    low: int | None = None
    high: int | None = None

    @property
    def number(self) -> bool:
        """Whether a model can take it as a feature."""
        return self.size > 0


def _whole(bits: int, signed: bool) -> Datatype:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    prefix = "" if signed else "U"
    return Datatype(f"{prefix}INT{bits}", f"{prefix.lower()}int{bits}", bits // 8, frozenset({int}), low, high)


_FLOATS: frozenset[type] = frozenset({float, int, type(None)})


DATATYPES = {
    datatype.name: datatype
    for datatype in (
        Datatype("BOOL", "bool", 1, frozenset({bool})),
        *(_whole(bits, signed) for signed in (True, False) for bits in (8, 16, 32, 64)),
        Datatype("FP16", "float16", 2, _FLOATS),
        Datatype("BF16", "uint16", 2, _FLOATS),
        Datatype("FP32", "float32", 4, _FLOATS),
        Datatype("FP64", "float64", 8, _FLOATS),
        Datatype("BYTES", "object", 0, frozenset({str, type(None)})),
    )
}

MAX_ROWS = 1_000_000
"""Rows of a request."""


MAX_AXES = 16
"""Axes of a tensor."""

GREATEST = sys.float_info.max
"""Of whole numbers, which JSON may have with any number of digits, and floats not."""


class Column(msgspec.Struct, gc=False):
    """The values of an input tensor: a list (JSON) or an array (binary), flat. ``inner`` are the sizes of the axes
    behind the first, ``width`` is their product: the values of a row."""

    name: str
    datatype: Datatype
    values: Any
    rows: int
    width: int = 1
    inner: tuple[int, ...] = ()
    shared: bool = False
    """Whether it is one for all rows of the request; a scalar is, and has no axes at all."""
    scalar: bool = False

    @property
    def plain(self) -> bool:
        """Whether it holds one value for each row."""
        return self.width == 1 and len(self.inner) < 2 and not self.shared

    @property
    def shape(self) -> tuple[int, ...]:
        """As it was sent."""
        return () if self.scalar else (self.rows, *self.inner)

    def array(self) -> Any:
        """An array of its datatype in its shape; a missing float is NaN, a missing text None."""
        import numpy as np

        values = self.values
        if values.__class__ is list:
            kind = "float32" if self.datatype.name == "BF16" else self.datatype.numpy
            found = np.empty(len(values), object) if kind == "object" else None
            if found is None:
                found = np.asarray(values, kind)
            else:
                found[:] = values
            values = found
        return values.reshape(self.shape)

    def by_row(self) -> list[Any]:
        """The value of each row, nested as its shape says; along the first axis, where it is shared by all rows."""
        if self.plain or not self.inner:
            return self.values if self.values.__class__ is list else self.values.tolist()
        listed: list[Any] = self.array().tolist()
        return listed

    def whole(self) -> Any:
        """What it is for all rows together: a value where it is a scalar, else as :meth:`by_row`."""
        return self.by_row()[0] if self.scalar else self.by_row()


def datatype_of(tensor: str, name: str) -> Datatype:
    """The type called ``name``; raises ``Invalid`` with the nearest."""
    found = DATATYPES.get(name)
    if found is None:
        raise Invalid(
            f"input {tensor!r} has the unknown datatype {name!r}",
            hint=did_you_mean(name, DATATYPES) or f"datatypes: {', '.join(DATATYPES)}",
        )
    return found


def check_shape(tensor: str, shape: Sequence[int]) -> int:
    """The number of values of a shape; raises ``Invalid``. The first axis is the rows; a scalar has none."""
    if len(shape) > MAX_AXES:
        raise Invalid(f"input {tensor!r} has {len(shape)} axes; at most {MAX_AXES} are taken")
    if any(size < 1 for size in shape):
        raise Invalid(f"input {tensor!r} has shape {list(shape)}; it holds nothing")
    if shape and shape[0] > MAX_ROWS:
        raise Invalid(f"input {tensor!r} has {shape[0]:,} rows; at most {MAX_ROWS:,} go in one request")
    return math.prod(shape)


def column_of(tensor: str, datatype: Datatype, values: Any, shape: Sequence[int]) -> Column:
    """A column of flat values that are checked, and a shape that fits them."""
    if len(shape) == 1:
        return Column(tensor, datatype, values, shape[0])
    if not shape:
        return Column(tensor, datatype, values, 1, shared=True, scalar=True)
    inner = tuple(shape[1:])
    return Column(tensor, datatype, values, shape[0], math.prod(inner), inner)


_SINGLE = ([1], [1, 1])


def single(tensor: str, shape: list[int], datatype: Datatype, data: Any) -> Column | None:
    """One value sent as JSON, the most frequent case; ``None`` when it is something else, or wrong."""
    return Column(tensor, datatype, data, 1) if is_single(shape, datatype, data) else None


def is_single(shape: list[int], datatype: Datatype, data: Any) -> bool:
    """Whether it is one value sent as JSON."""
    if shape not in _SINGLE or data.__class__ is not list or len(data) != 1:
        return False
    value: Any = data[0]
    kind: type = value.__class__
    if kind not in datatype.classes:
        return False
    low, high = datatype.low, datatype.high
    if low is None or high is None:
        return kind is not int or -GREATEST <= value <= GREATEST
    return bool(low <= value <= high)


def from_json(tensor: str, shape: Sequence[int], datatype: Datatype, data: Any) -> Column:
    """Values sent as JSON, flat or nested in the tensor's shape; ``null`` is a missing value of a float."""
    count = check_shape(tensor, shape)
    if data.__class__ is not list:
        if shape:
            raise Invalid(f"input {tensor!r} has no list as data")
        data = [data]
    if data and data[0].__class__ is list:
        data = flattened(tensor, shape, data)
    if len(data) != count:
        raise Invalid(f"input {tensor!r} has {len(data)} values, its shape {list(shape)} needs {count}")
    _check_values(tensor, datatype, data)
    return column_of(tensor, datatype, data, shape)


def flattened(tensor: str, shape: Sequence[int], data: list[Any]) -> list[Any]:
    """Nested lists as one; the first that does not have the size of its axis is named by its place."""
    sizes = shape[1:] or (1,)
    level, above = data, shape[0] if shape else 1
    if len(level) != above:
        raise Invalid(f"input {tensor!r} has {len(level)} rows, its shape {list(shape)} says {above}")
    for depth, size in enumerate(sizes):
        for index, entry in enumerate(level):
            if entry.__class__ is not list or len(entry) != size:
                place = f"row {index}" if depth == 0 else f"at {_place(index, sizes[:depth])}"
                had = f"there are {len(entry):,}" if entry.__class__ is list else "there is no list"
                what = "values" if depth == len(sizes) - 1 else "lists"
                raise Invalid(f"input {tensor!r}, {place}: a list of {size} {what} is needed, as its shape says; {had}")
        level = list(chain.from_iterable(level))
    return level


def _place(index: int, sizes: Sequence[int]) -> str:
    """The indices of an entry of a level that has been flattened: ``[0][2]``."""
    found: list[int] = []
    for size in reversed(sizes):
        index, rest = divmod(index, size)
        found.append(rest)
    return "".join(f"[{each}]" for each in (index, *reversed(found)))


def check_whole(tensor: str, datatype: str, data: Sequence[Any], kinds: Set[type]) -> None:
    """Raise ``Invalid`` when a whole number is too great for any float; ``kinds`` are the types of the values."""
    if int not in kinds or max(map(abs, filter(None, data)), default=0) <= GREATEST:
        return
    raise Invalid(f"input {tensor!r}: a whole number has more digits than fit in {datatype}")


def plain_datatype(tensor: str, values: Sequence[Any], kinds: Set[type]) -> str | None:
    """The datatype of one plain JSON value a row, ``null`` where there is none; None where they are no numbers, texts
    or booleans, or are of several kinds, or booleans with gaps. ``kinds`` are the types of the values that are there.
    Whole numbers with gaps, or beyond 64 bits, are floats; ``Invalid`` for those too great for any."""
    if kinds == {int} and None not in values and all(-(2**63) <= value < 2**63 for value in values):
        return "INT64"
    if kinds <= {int, float}:
        check_whole(tensor, "FP64", values, kinds)
        return "FP64"
    if kinds == {str}:
        return "BYTES"
    return "BOOL" if kinds == {bool} and None not in values else None


def _check_values(tensor: str, datatype: Datatype, data: list[Any]) -> None:
    classes, kinds = datatype.classes, set(map(type, data))
    if not kinds <= classes:
        wrong = next(value for value in data if value.__class__ not in classes)
        raise _wrong(tensor, datatype.name, wrong)
    low, high = datatype.low, datatype.high
    if low is not None and high is not None:
        for value in (min(data), max(data)):
            if not low <= value <= high:
                raise Invalid(f"input {tensor!r}: {value} does not fit in {datatype.name}")
    else:
        check_whole(tensor, datatype.name, data, kinds)


def _wrong(tensor: str, datatype: str, value: Any) -> Invalid:
    told = repr(value)
    return Invalid(f"input {tensor!r}: {told if len(told) < 80 else told[:80] + '…'} is not {datatype}")


def from_binary(tensor: str, shape: Sequence[int], datatype: Datatype, raw: memoryview) -> Column:
    """Values of the binary tensor extension: little endian, row by row; BYTES with a 4-byte length each."""
    import numpy as np

    count = check_shape(tensor, shape)
    values: Any
    if datatype.name == "BYTES":
        values = _strings(tensor, raw, count)
    else:
        if len(raw) != count * datatype.size:
            raise Invalid(
                f"input {tensor!r}: {len(raw)} bytes, its shape {list(shape)} of {datatype.name} "
                f"needs {count * datatype.size}"
            )
        values = np.frombuffer(raw, dtype=np.dtype(datatype.numpy).newbyteorder("<"))
        if datatype.name == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        elif datatype.name == "BOOL" and values.view(np.uint8).max() > 1:
            raise Invalid(f"input {tensor!r}: a BOOL is a byte of 0 or 1")
    return column_of(tensor, datatype, values, shape)


def _strings(tensor: str, raw: memoryview, count: int) -> list[str]:
    values: list[str] = []
    position, size = 0, len(raw)
    while position < size and len(values) < count:
        if position + 4 > size:
            break
        (length,) = struct.unpack_from("<I", raw, position)
        position += 4
        if position + length > size:
            raise Invalid(f"input {tensor!r}: element {len(values)} says {length} bytes, {size - position} are there")
        try:
            values.append(str(raw[position : position + length], "utf-8"))
        except UnicodeDecodeError:
            raise Invalid(f"input {tensor!r}: element {len(values)} is not UTF-8") from None
        position += length
    if len(values) != count or position != size:
        raise Invalid(f"input {tensor!r}: its bytes do not hold exactly {count} elements")
    return values


def to_binary(datatype: Datatype, values: Any) -> bytes:
    """An output tensor in the binary form."""
    import numpy as np

    if datatype.name == "BF16":
        from mlbox.engine.models.bfloat16 import bits_of

        values = bits_of(values)
    if datatype.name == "BYTES":
        encoded = [str(value).encode() for value in np.asarray(values, dtype=object).ravel()]
        return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    return bytes(np.ascontiguousarray(values, dtype=np.dtype(datatype.numpy).newbyteorder("<")).tobytes())


_OUTPUT = {
    "b": "BOOL",
    "i1": "INT8",
    "i2": "INT16",
    "i4": "INT32",
    "i8": "INT64",
    "u1": "UINT8",
    "u2": "UINT16",
    "u4": "UINT32",
    "u8": "UINT64",
    "f2": "FP16",
    "f4": "FP32",
    "f8": "FP64",
}


def datatype_of_array(dtype: Any, kind: Any = None) -> Datatype:
    """The type of a model's output whose array has this dtype, and is of this class."""
    return _datatype_of(dtype, bool(getattr(kind, "bfloat16", False)))


@lru_cache(maxsize=64)
def _datatype_of(dtype: Any, narrow: bool) -> Datatype:
    if narrow and dtype.char == "f":
        return DATATYPES["BF16"]
    return DATATYPES[_OUTPUT.get("b" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}", "BYTES")]


_SQL = {
    "BOOLEAN": "BOOL",
    "TINYINT": "INT8",
    "SMALLINT": "INT16",
    "INTEGER": "INT32",
    "BIGINT": "INT64",
    "UTINYINT": "UINT8",
    "USMALLINT": "UINT16",
    "UINTEGER": "UINT32",
    "UBIGINT": "UINT64",
    "FLOAT": "FP32",
    "DOUBLE": "FP64",
}


def of_sql(kind: str) -> str:
    """The datatype in which values of a SQL type are sent."""
    return _SQL.get(kind.upper(), "BYTES")


def missing(value: Any) -> bool:
    """Whether a value is not there: ``None`` or NaN."""
    return value is None or (value.__class__ is float and math.isnan(value))
