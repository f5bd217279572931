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
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.errors import Unavailable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
Operation = Callable[["DuckDBPyConnection"], Any]
_STOP: Any = None
IDLE_SECONDS = 0.1
LONGEST_SECONDS = 1.0
"""How long an operation that nobody waits for lets others go first: until nothing has come for so long, and at most."""


class Writer:
    """Executes operations in order of arrival on its own cursor. ``undone`` is called when a transaction has failed,
    before anything else is executed: what operations have noted in memory is not so."""

    def __init__(
        self,
        cursor: DuckDBPyConnection,
        name: str,
        batch: int = 512,
        undone: Callable[[], None] = lambda: None,
    ) -> None:
        self._cursor = cursor
        self._batch = batch
        self._undone = undone
        self._queue: queue.SimpleQueue[tuple[Operation, Future[Any], bool] | None] = queue.SimpleQueue()
        self._patient: list[tuple[Operation, Future[Any]]] = []
        self._oldest = 0.0
        self._open = True
        self._guard = threading.Lock()
        self.commits = 0
        self.operations = 0
        self._thread = threading.Thread(target=self._work, name=f"writer-{name}", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[DuckDBPyConnection], T], *, patient: bool = False) -> Future[T]:
        """Queue ``operation``; the future is done when its transaction is durable. A ``patient`` one lets those that
        come after it go first, so that nobody waits for what nobody waits for."""
        future: Future[T] = Future()
        with self._guard:
            if not self._open:
                raise Unavailable("the catalog is closing", hint="try again when the server is up")
            self._queue.put((operation, future, patient))
        return future

    def write(self, operation: Callable[[DuckDBPyConnection], T]) -> T:
        """Queue ``operation`` and wait for it."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("an operation may not wait for another write")
        return self.submit(operation).result()

    def close(self) -> None:
        """Finish what is queued, then stop."""
        with self._guard:
            if not self._open:
                return
            self._open = False
            self._queue.put(_STOP)
        self._thread.join()

    def _work(self) -> None:
        while True:
            batch, stop = self._gather()
            if stop or time.monotonic() - self._oldest > LONGEST_SECONDS or not batch:
                batch, self._patient = batch + self._patient, []
            if batch:
                self._commit(batch)
            if stop:
                return

    def _gather(self) -> tuple[list[tuple[Operation, Future[Any]]], bool]:
        """What is to be committed now (nothing: those that are patient have been so for long enough), and whether it
        is the last."""
        batch: list[tuple[Operation, Future[Any]]] = []
        while len(batch) < self._batch:
            try:
                item = self._wait() if not batch else self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, True
            operation, future, patient = item
            if not patient:
                batch.append((operation, future))
                continue
            if not self._patient:
                self._oldest = time.monotonic()
            self._patient.append((operation, future))
            if len(self._patient) >= self._batch:
                break
        return batch, False

    def _wait(self) -> tuple[Operation, Future[Any], bool] | None:
        return self._queue.get(timeout=IDLE_SECONDS) if self._patient else self._queue.get()

    def _commit(self, batch: list[tuple[Operation, Future[Any]]]) -> None:
        try:
            results = self._transaction([operation for operation, _ in batch])
        except BaseException as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            # One of them is wrong: each gets a transaction of its own, so that only the wrong one fails.
            for item in batch:
                self._commit([item])
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)

    def _transaction(self, operations: list[Operation]) -> list[Any]:
        self._cursor.execute("BEGIN TRANSACTION")
        try:
            results = [operation(self._cursor) for operation in operations]
            self._cursor.execute("COMMIT")
        except BaseException:
            with suppress(Exception):
                self._cursor.execute("ROLLBACK")
            self._undone()
            raise
        self.commits += 1
        self.operations += len(operations)
        return results
