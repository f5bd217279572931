"""What a strategy of a sweep is: it is asked for the next trial and told how trials ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mlbox.base.errors import Invalid
from mlbox.base.registry import Registry
from mlbox.engine.runs.commands import Sweep, SweepParameter

Trial = Mapping[str, Any]
"""Parameters of one trial."""

DEFAULT_TRIALS = 10
"""Trials of a strategy that knows no end when the sweep gives no LIMIT."""


@dataclass(frozen=True, slots=True)
class Space:
    """What is searched. ``seed`` makes a search repeatable; ``limit`` is the most trials there may be."""

    parameters: tuple[SweepParameter, ...]
    goal: Literal["maximize", "minimize"]
    limit: int | None
    seed: str
    integers: frozenset[str] = frozenset()
    """Names of ranges whose values are whole numbers."""


class Strategy(Protocol):
    """One search. Called from one thread."""

    def ask(self) -> Trial | None:
        """The next trial; None when there is none left."""
        ...

    def tell(self, trial: Trial, score: float | None) -> None:
        """How a trial that was asked for ended; None: it failed or logged no such metric."""
        ...

    def take_back(self, trial: Trial) -> None:
        """Before anything is asked: ``trial`` was asked for before the server stopped. They come in their order."""
        ...


class StrategyFactory(Protocol):
    """How a strategy is made: its class. Raises ``Invalid`` for a space that it cannot search."""

    def __call__(self, space: Space) -> Strategy:
        """A search over ``space``."""
        ...


TUNERS: Registry[StrategyFactory] = Registry("tuning strategy", "mlbox.engine.runs.tuning")


def make_strategy(sweep: Sweep, seed: str, integers: frozenset[str] = frozenset()) -> Strategy:
    """The strategy that the sweep asks for. Raises ``Invalid`` for what cannot be searched."""
    if not sweep.parameters:
        raise Invalid("a sweep needs at least one parameter", hint="SWEEP (p IN (1, 2, 3)) MAXIMIZE metric")
    names = [parameter.name for parameter in sweep.parameters]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise Invalid(f"parameter {repeated[0]!r} is swept twice")
    for parameter in sweep.parameters:
        _check(parameter)
    if sweep.limit is not None and sweep.limit < 1:
        raise Invalid(f"LIMIT {sweep.limit} leaves no trial")
    if sweep.parallel < 1:
        raise Invalid(f"PARALLEL {sweep.parallel} runs no trial")
    return TUNERS.get(sweep.strategy.lower())(Space(sweep.parameters, sweep.goal, sweep.limit, seed, integers))


def is_range(parameter: SweepParameter) -> bool:
    """Whether it is given as BETWEEN low AND high."""
    return not parameter.values


def bounds(parameter: SweepParameter) -> tuple[float, float]:
    """Low and high of a range."""
    assert parameter.low is not None and parameter.high is not None
    return float(parameter.low), float(parameter.high)


def need_values(space: Space, strategy: str) -> None:
    """Raise ``Invalid`` when a parameter is a range."""
    for parameter in space.parameters:
        if is_range(parameter):
            raise Invalid(
                f"{strategy} needs the values of {parameter.name!r}, not a range",
                hint=f"{parameter.name} IN (..), or USING random",
            )


def _check(parameter: SweepParameter) -> None:
    if parameter.values:
        return
    low, high = parameter.low, parameter.high
    if low is None or high is None:
        raise Invalid(f"parameter {parameter.name!r} has no values to try", hint=f"{parameter.name} IN (..)")
    if not low < high:
        raise Invalid(f"the range of {parameter.name!r} is empty: {low} is not below {high}")
    if parameter.log and low <= 0:
        raise Invalid(f"a LOG range begins above 0, that of {parameter.name!r} at {low}")
