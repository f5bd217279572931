"""Events: what happened, told to whoever listens in this process (the event stream, the dashboard, alerts)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlbox.base.clock import now

_log = logging.getLogger("mlbox")


@dataclass(frozen=True, slots=True)
class Event:
    """``kind`` is ``noun.verb`` (run.started, run.finished, model.alias_moved, monitor.window, alert.raised)."""

    kind: str
    project: str
    object: str
    data: Mapping[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=now)


class Bus:
    """Calls its listeners in the publisher's thread; a listener must be quick and its failure stops nobody."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []
        self._lock = threading.Lock()
        self.failures = 0

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Add a listener; the returned function takes it away again."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def publish(self, event: Event) -> None:
        """Tell every listener."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(event)
            except Exception:  # a listener's defect must not undo what has happened
                self.failures += 1
                _log.exception("defect of who listens to events, at %s of %s", event.kind, event.object)
