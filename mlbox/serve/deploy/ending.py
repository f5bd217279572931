"""How long a replica takes to end, and how long engines let it: the second is made from the first.

After SIGTERM it answers on for a while, ends what it has begun, writes what it has recorded, and hands that in.
"""

from __future__ import annotations

import math

DRAIN_SECONDS = 5.0
"""For which a replica that is told to end still answers, until nobody sends to it any more."""

CLOSE_SECONDS = 10.0
"""For which it then ends its processes and writes what it has recorded."""

DELIVER_SECONDS = 60.0
"""For which it hands that in at its home."""

LONGEST_SECONDS = 600.0
"""For which it lets requests finish at most, whatever their endpoint allows them."""

SPARE_SECONDS = 10.0
"""By which an engine waits longer than a replica takes, before it kills it."""


def finish_seconds(request: float) -> float:
    """For which requests that have begun may go on, where each may take ``request`` seconds."""
    return min(request, LONGEST_SECONDS)


def inside_seconds(request: float) -> float:
    """That a replica takes at most from SIGTERM to its end."""
    return DRAIN_SECONDS + finish_seconds(request) + CLOSE_SECONDS + DELIVER_SECONDS


def grace_seconds(request: float) -> int:
    """From SIGTERM until the engine kills it."""
    return math.ceil(inside_seconds(request) + SPARE_SECONDS)
