"""A single writer with group commit.

One fsync a commit is what a write costs; so writes are queued, one thread executes them in batches, each batch in one
transaction, and a caller is answered when its batch is durable.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base import processors
from mlbox.base.errors import Unavailable
from mlbox.engine.catalog.journal import Unsettled

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.journal import Journal

T = TypeVar("T")
Operation = Callable[["DuckDBPyConnection"], Any]
_STOP: Any = None
IDLE_SECONDS = 0.1
LONGEST_SECONDS = 1.0
"""How long an operation that nobody waits for lets others go first: until nothing has come for so long, and at most."""


@dataclass(slots=True)
class _Write:
    operation: Operation
    journaled: bool
    future: Future[Any] = field(default_factory=Future)


class Writer:
    """Executes operations in order of arrival on its own cursor.

    With a ``journal``: those that are ``journaled`` put into it what they have to say; it is settled before any other
    is executed, and a little after the last one. With ``behind`` its thread lets others go first. Of writers that share
    a ``turn`` one has a transaction at a time.
    """

    def __init__(
        self,
        cursor: DuckDBPyConnection,
        name: str,
        batch: int = 512,
        journal: Journal | None = None,
        *,
        behind: bool = False,
        turn: threading.Lock | None = None,
    ) -> None:
        self._cursor = cursor
        self._batch = batch
        self._journal = journal
        self._behind = behind
        self._turn = turn or threading.Lock()
        self._queue: queue.SimpleQueue[tuple[_Write, bool] | None] = queue.SimpleQueue()
        self._patient: list[_Write] = []
        self._oldest = 0.0
        self._open = True
        self._guard = threading.Lock()
        self.commits = 0
        self.operations = 0
        self._thread = threading.Thread(target=self._work, name=f"writer-{name}", daemon=True)
        self._thread.start()

    def submit(
        self, operation: Callable[[DuckDBPyConnection], T], *, patient: bool = False, journaled: bool = False
    ) -> Future[T]:
        """Queue ``operation``; the future is done when its transaction is durable. A ``patient`` one lets those that
        come after it go first, so that nobody waits for what nobody waits for."""
        write = _Write(operation, journaled)
        with self._guard:
            if not self._open:
                raise Unavailable("the catalog is closing", hint="try again when the server is up")
            self._queue.put((write, patient))
        return write.future

    def write(self, operation: Callable[[DuckDBPyConnection], T], *, journaled: bool = False) -> T:
        """Queue ``operation`` and wait for it."""
        if self.is_here():
            raise RuntimeError("an operation may not wait for another write")
        return self.submit(operation, journaled=journaled).result()

    def is_here(self) -> bool:
        """Whether this is called inside of an operation."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Finish what is queued, then stop."""
        with self._guard:
            if not self._open:
                return
            self._open = False
            self._queue.put(_STOP)
        self._thread.join()

    def _work(self) -> None:
        if self._behind:
            processors.let_others_go_first()
        while True:
            batch, stop = self._gather()
            if stop or time.monotonic() - self._oldest > LONGEST_SECONDS or not batch:
                batch, self._patient = batch + self._patient, []
            if batch:
                self._commit(batch)
            if stop:
                self._commit(self._patient)
                return

    def _gather(self) -> tuple[list[_Write], bool]:
        """What is to be committed now (nothing: those that are patient have been so for long enough), and whether it
        is the last."""
        batch: list[_Write] = []
        while len(batch) < self._batch:
            try:
                item = self._wait() if not batch else self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, True
            write, patient = item
            if not patient:
                batch.append(write)
                continue
            self._postpone(write)
            if len(self._patient) >= self._batch:
                break
        return batch, False

    def _wait(self) -> tuple[_Write, bool] | None:
        return self._queue.get(timeout=IDLE_SECONDS) if self._patient else self._queue.get()

    def _postpone(self, write: _Write) -> None:
        if not self._patient:
            self._oldest = time.monotonic()
        self._patient.append(write)

    def _commit(self, batch: list[_Write]) -> None:
        for journaled, writes in groupby(batch, key=lambda write: write.journaled):
            group = list(writes)
            try:
                if self._journal is not None and (not journaled or self._journal.full):
                    self._journal.settle(self._transaction)
            except Exception as error:
                for write in group:
                    write.future.set_exception(error)
                continue
            self._commit_group(group)
        if self._journal is not None and self._journal.unsettled and not self._patient:
            self._postpone(_Write(lambda cursor: None, journaled=False))

    def _commit_group(self, group: list[_Write]) -> None:
        try:
            results = self._transaction([write.operation for write in group], group[0].journaled)
        except Unsettled:
            # Of those that could be journaled one cannot; it finds everything settled now, and so may the others.
            for write in group:
                self._commit([_Write(write.operation, journaled=False, future=write.future)])
            return
        except BaseException as error:
            if len(group) == 1:
                group[0].future.set_exception(error)
                return
            # One of them is wrong: each gets a transaction of its own, so that only the wrong one fails.
            for write in group:
                self._commit_group([write])
            return
        for write, result in zip(group, results, strict=True):
            write.future.set_result(result)

    def _transaction(self, operations: list[Operation], journaled: bool = False) -> list[Any]:
        if self._journal is not None:
            self._journal.begin(journaled)
        with self._turn:
            self._cursor.execute("BEGIN TRANSACTION")
            try:
                results = [operation(self._cursor) for operation in operations]
                self._cursor.execute("COMMIT")
            except BaseException:
                with suppress(Exception):
                    self._cursor.execute("ROLLBACK")
                if self._journal is not None:
                    self._journal.undone()
                raise
        if self._journal is not None:
            self._journal.committed()
        self.commits += 1
        self.operations += len(operations)
        return results
