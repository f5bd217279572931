"""Values of parameters, as a client sends them."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from mlbox.base.errors import Invalid, MlboxError
from mlbox.sql.wire import types as t

_TEXTUAL = frozenset({0, t.UNKNOWN, t.TEXT, t.VARCHAR, 18, 19, 1042})
_BASE = datetime(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Bound:
    """A value with its type; ``value`` is Python's, or text that DuckDB is to read as ``oid``."""

    value: Any
    oid: int
    text: bool = False

    def for_duckdb(self) -> Any:
        """For a parameter of plain SQL."""
        import duckdb

        if self.value is None or self.oid in _TEXTUAL:
            return self.value
        if self.oid == t.NUMERIC and not self.text:
            return self.value
        kind = duckdb_type(self.oid)
        try:
            return duckdb.Value(self.value, duckdb.sqltype(kind)) if kind else self.value
        except duckdb.Error as error:
            raise _refused(self.value, self.oid, str(error)) from None

    def for_statement(self) -> Any:
        """For a statement of ours: numbers and truth values as what they are."""
        if not self.text or self.value is None:
            return self.value
        try:
            return _FROM_TEXT.get(self.oid, str)(self.value)
        except (ValueError, ArithmeticError) as error:
            raise _refused(self.value, self.oid, str(error)) from None


def duckdb_type(oid: int) -> str | None:
    """The type of DuckDB that a parameter of type ``oid`` has."""
    if oid in t.ELEMENT:
        return t.ELEMENT[oid].duckdb + "[]"
    return t.BY_OID[oid].duckdb if oid in t.BY_OID else None


def _refused(value: Any, oid: int, reason: str) -> MlboxError:
    name = t.BY_OID[oid].shown if oid in t.BY_OID else f"type {oid}"
    return Invalid(f"could not convert parameter {value!r} to {name}", hint=reason.splitlines()[0])


def bind(raw: bytes | None, oid: int, binary: bool) -> Bound:
    """What a Bind message brings. Raises ``Invalid``."""
    if raw is None:
        return Bound(None, oid)
    try:
        if binary:
            return Bound(_from_binary(raw, oid), oid)
        text = raw.decode()
    except (struct.error, ValueError, ArithmeticError, LookupError) as error:
        raise Invalid(f"a parameter of type {oid} cannot be read: {error}") from None
    if oid in t.ELEMENT:
        return Bound(parse_array(text, t.ELEMENT[oid].oid), oid)
    if oid == t.BYTEA:
        return Bound(_bytea(text), oid)
    if oid == t.BOOL:
        return Bound(_boolean(text), oid)
    return Bound(text, oid, text=True)


def _bytea(text: str) -> bytes:
    try:
        return bytes.fromhex(text[2:]) if text.startswith("\\x") else text.encode("latin-1")
    except ValueError:
        raise Invalid(f"{text[:40]!r} are no bytes", hint="send them as \\x and hexadecimal digits") from None


def _boolean(text: str) -> bool:
    folded = text.strip().lower()
    if folded in ("t", "true", "1", "on", "y", "yes"):
        return True
    if folded in ("f", "false", "0", "off", "n", "no"):
        return False
    raise Invalid(f"could not convert {text!r} to boolean", hint="true or false")


