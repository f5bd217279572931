"""The schema of a Parquet file as the bytes that say it, to tell whether two files have the same one.

A footer is a struct of Thrift's compact protocol whose first fields are the version and the schema (``FileMetaData`` in
parquet.thrift), so what stands before the end of field 2 is the schema, whatever follows.
"""

from __future__ import annotations

from collections.abc import Sequence

_SCHEMA = 2
_TRUE, _FALSE, _BYTE, _SHORT, _INT, _LONG, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
"""Kinds of values; a schema has no doubles, sets and maps."""


def schema_of(file: bytes, known: Sequence[bytes] = ()) -> bytes | None:
    """Of a whole file; one of ``known`` where it is the same, None where the file is none that can be read so."""
    length = int.from_bytes(file[-8:-4], "little")
    if file[-4:] != b"PAR1" or length > len(file) - 8:
        return None
    footer = file[-8 - length : -8]
    for schema in known:
        if footer.startswith(schema):
            return schema
    try:
        place, field = 0, 0
        while field != _SCHEMA:
            place, field = _field(footer, place, field)
            if field == 0:
                return None
    except (IndexError, ValueError, RecursionError):
        return None
    return footer[:place]


def _field(data: bytes, place: int, before: int) -> tuple[int, int]:
    """Behind the field that begins at ``place``, and its number; 0 for the end of a struct."""
    head = data[place]
    if head == 0:
        return place + 1, 0
    number, place = before + (head >> 4), place + 1
    if head >> 4 == 0:
        zigzag, place = _number(data, place)
        number = (zigzag >> 1) ^ -(zigzag & 1)
    return _behind(data, place, head & 15, within=False), number


def _number(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _behind(data: bytes, place: int, kind: int, *, within: bool) -> int:
    """Behind a value; a truth value is its own type, unless it stands ``within`` a list."""
    if place > len(data):  # what it is cut out of says more than there is
        raise ValueError(place)
    if kind in (_TRUE, _FALSE):
        return place + within
    if kind == _BYTE:
        return place + 1
    if kind in (_SHORT, _INT, _LONG):
        return _number(data, place)[1]
    if kind == _BINARY:
        length, place = _number(data, place)
        return place + length
    if kind == _STRUCT:
        number = -1
        while number != 0:
            place, number = _field(data, place, max(number, 0))
        return place
    if kind != _LIST:
        raise ValueError(kind)
    head = data[place]
    count, place = head >> 4, place + 1
    if count == 15:
        count, place = _number(data, place)
    for _ in range(count):
        place = _behind(data, place, head & 15, within=True)
    return place
