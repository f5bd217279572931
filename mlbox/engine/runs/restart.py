"""After a restart of the server: runs that go on are looked after again, the others are told as interrupted."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mlbox.base.errors import MlboxError
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.attempts import Attempts, Workshop
from mlbox.engine.runs.executors.base import Collecting
from mlbox.engine.runs.ledger import Ending
from mlbox.engine.runs.patience import answered
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
        self._away: set[str] = set()
        """Engines that have not answered: they are not waited for again."""

    def reattach(self) -> Found:
        """Look at every run that has not ended and that nobody looks after."""
        self._away.clear()
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
        for row in self._shop.ledger.ended_with_handle(self._shop.engines.remote_names()):
            if row.runtime in self._away:
                continue
            try:
                answered(partial(self._attempts.let_go, row.id, ended=True), time.time())
            except (MlboxError, TimeoutError) as error:
                self._away.add(row.runtime)
                told = getattr(error, "message", "it does not answer")
                _log.warning("what %s keeps of ended runs cannot be removed: %s", row.runtime, told)

    def _resume(self, row: RunRow) -> bool:
        if row.request.get("sweep"):
            if row.state != lifecycle.RUNNING:
                return False
            self._watches.start(row.id, self._sweeps.resume)
            return True
        handle = row.handle
        if handle is None:
            return False
        known = True  # while the engine is away: its run is asked for until it answers
        if row.runtime not in self._away:
            try:
                engine = self._shop.engines.get(row.runtime)
                known = answered(lambda: engine.reattach(dict(handle)), time.time())
            except MlboxError as error:
                if not error.transient:
                    return False
            except TimeoutError:
                self._away.add(row.runtime)
        if known:
            self._watches.start(row.id, lambda watch: self._supervisor.resume(watch, row, handle))
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
