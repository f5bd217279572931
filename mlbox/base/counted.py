"""Counts as people read them."""

from __future__ import annotations


def counted(count: int, noun: str, nouns: str = "") -> str:
    """``1 row``, ``1,024 rows``; the noun takes an s, unless ``nouns`` is its plural."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"
