"""Runs as processes of this machine need nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def why_not() -> str:
    """It always can."""
    return ""


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """No settings."""
    yield {}
