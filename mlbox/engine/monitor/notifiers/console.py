"""The server's own log."""

from __future__ import annotations

import logging

from mlbox.engine.monitor.notifiers.base import NOTIFIERS, Notice

log = logging.getLogger("mlbox.alerts")
_BAD = frozenset({"high", "critical", "error"})


class Console:
    """``log:`` and ``console:`` write one line to the server's log, as an error when the severity is high."""

    def check(self, url: str) -> None:
        """Everything works."""

    def send(self, url: str, notice: Notice) -> None:
        """Write the line."""
        level = logging.ERROR if notice.severity.lower() in _BAD else logging.WARNING
        log.log(level, "alert %s.%s (%s): %s", notice.project, notice.alert, notice.severity, notice.reason)


NOTIFIERS.add("log", Console())
NOTIFIERS.add("console", Console())
