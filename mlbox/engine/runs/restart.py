"""After a restart of the server: runs that go on are looked after again, the others are told as interrupted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from mlbox.base.errors import MlboxError
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.attempts import Attempts, Workshop
from mlbox.engine.runs.executors.base import Collecting
from mlbox.engine.runs.ledger import Ending
from mlbox.engine.runs.supervise import Supervisor
from mlbox.engine.runs.sweeps import Sweeps
from mlbox.engine.runs.watches import Watches

_log = logging.getLogger(__name__)

GONE = "the server stopped while it ran and its process is gone"
NOT_BEGUN = "the server stopped before it began"
PREPARED = "the server stopped while it was prepared"
SWEEP = "the server stopped before the first trial"


@dataclass(frozen=True, slots=True)
class Found:
    """What a restart found, by number of runs."""

    running: int
    interrupted: int


class Restart:
    """Sorts out the runs that had not ended when the last server did."""

    def __init__(
        self, shop: Workshop, attempts: Attempts, supervisor: Supervisor, watches: Watches, sweeps: Sweeps
    ) -> None:
        self._shop = shop
        self._attempts = attempts
        self._supervisor = supervisor
        self._watches = watches
        self._sweeps = sweeps

    def reattach(self) -> Found:
        """Look at every run that has not ended and that nobody looks after."""
        running = interrupted = 0
        # sweeps last: they look for the watches of their trials
        active = sorted(self._shop.ledger.active(), key=lambda row: (bool(row.request.get("sweep")), row.id))
        if any(row.handle is not None and self._is_remote(row) for row in active):
            self._shop.doors.reopen()
        for row in active:
            if self._watches.get(row.id) is not None:
                continue
            try:
                if self._resume(row):
                    running += 1
                    continue
                self._interrupt(row)
                interrupted += 1
            except MlboxError as error:  # one run's trouble must not keep the server from starting
                _log.warning("run %s could not be found again: %s", row.id, error.message)
        for runtime in {row.runtime for row in active if row.state == lifecycle.PREPARING and self._is_remote(row)}:
            self._end_orphans(runtime)
        self._let_go()
        return Found(running, interrupted)

    def _is_remote(self, row: RunRow) -> bool:
        try:
            return self._shop.engines.get(row.runtime).capabilities.remote
        except MlboxError:  # an executor that is not there any more
            return False

    def _end_orphans(self, runtime: str) -> None:
        """What was started on an engine a moment before the server died, so that no handle of it is on record."""
        engine = self._shop.engines.get(runtime)
        if not isinstance(engine, Collecting):
            return
        try:
            for waste in engine.waste(self._shop.ledger.is_over, datetime.min.replace(tzinfo=UTC)):
                waste.remove()
        except MlboxError as error:
            _log.warning("what was being started on %s cannot be ended: %s", runtime, error.message)

    def _let_go(self) -> None:
        """What engines keep of runs whose end was the last thing that the last server recorded."""
        away: set[str] = set()
        for row in self._shop.ledger.ended_with_handle(self._shop.engines.remote_names()):
            if row.runtime in away:
                continue
            try:
                self._attempts.let_go(row.id, ended=True)
            except MlboxError as error:
                away.add(row.runtime)
                _log.warning("what %s keeps of ended runs cannot be removed: %s", row.runtime, error.message)

    def _resume(self, row: RunRow) -> bool:
        if row.request.get("sweep"):
            if row.state != lifecycle.RUNNING:
                return False
            self._watches.start(row.id, self._sweeps.resume)
            return True
        handle = row.handle
        if handle is None:
            return False
        try:
            known = self._shop.engines.get(row.runtime).reattach(dict(handle))
        except MlboxError as error:
            if not error.transient:
                return False
            known = True  # the engine is away for the moment: its run is asked for until it answers
        if known:
            self._watches.start(row.id, lambda watch: self._supervisor.resume(watch, handle))
        return known

    def _interrupt(self, row: RunRow) -> None:
        folder = self._attempts.folder(row.id) / f"attempt-{row.attempt}"
        self._shop.calls.accept_leftovers(row.id, folder)
        if row.request.get("sweep"):
            reason = SWEEP
        elif row.state == lifecycle.RUNNING:
            reason = GONE
        else:
            reason = PREPARED if row.state == lifecycle.PREPARING else NOT_BEGUN
        self._shop.ledger.finish(row.id, Ending(lifecycle.INTERRUPTED, reason))
        self._shop.calls.forget(row.id)
