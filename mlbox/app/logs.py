"""Where mlbox's own log goes: ``logs/server.log`` of the home."""

from __future__ import annotations

import logging
import threading

from mlbox.base.errors import MlboxError
from mlbox.base.home import Home

log = logging.getLogger("mlbox")


def to_file(home: Home) -> None:
    """Everything from now on, what ends a thread too: a user's terminal is no place for our tracebacks."""
    logging.basicConfig(
        filename=home.logs / "server.log", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
    threading.excepthook = _thread_ended


def _thread_ended(what: threading.ExceptHookArgs) -> None:
    name = what.thread.name if what.thread else "a thread"
    if isinstance(what.exc_value, MlboxError) and what.exc_value.transient:
        log.info("%s ended: %s", name, what.exc_value.message)  # the house was closing under it
        return
    log.error("%s ended by a defect", name, exc_info=what.exc_value)