def parse_array(text: str, element: int) -> list[Any]:
    """``{1,NULL,"a b"}`` as a list; arrays in arrays are refused."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")):
        raise Invalid(f"{text[:60]!r} is no array", hint="arrays are written {1,2,3}")
    found: list[Any] = []
    at, end = 1, len(inner) - 1
    while at < end:
        quoted = inner[at] == '"'
        at += quoted
        piece: list[str] = []
        while at < end and (inner[at] != '"' if quoted else inner[at] not in ","):
            if inner[at] == "\\" and at + 1 < end:
                at += 1
            elif inner[at] in "{}" and not quoted:
                raise Invalid("arrays of arrays cannot be parameters", hint="send JSON instead")
            piece.append(inner[at])
            at += 1
        word = "".join(piece)
        found.append(None if not quoted and word.strip().upper() == "NULL" else _element(word, element))
        at += 1 + quoted
    return found


def _element(word: str, oid: int) -> Any:
    if oid == t.BYTEA:
        return _bytea(word)
    if oid == t.BOOL:
        return _boolean(word)
    return Bound(word, oid, text=True).for_statement()


def _from_binary(raw: bytes, oid: int) -> Any:
    if oid in t.ELEMENT:
        return _array(raw)
    decode = _DECODERS.get(oid)
    return decode(raw) if decode else raw.decode()


def _array(raw: bytes) -> list[Any]:
    dimensions, _, element = struct.unpack_from("!iii", raw)
    if dimensions == 0:
        return []
    if dimensions != 1 or element in t.ELEMENT:
        raise ValueError("arrays of arrays cannot be parameters; send JSON instead")
    (count,) = struct.unpack_from("!i", raw, 12)
    found: list[Any] = []
    at = 20
    if count < 0 or count * 4 > len(raw):
        raise ValueError("it is shorter than it says")
    for _ in range(count):
        (length,) = struct.unpack_from("!i", raw, at)
        at += 4
        if length < 0:
            found.append(None)
            continue
        if at + length > len(raw):
            raise ValueError("it is shorter than it says")
        found.append(_from_binary(raw[at : at + length], element))
        at += length
    return found


def _numeric(raw: bytes) -> Decimal:
    count, weight, sign, scale = struct.unpack_from("!hhHh", raw)
    if sign not in (0, 0x4000):
        return Decimal({0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}[sign])
    groups = struct.unpack_from(f"!{count}h", raw, 8)
    number = sum(group * 10 ** (4 * (count - 1 - place)) for place, group in enumerate(groups))
    value = Decimal(number).scaleb(4 * (weight - count + 1))
    return -value.quantize(Decimal(1).scaleb(-scale)) if sign else value.quantize(Decimal(1).scaleb(-scale))


def _timestamp(raw: bytes) -> Any:
    (number,) = struct.unpack("!q", raw)
    if number in ((1 << 63) - 1, -(1 << 63)):
        return "infinity" if number > 0 else "-infinity"
    return _BASE + timedelta(microseconds=number)


def _timestamptz(raw: bytes) -> Any:
    from datetime import UTC

    value = _timestamp(raw)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _interval(raw: bytes) -> Any:
    microseconds, days, months = struct.unpack("!qii", raw)
    if months:
        return f"{months} months {days} days {microseconds} microseconds"
    return timedelta(days=days, microseconds=microseconds)


_DECODERS: dict[int, Callable[[bytes], Any]] = {
    t.BOOL: lambda raw: raw != b"\0",
    t.BYTEA: bytes,
    t.INT2: lambda raw: struct.unpack("!h", raw)[0],
    t.INT4: lambda raw: struct.unpack("!i", raw)[0],
    t.INT8: lambda raw: struct.unpack("!q", raw)[0],
    t.OID: lambda raw: struct.unpack("!I", raw)[0],
    t.FLOAT4: lambda raw: struct.unpack("!f", raw)[0],
    t.FLOAT8: lambda raw: struct.unpack("!d", raw)[0],
    t.DATE: lambda raw: date(2000, 1, 1) + timedelta(days=struct.unpack("!i", raw)[0]),
    t.TIME: lambda raw: (_BASE + timedelta(microseconds=struct.unpack("!q", raw)[0])).time(),
    t.TIMESTAMP: _timestamp,
    t.TIMESTAMPTZ: _timestamptz,
    t.INTERVAL: _interval,
    t.NUMERIC: _numeric,
    t.UUID: lambda raw: uuid.UUID(bytes=raw),
    3802: lambda raw: raw[1:].decode(),
}
_FROM_TEXT: dict[int, Callable[[str], Any]] = {
    t.INT2: int,
    t.INT4: int,
    t.INT8: int,
    t.OID: int,
    t.FLOAT4: float,
    t.FLOAT8: float,
    t.NUMERIC: Decimal,
    t.DATE: date.fromisoformat,
    t.TIME: time.fromisoformat,
    t.TIMESTAMP: datetime.fromisoformat,
    t.TIMESTAMPTZ: datetime.fromisoformat,
}
