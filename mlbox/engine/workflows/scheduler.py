"""The clock's loop: asks its providers what is due when, and does it then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import MlboxError

if TYPE_CHECKING:
    from mlbox.base.events import Bus, Event

log = logging.getLogger("mlbox")
_CHANGES = frozenset({"created", "altered", "dropped", "restored"})


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do at ``due``; ``run`` must find out itself whether it has been done."""

    kind: str
    project: str
    name: str
    due: datetime
    run: Callable[[], Any]

    @property
    def key(self) -> str:
        """What tells it from other jobs."""
        return f"{self.kind}:{self.project}.{self.name}"


class Provider(Protocol):
    """Who has things to do by the clock."""

    def jobs(self) -> Iterable[Job]:
        """At most one job a name: the next one."""
        ...


class Scheduler:
    """Runs jobs in threads of APScheduler, one at a time a key; a job that is late runs once, at once.

    The list is asked for again at start, when something of a provider is created, altered or dropped (events on the
    bus), and when a job has ended.
    """

    def __init__(self, providers: Iterable[Provider], bus: Bus) -> None:
        self._providers = tuple(providers)
        self._bus = bus
        self._scheduler: Any = None
        self._stop_listening: Callable[[], None] | None = None
        self._running: set[str] = set()
        self._lock = threading.RLock()

    def start(self) -> None:
        """Start the loop."""
        from apscheduler.schedulers.background import BackgroundScheduler

        # A late job is run however late it is: being down is no reason to forget it.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler = BackgroundScheduler(job_defaults=defaults, timezone="UTC", daemon=True)
        self._scheduler.start()
        self._stop_listening = self._bus.listen(self._heard)
        self.synchronise()

    def stop(self) -> None:
        """Stop the loop; what runs goes on to its end."""
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        with self._lock:
            if self._scheduler is not None:
                self._scheduler.shutdown(wait=False)
                self._scheduler = None

    def synchronise(self) -> None:
        """Make the loop's list that of the providers."""
        jobs = {job.key: job for provider in self._providers for job in provider.jobs()}
        with self._lock:
            if self._scheduler is None:
                return
            for entry in self._scheduler.get_jobs():
                if entry.id != "synchronise" and entry.id not in jobs:
                    entry.remove()
            for key, job in jobs.items():
                if key not in self._running:
                    self._plan(job)

    def pending(self) -> dict[str, datetime]:
        """What is due when, by key."""
        with self._lock:
            entries = self._scheduler.get_jobs() if self._scheduler is not None else []
            return {entry.id: entry.next_run_time for entry in entries if entry.id != "synchronise"}

    def _plan(self, job: Job) -> None:
        from apscheduler.triggers.date import DateTrigger

        self._scheduler.add_job(
            self._run, DateTrigger(run_date=job.due), args=[job], id=job.key, name=job.key, replace_existing=True
        )

    def _run(self, job: Job) -> None:
        with self._lock:
            if job.key in self._running:
                return
            self._running.add(job.key)
        try:
            job.run()
        except MlboxError as error:
            log.warning("%s: %s", job.key, error.message)
        except Exception:
            log.exception("defect in %s", job.key)
        finally:
            with self._lock:
                self._running.discard(job.key)
            self._soon()

    def _heard(self, event: Event) -> None:
        noun, _, verb = event.kind.partition(".")
        if noun in ("schedule", "monitor", "alert", "project", "feed") and verb in _CHANGES:
            self._soon()

    def _soon(self) -> None:
        """Synchronise in a thread of the loop's, since a listener must be quick."""
        with self._lock:
            if self._scheduler is not None:
                self._scheduler.add_job(self.synchronise, id="synchronise", replace_existing=True)
