"""Single values in the text and binary formats of PostgreSQL: what columns cannot do at once, and arrays."""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from mlbox.base.json_values import json_value
from mlbox.sql.wire import types as t

EPOCH_DAYS = 10_957
"""From 1970 to 2000, where PostgreSQL counts from."""
EPOCH_MICROSECONDS = EPOCH_DAYS * 86_400_000_000
_SPECIAL = frozenset('{}",\\ \t\r\n\v\f')


def text_of(value: Any, oid: int) -> str:
    """A value that is not NULL, in text."""
    if oid in t.ELEMENT:
        return array_text(value, t.ELEMENT[oid].oid)
    if oid == t.JSON and not isinstance(value, str):
        return json.dumps(json_value(value), ensure_ascii=False)
    match value:
        case bool():
            return "t" if value else "f"
        case float():
            return _float(value)
        case bytes():
            return "\\x" + value.hex()
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat(sep=" ").replace("+00:00", "+00")
        case timedelta():
            return interval_text(0, value.days, (value.seconds * 1_000_000 + value.microseconds) * 1000)
        case tuple() if oid == t.INTERVAL:
            return interval_text(*value)
        case _:
            return str(value)


def _float(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def interval_text(months: int, days: int, nanoseconds: int) -> str:
    """In the style ``postgres``: ``1 year 2 mons 3 days 04:05:06.7``."""
    parts = []
    years, months = int(months / 12), months - 12 * int(months / 12)
    for count, word in ((years, "year"), (months, "mon"), (days, "day")):
        if count:
            parts.append(f"{count} {word}{'' if count == 1 else 's'}")
    microseconds = int(nanoseconds / 1000)
    if microseconds or not parts:
        sign = "-" if microseconds < 0 else ""
        seconds, fraction = divmod(abs(microseconds), 1_000_000)
        clock = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        parts.append(clock + (f".{fraction:06}".rstrip("0") if fraction else ""))
    return " ".join(parts)


def array_text(values: Any, element: int) -> str:
    """``{1,NULL,"a b"}``."""
    return "{" + ",".join("NULL" if item is None else _quoted(text_of(item, element)) for item in values) + "}"


def _quoted(text: str) -> str:
    if text and text.upper() != "NULL" and not _SPECIAL.intersection(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def binary_of(value: Any, oid: int) -> bytes:
    """A value that is not NULL, in binary."""
    if oid in t.ELEMENT:
        return _array_binary(value, t.ELEMENT[oid].oid)
    encode = _BINARY.get(oid)
    return encode(value) if encode else text_of(value, oid).encode("utf-8", "replace")


def _array_binary(values: Any, element: int) -> bytes:
    has_null = any(item is None for item in values)
    if not len(values):
        return struct.pack("!iii", 0, 0, element)
    parts = [struct.pack("!iiiii", 1, has_null, element, len(values), 1)]
    for item in values:
        if item is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            raw = binary_of(item, element)
            parts.append(struct.pack("!i", len(raw)) + raw)
    return b"".join(parts)


def _interval(value: Any) -> bytes:
    if isinstance(value, timedelta):
        return struct.pack("!qii", value.seconds * 1_000_000 + value.microseconds, value.days, 0)
    months, days, nanoseconds = value
    return struct.pack("!qii", int(nanoseconds / 1000), days, months)


def numeric(value: Any) -> bytes:
    """Groups of four decimal digits, most significant first, as ``numeric_send`` writes them."""
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        return struct.pack("!hhHh", 0, 0, 0xC000 if number.is_nan() else 0xF000 if sign else 0xD000, 0)
    scale = max(0, -exponent)
    text = "".join(map(str, digits)) + "0" * max(0, exponent)
    text = text.rjust(scale + 1, "0")
    whole, fraction = (text[:-scale], text[-scale:]) if scale else (text, "")
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    fraction = fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    joined = whole + fraction
    groups = [int(joined[at : at + 4]) for at in range(0, len(joined), 4)]
    weight = len(whole) // 4 - 1
    while groups and groups[0] == 0:
        groups.pop(0)
        weight -= 1
    while groups and groups[-1] == 0:
        groups.pop()
    return struct.pack(
        f"!hhHh{len(groups)}h", len(groups), weight if groups else 0, 0x4000 if sign and groups else 0, scale, *groups
    )


def microseconds(value: datetime) -> int:
    """Since 2000, in UTC."""
    plain = value.replace(tzinfo=None) if value.tzinfo is None else (value - value.utcoffset()).replace(tzinfo=None)  # type: ignore[operator]
    return (plain - datetime(2000, 1, 1)) // timedelta(microseconds=1)


def _time(value: time) -> bytes:
    return struct.pack("!q", ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond)


_BINARY: dict[int, Callable[[Any], bytes]] = {
    t.BOOL: lambda value: b"\1" if value else b"\0",
    t.INT2: lambda value: struct.pack("!h", value),
    t.INT4: lambda value: struct.pack("!i", value),
    t.INT8: lambda value: struct.pack("!q", value),
    t.OID: lambda value: struct.pack("!I", value),
    t.FLOAT4: lambda value: struct.pack("!f", value),
    t.FLOAT8: lambda value: struct.pack("!d", value),
    t.BYTEA: bytes,
    t.DATE: lambda value: struct.pack("!i", (value - date(2000, 1, 1)).days),
    t.TIME: _time,
    t.TIMESTAMP: lambda value: struct.pack("!q", microseconds(value)),
    t.TIMESTAMPTZ: lambda value: struct.pack("!q", microseconds(value)),
    t.INTERVAL: _interval,
    t.NUMERIC: numeric,
    t.UUID: lambda value: uuid.UUID(str(value)).bytes,
    3802: lambda value: b"\1" + text_of(value, t.JSON).encode(),
}
