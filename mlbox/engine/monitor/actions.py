"""What an alert sets off: notifications and statements, in threads of their own."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Query
from mlbox.base.errors import MlboxError
from mlbox.base.events import Bus, Event
from mlbox.engine.catalog.tables import alerts
from mlbox.engine.monitor.commands import Action, CreateAlert
from mlbox.engine.monitor.notifiers.base import Notice, notifier_for
from mlbox.engine.workflows.bodies import Bodies

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_THREADS = 2
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert that has just been raised."""

    alert: alerts.AlertRow
    activation: alerts.ActivationRow


def to_json(actions: Iterable[Action]) -> str:
    """Actions as JSON text, for the catalog."""
    return json.dumps(
        [
            {"notify": list(action.notify), "statement": action.statement.text if action.statement else None}
            for action in actions
        ]
    )


def from_json(text: str) -> list[Action]:
    """The inverse of :func:`to_json`."""
    return [
        Action(tuple(entry["notify"]), Query(entry["statement"]) if entry["statement"] else None)
        for entry in json.loads(text)
    ]


def describe(actions: Iterable[Action]) -> list[str]:
    """Each action as a line."""
    lines: list[str] = []
    for action in actions:
        if action.notify:
            lines.append("NOTIFY " + ", ".join(action.notify))
        if action.statement is not None:
            lines.append(" ".join(action.statement.text.split()))
    return lines


class Actions:
    """Carries out what alerts set off, in order for each alert, two alerts at a time."""

    def __init__(self, catalog: Catalog, bus: Bus, bodies: Bodies, backoff: float = 0.5) -> None:
        self._catalog = catalog
        self._bus = bus
        self._bodies = bodies
        self._backoff = backoff
        self._queue: queue.SimpleQueue[Raised | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._open = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()

    def submit(self, raised: Raised) -> None:
        """Carry the actions out soon; returns at once."""
        with self._changed:
            self._open += 1
            if len(self._threads) < _THREADS:
                thread = threading.Thread(target=self._work, name=f"alert-actions-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._queue.put(raised)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to do; whether that came about in ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open == 0, timeout)

    def shutdown(self, timeout: float = 5.0) -> None:
        """Begin nothing more; wait up to ``timeout`` seconds for what runs."""
        self._stop.set()
        for _ in self._threads:
            self._queue.put(None)
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while (raised := self._queue.get()) is not None:
            try:
                if not self._stop.is_set():
                    self._carry_out(raised)
            finally:
                with self._changed:
                    self._open -= 1
                    self._changed.notify_all()

    def _carry_out(self, raised: Raised) -> None:
        alert, activation = raised.alert, raised.activation
        outcomes: list[str] = []
        failed = False
        ordinal = 0
        for action in from_json(alert.actions):
            for url in action.notify:
                error = self._notify(raised, url, ordinal)
                ordinal += 1
                failed = failed or error is not None
                outcomes.append(f"notified {url}" if error is None else f"error: {url}: {error}")
            if action.statement is not None:
                try:
                    caller = Caller(alert.owner, alert.project, "alert")
                    result = self._bodies.run(action.statement, caller, parameters_of(raised))
                    outcomes.append(result.message or "done")
                except MlboxError as problem:
                    failed = True
                    outcomes.append(f"error: {problem.message}")
                except Exception as problem:  # a defect must leave its trace with the activation
                    failed = True
                    outcomes.append(f"error: {type(problem).__name__}: {problem}")
        outcome = "; ".join(outcomes) or "nothing to do"
        self._catalog.write(lambda cursor: alerts.set_outcome(cursor, activation.id, outcome))
        data = {"activation": activation.id, "outcome": outcome, "failed": failed}
        self._bus.publish(Event("alert.acted", alert.project, alert.name, data))

    def _notify(self, raised: Raised, url: str, ordinal: int) -> str | None:
        """Tell one address, up to three times; nothing, or why it failed."""
        notice = notice_of(raised)
        problem: str | None = None
        for attempt in range(_TRIES):
            try:
                notifier_for(url).send(url, notice)
                problem = None
                break
            except MlboxError as error:
                problem = error.message
                if not error.transient or self._stop.wait(self._backoff * 2**attempt):
                    break
        row = alerts.NotificationRow(
            project=raised.alert.project,
            alert=raised.alert.name,
            activation_id=raised.activation.id,
            ordinal=ordinal,
            url=url,
            sent_at=now(),
            status="sent" if problem is None else "error",
            error=problem,
        )
        self._catalog.write(lambda cursor: alerts.insert_notification(cursor, row))
        return problem


def notice_of(raised: Raised) -> Notice:
    """What is told about an alert."""
    alert, activation = raised.alert, raised.activation
    return Notice(
        project=alert.project,
        alert=alert.name,
        severity=alert.severity,
        reason=activation.reason,
        monitor=alert.on_name,
        window_start=activation.window_start,
        window_end=activation.window_end,
        raised_at=activation.raised_at,
        facts=activation.facts,
    )


def placeholders(command: CreateAlert) -> Mapping[str, Any]:
    """What :func:`parameters_of` may give, before anything has been raised."""
    moment = now()
    return {
        "window_start": moment - timedelta(days=1),
        "window_end": moment,
        "alert": command.ref.name,
        "monitor": command.on.name if command.on else None,
        "reason": " ".join(command.when.text.split()),
    }


def parameters_of(raised: Raised) -> Mapping[str, Any]:
    """What ``$name`` means in an alert's statement."""
    activation: alerts.ActivationRow = raised.activation
    start: datetime = activation.window_start
    return {
        "window_start": start,
        "window_end": activation.window_end,
        "alert": raised.alert.name,
        "monitor": raised.alert.on_name,
        "reason": activation.reason,
    }
