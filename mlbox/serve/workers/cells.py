"""Numbers that the server and its workers see in one and the same place of memory: what one writes all have at once."""

from __future__ import annotations

import mmap
import os
import tempfile

SIZE = 8192
"""Numbers: one for the definitions of features, one for the members, and one for each endpoint there ever was."""

DEFINITIONS, ACCESS, FIRST = 0, 1, 2
"""Places with a meaning; from ``FIRST`` on they belong to endpoints."""


class Cells:
    """Unsigned numbers of 64 bits; reading one costs as much as reading a list's item."""

    def __init__(self, descriptor: int) -> None:
        """``descriptor`` is that of a file of :data:`SIZE` numbers."""
        self.descriptor = descriptor
        self._view = memoryview(mmap.mmap(descriptor, SIZE * 8)).cast("Q")

    @classmethod
    def new(cls) -> Cells:
        """All 0, in memory that only those share who are given the descriptor."""
        with tempfile.TemporaryFile(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as file:
            file.truncate(SIZE * 8)
            return cls(os.dup(file.fileno()))

    def __getitem__(self, place: int) -> int:
        return self._view[place]

    def __setitem__(self, place: int, number: int) -> None:
        self._view[place] = number  # 8 bytes at an even address: nobody sees a half
