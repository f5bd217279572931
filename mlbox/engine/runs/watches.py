"""Who looks after which run: one thread each, and how to reach it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlbox.base.errors import MlboxError, Unavailable

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.runs import RunRow


class Cancelled(Exception):
    """The run was cancelled while it waited or was prepared; with more to say of it, if there is."""


class Leaving(Exception):
    """The server stops; the run is left as it is and found again at the next start."""


@dataclass
class Watch:
    """A run that is looked after. ``failure`` is the error that ended it, for whoever waits."""

    run_id: str
    done: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    leaving: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)
    """Set when something happened that is worth a look before the next poll is due."""
    failure: MlboxError | None = None
    parent: Watch | None = None
    """Woken at the end."""
    why: str | None = None
    """Why it was cancelled."""
    elsewhere: bool = False
    """Its engine may keep something of it."""
    ended: RunRow | None = None
    """The run at its end, where that is known."""

    def check(self) -> None:
        """Raise ``Leaving`` or ``Cancelled``."""
        if self.leaving.is_set():
            raise Leaving
        if self.cancelled.is_set():
            raise Cancelled

    def pause(self, seconds: float) -> bool:
        """Wait, but not beyond a wake-up; whether there was one."""
        woken = self.wake.wait(seconds)
        self.wake.clear()
        return woken

    def wait(self) -> None:
        """Wait for the end of the run; ``Unavailable`` when the server stops before it."""
        self.done.wait()
        if self.leaving.is_set():
            raise Unavailable(
                "the server is stopping; the run goes on", hint="look for it in ml.runs when the server is up again"
            )


class Watches:
    """The threads of all runs of this process."""

    def __init__(self) -> None:
        self._active: dict[str, tuple[Watch, threading.Thread]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def start(self, run_id: str, work: Callable[[Watch], None], parent: Watch | None = None) -> Watch:
        """Run ``work`` in a thread of its own. It must not raise."""
        watch = Watch(run_id, parent=parent)

        def carry() -> None:
            try:
                work(watch)
            finally:
                with self._lock:
                    self._active.pop(run_id, None)
                watch.done.set()
                if parent is not None:
                    parent.wake.set()

        thread = threading.Thread(target=carry, name=f"run-{run_id[:16]}", daemon=True)
        with self._lock:
            if self._closed:
                raise Unavailable("the server is stopping", hint="try again when it is up")
            self._active[run_id] = (watch, thread)
        thread.start()
        return watch

    def get(self, run_id: str) -> Watch | None:
        """The watch of a run that has not ended."""
        with self._lock:
            found = self._active.get(run_id)
        return found[0] if found else None

    def wake(self, run_id: str) -> None:
        """Have a look at the run now."""
        watch = self.get(run_id)
        if watch is not None:
            watch.wake.set()

    def cancel(self, run_id: str, why: str | None = None) -> Watch | None:
        """Ask for the end of a run; its watch tells when it came. The first reason counts."""
        watch = self.get(run_id)
        if watch is not None:
            watch.why = watch.why or why
            watch.cancelled.set()
            watch.wake.set()
        return watch

    def leave(self, seconds: float) -> None:
        """Stop looking after runs, which go on; waits up to ``seconds`` for all threads together."""
        with self._lock:
            self._closed = True
            active = list(self._active.values())
        for watch, _ in active:
            watch.leaving.set()
            watch.wake.set()
        deadline = time.monotonic() + seconds
        for watch, _ in active:
            watch.done.wait(max(0.0, deadline - time.monotonic()))
