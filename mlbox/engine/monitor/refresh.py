"""Bringing a monitor up to date: which windows are computed, against what, and what follows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import as_utc, now
from mlbox.base.errors import NotFound
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import drift, monitors
from mlbox.engine.monitor import baseline, watch
from mlbox.engine.monitor.actions import Raised
from mlbox.engine.monitor.alert_service import Alerts
from mlbox.engine.monitor.alerts import facts_of, plain
from mlbox.engine.monitor.baseline import Profile
from mlbox.engine.monitor.compute import Value, Window, compute, find_windows

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Computed:
    """A window with its values and what a condition sees of it."""

    window: Window
    values: list[Value]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh has done; ``notes`` say what could not be computed."""

    computed: list[Computed]
    raised: list[Raised]
    notes: list[str] = field(default_factory=list)


class Refresher:
    """Computes windows; one refresh of a monitor at a time."""

    def __init__(self, catalog: Catalog, bus: Bus, alerts: Alerts, flush: Callable[[], None] | None) -> None:
        self._catalog = catalog
        self._bus = bus
        self._alerts = alerts
        self._flush = flush
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._guard = threading.Lock()

    def refresh(self, row: monitors.MonitorRow, start: datetime | None, end: datetime | None, full: bool) -> Refreshed:
        """Compute the windows that are complete at ``end`` (default: now) and are new or have changed.

        A window has changed when it has more rows, or more known labels, than when it was computed. ``start`` and
        ``full`` compute all complete windows, since ``start`` or ever.
        """
        with self._guard:
            lock = self._locks.setdefault((row.project, row.name), threading.Lock())
        with lock:
            return self._refresh(row, start, end, full)

    def _refresh(self, row: monitors.MonitorRow, start: datetime | None, end: datetime | None, full: bool) -> Refreshed:
        if self._flush is not None:
            self._flush()
        evaluated_at = as_utc(end) if end is not None else now()
        watched = watch.read(self._catalog, row)
        since = watched.windows.from_start(as_utc(start)) if start is not None else _BEGINNING
        until = watched.windows.complete_until(evaluated_at)
        found = find_windows(self._catalog, watched, since, until, evaluated_at)
        if not (full or start is not None):
            with self._catalog.read() as cursor:
                known = monitors.windows(cursor, row.project, row.name)
            found = [window for window in found if _has_changed(window, known.get(window.start))]
        notes: list[str] = []
        computed = self._compute(row, watched, found, evaluated_at, notes)
        raised = self._keep(row, computed, notes)
        return Refreshed(computed, raised, notes)

    def _compute(
        self,
        row: monitors.MonitorRow,
        watched: watch.Watch,
        windows: Sequence[Window],
        evaluated_at: datetime,
        notes: list[str],
    ) -> list[Computed]:
        """Windows of one baseline are computed together."""
        groups: dict[tuple[str | None, int | None], list[Window]] = {}
        for window in windows:
            key = (window.model, window.version) if row.baseline is None else (None, None)
            groups.setdefault(key, []).append(window)
        computed: list[Computed] = []
        metrics = [name for name, _ in watched.metrics]
        for (model, version), members in groups.items():
            profile = self._profile(row, model, version, notes)
            values: dict[datetime, list[Value]] = {window.start: [] for window in members}
            for value in compute(self._catalog, watched, members, profile, evaluated_at):
                values[value.start].append(value)
            features = [feature.name for feature in profile.features]
            computed += [
                Computed(window, values[window.start], facts_of(values[window.start], metrics, features, window))
                for window in members
            ]
        return sorted(computed, key=lambda entry: entry.window.start)

    def _profile(self, row: monitors.MonitorRow, model: str | None, version: int | None, notes: list[str]) -> Profile:
        """The frozen baseline, else the statistics of the model version that made most predictions of the window."""
        if row.baseline is not None:
            return Profile.from_json(row.baseline)
        if model is None or version is None:
            return Profile("nothing")
        project, dot, name = model.rpartition(".")
        try:
            profile = baseline.of_model(self._catalog, Ref(project if dot else row.target_project, name, str(version)))
        except NotFound:
            profile = Profile("nothing")
        if not profile.features:
            notes.append(f"model {model}@{version} has no feature statistics to compare with")
        return profile

    def _keep(self, row: monitors.MonitorRow, computed: Sequence[Computed], notes: list[str]) -> list[Raised]:
        """Write values, windows and what alerts make of them in one transaction; then tell."""
        if not computed:
            return []
        moment = now()
        rows = [_drift_row(row, entry.window, value, moment) for entry in computed for value in entry.values]
        windows = [
            monitors.WindowRow(entry.window.start, entry.window.end, entry.window.n, entry.window.labels)
            for entry in computed
        ]
        seen = [(entry.window.start, entry.window.end, entry.facts) for entry in computed]
        evaluations = self._alerts.evaluate(row, seen)
        notes += [f"alert {entry.alert.name}: {entry.error.message}" for entry in evaluations if entry.error]

        def write(cursor: Any) -> list[Raised]:
            current = monitors.get(cursor, row.project, row.name)
            if current is None or current.created_at != row.created_at:
                raise NotFound(f"monitor {row.project}.{row.name} was dropped or replaced while it was computed")
            drift.replace(cursor, row.project, row.name, [window.window_start for window in windows], rows)
            monitors.put_windows(cursor, row.project, row.name, windows, moment)
            return [raised for entry in evaluations for raised in self._alerts.write(cursor, entry, moment)]

        raised = self._catalog.write(write)
        for entry in computed:
            data = {
                "window_start": entry.window.start,
                "window_end": entry.window.end,
                "values": plain(entry.facts),
            }
            self._bus.publish(Event("monitor.window", row.project, row.name, data))
        self._alerts.announce(evaluations, raised)
        return raised


def _has_changed(window: Window, known: monitors.WindowRow | None) -> bool:
    return known is None or window.n > known.n or window.labels > known.labels


def _drift_row(row: monitors.MonitorRow, window: Window, value: Value, at: datetime) -> drift.DriftRow:
    return drift.DriftRow(
        project=row.project,
        monitor=row.name,
        target=row.target,
        window_start=window.start,
        window_end=window.end,
        segment=value.segment,
        metric=value.metric,
        feature=value.feature,
        value=value.value,
        n=value.n,
        computed_at=at,
    )
