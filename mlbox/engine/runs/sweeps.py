"""A sweep: a parent run without a process, and a trial each as a child run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.attempts import Attempts
from mlbox.engine.runs.commands import Sweep
from mlbox.engine.runs.ledger import Ending, Ledger
from mlbox.engine.runs.requests import load_sweep, plain
from mlbox.engine.runs.supervise import Sources, Supervisor
from mlbox.engine.runs.tuning.base import Strategy, Trial, make_strategy
from mlbox.engine.runs.watches import Cancelled, Leaving, Watch, Watches

_LOOK_SECONDS = 0.25


class Sweeps:
    """Carries out sweeps. ``carry`` is the work of the parent's thread and never raises."""

    def __init__(self, ledger: Ledger, attempts: Attempts, supervisor: Supervisor, watches: Watches) -> None:
        self._ledger = ledger
        self._attempts = attempts
        self._supervisor = supervisor
        self._watches = watches

    def carry(self, watch: Watch, sources: Sources | None = None) -> None:
        """A sweep from its making to its end."""
        self._supervisor.guard(watch, lambda: self._search(watch, sources))

    def _search(self, watch: Watch, sources: Sources | None) -> RunRow:
        parent = self._ledger.move(watch.run_id, lifecycle.PREPARING)
        parent = self._attempts.write_frames(parent, sources)
        watch.check()
        parent = self._ledger.move(parent.id, lifecycle.RUNNING)
        sweep = load_sweep(parent.request["sweep"])
        strategy = make_strategy(sweep, parent.id, frozenset(parent.request.get("integers", ())))
        search = _Search(sweep, strategy)
        open_trials: dict[str, tuple[Watch, Trial]] = {}
        try:
            while True:
                while len(open_trials) < sweep.parallel and (trial := strategy.ask()) is not None:
                    child = self._child(parent, trial, search.started)
                    search.started += 1
                    started = self._watches.start(child.id, self._supervisor.carry, parent=watch)
                    open_trials[child.id] = (started, trial)
                if not open_trials:
                    break
                watch.check()
                watch.pause(_LOOK_SECONDS)
                for run_id, (child_watch, trial) in list(open_trials.items()):
                    if child_watch.done.is_set():
                        del open_trials[run_id]
                        self._take(watch, search, self._ledger.get(run_id), trial)
        except Cancelled:
            self._cancel([child_watch for child_watch, _ in open_trials.values()])
            raise
        return self._finish(parent, search)

    def _child(self, parent: RunRow, trial: Trial, index: int) -> RunRow:
        parameters = {**parent.request.get("parameters", {}), **plain(trial)}
        request = {**parent.request, "parameters": parameters, "sweep": None}
        child = replace(
            parent,
            id=new_id(),
            name=f"trial-{index + 1}",
            state=lifecycle.PENDING,
            parent_id=parent.id,
            params=parameters,
            request=request,
            reason=None,
            created_at=now(),
            started_at=None,
        )
        self._ledger.create(child)
        return child

    def _take(self, watch: Watch, search: _Search, row: RunRow, trial: Trial) -> None:
        if not lifecycle.is_final(row.state):
            raise Leaving  # its thread left with the server
        score = search.take(row)
        search.strategy.tell(trial, score)
        changes: dict[str, Any] = {"reason": search.reason}
        if search.best is not None:
            changes.update(best_trial=search.best.id, metrics=dict(search.best.metrics))
        self._ledger.note(watch.run_id, changes)

    def _cancel(self, open_watches: list[Watch]) -> None:
        for child in open_watches:
            self._watches.cancel(child.run_id)
        for child in open_watches:
            child.done.wait()

    def _finish(self, parent: RunRow, search: _Search) -> RunRow:
        sweep = search.sweep
        if search.best is not None:
            what = f"best of {search.ended}: {search.best.name}, {sweep.metric} = {search.best.metrics[sweep.metric]:g}"
            reason = f"{what}; {search.failed} failed" if search.failed else what
            changes = {"metrics": dict(search.best.metrics), "best_trial": search.best.id}
            return self._ledger.finish(parent.id, Ending(lifecycle.COMPLETED, reason), changes)
        if search.ended and search.failed == search.ended:
            count = "the only trial" if search.ended == 1 else f"all {search.ended} trials"
            message = f"{count} failed; the first: {search.first_failure}"
            error = {"type": search.error_type or "RunFailed", "message": message, "traceback": search.traceback}
            return self._ledger.finish(parent.id, Ending(lifecycle.ERROR, message, error))
        logged = ", ".join(sorted(search.logged)) or "nothing"
        raise Invalid(
            f"no trial logged a number as metric {sweep.metric!r}",
            hint=f"ctx.log_metric({sweep.metric!r}, value); logged: {logged}",
        )


class _Search:
    """What a sweep knows so far."""

    def __init__(self, sweep: Sweep, strategy: Strategy) -> None:
        self.sweep = sweep
        self.strategy = strategy
        self.started = 0
        self.ended = 0
        self.failed = 0
        self.best: RunRow | None = None
        self.first_failure: str | None = None
        self.error_type: str | None = None
        self.traceback: str | None = None
        self.logged: set[str] = set()

    @property
    def reason(self) -> str:
        """How far it is."""
        return f"{self.ended} trials ended" + (f", {self.failed} failed" if self.failed else "")

    def take(self, row: RunRow) -> float | None:
        """Count an ended trial; its score if it has one."""
        self.ended += 1
        self.logged.update(row.metrics)
        if row.state != lifecycle.COMPLETED:
            self.failed += 1
            if self.first_failure is None:
                self.error_type, self.traceback = row.error_type, row.traceback
                kind = f"{row.error_type}: " if row.error_type else ""
                self.first_failure = f"{kind}{row.error or row.reason or row.state}"
            return None
        score = score_of(row.metrics, self.sweep.metric)
        if score is not None and (self.best is None or self._better(score, self.best.metrics[self.sweep.metric])):
            self.best = row
        return score

    def _better(self, score: float, than: float) -> bool:
        return score > than if self.sweep.goal == "maximize" else score < than


def score_of(metrics: Mapping[str, float], metric: str) -> float | None:
    """The value of the metric; None when it was not logged or is not a number."""
    value = metrics.get(metric)
    return None if value is None or math.isnan(value) else value
