"""Messages of the PostgreSQL protocol, version 3: how they are cut and built.

The formats are those of the PostgreSQL manual, chapter "Frontend/Backend Protocol", section "Message Formats".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlbox.base.errors import UserError

PROTOCOL_3 = 196_608
CANCEL_REQUEST = 80_877_102
SSL_REQUEST = 80_877_103
GSSENC_REQUEST = 80_877_104

STARTUP_BYTES = 10_000
"""Longest first message, as in PostgreSQL."""
MESSAGE_BYTES = 64 << 20
"""Longest message after it."""
KINDS = frozenset(b"QPBDECHSXdcfFp")
"""First bytes of the messages that a client may send."""


class ProtocolError(UserError):
    """The client does not speak the protocol; the connection cannot go on."""

    code = "protocol"


@dataclass(frozen=True, slots=True)
class Field:
    """A column as RowDescription tells it; ``format`` is 0 for text and 1 for binary."""

    name: str
    oid: int
    size: int = -1
    modifier: int = -1
    format: int = 0


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message with its length."""
    return kind + struct.pack("!i", len(body) + 4) + body


def text(value: str) -> bytes:
    """A string as the protocol has it; a NUL would end it, so it goes."""
    return value.replace("\0", "").encode("utf-8", "replace") + b"\0"


def parameter_status(name: str, value: str) -> bytes:
    """ParameterStatus."""
    return message(b"S", text(name) + text(value))


def ready(status: str) -> bytes:
    """ReadyForQuery; ``I`` idle, ``T`` in a transaction, ``E`` in a failed one."""
    return message(b"Z", status.encode())


def command_complete(tag: str) -> bytes:
    """CommandComplete."""
    return message(b"C", text(tag))


def row_description(fields: Iterable[Field]) -> bytes:
    """RowDescription."""
    parts = [
        text(field.name) + struct.pack("!ihihih", 0, 0, field.oid, field.size, field.modifier, field.format)
        for field in fields
    ]
    return message(b"T", struct.pack("!h", len(parts)) + b"".join(parts))


def parameter_description(oids: Sequence[int]) -> bytes:
    """ParameterDescription."""
    return message(b"t", struct.pack(f"!h{len(oids)}i", len(oids), *oids))


def copy_out(columns: int) -> bytes:
    """CopyOutResponse in text format."""
    return message(b"H", struct.pack(f"!bh{columns}h", 0, columns, *([0] * columns)))


def report(kind: bytes, fields: dict[str, str]) -> bytes:
    """ErrorResponse (``E``) or NoticeResponse (``N``); ``fields`` by their letters."""
    return message(kind, b"".join(name.encode() + text(value) for name, value in fields.items()) + b"\0")


def notice(line: str, severity: str = "NOTICE", state: str = "00000") -> bytes:
    """A line for the user."""
    return report(b"N", {"S": severity, "V": severity, "C": state, "M": line})


class Body:
    """Reads the parts of a message; whatever does not fit is a ``ProtocolError``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def raw(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if count < 0 or self._at + count > len(self._data):
            raise ProtocolError("a message is shorter than it says")
        self._at += count
        return self._data[self._at - count : self._at]

    def text(self) -> str:
        """A string up to its NUL, in UTF-8."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise ProtocolError("a string of a message has no end")
        raw = self._data[self._at : end]
        self._at = end + 1
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise ProtocolError("a string of a message is not UTF-8", hint="SET client_encoding = 'UTF8'") from None

    def int16(self) -> int:
        """A signed number of two bytes."""
        return int(struct.unpack("!h", self.raw(2))[0])

    def int32(self) -> int:
        """A signed number of four bytes."""
        return int(struct.unpack("!i", self.raw(4))[0])

    def counted(self, size: int) -> int:
        """A count of things of ``size`` bytes at least that are still to come."""
        count = self.int16()
        if count < 0:
            count += 1 << 16
        if count * size > len(self._data) - self._at:
            raise ProtocolError("a message is shorter than it says")
        return count

    def int16s(self) -> list[int]:
        """A count and so many numbers of two bytes."""
        return [self.int16() for _ in range(self.counted(2))]

    def int32s(self) -> list[int]:
        """A count and so many numbers of four bytes."""
        return [self.int32() for _ in range(self.counted(4))]

    def value(self) -> bytes | None:
        """A value with its length; None is NULL."""
        length = self.int32()
        if length == -1:
            return None
        return self.raw(length)

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise ProtocolError("a message is longer than its parts")
