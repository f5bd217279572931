"""Identifiers: UUIDv7 (RFC 9562) as 32 lower-case hexadecimal digits, so that order of ids is order of time."""

from __future__ import annotations

import os
import random
import threading
import time

_lock = threading.Lock()
_random = random.Random()  # ids are no secrets; the system's generator costs more than the rest of an id
_moment = 0
_count = 0
_head = _tail = ""


def new_id() -> str:
    """A new id; ids of one process are strictly increasing (12 bits count within a millisecond, 62 are random)."""
    global _moment, _count, _head, _tail
    with _lock:
        moment = time.time_ns() // 1_000_000
        if moment > _moment or _count >= 0xFFF:
            _moment, _count = max(moment, _moment + 1), _random.getrandbits(8)
            _head, _tail = f"{_moment:012x}7", f"{1 << 63 | _random.getrandbits(62):016x}"
        else:
            _count += 1
        return f"{_head}{_count:03x}{_tail}"


def _begin_anew() -> None:
    """In a forked child: other ids than the parent's."""
    global _moment
    _random.seed()
    _moment = 0


os.register_at_fork(after_in_child=_begin_anew)


def is_id(text: str) -> bool:
    """Whether ``text`` is an id or a prefix of one that is long enough to be resolved (8 digits)."""
    return 8 <= len(text) <= 32 and all(character in "0123456789abcdef" for character in text)
