"""How large a stream of Arrow becomes when it is read, told by its own headers before anything of it is unpacked.

A compressed buffer begins with its unpacked length, eight bytes, little endian, -1 for one that is not compressed; its
place is in the header of its batch, a flatbuffer (https://arrow.apache.org/docs/format/Columnar.html, Message.fbs).
Arrow allocates that length before it unpacks, so that the lengths are what a bomb would take.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid, TooLarge

if TYPE_CHECKING:
    import pyarrow

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
SLACK = 1 << 24
"""Values without a buffer (of the type null, or run-end encoded) that a stream may have."""


def check(body: bytes, limit: int) -> None:
    """Raise ``TooLarge`` when the batches of a stream take more than ``limit`` bytes once they are read, and what
    Arrow raises for what is no stream."""
    import pyarrow as pa

    total = values = 0
    reader = pa.ipc.MessageReader.open_stream(body)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        try:
            bytes_, values_ = _sizes(bytes(message.metadata), message.body)
        except (struct.error, IndexError, OverflowError):
            raise Invalid("the body is no Arrow stream: a header of a batch is broken") from None
        total += bytes_
        values += values_
        if total > limit or values > 8 * total + SLACK:
            raise TooLarge.than(limit, "unpacked Arrow stream")


def _sizes(header: bytes, body: Any) -> tuple[int, int]:
    """Bytes of the buffers of a message once they are unpacked, and values of its columns."""
    table = _Table(header, struct.unpack_from("<I", header)[0])
    kind = table.number(1, "<B")
    if kind not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return 0, 0
    batch = table.table(2)
    if kind == _DICTIONARY_BATCH:
        batch = batch.table(1)
    content = memoryview(body) if body is not None else memoryview(b"")
    compressed = batch.has(3)
    total = 0
    for offset, length in batch.pairs(2):
        if length < 0 or offset < 0:
            raise struct.error
        unpacked = length
        if compressed and length >= 8:
            (told,) = struct.unpack_from("<q", content, offset)
            unpacked = length if told < 0 else told
        total += unpacked
    values = sum(max(0, length) for length, _ in batch.pairs(1))
    return total, max(values, batch.number(0, "<q"))


class _Table:
    """A table of a flatbuffer."""

    def __init__(self, buffer: bytes, place: int) -> None:
        self._buffer = buffer
        self._place = place
        self._fields = place - struct.unpack_from("<i", buffer, place)[0]
        if not 0 <= self._fields < len(buffer):
            raise struct.error
        (self._size,) = struct.unpack_from("<H", buffer, self._fields)

    def has(self, field: int) -> bool:
        """Whether a field is there."""
        return self._at(field) is not None

    def number(self, field: int, form: str) -> int:
        """A number, 0 where it is not there."""
        place = self._at(field)
        return 0 if place is None else int(struct.unpack_from(form, self._buffer, place)[0])

    def table(self, field: int) -> _Table:
        """A table within this one."""
        return _Table(self._buffer, self._follow(field))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two 64-bit numbers."""
        if not self.has(field):
            return
        place = self._follow(field)
        (count,) = struct.unpack_from("<I", self._buffer, place)
        if place + 4 + 16 * count > len(self._buffer):
            raise struct.error
        yield from struct.iter_unpack("<qq", self._buffer[place + 4 : place + 4 + 16 * count])

    def _follow(self, field: int) -> int:
        place = self._at(field)
        if place is None:
            raise struct.error
        return place + int(struct.unpack_from("<I", self._buffer, place)[0])

    def _at(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry + 2 > self._size:
            return None
        (offset,) = struct.unpack_from("<H", self._buffer, self._fields + entry)
        return self._place + offset if offset else None


def check_decoded(table: pyarrow.Table, limit: int) -> None:
    """Raise ``TooLarge`` when the texts of a table take more than ``limit`` bytes once each row has its own: a
    dictionary, or views of one buffer, can say the same long text a million times."""
    total = 0
    for name, column in zip(table.column_names, table.columns, strict=True):
        for chunk in column.chunks:
            total += _decoded(name, chunk)
            if total > limit:
                raise TooLarge.than(limit, "decoded Arrow stream")


def _decoded(name: str, array: Any) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    types, kind = pa.types, array.type
    if isinstance(array, pa.ExtensionArray):
        return _decoded(name, array.storage)
    if types.is_dictionary(kind):
        value = kind.value_type
        if types.is_nested(value) or types.is_dictionary(value):
            raise Invalid(f"column {name!r} is of type {kind}", hint="a dictionary holds plain values")
        if not _is_text(value):
            return 0
        lengths = _lengths(array.dictionary)
        found = pc.sum(lengths.take(array.indices)).as_py()
        return int(found or 0)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return int(pc.sum(_lengths(array)).as_py() or 0)
    if types.is_list_view(kind) or types.is_large_list_view(kind) or types.is_run_end_encoded(kind):
        raise Invalid(f"column {name!r} is of type {kind}", hint="cast it to a list, or to its values")
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or types.is_map(kind):
        return _decoded(name, array.values)
    if types.is_struct(kind):
        return sum(_decoded(name, array.field(index)) for index in range(kind.num_fields))
    if types.is_union(kind):
        return sum(_decoded(name, array.field(index)) for index in range(kind.num_fields))
    return 0


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind)
        or types.is_string_view(kind) or types.is_binary_view(kind) or types.is_fixed_size_binary(kind)
    )  # fmt: skip


def _lengths(texts: Any) -> Any:
    """Bytes of each text, as 64-bit numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string_view(texts.type) or pa.types.is_binary_view(texts.type):
        import numpy as np

        # a view is 16 bytes, of which the first four are the length
        views = np.frombuffer(texts.buffers()[1], np.int32)[4 * texts.offset : 4 * (texts.offset + len(texts)) : 4]
        return pa.array(views.astype(np.int64), mask=texts.is_null().to_numpy(zero_copy_only=False))
    return pc.cast(pc.binary_length(texts), pa.int64())
