"""Waiting in tests: for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 60) -> T:
    """Poll until ``condition()`` is true; its value is returned. So many seconds are for a machine that is busy."""
    stop_by = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < stop_by, "it did not happen in time"
        time.sleep(0.02)
    return value
