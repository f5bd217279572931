"""The processors that this process may use, and which of its threads lets the others go first."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

NICENESS = 10
"""Of two threads that both want a processor, the one with so much more gets a tenth of it."""


def usable() -> int:
    """How many this process may be on; fewer than there are in a container or under ``taskset``."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def let_others_go_first() -> None:
    """The calling thread computes with what others leave, for good: only root may take it back. Not for one that holds
    the interpreter's lock for long, since all wait for that. Linux; elsewhere threads have no niceness of their own."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
