"""Rows as bytes.

Key: 16 bytes of the set's id, then each entity value with a tag, so that order of bytes is order of values; beyond 511
bytes (LMDB's limit) the values are hashed. Value: known-at and event time (int64, microseconds), sequence (int64), a
bitmap of nulls, then a fixed part (8 bytes a feature) and a variable part for text.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.engine.features.stores.online.base import Row

LONGEST_KEY = 511
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_FLOATS = ("FLOAT", "DOUBLE", "DECIMAL", "UBIGINT", "HUGEINT", "UHUGEINT")


def kind_of(type_name: str) -> str:
    """How a DuckDB type is kept: q (int64), d (float64), b (boolean), t (instant), s (text), j (JSON)."""
    folded = type_name.upper()
    if folded.startswith("TIMESTAMP") or folded == "DATE":
        return "t"
    if folded in _INTEGERS:
        return "q"
    if folded.startswith(_FLOATS) and not folded.endswith("]"):
        return "d"
    return {"BOOLEAN": "b", "VARCHAR": "s"}.get(folded, "j")


@lru_cache(maxsize=256)
class Layout:
    """The layout of a set's values; made once for each list of types."""

    def __init__(self, types: tuple[str, ...]) -> None:
        self.kinds = tuple(kind_of(name) for name in types)
        self._words = (len(types) + 63) // 64
        fixed = "".join("d" if kind == "d" else "q" for kind in self.kinds)
        self._head = struct.Struct(f"<qqq{self._words}Q{fixed}")
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
                fixed.append(0.0 if kind == "d" else 0)
            elif kind in "sj":
                text = item if kind == "s" else json.dumps(item, default=str)
                raw = text.encode()
                fixed.append(len(variable) << 32 | len(raw))
                variable += raw
            elif kind == "t":
                fixed.append(microseconds(item))
            else:
                fixed.append(float(item) if kind == "d" else int(item))
        return self._head.pack(row.known_at, row.event_time, row.sequence, *bitmap, *fixed) + bytes(variable)

    def unpack(self, key: tuple[Any, ...], raw: bytes) -> Row:
        """The row of a value."""
        parts = self._head.unpack_from(raw)
        bitmap = parts[3 : self._start]
        values = parts[self._start :]
        if not (self._plain and not any(bitmap)):
            values = tuple(
                None if bitmap[index // 64] >> (index % 64) & 1 else self._value(kind, values[index], raw)
                for index, kind in enumerate(self.kinds)
            )
        return Row(key, parts[0], parts[1], parts[2], values)

    def _value(self, kind: str, item: Any, raw: bytes) -> Any:
        if kind in "sj":
            start = self._head.size + (item >> 32)
            text = bytes(raw[start : start + (item & 0xFFFFFFFF)]).decode()
            return text if kind == "s" else json.loads(text)
        if kind == "t":
            return _EPOCH + timedelta(microseconds=item)
        return bool(item) if kind == "b" else item


def order_of(raw: bytes) -> tuple[int, int, int]:
    """The order of a packed row, without unpacking the rest."""
    known_at, event_time, sequence = struct.unpack_from("<qqq", raw)
    return known_at, event_time, sequence


def microseconds(value: datetime | date) -> int:
    """Since 1970 in UTC."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return (value - _EPOCH) // timedelta(microseconds=1)


def pack_key(prefix: bytes, values: Sequence[Any]) -> bytes:
    """The key of an entity; integers and floats that are equal give one key, as they do in a SQL join."""
    body = b"".join(map(_key_part, values))
    if len(prefix) + len(body) > LONGEST_KEY:
        body = b"\xff" + hashlib.sha256(body).digest()
    return prefix + body


def _key_part(value: Any) -> bytes:
    if isinstance(value, str):
        return b"\x40" + value.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x01"
    if isinstance(value, bool):
        return b"\x11" if value else b"\x10"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise Invalid(f"entity value {value} does not fit into 64 bits")
        return b"\x20" + struct.pack(">Q", value + 2**63)
    if isinstance(value, float):
        (bits,) = struct.unpack(">Q", struct.pack(">d", value))
        return b"\x21" + struct.pack(">Q", bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63))
    if isinstance(value, bytes):
        return b"\x41" + value.replace(b"\x00", b"\x00\xff") + b"\x00\x01"
    if isinstance(value, (datetime, date)):
        return b"\x30" + struct.pack(">Q", microseconds(value) + 2**63)
    if value is None:
        raise Invalid("an entity value is missing")
    return b"\x50" + str(value).encode().replace(b"\x00", b"\x00\xff") + b"\x00\x01"
