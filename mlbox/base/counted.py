"""Counts as people read them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """``1 row``, ``1,024 rows``; the noun takes an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
