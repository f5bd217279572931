"""Where mlbox's own log goes: ``logs/server.log`` of the home."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from typing import Any

from mlbox.base.errors import Invalid, MlboxError
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.base.telemetry import request_id, tracer

log = logging.getLogger("mlbox")


FORMATS = ("text", "json")


def to_file(home: Home, settings: Settings) -> None:
    """Everything from now on, what ends a thread too: a user's terminal is no place for our tracebacks."""
    if settings.log_format not in FORMATS:
        raise Invalid(f"log_format = {settings.log_format!r}", hint=f"one of {', '.join(FORMATS)}")
    handler = logging.FileHandler(home.logs / "server.log")
    handler.setFormatter(_Lines() if settings.log_format == "json" else _Text())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
    threading.excepthook = _thread_ended


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """With the id of the request that is worked for behind it."""
        identity = request_id.get()
        return super().formatMessage(record) + (f" [{identity}]" if identity else "")


class _Lines(logging.Formatter):
    """An object a line: time (UTC), level, logger, message, process; request_id, trace_id and span_id where there are;
    the fields of a record; and what has gone wrong under ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if identity := request_id.get():
            told["request_id"] = identity
        active = tracer()
        if active is not None:
            trace, span = active.ids()
            told |= {"trace_id": trace, "span_id": span} if trace else {}
        told |= getattr(record, "fields", {})
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def _thread_ended(what: threading.ExceptHookArgs) -> None:
    name = what.thread.name if what.thread else "a thread"
    if isinstance(what.exc_value, MlboxError) and what.exc_value.transient:
        log.info("%s ended: %s", name, what.exc_value.message)  # the house was closing under it
        return
    log.error("%s ended by a defect", name, exc_info=what.exc_value)
