"""The first values of all parameters, then the second, and so on."""

from __future__ import annotations

from itertools import islice

from mlbox.base.errors import Invalid
from mlbox.engine.runs.tuning.base import TUNERS, Space, Trial, need_values


class List:
    """Rows of values: every parameter lists as many."""

    def __init__(self, space: Space) -> None:
        need_values(space, "list")
        lengths = {parameter.name: len(parameter.values) for parameter in space.parameters}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise Invalid(f"USING list needs as many values of every parameter, here: {told}")
        self._names = list(lengths)
        rows = zip(*(parameter.values for parameter in space.parameters), strict=True)
        self._rest = islice(rows, space.limit)

    def ask(self) -> Trial | None:
        """The next row."""
        values = next(self._rest, None)
        return None if values is None else dict(zip(self._names, values, strict=True))

    def tell(self, trial: Trial, score: float | None) -> None:
        """A list learns nothing."""

    def take_back(self, trial: Trial) -> None:
        """The order is fixed: the next one is it."""
        next(self._rest, None)


TUNERS.add("list", List)
