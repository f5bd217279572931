"""Entity values as bytes: one key for what is one value of the entity's type, order of bytes is order of values."""

from __future__ import annotations

import hashlib
import math
import re
import struct
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.engine.features.stores.online.base import Schema

LONGEST_KEY = 511
"""LMDB's limit, in bytes."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_WIDE = ("UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM")
_MICROSECOND = timedelta(microseconds=1)
_LOW, _HIGH = -(2**63), 2**63
_pack_word = struct.Struct(">Q").pack
_DECIMAL = re.compile(r"DECIMAL\(\d+,\s*(\d+)\)")

Part = Callable[[Any], bytes]


def microseconds(value: datetime | date | str) -> int:
    """Since 1970 in UTC; what has no zone is UTC, text is ISO 8601."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return (value - EPOCH) // _MICROSECOND


class KeyPacker:
    """Makes the keys of a set: 16 bytes of its id, then each value with a tag; long ones are hashed."""

    def __init__(self, schema: Schema) -> None:
        self.prefix = bytes.fromhex(schema.set_id)
        self._types = schema.entities
        self._parts = tuple(part_of(name) for name in schema.entities)
        self._single = self._parts[0] if len(self._parts) == 1 else None
        integer = len(self._types) == 1 and self._types[0].upper() in (*INTEGERS, *_WIDE)
        self.pack_one = self._short() if integer else lambda value: self.pack((value,))
        """The key of a set with one entity, of its value."""

    def _short(self) -> Callable[[Any], bytes | None]:
        """The way of integers, which most requests go."""
        head, pack, word, high = self.prefix + b"\x20", self.pack, _pack_word, _HIGH

        def pack_one(value: Any) -> bytes | None:
            if value.__class__ is int:
                try:
                    return head + word(value + high)
                except struct.error:  # beyond 64 bits
                    pass
            return pack((value,))

        return pack_one

    def pack(self, values: Sequence[Any]) -> bytes | None:
        """The key, or None where a value is missing; raises ``Invalid`` for a value that is not of its type."""
        try:
            if self._single is not None:
                (value,) = values
                if value is None:
                    return None
                body = self._single(value)
            elif None in values:
                return None
            else:
                body = b"".join([part(value) for part, value in zip(self._parts, values, strict=True)])
        except (ValueError, TypeError, ArithmeticError, AttributeError, LookupError):
            shown = ", ".join(map(repr, values))
            raise Invalid(f"entity value {shown} is not of type {', '.join(self._types)}") from None
        if len(body) > LONGEST_KEY - 16:
            body = b"\xff" + hashlib.sha256(body).digest()
        return self.prefix + body


def part_of(type_name: str) -> Part:
    """How a value of a DuckDB type becomes bytes."""
    folded = type_name.upper()
    if folded in INTEGERS or folded in _WIDE:
        return _integer
    if folded == "VARCHAR" or folded.startswith("ENUM"):
        return _text
    if folded == "FLOAT":
        return lambda value: _float(float(struct.unpack("<f", struct.pack("<f", float(value)))[0]))
    if folded == "DOUBLE":
        return lambda value: _float(float(value))
    decimal = _DECIMAL.fullmatch(folded)
    if decimal:
        scale = Decimal(10) ** int(decimal.group(1))
        return lambda value: _integer(int((Decimal(str(value)) * scale).to_integral_value()))
    if folded.startswith("TIMESTAMP") or folded == "DATE":
        return lambda value: b"\x30" + _pack_word(microseconds(value) + _HIGH)
    other: dict[str, Part] = {
        "BOOLEAN": lambda value: b"\x11" if _truth(value) else b"\x10",
        "UUID": lambda value: b"\x60" + uuid.UUID(str(value)).bytes,
        "BLOB": lambda value: b"\x41" + _ended(value.encode() if isinstance(value, str) else bytes(value)),
    }
    return other.get(folded, lambda value: b"\x50" + _ended(str(value).encode()))


def _integer(value: Any) -> bytes:
    if value.__class__ is not int:
        number = int(value)
        if not isinstance(value, str) and number != value:
            raise ValueError(value)
        value = number
    if _LOW <= value < _HIGH:
        return b"\x20" + _pack_word(value + _HIGH)
    wide: bytes = (value + 2**128).to_bytes(17, "big")
    return (b"\x21" if value > 0 else b"\x1f") + wide


def _float(value: float) -> bytes:
    if math.isnan(value):
        return b"\x26"
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))  # -0.0 is 0.0
    return b"\x25" + _pack_word(bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63))


def _text(value: Any) -> bytes:
    text = value if value.__class__ is str else str(value)
    return b"\x40" + _ended(text.encode())


def _ended(raw: bytes) -> bytes:
    """With an end that sorts before every continuation, so that ("a", "b") and ("ab", "") differ."""
    return raw.replace(b"\x00", b"\x00\xff") + b"\x00\x01"


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False}[value.lower()]
    if value not in (0, 1):
        raise ValueError(value)
    return bool(value)
