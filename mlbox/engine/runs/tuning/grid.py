"""Every combination, the last parameter changing fastest."""

from __future__ import annotations

from itertools import islice, product

from mlbox.engine.runs.tuning.base import TUNERS, Space, Trial, need_values


class Grid:
    """All combinations of the listed values, at most ``limit``."""

    def __init__(self, space: Space) -> None:
        need_values(space, "grid")
        self._names = [parameter.name for parameter in space.parameters]
        self._rest = islice(product(*(parameter.values for parameter in space.parameters)), space.limit)

    def ask(self) -> Trial | None:
        """The next combination."""
        values = next(self._rest, None)
        return None if values is None else dict(zip(self._names, values, strict=True))

    def tell(self, trial: Trial, score: float | None) -> None:
        """A grid learns nothing."""

    def take_back(self, trial: Trial) -> None:
        """The order is fixed: the next one is it."""
        next(self._rest, None)


TUNERS.add("grid", Grid)
