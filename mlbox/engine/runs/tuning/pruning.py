"""Early stopping: trials that report a bad metric on their way are ended before their time.

``median``: worse than the median of what the ended trials had reported at that step, once five have ended (Golovin et
al., KDD 2017). ``halving``: at steps 1, 4, 16, … only the best quarter goes on (Li et al., MLSys 2020: asynchronous
successive halving). Both as Optuna has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.engine.runs.tuning.optuna_library import optuna

PRUNERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "median": ("MedianPruner", {}),
    "halving": ("SuccessiveHalvingPruner", {"min_resource": 1}),
}
"""Name in a statement to Optuna's class and its arguments."""


class Pruning:
    """What the trials of one sweep have reported, and which of them is to end."""

    def __init__(self, rule: str, goal: str) -> None:
        if rule not in PRUNERS:
            raise Invalid(f"there is no rule {rule!r} to prune by", hint=f"PRUNE {' or PRUNE '.join(PRUNERS)}")
        library = optuna()
        name, arguments = PRUNERS[rule]
        self.rule = rule
        self._states = library.trial.TrialState
        self._study = library.create_study(direction=goal, pruner=getattr(library.pruners, name)(**arguments))
        self._trials: dict[str, Any] = {}
        self._last: dict[str, int] = {}

    def report(self, run_id: str, step: int | None, value: float) -> bool:
        """A point of the metric; whether the trial is to be ended. A point without a step is the next one."""
        if run_id not in self._trials:
            self._trials[run_id] = self._study.ask()
        number = self._last.get(run_id, -1) + 1 if step is None else step
        if number <= self._last.get(run_id, -1) or not math.isfinite(value):
            return False
        self._last[run_id] = number
        trial = self._trials[run_id]
        trial.report(value, number)
        return bool(trial.should_prune())

    def last_step(self, run_id: str) -> int | None:
        """The step of the last point."""
        return self._last.get(run_id)

    def ended(self, run_id: str, score: float | None) -> None:
        """The trial has ended, of itself or not; ``score``: the metric's last value."""
        trial = self._trials.pop(run_id, None)
        if trial is None:
            return
        if score is None or not math.isfinite(score):
            self._study.tell(trial, state=self._states.FAIL)
        else:
            self._study.tell(trial, score)
