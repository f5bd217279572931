"""Questions to engines that may never answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

UNANSWERED_SECONDS = 10.0
"""How long beyond its TIMEOUT a run waits for its engine to say that it has ended it; and for any one answer then."""


def answered(ask: Callable[[], T], stop_by: float | None) -> T:
    """What ``ask`` gives or raises; ``TimeoutError`` when neither has come by ``stop_by`` (seconds since 1970).

    Without ``stop_by`` it is as long as it takes. With it ``ask`` has a thread of its own, which ends when it does.
    """
    if stop_by is None:
        return ask()
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # whoever asked hears of it
            answer.set_exception(error)

    threading.Thread(target=work, name="engine-question", daemon=True).start()
    return answer.result(max(stop_by - time.time(), UNANSWERED_SECONDS))
