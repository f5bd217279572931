"""Bayesian search: the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) as Optuna has it."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

from mlbox.engine.runs.commands import SweepParameter
from mlbox.engine.runs.tuning.base import DEFAULT_TRIALS, TUNERS, Space, Trial, bounds, is_range
from mlbox.engine.runs.tuning.optuna_library import optuna


class TreeParzen:
    """Draws at random at first (10 trials), then where good trials were. Trials that still run count as bad ones, so
    that parallel ones do not all try the same place."""

    def __init__(self, space: Space) -> None:
        library = optuna()
        self._space = space
        self._failed = library.trial.TrialState.FAIL
        self._left = space.limit if space.limit is not None else DEFAULT_TRIALS
        sampler = library.samplers.TPESampler(seed=zlib.crc32(space.seed.encode()), constant_liar=True)
        self._study = library.create_study(direction=space.goal, sampler=sampler)
        self._distributions = {parameter.name: self._distribution(library, parameter) for parameter in space.parameters}
        self._open: dict[str, list[Any]] = {}

    def ask(self) -> Trial | None:
        """The most promising combination; None after ``limit``."""
        if self._left <= 0:
            return None
        return self._ask()

    def tell(self, trial: Trial, score: float | None) -> None:
        """Learn from it."""
        asked = self._open[_key(trial)].pop()
        if score is None or not math.isfinite(score):
            self._study.tell(asked, state=self._failed)
        else:
            self._study.tell(asked, score)

    def take_back(self, trial: Trial) -> None:
        """As if it had just been asked for."""
        chosen = {name: self._choice(name, value) for name, value in trial.items()}
        self._study.enqueue_trial(chosen)
        self._ask()

    def _ask(self) -> Trial:
        self._left -= 1
        asked = self._study.ask(self._distributions)
        trial = {parameter.name: self._value(parameter, asked) for parameter in self._space.parameters}
        self._open.setdefault(_key(trial), []).append(asked)
        return trial

    def _distribution(self, library: Any, parameter: SweepParameter) -> Any:
        distributions = library.distributions
        if not is_range(parameter):  # by number: a value may be a list, which Optuna does not take
            return distributions.CategoricalDistribution(tuple(range(len(parameter.values))))
        low, high = bounds(parameter)
        if parameter.name in self._space.integers:
            return distributions.IntDistribution(math.ceil(low), math.floor(high), log=parameter.log)
        return distributions.FloatDistribution(low, high, log=parameter.log)

    def _value(self, parameter: SweepParameter, asked: Any) -> Any:
        value = asked.params[parameter.name]
        return value if is_range(parameter) else parameter.values[value]

    def _choice(self, name: str, value: Any) -> Any:
        parameter = next(parameter for parameter in self._space.parameters if parameter.name == name)
        if is_range(parameter):
            return value
        return [_key(known) for known in parameter.values].index(_key(value))


def _key(value: Any) -> str:
    return json.dumps(value, default=str)


TUNERS.add("tpe", TreeParzen)
