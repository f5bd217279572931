"""The server's side of its workers: it tells them what to answer, and takes what they have recorded.

A new generation of an endpoint is built by every worker beside the old one; then one number in shared memory changes,
and from that moment on every request that begins is answered by the new generation, whichever process takes it. A
worker that could not build it hands the requests of that endpoint on to the server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Conflict, MlboxError, Unavailable
from mlbox.engine.catalog.tables import predictions
from mlbox.serve.deploy.delivery import opened
from mlbox.serve.workers.cells import ACCESS, DEFINITIONS, FIRST, SIZE, Cells
from mlbox.serve.workers.counting import Counted, merged, total
from mlbox.serve.workers.recipe import Recipe, for_workers, recipe_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.shop import Shop
    from mlbox.serve.workers.channel import Channel

_log = logging.getLogger("mlbox.serve")
LEAVE_SECONDS = 60.0
"""That all workers together have at a stop to finish requests and hand in predictions, which lets all others go
first; ``mlbox down`` waits longer."""
BUILD_SECONDS = 60.0
"""Within which a worker must have built a generation; else it is ended, and another takes its place."""


@dataclass(slots=True)
class Worker:
    """One process."""

    index: int
    pid: int
    channel: Channel
    counted: Counted = field(default_factory=Counted)
    """What it has last told."""


class Fleet:
    """``cells`` are shared with the ``size`` workers. ``hung`` is told of one that does not answer."""

    def __init__(self, catalog: Catalog, shop: Shop, cells: Cells, size: int, hung: Callable[[Worker], None]) -> None:
        self.cells = cells
        self.size = size
        self._catalog = catalog
        self._shop = shop
        self._hung = hung
        self._lock = threading.RLock()
        self._workers: dict[int, Worker] = {}
        self._recipes: dict[str, Recipe] = {}
        self._places: dict[str, int] = {}
        self._generations = count(1)
        self._past = Counted()
        self._written = threading.Lock()

    def serves(self, row: EndpointRow) -> bool:
        """Whether workers answer for an endpoint."""
        return _key(row) in self._recipes

    def offer(self, row: EndpointRow) -> dict[str, Any]:
        """Make all workers answer by this row, as its aliases are now, when this returns; what they have compared."""
        with self._lock:
            if not for_workers(row, self._shop):
                self.withdraw(row.project, row.name)
                return {}
            recipe = recipe_of(row, self._shop, self._place(_key(row)), next(self._generations))
            told = self._ask_all("prepare", recipe)
            self._recipes[_key(row)] = recipe
            self.cells[recipe.place] = recipe.generation
            for worker in self._workers.values():
                worker.channel.begin("settle", (row.project, row.name))
        return merged(told)

    def withdraw(self, project: str, name: str, renamed: EndpointRow | None = None) -> None:
        """Workers answer for this endpoint no more; what is under way is recorded as of ``renamed``, if it is that."""
        key = f"{project}.{name}".lower()
        with self._lock:
            if self._recipes.pop(key, None) is None:
                return
            self.cells[self._places[key]] = 0
            self._ask_all("forget", (project, name, renamed))

    def withdraw_project(self, project: str) -> None:
        """Nor for any of a project."""
        with self._lock:
            rows = [recipe.row for recipe in self._recipes.values() if recipe.row.project == project]
            for row in rows:
                self.withdraw(row.project, row.name)

    def join(self, worker: Worker) -> None:
        """A new process: tell it everything, and let it begin."""
        with self._lock:
            worker.channel.ask("begin", list(self._recipes.values()), BUILD_SECONDS)
            self._workers[worker.index] = worker
        worker.channel.ask("listen", None, BUILD_SECONDS)

    def left(self, worker: Worker) -> None:
        """A process has ended; what it has counted stays."""
        with self._lock:
            if self._workers.get(worker.index) is not worker:
                return
            del self._workers[worker.index]
            self._past.add(worker.counted.rest())
            self._past.ended += 1
            worker.counted = Counted()

    def dismiss(self) -> None:
        """All finish what is under way, hand in what they have recorded, and end."""
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        until = time.monotonic() + LEAVE_SECONDS
        answers = [worker.channel.begin("leave") for worker in workers]
        for worker, answer in zip(workers, answers, strict=True):
            try:
                answer.result(max(0.0, until - time.monotonic()))
            except (MlboxError, TooLate) as error:
                _log.warning("worker %d (process %d) did not end well: %s", worker.index, worker.pid, error)
            worker.channel.close()

    def flush(self) -> None:
        """Take what workers have recorded by now."""
        with self._lock:
            self._ask_all("flush", None)

    def counted(self) -> Counted:
        """What all have counted since the server began."""
        with self._lock:
            for worker, answer in [(each, each.channel.begin("count")) for each in self._workers.values()]:
                try:
                    worker.counted = answer.result(5)
                except (MlboxError, TooLate):
                    continue  # as it told last
            found = total((self._past, *(worker.counted for worker in self._workers.values())))
            found.by_worker = {index: worker.counted.requests for index, worker in sorted(self._workers.items())}
            return found

    def take(self, worker: Worker, body: bytes, counted: Counted, awaited: bool) -> None:
        """Write what a worker has recorded, for which somebody may wait; it is durable when this returns."""
        delivery = opened(body)

        def write(cursor: DuckDBPyConnection) -> None:
            for batch in delivery.batches:
                predictions.append(cursor, batch)
            predictions.count(cursor, delivery.counts)

        self._catalog.write_data(write, behind=True, awaited=awaited)
        worker.counted = counted
        with self._written:
            self._past.written += delivery.rows

    def definitions_changed(self, generation: int) -> None:
        """Definitions of features are others: readers of vectors ask for theirs."""
        self.cells[DEFINITIONS] = generation

    def access_changed(self) -> None:
        """Members or tokens are others: workers ask again who may what."""
        self.cells[ACCESS] += 1

    def pids(self) -> list[int]:
        """Of the processes that answer."""
        return [worker.pid for _, worker in sorted(self._workers.items())]

    def _place(self, key: str) -> int:
        if key not in self._places:
            used = {self._places[known] for known in self._recipes}
            free = next((place for place in range(FIRST, SIZE) if place not in used), None)
            if free is None:
                raise Conflict(f"workers answer for {SIZE - FIRST:,} endpoints at most", hint="WITH (workers = 1)")
            self._places = {known: place for known, place in self._places.items() if place != free}
            self._places[key] = free
        return self._places[key]

    def _ask_all(self, kind: str, value: Any) -> Iterable[Any]:
        asked = [(worker, worker.channel.begin(kind, value)) for worker in self._workers.values()]
        answers = []
        for worker, answer in asked:
            try:
                answers.append(answer.result(BUILD_SECONDS))
            except TooLate:
                self._hung(worker)
            except Unavailable:
                continue  # it has ended, and who comes in its place learns all anew
            except MlboxError as error:
                _log.warning("worker %d leaves %s to the server: %s", worker.index, kind, error.message)
        return answers


def _key(row: EndpointRow) -> str:
    return f"{row.project}.{row.name}".lower()
