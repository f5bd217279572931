"""Once a second: consumers for the sets that want one, and windows online kept up with time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from mlbox.base.errors import Unavailable
from mlbox.base.locks import Locks
from mlbox.base.names import Ref
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.streaming.writer import StreamWriter

log = logging.getLogger("mlbox")
PERIOD = 1.0
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What else is done at each look: for all sets whose rows keep coming, and for each that has a location."""

    attend: Callable[[Sequence[FeatureSet]], None]
    place: Callable[[FeatureSet], None]


class Sweeper:
    """A thread of its own."""

    def __init__(
        self,
        sets: Callable[[], Sequence[FeatureSet]],
        locks: Locks,
        writer: Callable[[FeatureSet], StreamWriter],
        attention: Attention,
    ) -> None:
        self._sets = sets
        self._locks = locks
        self._writer = writer
        self._attention = attention
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="streams", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Returns when the sweep that goes on is done."""
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopping.wait(PERIOD):  # first of all the server is to answer
            sets = [found for found in self._sets() if found.fed]
            self._guarded("streams", partial(self._attention.attend, sets))
            for found in sets:
                if found.location is not None:
                    self._guarded(found.name, partial(self._attention.place, found))
                if found.windows and found.store != "offline" and not found.online_by_hand:
                    self._guarded(found.name, partial(self._sweep, found))

    def _guarded(self, what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception:
            if not self._stopping.is_set():
                log.exception("keeping up %s failed", what)

    def _sweep(self, found: FeatureSet) -> None:
        with self._locks.of(Ref(found.project, found.name)):
            current = {one.id for one in self._sets()}
            if found.id not in current or self._stopping.is_set():
                return
            writer = self._writer(found)
            cache = writer.cache()
            if writer.online is None or cache is None:
                return
            try:
                if writer.stale:
                    writer.online.rebuild(cache)
                    writer.stale = False
                else:
                    writer.online.sweep(cache)
            except Unavailable:
                writer.stale = True  # the store is away
