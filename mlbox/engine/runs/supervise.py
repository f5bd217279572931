"""The life of one run in its thread: its turn, its attempts, its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mlbox.base.defects import defect_of
from mlbox.base.errors import MlboxError
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.admission import Slots
from mlbox.engine.runs.attempts import Attempts, Workshop, failure
from mlbox.engine.runs.frames import FrameSource
from mlbox.engine.runs.ledger import Ending
from mlbox.engine.runs.patience import answered
from mlbox.engine.runs.requests import load_resources
from mlbox.engine.runs.watches import Cancelled, Leaving, Watch

_DEFAULT_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 600.0

_log = logging.getLogger(__name__)

Sources = Mapping[str, FrameSource]


class Supervisor:
    """Looks after runs. ``carry`` is the work of a run's thread and never raises."""

    def __init__(self, shop: Workshop, attempts: Attempts, slots: Slots) -> None:
        self._shop = shop
        self._attempts = attempts
        self._slots = slots

    def carry(self, watch: Watch, row: RunRow, sources: Sources | None = None) -> None:
        """A run from its making to its end."""
        self.guard(watch, lambda: self._all_attempts(watch, row, sources, None))

    def resume(self, watch: Watch, row: RunRow, handle: Mapping[str, Any]) -> None:
        """A run whose process was found again."""
        self.guard(watch, lambda: self._all_attempts(watch, row, None, handle))

    def guard(self, watch: Watch, work: Callable[[], RunRow]) -> None:
        """Do ``work``; whatever it raises becomes the end of the run."""
        try:
            watch.ended = work()
        except Leaving:
            pass
        except Cancelled as error:
            self._finish(watch, Ending(lifecycle.CANCELLED, str(error) or watch.why or "cancelled"))
        except MlboxError as error:
            self._finish(watch, failure(error), error)
        except Exception as error:
            told = defect_of(error, f"looking after run {watch.run_id}")
            self._finish(watch, failure(told), told)
        finally:
            self._slots.leave(watch.run_id)
            self._shop.calls.forget(watch.run_id)
            self._let_go(watch, ended=True)

    def _finish(self, watch: Watch, ending: Ending, error: MlboxError | None = None) -> None:
        watch.failure = error
        try:
            watch.ended = self._shop.ledger.finish(watch.run_id, ending)
        except MlboxError:  # the catalog is closing: the next start finds the run and tells
            _log.warning("the end of run %s could not be recorded", watch.run_id)

    def _let_go(self, watch: Watch, *, ended: bool) -> None:
        """What an engine keeps of an attempt that has ended; what it cannot give up now, the next start asks for."""
        if watch.leaving.is_set() or not watch.elsewhere:
            return
        try:
            answered(lambda: self._attempts.let_go(watch.run_id, ended=ended), time.time())
        except MlboxError as error:
            _log.warning("what the engine keeps of run %s could not be removed: %s", watch.run_id, error.message)
        except TimeoutError:
            _log.warning("what the engine keeps of run %s is still to be removed: it does not answer", watch.run_id)

    def _all_attempts(
        self, watch: Watch, row: RunRow, sources: Sources | None, handle: Mapping[str, Any] | None
    ) -> RunRow:
        ledger = self._shop.ledger
        while True:
            try:
                ending = self._attempt(watch, row, sources, handle)
            except MlboxError as error:
                if not error.transient or row.attempt > self._retries(row):
                    raise
                ending = failure(error)
            handle = None
            self._slots.leave(row.id)
            if ending.state == lifecycle.CANCELLED and watch.why:
                more = (ending.reason or "").partition("; ")[2]
                ending = replace(ending, reason=f"{watch.why}; {more}" if more else watch.why)
            if ending.state != lifecycle.ERROR or watch.cancelled.is_set() or row.attempt > self._retries(row):
                return ledger.finish(row.id, ending)
            self._back_off(watch, row, ending)
            row = ledger.get(watch.run_id)

    def _attempt(self, watch: Watch, row: RunRow, sources: Sources | None, handle: Mapping[str, Any] | None) -> Ending:
        local = not self._shop.engines.get(row.runtime).capabilities.remote
        if handle is not None:
            if local:
                self._slots.take(row.id, self._shop.functions.resources_of(row))
            return self._attempts.follow(watch, row, handle)
        function = self._shop.functions.of_run(row.project, row.function, row.function_version)
        if local:
            self._slots.enter(
                watch,
                load_resources(function.definition),
                lambda reason: self._shop.ledger.note(row.id, {"reason": reason}),
                row.request.get("wait_timeout") or self._shop.settings.run_wait_seconds or None,
            )
        watch.check()
        return self._attempts.follow(watch, *self._attempts.begin(watch, function, sources))

    def _back_off(self, watch: Watch, row: RunRow, ending: Ending) -> None:
        """Wait before the next attempt: twice as long each time."""
        first = row.request.get("backoff_seconds")
        seconds = min(
            (_DEFAULT_BACKOFF_SECONDS if first is None else float(first)) * 2 ** (row.attempt - 1),
            _LONGEST_BACKOFF_SECONDS,
        )
        total = self._retries(row) + 1
        self._let_go(watch, ended=False)
        reason = f"attempt {row.attempt} of {total} failed: {ending.summary}; the next in {seconds:g} s"
        self._shop.ledger.retry(row.id, ending, reason)
        self._shop.calls.forget(row.id)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            watch.pause(left)
            watch.check()

    @staticmethod
    def _retries(row: RunRow) -> int:
        return int(row.request.get("retries") or 0)
