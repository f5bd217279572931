"""Independent draws; the same seed draws the same."""

from __future__ import annotations

import json
import math
import random
from typing import Any

from mlbox.engine.runs.commands import SweepParameter
from mlbox.engine.runs.tuning.base import DEFAULT_TRIALS, TUNERS, Space, Trial, bounds, is_range

_DRAWS_FOR_A_NEW_ONE = 1000


class Random:
    """Draws without repeats: uniform over a range (over its logarithm with LOG), else one of the values."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._left = space.limit if space.limit is not None else DEFAULT_TRIALS
        self._random = random.Random(space.seed)
        self._seen: set[str] = set()
        self._possible: float = math.prod(self._count(parameter) for parameter in space.parameters)

    def ask(self) -> Trial | None:
        """A combination that was not drawn before; None after ``limit``, or when all were drawn."""
        if self._left <= 0 or len(self._seen) >= self._possible:
            return None
        for _ in range(_DRAWS_FOR_A_NEW_ONE):
            trial = {parameter.name: self._draw(parameter) for parameter in self._space.parameters}
            key = json.dumps(trial, default=str)
            if key not in self._seen:
                self._seen.add(key)
                self._left -= 1
                return trial
        return None

    def tell(self, trial: Trial, score: float | None) -> None:
        """Draws are independent."""

    def take_back(self, trial: Trial) -> None:
        """It is not drawn again."""
        self._seen.add(json.dumps(trial, default=str))
        self._left -= 1

    def _count(self, parameter: SweepParameter) -> float:
        if not is_range(parameter):
            return len({json.dumps(value, default=str) for value in parameter.values})
        if parameter.name not in self._space.integers:
            return math.inf
        low, high = bounds(parameter)
        return math.floor(high) - math.ceil(low) + 1

    def _draw(self, parameter: SweepParameter) -> Any:
        if not is_range(parameter):
            return self._random.choice(parameter.values)
        low, high = bounds(parameter)
        if parameter.name in self._space.integers:
            first, last = math.ceil(low), math.floor(high)
            if not parameter.log:
                return self._random.randint(first, last)
            # half a step beyond each end, so that the ends are as likely as their neighbours
            drawn = math.exp(self._random.uniform(math.log(first - 0.5), math.log(last + 0.5)))
            return min(max(round(drawn), first), last)
        if parameter.log:
            return math.exp(self._random.uniform(math.log(low), math.log(high)))
        return self._random.uniform(low, high)


TUNERS.add("random", Random)
