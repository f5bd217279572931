"""A sweep: a parent run without a process, and a trial each as a child run.

All that it must know stands in the rows of these runs, so that it goes on after a restart of the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.attempts import Attempts
from mlbox.engine.runs.importance import Importance
from mlbox.engine.runs.ledger import Ending, Ledger
from mlbox.engine.runs.requests import load_sweep, plain
from mlbox.engine.runs.search import Search
from mlbox.engine.runs.supervise import Sources, Supervisor
from mlbox.engine.runs.tuning.base import Strategy, Trial, make_strategy
from mlbox.engine.runs.tuning.pruning import Pruning
from mlbox.engine.runs.watches import Cancelled, Leaving, Watch, Watches

_LOOK_SECONDS = 0.25


@dataclass
class _Open:
    """A trial that has not ended."""

    watch: Watch
    trial: Trial
    pruned: bool = False


@dataclass
class _State:
    """One sweep that is carried out."""

    parent: RunRow
    watch: Watch
    search: Search
    strategy: Strategy
    pruning: Pruning | None
    open: dict[str, _Open] = field(default_factory=dict)
    lost: list[Trial] = field(default_factory=list)
    """Trials that ended with the server; they are tried again first."""
    seen: dict[str, int] = field(default_factory=dict)
    """How many points of the metric each trial has reported."""
    stopped: str | None = None

    def next_trial(self) -> Trial | None:
        """What to try next; None when there is nothing, or no place for it."""
        if self.stopped is not None or len(self.open) >= self.search.sweep.parallel:
            return None
        return self.lost.pop(0) if self.lost else self.strategy.ask()


class Sweeps:
    """Carries out sweeps. ``carry`` and ``resume`` are the work of the parent's thread and never raise."""

    def __init__(
        self,
        attempts: Attempts,
        supervisor: Supervisor,
        watches: Watches,
        importance: Importance,
    ) -> None:
        self._ledger: Ledger = attempts.ledger
        self._attempts = attempts
        self._supervisor = supervisor
        self._watches = watches
        self._importance = importance

    def carry(self, watch: Watch, row: RunRow, sources: Sources | None = None) -> None:
        """A sweep from its making to its end."""

        def begin() -> RunRow:
            parent = self._ledger.move(row.id, lifecycle.PREPARING)
            parent = self._attempts.write_frames(parent, sources)
            watch.check()
            return self._go_on(self._state(self._ledger.move(parent.id, lifecycle.RUNNING), watch))

        self._supervisor.guard(watch, begin)

    def resume(self, watch: Watch) -> None:
        """A sweep that was under way when the server stopped; its trials are looked after already."""

        def again() -> RunRow:
            state = self._state(self._ledger.get(watch.run_id), watch)
            self._recall(state)
            return self._go_on(state)

        self._supervisor.guard(watch, again)

    def _state(self, parent: RunRow, watch: Watch) -> _State:
        sweep = load_sweep(parent.request["sweep"])
        strategy = make_strategy(sweep, parent.id, frozenset(parent.request.get("integers", ())))
        pruning = Pruning(sweep.prune, sweep.goal) if sweep.prune else None
        return _State(parent, watch, Search(sweep), strategy, pruning)

    def _recall(self, state: _State) -> None:
        """What the rows of the trials say: the strategy learns what it knew. Of a trial that was tried again the first
        row may be gone: then it is known by the later one."""
        names = [parameter.name for parameter in state.search.sweep.parameters]
        for row in self._ledger.children(state.parent.id):
            state.search.counts.started = max(state.search.counts.started + 1, _number(row))
            trial = {name: row.request["parameters"][name] for name in names}
            if row.request.get("again") and trial in state.lost:
                state.lost.remove(trial)
            else:
                state.strategy.take_back(trial)
            child = self._watches.get(row.id)
            if child is not None:
                state.open[row.id] = _Open(child, trial)
            elif row.state == lifecycle.INTERRUPTED:
                state.lost.append(trial)
            else:
                self._learn(state, row, trial, pruned=bool(row.request.get("pruned")))

    def _go_on(self, state: _State) -> RunRow:
        try:
            while True:
                while (trial := state.next_trial()) is not None:
                    self._start(state, trial)
                if not state.open:
                    return self._finish(state)
                state.watch.check()
                state.watch.pause(_LOOK_SECONDS)
                self._prune(state)
                for run_id, entry in list(state.open.items()):
                    if entry.watch.done.is_set():
                        self._take(state, state.open.pop(run_id), self._ledger.get(run_id))
                if state.stopped is not None:
                    self._end_trials(state, f"the sweep has ended: {state.stopped}")
        except Cancelled:
            self._end_trials(state, "the sweep was cancelled")
            raise

    def _start(self, state: _State, trial: Trial) -> None:
        parent, again = state.parent, bool(state.lost)
        parameters = {**parent.request.get("parameters", {}), **plain(trial)}
        request = {**parent.request, "parameters": parameters, "sweep": None, "again": again}
        state.search.counts.started += 1
        child = replace(
            parent,
            id=new_id(),
            name=f"trial-{state.search.counts.started}",
            state=lifecycle.PENDING,
            parent_id=parent.id,
            params=parameters,
            metrics={},
            best_trial=None,
            request=request,
            reason=None,
            created_at=now(),
            started_at=None,
        )
        self._ledger.create(child)
        watch = self._watches.start(child.id, lambda watch: self._supervisor.carry(watch, child), parent=state.watch)
        state.open[child.id] = _Open(watch, trial)

    def _prune(self, state: _State) -> None:
        """End the trials that what they have reported says to end."""
        pruning = state.pruning
        running = [run_id for run_id, entry in state.open.items() if not entry.pruned]
        if pruning is None or not running:
            return
        points = self._ledger.points(running, state.search.sweep.metric)
        for run_id in running:
            reported = points.get(run_id, [])
            fresh, state.seen[run_id] = reported[state.seen.get(run_id, 0) :], len(reported)
            if any([pruning.report(run_id, step, value) for step, value in fresh]):
                step = pruning.last_step(run_id)
                why = f"stopped early ({pruning.rule}): {state.search.sweep.metric} = {fresh[-1][1]:g} at step {step}"
                state.open[run_id].pruned = True
                self._ledger.note(run_id, {"request": {**self._ledger.get(run_id).request, "pruned": True}})
                self._watches.cancel(run_id, why)

    def _take(self, state: _State, entry: _Open, row: RunRow) -> None:
        if not lifecycle.is_final(row.state):
            raise Leaving  # its thread left with the server
        self._learn(state, row, entry.trial, pruned=entry.pruned and row.state == lifecycle.CANCELLED)
        search = state.search
        changes: dict[str, Any] = {"reason": search.reason}
        if search.best is not None:
            changes.update(best_trial=search.best.id, metrics=dict(search.best.metrics))
        self._ledger.note(state.parent.id, changes)
        if state.stopped is None:
            state.stopped = search.stop()

    def _learn(self, state: _State, row: RunRow, trial: Trial, *, pruned: bool) -> None:
        score = state.search.take(row, pruned=pruned)
        state.strategy.tell(trial, score)
        if state.pruning is not None:
            state.pruning.ended(row.id, score)

    def _end_trials(self, state: _State, why: str) -> None:
        """End the trials that run; those that were quicker count."""
        for run_id in state.open:
            self._watches.cancel(run_id, why)
        while state.open:
            run_id, entry = state.open.popitem()
            entry.watch.done.wait()
            row = self._ledger.get(run_id)
            if row.state == lifecycle.COMPLETED:
                self._learn(state, row, entry.trial, pruned=False)

    def _finish(self, state: _State) -> RunRow:
        search, parent = state.search, state.parent
        counts, metric = search.counts, search.sweep.metric
        if search.best is not None:
            parts = [f"best of {counts.ended}: {search.best.name}, {metric} = {search.best.metrics[metric]:g}"]
            parts += _listed({"failed": counts.failed, "stopped early": counts.pruned})
            parts += [f"ended because {state.stopped}"] if state.stopped else []
            changes = {"metrics": dict(search.best.metrics), "best_trial": search.best.id}
            self._importance.keep(parent, search)
            return self._ledger.finish(parent.id, Ending(lifecycle.COMPLETED, "; ".join(parts)), changes)
        if search.failure is not None and counts.failed == counts.ended:
            count = "the only trial" if counts.ended == 1 else f"all {counts.ended} trials"
            message = f"{count} failed; the first: {search.failure.message}"
            kind = search.failure.error_type or "RunFailed"
            error = {"type": kind, "message": message, "traceback": search.failure.traceback}
            return self._ledger.finish(parent.id, Ending(lifecycle.ERROR, message, error))
        logged = ", ".join(sorted(search.logged)) or "nothing"
        raise Invalid(
            f"no trial logged a number as metric {metric!r}",
            hint=f"ctx.log_metric({metric!r}, value); logged: {logged}",
        )


def _number(row: RunRow) -> int:
    """That of ``trial-7``: no other may be called so while it is there."""
    number = (row.name or "").rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _listed(counts: Mapping[str, int]) -> Iterable[str]:
    return [f"{count} {what}" for what, count in counts.items() if count]
