"""Identifiers: UUIDv7 (RFC 9562) as 32 lower-case hexadecimal digits, so that order of ids is order of time."""

from __future__ import annotations

import os
import random
import threading
import time

_lock = threading.Lock()
_last = 0
_random = random.Random()  # ids are no secrets; the system's generator costs more than the rest of an id
os.register_at_fork(after_in_child=_random.seed)


def new_id() -> str:
    """A new id; ids of one process are strictly increasing."""
    global _last
    with _lock:
        stamp = time.time_ns() // 1000  # 48 bits of milliseconds, then 10 bits of the microseconds' rest
        stamp = max(stamp, _last + 1)
        _last = stamp
    milliseconds, rest = divmod(stamp, 1000)
    chance = _random.getrandbits(64)
    value = milliseconds << 80
    value |= 0x7 << 76
    value |= (rest << 2 | chance >> 62 & 0x3) << 64
    value |= 0b10 << 62
    value |= chance & ((1 << 62) - 1)
    return f"{value:032x}"


def is_id(text: str) -> bool:
    """Whether ``text`` is an id or a prefix of one that is long enough to be resolved (8 digits)."""
    return 8 <= len(text) <= 32 and all(character in "0123456789abcdef" for character in text)
