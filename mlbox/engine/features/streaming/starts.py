"""What :mod:`frames` says of one time, of many: s(t), and when a row is no longer covered; in microseconds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mlbox.engine.features import frames
from mlbox.engine.features.definition import WindowColumn

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

_STEP = 900_000_000
"""Offsets of time zones are multiples of a quarter of an hour, so all times of one quarter are of one unit."""


def starts(window: WindowColumn, times: Integers) -> Integers:
    """s(t) of each time."""
    length = round(window.seconds * 1_000_000)
    if window.calendar is not None:
        return _each(times, lambda time: frames.start(window, time), window.calendar == "minute")
    if window.every is None:
        return times - length
    period = round(window.every * 1_000_000)
    return times // period * period + period - length


def expiries(window: WindowColumn, firsts: Integers) -> Integers:
    """The first time from which on a row of each time is not covered."""
    length = round(window.seconds * 1_000_000)
    if window.calendar is not None:
        return _each(firsts, lambda time: frames.expiry(window, time), window.calendar == "minute")
    if window.every is None:
        return firsts + length + 1
    period = round(window.every * 1_000_000)
    return firsts // period * period + length


def _each(times: Integers, function: Callable[[datetime], datetime], minutes: bool) -> Integers:
    """By quarters of an hour (minutes for a window of a minute), each asked once."""
    import numpy as np

    step = 60_000_000 if minutes else _STEP
    units, back = np.unique(times // step, return_inverse=True)
    moments = (function(frames.EPOCH + timedelta(microseconds=int(unit) * step)) for unit in units)
    found = np.fromiter(
        ((moment - frames.EPOCH) // timedelta(microseconds=1) for moment in moments), dtype=np.int64, count=len(units)
    )
    return np.asarray(found[back])
