"""Who may run now: a local run takes a slot, and the CPU and memory that it asks for; who does not find them waits, in
order of arrival. Nobody overtakes, so that a large run is not starved by small ones."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base import processors
from mlbox.base.errors import Cancelled
from mlbox.engine.runs.commands import Resources
from mlbox.engine.runs.executors.endings import size_text
from mlbox.engine.runs.watches import Watch

if TYPE_CHECKING:
    from mlbox.base.settings import Settings

_LOOK_SECONDS = 1.0
"""How often a run that waits looks whether the reason has changed; its turn it is told of at once."""
_NEAR = 10
"""From so few before it on each is told; of more, when they have become half as many: a queue of n costs n log n."""
_USUAL_CPU = 1.0
"""What a run takes that does not say."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What there is for local runs: how many, CPUs, bytes."""

    runs: int
    cpu: float
    memory: int

    @classmethod
    def of(cls, settings: Settings) -> Capacity:
        """The settings, else the machine's CPUs (one a slot at least) and four fifths of its memory."""
        runs = max(1, settings.run_slots)
        cpus = processors.usable()
        memory = settings.run_memory_mb * 10**6 or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 4 // 5
        return cls(runs, settings.run_cpus or float(max(cpus, runs)), memory)


@dataclass(frozen=True, slots=True)
class _Share:
    cpu: float = 0.0
    memory: int = 0


class Slots:
    """First come, first served. A run that asks for more than there is gets all of it and runs alone."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._holders: dict[str, _Share] = {}
        self._queue: deque[Watch] = deque()
        self._lock = threading.Lock()

    def enter(
        self, watch: Watch, resources: Resources, tell: Callable[[str], None], seconds: float | None = None
    ) -> None:
        """Wait for what the run asks for and take it. ``tell`` hears why it waits, whenever that changes.

        Raises ``Cancelled`` of the watch or ``Leaving``, or the error ``Cancelled`` when it waited longer than
        ``seconds``; nothing is taken then.
        """
        share, said, told = self._share(resources), "", 0
        stop_by = None if seconds is None else time.monotonic() + seconds
        with self._lock:
            self._queue.append(watch)
        try:
            while True:
                with self._lock:
                    lack = self._lack(share)
                    ahead = next(place for place, other in enumerate(self._queue) if other is watch)
                    if not lack and not ahead:
                        self._holders[watch.run_id] = share
                        return
                watch.check()
                reason = _reason(lack, ahead)
                if not said or (reason != said and (ahead <= _NEAR or ahead <= told // 2)):
                    tell(reason)
                    said, told = reason, ahead
                left = _LOOK_SECONDS if stop_by is None else stop_by - time.monotonic()
                if left <= 0:
                    message = f"it waited longer than {seconds:g} s: {reason}"
                    hint = "WITH (wait_timeout = ..) of the function, or the setting run_wait_seconds, allows more"
                    raise Cancelled(message, hint=hint, details={"type": "Timeout"})
                watch.pause(min(left, _LOOK_SECONDS))
        finally:
            with self._lock:
                self._queue = deque(other for other in self._queue if other is not watch)
                self._wake_first()

    def take(self, run_id: str, resources: Resources) -> None:
        """What a run takes that runs already, even beyond the capacity."""
        with self._lock:
            self._holders[run_id] = self._share(resources)

    def leave(self, run_id: str) -> None:
        """Give it back; harmless without."""
        with self._lock:
            self._holders.pop(run_id, None)
            self._wake_first()

    @property
    def used(self) -> int:
        """Slots in use."""
        with self._lock:
            return len(self._holders)

    def _wake_first(self) -> None:
        """Nobody overtakes, so that nobody else can go in now."""
        if self._queue:
            self._queue[0].wake.set()

    def _share(self, resources: Resources) -> _Share:
        cpu = min(resources.cpu or _USUAL_CPU, self._capacity.cpu)
        return _Share(cpu, min(resources.memory or 0, self._capacity.memory))

    def _lack(self, share: _Share) -> tuple[str, str] | None:
        """What is missing and how much of it there is."""
        whole = self._capacity
        used = len(self._holders)
        if used >= whole.runs:
            return "a slot", f"{used} of {whole.runs} in use"
        cpu = whole.cpu - sum(holder.cpu for holder in self._holders.values())
        if share.cpu > cpu + 1e-9:
            return "CPU", f"asks for {share.cpu:g}, {max(0.0, cpu):g} of {whole.cpu:g} free"
        memory = max(0, whole.memory - sum(holder.memory for holder in self._holders.values()))
        if share.memory > memory:
            asks, free, of = size_text(share.memory), size_text(memory), size_text(whole.memory)
            return "memory", f"asks for {asks}, {free} of {of} free"
        return None


def _reason(lack: tuple[str, str] | None, ahead: int) -> str:
    before = f"{ahead} before it" if ahead else ""
    if lack is None:
        return f"waiting for its turn ({before})"
    return f"waiting for {lack[0]} ({', '.join(filter(None, (lack[1], before)))})"
