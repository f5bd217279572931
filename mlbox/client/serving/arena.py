"""Memory that the server and a process of user code share, in which the bytes of large messages lie.

Through a socket a large message is copied by the system in pieces, and both sides are woken for each. Here the sender
copies it into the memory and the receiver out of it: what code is given is its own, and nothing can change under who
reads it. Each side writes into a half of its own; a place is free again when the receiver has said that it took what
was there. What finds no room goes through the socket. The memory has no name (memfd_create, Linux): it is gone with
the two that have it, however they end; and it is sealed, so that none of them can take it away from the other.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from mmap import mmap
from typing import Any, Deque, Iterable, List, Optional, Sequence, Tuple

SIZE = 32 << 20
"""Bytes of both halves; only what has been used takes memory."""

SHARED_FROM = 64 * 1024
"""Bytes of a message's body from which on it is shared: the smaller ones are as quick through the socket."""


class Arena:
    """One side's view. ``put`` is called by one thread at a time, so is ``take``."""

    def __init__(self, descriptor: int, size: int, ours: int) -> None:
        """``ours`` is the half that this side writes, 0 or 1. The descriptor is not needed any more."""
        self._map = mmap(descriptor, size)
        self._view = memoryview(self._map)
        self._half = size // 2
        self._ours, self._theirs = ours * self._half, (1 - ours) * self._half
        self._lock = threading.Lock()
        self._under_way: Deque[Tuple[int, int, int]] = deque()
        self._number = 0
        self._taken = 0
        self._told = 0

    def put(self, parts: Sequence[Any], size: int) -> Optional[List[int]]:
        """Copy a message's body in; its place, size and number for the other side, ``None`` where there is no room."""
        with self._lock:
            place = self._room(size)
            if place is None:
                return None
            self._number += 1
            self._under_way.append((self._number, place, place + size))
            number = self._number
        at = self._ours + place
        for part in parts:
            self._view[at : at + len(part)] = part
            at += len(part)
        return [place, size, number]

    def _room(self, size: int) -> Optional[int]:
        if not self._under_way:
            return 0 if size <= self._half else None  # from the front, so that no more memory is used than needed
        first, last = self._under_way[0][1], self._under_way[-1]
        if last[1] >= first and self._half - last[2] >= size:
            return last[2]
        if last[1] >= first:
            return 0 if size < first else None
        return last[2] if first - last[2] > size else None

    def take(self, told: Iterable[Any]) -> memoryview:
        """A copy of a body that the other side has put. Raises ``ValueError`` for what cannot be its place."""
        place, size, number = map(int, told)
        if place < 0 or size < 0 or place + size > self._half:
            raise ValueError("a place outside the memory")
        at = self._theirs + place
        found = memoryview(bytearray(self._view[at : at + size]))
        self._taken = number
        return found

    def news(self) -> Optional[int]:
        """The number of the last body that was taken, when the other side does not know it yet."""
        if self._taken == self._told:
            return None
        self._told = self._taken
        return self._told

    def heard(self, number: int) -> None:
        """The other side has taken all bodies up to this one."""
        with self._lock:
            while self._under_way and self._under_way[0][0] <= number:
                self._under_way.popleft()


def made() -> Optional[int]:
    """The descriptor of new memory, ``None`` where the system has none to share."""
    create = getattr(os, "memfd_create", None)
    if create is None:
        return None
    import fcntl

    try:
        descriptor: int = create("mlbox-serving", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:
        return None
    try:
        os.ftruncate(descriptor, SIZE)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def opened(descriptor: int, ours: int) -> Optional[Arena]:
    """The memory of a descriptor; ``None`` where there is no room for it."""
    try:
        return Arena(descriptor, SIZE, ours)
    except (OSError, ValueError):
        return None
