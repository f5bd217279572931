"""A directed acyclic graph of named steps. Pure: it knows nothing of what a step does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.suggest import did_you_mean


class Graph:
    """Steps and what each comes after, in order of declaration.

    Raises ``NotFound`` for an unknown predecessor and ``Invalid`` for a cycle, which it spells out; ``details["step"]``
    of both is the step that is wrong.
    """

    def __init__(self, after: Mapping[str, Sequence[str]]) -> None:
        self._after = {step: tuple(dict.fromkeys(before)) for step, before in after.items()}
        for step, before in self._after.items():
            for name in before:
                if name not in self._after:
                    raise NotFound(
                        f"step {step!r} comes after {name!r}, and there is no such step",
                        hint=did_you_mean(name, (other for other in self._after if other != step)),
                        details={"step": step, "after": name},
                    )
        self._next: dict[str, list[str]] = {step: [] for step in self._after}
        for step, before in self._after.items():
            for name in before:
                self._next[name].append(step)
        self._order = self._sort()

    def _sort(self) -> tuple[str, ...]:
        """Kahn's algorithm (Communications of the ACM 5(11), 1962); ties in order of declaration."""
        missing = {step: len(before) for step, before in self._after.items()}
        free = [step for step, count in missing.items() if count == 0]
        order: list[str] = []
        while free:
            step = free.pop(0)
            order.append(step)
            for following in self._next[step]:
                missing[following] -= 1
                if missing[following] == 0:
                    free.append(following)
        if len(order) < len(self._after):
            cycle = self._cycle(set(self._after) - set(order))
            raise Invalid(
                f"steps wait for each other: {' after '.join(cycle)}",
                hint="take one of these AFTER away",
                details={"step": cycle[0]},
            )
        return tuple(order)

    def _cycle(self, within: Set[str]) -> list[str]:
        """One cycle, its first step again at the end. Every step of ``within`` has a predecessor or successor there."""
        step = min(within, key=list(self._after).index)
        path: list[str] = []
        while step not in path:
            path.append(step)
            step = next(before for before in self._after[step] if before in within)
        return [*path[path.index(step) :], step]

    @property
    def order(self) -> tuple[str, ...]:
        """All steps; each after its predecessors."""
        return self._order

    def before(self, step: str) -> tuple[str, ...]:
        """The steps that ``step`` waits for directly."""
        return self._after[step]

    def ancestors(self, step: str) -> frozenset[str]:
        """All steps that are done before ``step`` starts."""
        return self._reach(self._after, step)

    def descendants(self, step: str) -> frozenset[str]:
        """All steps that wait for ``step``, directly or not."""
        return self._reach(self._next, step)

    def ready(self, done: Iterable[str], started: Iterable[str]) -> list[str]:
        """Steps not yet started whose predecessors are all done, in order."""
        finished, begun = set(done), set(started)
        return [
            step
            for step in self._order
            if step not in begun and step not in finished and all(name in finished for name in self._after[step])
        ]

    @staticmethod
    def _reach(edges: Mapping[str, Sequence[str]], start: str) -> frozenset[str]:
        found: set[str] = set()
        todo = list(edges[start])
        while todo:
            step = todo.pop()
            if step not in found:
                found.add(step)
                todo.extend(edges[step])
        return frozenset(found)
