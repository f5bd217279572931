"""Rows as bytes.

Value: known-at and event time (int64, microseconds), sequence (int64), a bitmap of nulls, then a fixed part (8 bytes a
feature) and a variable part for text. Numbers beyond 64 bits and DECIMAL are kept as float64.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from mlbox.engine.features.stores.online.base import Row, Schema
from mlbox.engine.features.stores.online.keys import EPOCH, INTEGERS, KeyPacker, microseconds

_FLOATS = ("FLOAT", "DOUBLE", "DECIMAL", "UBIGINT", "HUGEINT", "UHUGEINT")
_HEAD = struct.Struct("<qqq")
order_of: Callable[[Any], tuple[int, int, int]] = _HEAD.unpack_from
"""The order of a packed row: known-at, event time, sequence; without unpacking the rest."""
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
        self.start = 3 + self._words
        """Words before the features."""
        self._plain = all(kind in "qd" for kind in self.kinds)
        brief = struct.Struct(f"<q16xQ{fixed}").unpack_from
        self._brief = brief if self._plain and self._words == 1 else None
        self._absent = self._struct.pack(-(2**63), 0, 0, *[2**64 - 1] * self._words, *[0] * len(self.kinds))

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
        return Row(key, parts[0], parts[1], parts[2], self._values(parts, raw))

    def decode(self, raw: bytes) -> tuple[int, tuple[Any, ...]]:
        """Known-at time and values of a value: all that is asked on the way of a request."""
        if self._brief is not None:
            parts = self._brief(raw)
            if not parts[1]:
                return parts[0], parts[2:]
        parts = self._unpack(raw)
        return parts[0], self._values(parts, raw)

    def _values(self, parts: tuple[Any, ...], raw: bytes) -> tuple[Any, ...]:
        start = self.start
        values = parts[start:]
        if self._plain and not (parts[3] if start == 4 else any(parts[3:start])):
            return values
        return tuple(
            [
                None if parts[3 + index // 64] >> (index % 64) & 1 else self._value(kind, values[index], raw)
                for index, kind in enumerate(self.kinds)
            ]
        )

    def numbers(self, raws: Sequence[bytes | None], places: Sequence[int]) -> tuple[Any, Any]:
        """Known-at times ``[n]`` (int64) and features at ``places`` ``[n, k]`` (float64), for numbers and booleans.

        NaN stands for what is missing; the time of a missing row is the earliest there is.
        """
        import numpy as np

        size = self._struct.size
        if any(kind in "sj" for kind in self.kinds):  # behind the fixed part stands text
            raws = [raw if raw is None else raw[:size] for raw in raws]
        absent = self._absent
        block = np.frombuffer(b"".join([absent if raw is None else raw for raw in raws]), "<i8").reshape(len(raws), -1)
        columns = [self.start + place for place in places]
        values = block.view("<f8")[:, columns]
        for column, place in enumerate(places):
            if self.kinds[place] in "qb":
                values[:, column] = block[:, columns[column]]
        for word in range(self._words):
            bits = block[:, 3 + word]
            if bits.any():
                for column, place in enumerate(places):
                    if place // 64 == word:
                        values[(bits >> (place % 64)) & 1 == 1, column] = np.nan
        return block[:, 0], values

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
