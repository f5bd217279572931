"""The endpoints of one worker: it learns them from the server, and answers by the generation that the cells tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import MlboxError, Unavailable
from mlbox.serve.directory import Directory, Slot
from mlbox.serve.retiring import retire
from mlbox.serve.switching import compare

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.endpoint import Runtime
    from mlbox.serve.record import Recorder
    from mlbox.serve.workers.cells import Cells
    from mlbox.serve.workers.counting import Counted
    from mlbox.serve.workers.recipe import Kitchen, Recipe


class WorkerSlot(Slot):
    """The place of an endpoint in a worker. Its next generation lies ready beside it until all switch."""

    def __init__(self, recipe: Recipe, workers: int) -> None:
        self._workers = workers
        self.recipe = recipe
        self.next: tuple[Recipe, Runtime | None] | None = None
        super().__init__(recipe.row)

    def take(self, row: Any) -> None:
        """As any slot; each worker takes on its part of what the endpoint takes."""
        super().take(row)
        self.max_queue = math.ceil(self.max_queue / self._workers)

    def move(self, generation: int, *, wait: bool = False) -> bool:
        """Go on with a generation; whether it is here. Not while one is being built, for which an event loop does not
        wait: the server answers meanwhile."""
        if not self.lock.acquire(blocking=wait):
            return False
        try:
            if self.recipe.generation == generation:
                return True
            if self.next is None or self.next[0].generation != generation:
                return False
            self.recipe, runtime = self.next
            self.next = None
            self.take(self.recipe.row)
            replaced, self.runtime = self.runtime, runtime
            self.swaps += 1
        finally:
            self.lock.release()
        if replaced is not runtime:
            retire(replaced)
        return True


class Station:
    """``answer`` is for the channel to the server, ``finds`` and ``ensure`` for requests."""

    def __init__(self, cells: Cells, kitchen: Kitchen, workers: int) -> None:
        self.directory = Directory()
        self._cells = cells
        self._kitchen = kitchen
        self._workers = workers
        self.recorder: Recorder | None = None
        self.listen: Callable[[], None] = lambda: None
        """Begins to take requests."""
        self.leave: Callable[[], None] = lambda: None
        """Takes no more requests and finishes what is under way."""

    def finds(self, name: str) -> WorkerSlot | None:
        """The endpoint of a request, in the generation of now; ``None``: the server answers."""
        try:
            slot = self.directory.find(name)
        except MlboxError:
            return None
        assert isinstance(slot, WorkerSlot)
        generation = self._cells[slot.recipe.place]
        return slot if slot.recipe.generation == generation or slot.move(generation) else None

    def ensure(self, slot: Slot) -> Runtime:
        """The runtime of a slot, built when there is none yet."""
        assert isinstance(slot, WorkerSlot)
        with slot.lock:
            if slot.runtime is None:
                slot.runtime = self._kitchen.build(slot.recipe)
            return slot.runtime

    def answer(self, kind: str, value: Any) -> Any:
        """What the server asks."""
        match kind:
            case "begin":
                return self._begin(value)
            case "prepare":
                return self._prepare(value)
            case "settle":
                return self._settle(value)
            case "forget":
                return self._forget(*value)
            case "flush":
                assert self.recorder is not None
                return self.recorder.flush()
            case "count":
                return self.counted()
            case "listen":
                return self.listen()
            case "leave":
                self.leave()
                assert self.recorder is not None
                self.recorder.stop()
                return self.counted()
        raise Unavailable(f"a worker knows nothing of {kind!r}")

    def counted(self) -> Counted:
        """What its endpoints have done since it began."""
        from mlbox.serve.workers.counting import Counted

        assert self.recorder is not None
        return Counted.of(self.directory.slots(), self.recorder.statistics)

    def _begin(self, recipes: Iterable[Recipe]) -> None:
        """All endpoints; each is built at its first request."""
        for recipe in recipes:
            self.directory.put(WorkerSlot(recipe, self._workers))

    def _prepare(self, recipe: Recipe) -> dict[str, Any]:
        """Build a generation beside the one that answers; what has become of recent requests."""
        row = recipe.row
        known = self.directory.get(row.project, row.name)
        if known is None:
            self.directory.put(WorkerSlot(recipe, self._workers))
            return {}
        assert isinstance(known, WorkerSlot)
        if _same_answers(known.recipe, recipe):
            known.next = (recipe, known.runtime)
            return {}
        runtime = self._kitchen.build(recipe)
        known.next = (recipe, runtime)
        return compare(known.runtime, runtime, list(known.recent))

    def _forget(self, project: str, name: str, renamed: EndpointRow | None) -> None:
        slot = self.directory.get(project, name)
        self.directory.remove(project, name)
        if slot is not None and renamed is not None:
            slot.take(renamed)  # requests under way are recorded as of this

    def _settle(self, name: tuple[str, str]) -> None:
        """Let go of what answered before, also where no request comes."""
        slot = self.directory.get(*name)
        if isinstance(slot, WorkerSlot):
            slot.move(self._cells[slot.recipe.place], wait=True)
            with suppress(MlboxError):
                self.directory.put(slot)  # its own path may be another


def _same_answers(old: Recipe, new: Recipe) -> bool:
    """Whether only the state of the endpoint is another. A vector may be defined otherwise under the same name."""
    known = replace(new.row, id=old.row.id, state=old.row.state, changed_at=old.row.changed_at)
    return new.row.vector is None and old.models == new.models and old.row == known
