"""Cutting texts into pieces that an embedding can stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BORDERS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…])\s+"), re.compile(r"\s+"))
"""Where a text may be cut, the best first: paragraph, line, sentence, word."""


def pieces(text: str, size: int, overlap: int) -> list[str]:
    """Pieces of at most ``size`` characters that together hold all of ``text`` but blanks at their ends.

    A piece ends at the last border of the best kind in its second half, else at the size itself. The next one begins
    with up to ``overlap`` characters of it, from the start of a word.
    """
    return [piece for piece in _pieces(text, size, overlap) if piece]


def _pieces(text: str, size: int, overlap: int) -> Iterator[str]:
    start = 0
    while len(text) - start > size:
        end = _end(text, start, start + size)
        yield text[start:end].strip()
        start = _start(text, max(end - overlap, start + 1), end)
    yield text[start:].strip()


def _end(text: str, start: int, limit: int) -> int:
    middle = start + (limit - start) // 2
    for border in _BORDERS:
        found = [match.end() for match in border.finditer(text, middle, limit + 1) if match.end() <= limit]
        if found:
            return found[-1]
    return limit


def _start(text: str, earliest: int, end: int) -> int:
    if earliest >= end:
        return end
    if text[earliest - 1].isspace():
        return earliest
    found = _BORDERS[-1].search(text, earliest, end)
    return found.end() if found else earliest
