"""Questions to engines that may never answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mlbox.engine.runs.watches import Watch

T = TypeVar("T")

UNANSWERED_SECONDS = 10.0
"""How long beyond its TIMEOUT a run waits for its engine to say that it has ended it; and for any one answer then."""
CANCEL_SECONDS = 30.0
"""How long a run that was cancelled waits for a word of its engine, which takes a while to end processes in peace."""
_LOOK_SECONDS = 0.25
"""How often whoever waits for an answer looks whether it is still wanted."""


def answered(ask: Callable[[], T], stop_by: float) -> T:
    """What ``ask`` gives or raises; ``TimeoutError`` when neither has come by ``stop_by`` (seconds since 1970), and
    within ``UNANSWERED_SECONDS`` at that."""
    return _asked(ask).result(max(stop_by - time.time(), UNANSWERED_SECONDS))


def _asked(ask: Callable[[], T]) -> Future[T]:
    """``ask`` in a thread of its own, which ends when it does."""
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # whoever asked hears of it
            answer.set_exception(error)

    threading.Thread(target=work, name="engine-question", daemon=True).start()
    return answer


class Patience:
    """How long a run waits for its engine: as long as it takes, but not much longer than its time-out, nor for long
    once it is cancelled. Engines of this machine (not ``remote``) are believed to answer."""

    def __init__(self, watch: Watch, deadline: float | None, *, remote: bool) -> None:
        self._watch = watch
        self._stop_by = None if deadline is None else deadline + UNANSWERED_SECONDS
        self._remote = remote
        self._silent_since: float | None = None

    def heard(self) -> None:
        """The engine has said how the run is."""
        self._silent_since = None

    def is_over(self) -> bool:
        """Whether nothing more is to be waited for."""
        stop_by = self._last_moment()
        return stop_by is not None and time.time() > stop_by

    def timed_out(self) -> bool:
        """Whether it is over because of the time-out."""
        return self._remote and self._stop_by is not None and time.time() > self._stop_by

    def ask(self, question: Callable[[], T], late: Callable[[T], None] | None = None) -> T:
        """What ``question`` gives or raises. ``TimeoutError`` when its time is over, or the server stops.

        With ``late``, the question has begun something: a stop of the server does not interrupt it, and ``late`` is
        given what comes when nobody waits any more.
        """
        if not self._remote:
            return question()
        answer, began = _asked(question), time.time()
        while True:
            try:
                return answer.result(_LOOK_SECONDS)
            except TimeoutError:
                if answer.done():  # with that error, or in this moment
                    return answer.result()
            stop_by = self._last_moment()
            # a time that was over before the question was asked leaves it some of its own
            is_over = stop_by is not None and time.time() > max(stop_by, began + self._least())
            if is_over or (late is None and self._watch.leaving.is_set()):
                if late is not None:
                    answer.add_done_callback(lambda done: done.exception() is None and late(done.result()))
                raise TimeoutError

    def _least(self) -> float:
        return min(UNANSWERED_SECONDS, CANCEL_SECONDS)

    def _last_moment(self) -> float | None:
        """Seconds since 1970; None while nobody is in a hurry."""
        if not self._remote:
            return None
        moments = [] if self._stop_by is None else [self._stop_by]
        if self._watch.cancelled.is_set():
            self._silent_since = self._silent_since or time.time()
            moments.append(self._silent_since + CANCEL_SECONDS)
        return min(moments, default=None)
