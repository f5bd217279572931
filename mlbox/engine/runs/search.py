"""What a sweep knows of its trials, and whether it is to go on. Pure: nothing is read or written here."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlbox.base.counted import counted
from mlbox.engine.catalog import conditions
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.commands import Sweep

FACTS = ("trials", "completed", "failed", "pruned", "since_best", "seconds")
"""What STOP WHEN may name, besides the metric (its best value so far)."""


def check_stop(sweep: Sweep) -> None:
    """Raise ``StatementError`` when STOP WHEN names what a sweep does not know."""
    if sweep.stop_when is not None:
        conditions.parse(sweep.stop_when).check((*FACTS, sweep.metric), "fact of a sweep")


@dataclass
class Counts:
    """Trials by how they ended; ``since_best``: ended since the best one did."""

    started: int = 0
    completed: int = 0
    failed: int = 0
    pruned: int = 0
    since_best: int = 0

    @property
    def ended(self) -> int:
        """All that have ended."""
        return self.completed + self.failed + self.pruned


@dataclass
class Failure:
    """The first trial that failed."""

    message: str
    error_type: str | None
    traceback: str | None


@dataclass
class Search:
    """The state of one sweep."""

    sweep: Sweep
    counts: Counts = field(default_factory=Counts)
    best: RunRow | None = None
    failure: Failure | None = None
    logged: set[str] = field(default_factory=set)
    scores: list[tuple[Mapping[str, Any], float]] = field(default_factory=list)
    """Parameters and score of each trial that has one."""
    began: float = field(default_factory=time.monotonic)

    @property
    def reason(self) -> str:
        """How far it is, in a line."""
        counts = self.counts
        parts = [f"{counted(counts.ended, 'trial')} ended"]
        parts += [f"{counts.failed} failed"] if counts.failed else []
        parts += [f"{counts.pruned} stopped early"] if counts.pruned else []
        return ", ".join(parts)

    def take(self, row: RunRow, *, pruned: bool = False) -> float | None:
        """Count an ended trial; its score if it has one."""
        self.logged.update(row.metrics)
        self.counts.since_best += 1
        score = score_of(row.metrics, self.sweep.metric)
        if pruned:
            self.counts.pruned += 1
            return score
        if row.state != lifecycle.COMPLETED:
            self.counts.failed += 1
            if self.failure is None:
                kind = f"{row.error_type}: " if row.error_type else ""
                message = f"{kind}{row.error or row.reason or row.state}"
                self.failure = Failure(message, row.error_type, row.traceback)
            return None
        self.counts.completed += 1
        if score is not None:
            names = [parameter.name for parameter in self.sweep.parameters]
            self.scores.append(({name: row.params.get(name) for name in names}, score))
            known = None if self.best is None else self.best.metrics[self.sweep.metric]
            if known is None or self._better(score, known):
                self.best = row
                self.counts.since_best = 0
            elif score == known and self.best is not None and row.id < self.best.id:
                self.best = row  # of equal ones the first, whichever ended first
        return score

    def stop(self) -> str | None:
        """Why no more trials are wanted; None: go on."""
        sweep, counts = self.sweep, self.counts
        if sweep.max_errors is not None and counts.failed >= sweep.max_errors:
            return f"{counted(counts.failed, 'trial')} failed, and MAX ERRORS is {sweep.max_errors}"
        if sweep.stop_when is not None and conditions.parse(sweep.stop_when).evaluate(self._facts()):
            return f"{' '.join(sweep.stop_when.text.split())} is true"
        return None

    def _facts(self) -> dict[str, Any]:
        counts = self.counts
        return {
            self.sweep.metric: None if self.best is None else self.best.metrics[self.sweep.metric],
            "trials": counts.ended,
            "completed": counts.completed,
            "failed": counts.failed,
            "pruned": counts.pruned,
            "since_best": counts.since_best,
            "seconds": time.monotonic() - self.began,
        }

    def _better(self, score: float, than: float) -> bool:
        return score > than if self.sweep.goal == "maximize" else score < than


def score_of(metrics: Mapping[str, float], metric: str) -> float | None:
    """The value of the metric; None when it was not logged or is not a number."""
    value = metrics.get(metric)
    return None if value is None or math.isnan(value) else value
