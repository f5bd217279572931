"""Scripts carried out for somebody who watches: progress and logs on a terminal, and Ctrl-C ends the statement."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Cancelled, MlboxError

if TYPE_CHECKING:
    from mlbox.cli.door import Door

TICK_SECONDS = 0.2


class Watcher(Protocol):
    """Is told how a script goes on, on the thread that waits for it."""

    def begin(self, number: int) -> None:
        """The statement with this number (from 0) starts."""
        ...

    def tick(self) -> None:
        """A moment has passed without a result."""
        ...

    def say(self, text: str) -> None:
        """Something that the person should know."""
        ...

    def end(self) -> None:
        """The statement is over; its result or its error is about to be shown."""
        ...


class Conducted:
    """A script on a thread of its own, one statement each time that a result is asked for."""

    def __init__(self, door: Door, text: str, parameters: Any = None, *, arrow: bool = False) -> None:
        self.interrupted = False
        """Whether Ctrl-C asked for the end."""
        self._door = door
        self._results: Generator[dict[str, Any], None, None] = _each(door, text, parameters, arrow)
        self._wanted = threading.Semaphore(0)
        self._waiting = False
        self._left = False
        self._answers: queue.Queue[dict[str, Any] | BaseException | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="statement", daemon=True)

    def results(self, watcher: Watcher) -> Iterator[dict[str, Any]]:
        """The results as they come. Ctrl-C cancels the statement, which then raises ``Cancelled``; a second one
        raises ``KeyboardInterrupt`` and leaves the statement to itself."""
        self._thread.start()
        number = 0
        try:
            while True:
                watcher.begin(number)
                self._waiting = True
                self._wanted.release()
                try:
                    answer = self._wait(watcher)
                finally:
                    watcher.end()
                self._waiting = False
                if answer is None:
                    return
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
                if self.interrupted:
                    raise Cancelled("the statement had ended before it could be cancelled; those after it are not run")
                number += 1
        finally:
            self._leave()

    def _work(self) -> None:
        while True:
            self._wanted.acquire()
            if self._left:
                self._results.close()
                return
            try:
                answer: dict[str, Any] | BaseException | None = next(self._results, None)
            except BaseException as error:
                answer = error
            self._answers.put(answer)
            if not isinstance(answer, dict):
                return

    def _wait(self, watcher: Watcher) -> dict[str, Any] | BaseException | None:
        while True:
            try:
                try:
                    return self._answers.get(timeout=TICK_SECONDS)
                except queue.Empty:
                    watcher.tick()
            except KeyboardInterrupt:
                if self.interrupted:
                    watcher.say("left; the statement may go on")
                    raise
                self.interrupted = True
                watcher.say("cancelling; Ctrl-C again does not wait for it")
                try:
                    self._door.cancel()
                except MlboxError as error:
                    return Cancelled(f"the statement is not waited for; it could not be cancelled: {error.message}")

    def _leave(self) -> None:
        """Nobody asks for more: the thread ends, at once unless a statement is left to itself."""
        self._left = True
        self._wanted.release()
        if not self._waiting:
            self._thread.join()


def _each(door: Door, text: str, parameters: Any, arrow: bool) -> Generator[dict[str, Any], None, None]:
    yield from door.run(text, parameters, arrow=arrow)


class Silent:
    """Nobody watches."""

    def begin(self, number: int) -> None:
        """Nothing."""

    def tick(self) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""
