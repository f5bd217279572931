"""Statements under way: who sent them, and how they are ended before their time.

A door calls :meth:`Ongoing.begin` around what it carries out; whoever waits or computes further down takes
:func:`current` and says how it is interrupted. Neither knows the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime

from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.errors import AlreadyExists, Cancelled, Unavailable
from mlbox.base.ids import new_id

_AGAIN_SECONDS = 0.1
"""An interruption that comes between two steps of the work hits nothing, so it is repeated until the work ends."""


class Underway:
    """A script that is being carried out for ``caller``."""

    def __init__(self, id: str, text: str, caller: Caller) -> None:
        self.id = id
        self.text = text
        self.caller = caller
        self.started_at: datetime = now()
        self._acts: list[Callable[[], None]] = []
        self._measures: list[Callable[[], float | None]] = []
        self._lock = threading.Lock()
        self._doing = threading.RLock()
        """Held while acts are called: what :meth:`on_cancel` took away is not called any more when that returns."""
        self._ended = threading.Event()
        self._reason: str | None = None

    @property
    def cancelled(self) -> bool:
        """Whether its end was asked for."""
        return self._reason is not None

    def on_cancel(self, act: Callable[[], None]) -> Callable[[], None]:
        """Have ``act`` called when the end is asked for, perhaps more than once; returns what takes it away again."""
        with self._lock:
            self._acts.append(act)
        if self.cancelled:
            _do(act)

        def remove() -> None:
            with self._doing, self._lock:
                if act in self._acts:
                    self._acts.remove(act)

        return remove

    @contextmanager
    def interrupting(self, act: Callable[[], None]) -> Iterator[None]:
        """:meth:`on_cancel` for the time of a block."""
        remove = self.on_cancel(act)
        try:
            yield
        finally:
            remove()

    def cancel(self, reason: str = "the statement was cancelled") -> None:
        """Ask for the end; returns at once. The first reason counts."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
        threading.Thread(target=self._interrupt, name=f"cancel-{self.id[:8]}", daemon=True).start()

    @contextmanager
    def measuring(self, measure: Callable[[], float | None]) -> Iterator[None]:
        """For the time of a block ``measure`` tells how far the work is, from 0 to 1, or None where nobody knows."""
        with self._lock:
            self._measures.append(measure)
        try:
            yield
        finally:
            with self._lock:
                self._measures.remove(measure)

    @property
    def progress(self) -> float | None:
        """How far the statement in hand is, from 0 to 1, by the innermost measure that knows."""
        with self._lock:
            measures = list(self._measures)
        for measure in reversed(measures):
            with suppress(Exception):  # what is measured may be over
                told = measure()
                if told is not None:
                    return told
        return None

    def check(self) -> None:
        """Raise ``Cancelled`` when the end was asked for."""
        if self._reason is not None:
            raise Cancelled(self._reason, details={"query_id": self.id})

    def end(self) -> None:
        """It is over, however it ended."""
        self._ended.set()

    def _interrupt(self) -> None:
        while not self._ended.is_set():
            with self._doing:
                with self._lock:
                    acts = list(self._acts)
                for act in acts:
                    _do(act)
            self._ended.wait(_AGAIN_SECONDS)


def _do(act: Callable[[], None]) -> None:
    with suppress(Exception):  # what is to be interrupted may be over
        act()


_current: ContextVar[Underway | None] = ContextVar("underway", default=None)


def current() -> Underway | None:
    """What this thread carries out, where a door has said so."""
    return _current.get()


@contextmanager
def interrupting(act: Callable[[], None]) -> Iterator[None]:
    """Have ``act`` called when what this thread carries out is cancelled during the block."""
    underway = current()
    if underway is None:
        yield
        return
    underway.check()
    with underway.interrupting(act):
        yield


@contextmanager
def measuring(measure: Callable[[], float | None]) -> Iterator[None]:
    """Have ``measure`` tell the progress of what this thread carries out during the block."""
    underway = current()
    if underway is None:
        yield
        return
    with underway.measuring(measure):
        yield


class Ongoing:
    """All that is under way in this process, by id."""

    def __init__(self) -> None:
        self._all: dict[str, Underway] = {}
        self._lock = threading.Lock()
        self._empty = threading.Condition(self._lock)
        self._stopped = False

    @contextmanager
    def begin(
        self, text: str, caller: Caller, *, id: str | None = None, seconds: float | None = None
    ) -> Iterator[Underway]:
        """Be the current one for the block; ends it after ``seconds``. ``AlreadyExists`` when ``id`` is under way."""
        underway = Underway(id or new_id(), text, caller)
        with self._lock:
            if self._stopped:
                raise Unavailable("the server is stopping")
            if underway.id in self._all:
                raise AlreadyExists(f"query id {underway.id} is under way already", hint="choose another for each")
            self._all[underway.id] = underway
        timer = None
        if seconds is not None:
            reason = f"it took longer than its limit of {seconds:g} s"
            timer = threading.Timer(seconds, underway.cancel, (reason,))
            timer.daemon = True
            timer.start()
        token = _current.set(underway)
        try:
            yield underway
        finally:
            _current.reset(token)
            if timer is not None:
                timer.cancel()
            underway.end()
            with self._empty:
                del self._all[underway.id]
                self._empty.notify_all()

    def cancel(self, id: str, reason: str = "the statement was cancelled") -> bool:
        """Ask for the end of one; whether it was under way."""
        found = self.find(id)
        if found is None:
            return False
        found.cancel(reason)
        return True

    def stop(self, seconds: float = 5.0) -> None:
        """End all and let none begin; waits up to ``seconds`` until they are over."""
        with self._lock:
            self._stopped = True
            left = list(self._all.values())
        for underway in left:
            underway.cancel("the server is stopping")
        with self._empty:
            self._empty.wait_for(lambda: not self._all, seconds)

    def find(self, id: str) -> Underway | None:
        """The one with this id, as long as it is under way."""
        with self._lock:
            return self._all.get(id)

    def __iter__(self) -> Iterator[Underway]:
        """Those that are under way now."""
        with self._lock:
            return iter(list(self._all.values()))
