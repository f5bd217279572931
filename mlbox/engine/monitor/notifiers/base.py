"""What a notifier is: a way to tell somebody about an alert. A new one is one file in this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told."""

    project: str
    alert: str
    severity: str
    reason: str
    monitor: str | None
    window_start: datetime
    window_end: datetime
    raised_at: datetime
    facts: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; times in ISO 8601."""
        return {
            "project": self.project,
            "alert": self.alert,
            "severity": self.severity,
            "reason": self.reason,
            "monitor": self.monitor,
            "window_start": self.window_start.isoformat().replace("+00:00", "Z"),
            "window_end": self.window_end.isoformat().replace("+00:00", "Z"),
            "raised_at": self.raised_at.isoformat().replace("+00:00", "Z"),
            "facts": dict(self.facts),
        }


class Notifier(Protocol):
    """A notifier is registered under the scheme of its addresses (``https``, ``log``)."""

    def check(self, url: str) -> None:
        """Raise ``Invalid`` for an address that cannot work."""
        ...

    def send(self, url: str, notice: Notice) -> None:
        """Tell; raises ``Unavailable`` when another try may help, ``Invalid`` when not."""
        ...


NOTIFIERS: Registry[Notifier] = Registry("notifier", "mlbox.engine.monitor.notifiers")


def notifier_for(url: str) -> Notifier:
    """The notifier of an address, which it has checked; raises ``Invalid`` or ``NotFound``."""
    scheme, colon, _ = url.partition(":")
    if not colon or not scheme:
        raise Invalid(f"NOTIFY {url!r} has no scheme", hint="give an address as https://host/path or log:")
    if scheme.lower() not in NOTIFIERS:
        known = ", ".join(f"{name}:" for name in NOTIFIERS.names())
        raise NotFound(f"there is no notifier for {scheme}: ({url})", hint=f"known: {known}")
    notifier = NOTIFIERS.get(scheme.lower())
    notifier.check(url)
    return notifier
