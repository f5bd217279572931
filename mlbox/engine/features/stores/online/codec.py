"""Rows as bytes.

Value: known-at and event time (int64, microseconds), sequence (int64), a bitmap of nulls, then a fixed part (8 bytes a
feature) and a variable part for text. Numbers beyond 64 bits and DECIMAL are kept as float64.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from mlbox.engine.features.stores.online.base import Row, Schema
from mlbox.engine.features.stores.online.keys import EPOCH, INTEGERS, KeyPacker, microseconds

_FLOATS = ("FLOAT", "DOUBLE", "DECIMAL", "UBIGINT", "HUGEINT", "UHUGEINT")
_HEAD = struct.Struct("<qqq")
_NAIVE_EPOCH = EPOCH.replace(tzinfo=None)


def kind_of(type_name: str) -> str:
    """How a DuckDB type is kept.

    q int64, d float64, b boolean, t instant, n time without zone, y date, s text, j anything else as JSON.
    """
    folded = type_name.upper()
    if folded.endswith("]"):
        return "j"
    if folded in INTEGERS:
        return "q"
    if folded.startswith(_FLOATS):
        return "d"
    if folded in ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"):
        return "t"
    if folded.startswith("TIMESTAMP"):
        return "n"
    if folded.startswith("ENUM"):
        return "s"
    return {"BOOLEAN": "b", "VARCHAR": "s", "DATE": "y"}.get(folded, "j")


class Layout:
    """The layout of a set's values, and its keys; made once for a set."""

    def __init__(self, schema: Schema) -> None:
        self.keys = KeyPacker(schema)
        self.kinds = tuple(kind_of(name) for name in schema.features)
        self._words = (len(self.kinds) + 63) // 64
        fixed = "".join("d" if kind == "d" else "q" for kind in self.kinds)
        self._struct = struct.Struct(f"<qqq{self._words}Q{fixed}")
        self._unpack = self._struct.unpack_from
        self._start = 3 + self._words
        self._plain = all(kind in "qd" for kind in self.kinds)

    def pack(self, row: Row) -> bytes:
        """A row's value."""
        bitmap = [0] * self._words
        fixed: list[Any] = []
        variable = bytearray()
        for index, (kind, item) in enumerate(zip(self.kinds, row.values, strict=True)):
            if item is None:
                bitmap[index // 64] |= 1 << (index % 64)
                fixed.append(0)
            elif kind == "d":
                fixed.append(float(item))
            elif kind in "qb":
                fixed.append(int(item))
            elif kind in "tny":
                fixed.append(microseconds(item))
            else:
                raw = (str(item) if kind == "s" else json.dumps(item, default=str)).encode()
                fixed.append(len(variable) << 32 | len(raw))
                variable += raw
        return self._struct.pack(row.known_at, row.event_time, row.sequence, *bitmap, *fixed) + bytes(variable)

    def unpack(self, key: Sequence[Any], raw: bytes) -> Row:
        """The row of a value."""
        parts = self._unpack(raw)
        start = self._start
        values = parts[start:]
        if not self._plain or (parts[3] if start == 4 else any(parts[3:start])):
            values = tuple(
                [
                    None if parts[3 + index // 64] >> (index % 64) & 1 else self._value(kind, values[index], raw)
                    for index, kind in enumerate(self.kinds)
                ]
            )
        return Row(key, parts[0], parts[1], parts[2], values)

    def _value(self, kind: str, item: Any, raw: bytes) -> Any:
        if kind in "qd":
            return item
        if kind == "b":
            return bool(item)
        if kind in "sj":
            start = self._struct.size + (item >> 32)
            text = bytes(raw[start : start + (item & 0xFFFFFFFF)]).decode()
            return text if kind == "s" else json.loads(text)
        return _time(kind, item)


def _time(kind: str, item: int) -> datetime | date:
    if kind == "t":
        return EPOCH + timedelta(microseconds=item)
    naive = _NAIVE_EPOCH + timedelta(microseconds=item)
    return naive.date() if kind == "y" else naive


def order_of(raw: bytes) -> tuple[int, int, int]:
    """The order of a packed row, without unpacking the rest."""
    known_at, event_time, sequence = _HEAD.unpack_from(raw)
    return known_at, event_time, sequence
