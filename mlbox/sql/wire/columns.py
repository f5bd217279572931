"""Columns of a batch as the bytes of DataRow messages, computed a column at a time.

A row of ten columns is ten conversions; done one by one in Python they are what a large result costs. Here a column is
converted at once, and the rows are put together by Arrow's ``binary_join_element_wise``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.sql.wire import types as t
from mlbox.sql.wire.messages import Field
from mlbox.sql.wire.scalars import EPOCH_DAYS, EPOCH_MICROSECONDS, binary_of, text_of

if TYPE_CHECKING:
    import pyarrow

_INTEGERS = {t.INT2: (">i2", "int16"), t.INT4: (">i4", "int32"), t.INT8: (">i8", "int64"), t.OID: (">u4", "int64")}
_FLOATS = {t.FLOAT4: (">f4", "float32"), t.FLOAT8: (">f8", "float64")}
_MAXIMUM = (1 << 63) - 1


def data_rows(batch: pyarrow.RecordBatch, fields: Sequence[Field], zone: str) -> memoryview:
    """The batch as DataRow messages; ``zone`` is what times with a zone are shown in."""
    import numpy
    import pyarrow
    import pyarrow.compute as compute

    count = batch.num_rows
    parts: list[Any] = []
    for column, field in zip(batch.columns, fields, strict=True):
        values = encoded(column, field, zone)
        lengths = compute.fill_null(compute.binary_length(values), -1).to_numpy(zero_copy_only=False).astype(">i4")
        parts += [_fixed(lengths.tobytes(), 4, count), compute.fill_null(values, b"")]
    body = compute.binary_join_element_wise(*parts, b"") if parts else _fixed(b"", 0, count)
    head = numpy.zeros(count, dtype=[("kind", "S1"), ("length", ">i4"), ("columns", ">i2")])
    head["kind"] = b"D"
    head["length"] = compute.binary_length(body).to_numpy(zero_copy_only=False) + 6
    head["columns"] = len(fields)
    rows = compute.binary_join_element_wise(_fixed(head.tobytes(), 7, count), body, b"")
    if isinstance(rows, pyarrow.ChunkedArray):
        rows = rows.combine_chunks()
    return joined(rows)


def joined(rows: pyarrow.Array) -> memoryview:
    """The bytes of a binary column, one value after the other."""
    import numpy

    if not len(rows):
        return memoryview(b"")
    offsets = numpy.frombuffer(rows.buffers()[1], dtype=numpy.int32)[rows.offset : rows.offset + len(rows) + 1]
    return memoryview(rows.buffers()[2])[int(offsets[0]) : int(offsets[-1])]


def _fixed(data: bytes, width: int, count: int) -> pyarrow.Array:
    """Values of one width as a binary column."""
    import numpy
    import pyarrow

    offsets = numpy.arange(0, width * count + 1, width, dtype=numpy.int32) if width else numpy.zeros(count + 1, "int32")
    return pyarrow.Array.from_buffers(
        pyarrow.binary(), count, [None, pyarrow.py_buffer(offsets.tobytes()), pyarrow.py_buffer(data)]
    )


def encoded(column: pyarrow.Array, field: Field, zone: str = "UTC") -> pyarrow.Array:
    """A column as values of bytes in the format of its field."""
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pyarrow.types.is_null(column.type):
        return pyarrow.nulls(len(column), pyarrow.binary())
    found = (_binary if field.format else _text)(column, field.oid, zone)
    if found is not None:
        return found
    convert: Callable[[Any, int], Any] = binary_of if field.format else lambda v, o: text_of(v, o).encode()
    values = [None if item is None else convert(item, field.oid) for item in column.to_pylist()]
    return pyarrow.array(values, pyarrow.binary())


def _is_text(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))


def _text(column: pyarrow.Array, oid: int, zone: str) -> pyarrow.Array | None:
    import pyarrow
    import pyarrow.compute as compute

    kind, types = column.type, pyarrow.types
    if oid in t.ELEMENT:
        return None
    if _is_text(kind):
        return compute.cast(column, pyarrow.binary())
    if types.is_boolean(kind):
        return compute.if_else(column, pyarrow.scalar(b"t"), pyarrow.scalar(b"f"))
    if types.is_integer(kind) or types.is_decimal(kind):
        return compute.cast(compute.cast(column, pyarrow.string()), pyarrow.binary())
    if types.is_floating(kind):
        return _float_text(column)
    if types.is_date32(kind):
        return compute.cast(compute.cast(column, pyarrow.string()), pyarrow.binary())
    if types.is_timestamp(kind):
        return _timestamp_text(column, zone)
    if types.is_time(kind):
        whole = compute.cast(compute.cast(column, pyarrow.time64("us"), safe=False), pyarrow.string())
        return compute.cast(_without_zeros(whole), pyarrow.binary())
    return None


def _without_zeros(texts: pyarrow.Array) -> pyarrow.Array:
    import pyarrow.compute as compute

    return compute.replace_substring_regex(texts, r"\.?0+$", "")


def _float_text(column: pyarrow.Array) -> pyarrow.Array:
    import pyarrow
    import pyarrow.compute as compute

    texts = compute.cast(column, pyarrow.string())
    odd = compute.invert(compute.is_finite(column))
    if compute.any(odd).as_py():
        for found, told in (("nan", "NaN"), ("-nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
            texts = compute.if_else(compute.equal(texts, found), told, texts)
    return compute.cast(texts, pyarrow.binary())


def _timestamp_text(column: pyarrow.Array, zone: str) -> pyarrow.Array | None:
    """``2026-11-25 23:50:03.98+01``; None when some are out of what Arrow can write."""
    import pyarrow
    import pyarrow.compute as compute

    with_zone = column.type.tz is not None
    moments = compute.cast(column, pyarrow.timestamp("us", tz=column.type.tz), safe=False)
    numbers = compute.cast(moments, pyarrow.int64())
    endless = compute.any(compute.greater_equal(compute.abs(compute.fill_null(numbers, 0)), _MAXIMUM)).as_py()
    if endless:
        infinite = compute.if_else(compute.greater(numbers, 0), b"infinity", b"-infinity")
        finite = compute.less(compute.abs(numbers), _MAXIMUM)
        rest = _timestamp_text(compute.if_else(finite, moments, pyarrow.scalar(None, moments.type)), zone)
        return compute.if_else(finite, rest, compute.cast(infinite, pyarrow.binary()))
    local = moments
    if with_zone:
        local = compute.local_timestamp(compute.cast(numbers, pyarrow.timestamp("us", tz=zone)))
    shown = compute.cast(compute.cast(local, pyarrow.timestamp("us")), pyarrow.string())
    texts = _without_zeros(shown)
    if with_zone:
        texts = compute.binary_join_element_wise(texts, _offsets(compute.cast(local, "int64"), numbers), "")
    return compute.cast(texts, pyarrow.binary())


def _offsets(local: pyarrow.Array, utc: pyarrow.Array) -> pyarrow.Array:
    """``+01`` or ``+05:30`` a row."""
    import pyarrow
    import pyarrow.compute as compute

    seconds = compute.divide(compute.subtract(local, utc), 1_000_000)
    distinct = compute.dictionary_encode(seconds)
    names = []
    for offset in distinct.dictionary.to_pylist():
        size = abs(offset)
        name = f"{'-' if offset < 0 else '+'}{size // 3600:02}"
        names.append(name + (f":{size // 60 % 60:02}" if size % 3600 else ""))
    return compute.take(pyarrow.array(names, pyarrow.string()), distinct.indices)


def _binary(column: pyarrow.Array, oid: int, zone: str) -> pyarrow.Array | None:
    import pyarrow
    import pyarrow.compute as compute

    kind, types = column.type, pyarrow.types
    if oid in (t.TEXT, t.VARCHAR, t.JSON, 19) and _is_text(kind):
        return compute.cast(column, pyarrow.binary())
    if oid == t.BYTEA and types.is_binary(kind):
        return column
    if oid == t.BOOL and types.is_boolean(kind):
        return _numbers(compute.cast(column, pyarrow.int8()), ">i1")
    if oid in _INTEGERS and types.is_integer(kind):
        wire, arrow = _INTEGERS[oid]
        return _numbers(compute.cast(column, arrow), wire)
    if oid in _FLOATS and (types.is_floating(kind) or types.is_integer(kind)):
        wire, arrow = _FLOATS[oid]
        return _numbers(compute.cast(column, arrow, safe=False), wire)
    if oid == t.DATE and types.is_date32(kind):
        return _numbers(compute.subtract(compute.cast(column, pyarrow.int32()), EPOCH_DAYS), ">i4")
    if oid == t.TIME and types.is_time(kind):
        whole = compute.cast(column, pyarrow.time64("us"), safe=False)
        return _numbers(compute.cast(whole, pyarrow.int64()), ">i8")
    if oid in (t.TIMESTAMP, t.TIMESTAMPTZ) and types.is_timestamp(kind):
        whole = compute.cast(compute.cast(column, pyarrow.timestamp("us", tz=kind.tz), safe=False), pyarrow.int64())
        finite = compute.less(compute.abs(whole), _MAXIMUM)
        return _numbers(compute.if_else(finite, compute.subtract(whole, EPOCH_MICROSECONDS), _edge(whole)), ">i8")
    return None


def _edge(numbers: pyarrow.Array) -> pyarrow.Array:
    """PostgreSQL's infinities: the largest and the smallest number."""
    import pyarrow
    import pyarrow.compute as compute

    high, low = pyarrow.scalar(_MAXIMUM, "int64"), pyarrow.scalar(-_MAXIMUM - 1, "int64")
    return compute.if_else(compute.greater(numbers, 0), high, low)


def _numbers(column: pyarrow.Array, wire: str) -> pyarrow.Array:
    """Numbers in the byte order of the network."""
    import numpy
    import pyarrow
    import pyarrow.compute as compute

    raw = compute.fill_null(column, 0).to_numpy(zero_copy_only=False).astype(wire)
    values = _fixed(raw.tobytes(), numpy.dtype(wire).itemsize, len(column))
    if column.null_count:
        values = compute.if_else(column.is_valid(), values, pyarrow.scalar(None, pyarrow.binary()))
    return values
