"""Commands on monitors and alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from mlbox.base.command import Command, Query
from mlbox.base.names import Ref


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric by its registered name, with options (``psi (bins = 20)``)."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CreateMonitor(Command):
    """Compare what comes in with a baseline, window by window.

    Without a baseline, an endpoint's or model's is the feature statistics of the model version.
    ``labels`` gives the columns ``id`` (the request id), ``label`` and ``known_at``.
    """

    statement: ClassVar[str] = "CREATE MONITOR"
    ref: Ref
    target_kind: Literal["endpoint", "model", "feature set", "table"]
    target: Ref
    baseline_run: str | None = None
    baseline: Query | None = None
    metrics: tuple[MetricSpec, ...] = ()
    window: timedelta = timedelta(days=1)
    every: timedelta | None = None
    segment_by: tuple[str, ...] = ()
    labels: Query | None = None
    replace: bool = False
    if_not_exists: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class RefreshMonitor(Command):
    """Compute the windows between ``start`` and ``end`` (event time) now; complete windows only."""

    statement: ClassVar[str] = "REFRESH MONITOR"
    ref: Ref
    full: bool = False
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DropMonitor(Command):
    """Its results stay until the project goes."""

    statement: ClassVar[str] = "DROP MONITOR"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """``THEN NOTIFY 'url', ..`` or ``THEN statement``."""

    notify: tuple[str, ...] = ()
    statement: Query | None = None


@dataclass(frozen=True, kw_only=True)
class CreateAlert(Command):
    """``when`` sees the metrics of what the alert is on; without ON it is a SQL condition evaluated ``every``."""

    statement: ClassVar[str] = "CREATE ALERT"
    ref: Ref
    when: Query
    actions: tuple[Action, ...]
    on_kind: Literal["monitor", "run", "endpoint", "feature set"] | None = None
    on: Ref | None = None
    for_: timedelta | None = None
    every: timedelta | None = None
    cooldown: timedelta | None = None
    severity: str = "warning"
    replace: bool = False
    if_not_exists: bool = False
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class DropAlert(Command):
    """Its activations stay."""

    statement: ClassVar[str] = "DROP ALERT"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False
