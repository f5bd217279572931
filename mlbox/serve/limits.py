"""What an endpoint takes on at once, and for how long."""

from __future__ import annotations

import asyncio
import math
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

from mlbox.base.errors import Invalid, Unavailable
from mlbox.serve.http import DeadlineExceeded, Overloaded, TooSlow

if TYPE_CHECKING:
    from mlbox.serve.directory import Slot
    from mlbox.serve.http import RequestHeaders

MAX_QUEUE = 1000
"""Requests of an endpoint that may be under way at once, where WITH (max_queue) says nothing."""

STREAM_SECONDS = 600
"""For how long an answer in pieces may go on, where WITH (stream_seconds) says nothing."""

TIMEOUT = b"x-request-timeout-ms"
"""Header in which a caller says for how long he waits."""


def check_state(slot: Slot) -> None:
    """Raise ``Unavailable`` where the endpoint is suspended."""
    if slot.row.state != "ready":
        raise Unavailable(
            f"endpoint {slot.name} is suspended", hint=f"ALTER ENDPOINT {slot.name} RESUME makes it answer again"
        )


def shed(slot: Slot) -> NoReturn:
    """Refuse a request since too many wait: an answer that comes too late helps nobody."""
    meter = slot.meter
    meter.shed += 1
    seconds = min(60, max(1, math.ceil(meter.waiting * meter.mean)))
    raise Overloaded(
        f"endpoint {slot.name} has {slot.max_queue} requests under way, the most it takes",
        hint=f"come again in {seconds} s; WITH (max_queue = n) sets the limit",
        details={"retry_after": seconds},
    )


def seconds_for(slot: Slot, headers: RequestHeaders) -> float | None:
    """For how long this request may take: what the caller says, and at most what the endpoint has."""
    own = slot.timeout
    if TIMEOUT not in headers:
        return own
    asked = asked_seconds(headers)
    return asked if own is None or asked is None else min(own, asked)


def asked_seconds(headers: RequestHeaders) -> float | None:
    """For how long the caller waits, when he says."""
    told = headers.get(TIMEOUT)
    if told is None:
        return None
    try:
        asked = float(told)
    except ValueError:
        asked = math.nan
    if not 0 < asked < math.inf:
        raise Invalid(
            f"the header X-Request-Timeout-Ms is {told.decode('latin-1')!r}", hint="a positive number of milliseconds"
        )
    return asked / 1000


def late(slot: Slot, seconds: float) -> DeadlineExceeded:
    """The error of a request whose time has passed."""
    slot.meter.late += 1
    return DeadlineExceeded(
        f"the time limit of {seconds * 1000:g} ms of endpoint {slot.name} has passed",
        hint="send fewer rows at once, or raise timeout_ms",
    )


class Patience:
    """Ends the reading of bodies that do not come, which cost a slow client nothing and us a connection.

    Looked at once a second for all of them: a timer for each request would cost more than the rest of the reading.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.Handle | None = None

    def begin(self) -> asyncio.Task[Any] | None:
        """The task that reads a body from now on; to be given to ``end``."""
        task = asyncio.current_task()
        if task is not None:
            self._reading[task] = perf_counter() + self._seconds
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(min(1.0, self._seconds / 4), self._look)
        return task

    def end(self, task: asyncio.Task[Any] | None) -> None:
        """The body is there."""
        if task is not None:
            self._reading.pop(task, None)

    def ended(self, task: asyncio.Task[Any] | None) -> TooSlow | None:
        """The error of a reading that was ended; ``None`` when somebody else ended it."""
        if task is None or task not in self._late:
            return None
        self._late.discard(task)
        task.uncancel()
        return TooSlow(
            f"the body did not come within {self._seconds:g} s", hint="the setting body_seconds is the limit"
        )

    def _look(self) -> None:
        self._timer = None
        current = perf_counter()
        for task in [task for task, until in self._reading.items() if until < current]:
            self._reading.pop(task, None)
            self._late.add(task)
            task.cancel()
        if self._reading:
            self._timer = asyncio.get_running_loop().call_later(min(1.0, self._seconds / 4), self._look)
