"""Identifiers: UUIDv7 (RFC 9562) as 32 lower-case hexadecimal digits, so that order of ids is order of time."""

from __future__ import annotations

import os
import threading
import time

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A new id; ids of one process are strictly increasing."""
    global _last
    with _lock:
        stamp = time.time_ns() // 1000  # 48 bits of milliseconds, then 10 bits of the microseconds' rest
        stamp = max(stamp, _last + 1)
        _last = stamp
    milliseconds, rest = divmod(stamp, 1000)
    random = int.from_bytes(os.urandom(8), "big")
    value = milliseconds << 80
    value |= 0x7 << 76
    value |= (rest << 2 | random >> 62 & 0x3) << 64
    value |= 0b10 << 62
    value |= random & ((1 << 62) - 1)
    return f"{value:032x}"


def is_id(text: str) -> bool:
    """Whether ``text`` is an id or a prefix of one that is long enough to be resolved (8 digits)."""
    return 8 <= len(text) <= 32 and all(character in "0123456789abcdef" for character in text)
