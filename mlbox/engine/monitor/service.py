"""Monitors: definitions, refreshing, and what the clock has to do for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.clock import now
from mlbox.base.command import Caller, Dispatcher, Handler, Parser, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Conflict, Invalid
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref, check_name
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import alerts, dropped, endpoints, monitors, projects
from mlbox.engine.catalog.tables.lineage import record_all
from mlbox.engine.monitor import baseline, definitions, draft, labels, lineage, watch
from mlbox.engine.monitor.alert_service import Alerts
from mlbox.engine.monitor.alerts import plain
from mlbox.engine.monitor.baseline import Profile
from mlbox.engine.monitor.commands import CreateMonitor, DropMonitor, RefreshMonitor
from mlbox.engine.monitor.metrics import base as metrics
from mlbox.engine.monitor.refresh import Refreshed, Refresher
from mlbox.engine.workflows.alterations import Alterations
from mlbox.engine.workflows.bodies import Bodies
from mlbox.engine.workflows.commands import AlterObject
from mlbox.engine.workflows.schedule import next_in_grid
from mlbox.engine.workflows.scheduler import Job

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.catalog.database import Catalog

T = TypeVar("T")


class Monitors:
    """Answers CREATE, REFRESH, ALTER and DROP MONITOR, and those of alerts.

    ``flush`` is called before windows are computed: it writes the predictions that still wait in memory.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        bus: Bus,
        dispatcher: Dispatcher,
        parser: Parser,
        flush: Callable[[], None] | None = None,
    ) -> None:
        self._catalog = catalog
        self._bus = bus
        self.alerts = Alerts(catalog, bus, Bodies(parser, dispatcher))
        self._refresher = Refresher(catalog, bus, self.alerts, flush)

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers, those of alerts among them; ALTER comes by :meth:`add_to`."""
        return (
            Handler(CreateMonitor, self._plan_create, self._create),
            Handler(RefreshMonitor, self._plan_refresh, self._refresh),
            Handler(DropMonitor, self._plan_drop, self._drop),
            *self.alerts.handlers(),
        )

    def add_to(self, alterations: Alterations) -> None:
        """Answer ALTER MONITOR and ALTER ALERT."""
        alterations.add("monitor", self)
        alterations.add("alert", self.alerts)

    def jobs(self) -> list[Job]:
        """What monitors and alerts with EVERY have to do, and when."""
        with self._catalog.read() as cursor:
            rows = monitors.every(cursor)
        mine = [
            Job("monitor", row.project, row.name, row.next_run, self._firing(row))
            for row in rows
            if row.state == "active" and row.next_run is not None
        ]
        return mine + self.alerts.jobs()

    def due(self, moment: datetime) -> list[Job]:
        """The jobs whose time has come at ``moment``."""
        return [job for job in self.jobs() if job.due <= moment]

    def recover(self) -> int:
        """Mark alerts' actions that a stopped server left undone; how many activations that were."""
        return self._catalog.write(alerts.interrupt)

    def wait_actions(self, timeout: float | None = None) -> bool:
        """Wait for what alerts have set off; whether all of it ended within ``timeout`` seconds."""
        return self.alerts.actions.wait(timeout)

    def shutdown(self, timeout: float = 5.0) -> None:
        """Set nothing more off."""
        self.alerts.actions.shutdown(timeout)

    def _firing(self, row: monitors.MonitorRow) -> Callable[[], bool]:
        return lambda: self._fire(row)

    def _fire(self, row: monitors.MonitorRow) -> bool:
        moment = now()

        def claim(cursor: Any) -> bool:
            current = monitors.get(cursor, row.project, row.name)
            if current is None or current.state != "active" or current.next_run != row.next_run:
                return False
            every = timedelta(seconds=current.every_seconds or 0)
            upcoming = next_in_grid(current.created_at, every, moment)
            monitors.set_state(cursor, row.project, row.name, "active", upcoming)
            return True

        if not self._catalog.write(claim):
            return False
        self._refresher.refresh(row, None, None, False)
        return True

    # CREATE MONITOR

    def _plan_create(self, command: CreateMonitor, caller: Caller) -> Plan:
        ref = command.ref
        check_name(ref.name, "monitor")
        existing = self._look(ref.project, lambda cursor: monitors.get(cursor, ref.project, ref.name))
        keeps = kept("monitor", command, existing, "changes it")
        if keeps is not None:
            return keeps
        chosen = draft.choose_metrics(command)
        draft.check_settings(command, chosen)
        row = draft.row_of(command, chosen, caller.user)
        watch.read(self._catalog, row)  # finds what is watched, and its columns
        if command.labels is not None:
            labels.check(self._catalog, ref.project, command.labels)
        profile = self._frozen(command, chosen)
        steps = [
            Step("replace" if existing else "create", f"monitor {ref}", f"on {command.target_kind} {command.target}"),
            Step("read", "baseline", profile.source if profile else "feature statistics of the model version in use"),
            *(Step("write", "metric", name) for name in chosen),
        ]
        return Plan(tuple(steps), {"row": row, "profile": profile})

    def _frozen(self, command: CreateMonitor, chosen: draft.Chosen) -> Profile | None:
        """The baseline, when it does not follow the model in use; raises when there is none and one is needed."""
        project = command.ref.project
        if command.baseline is not None:
            return baseline.of_query(self._catalog, project, command.baseline)
        if command.baseline_run is not None:
            return baseline.of_run(self._catalog, project, command.baseline_run)
        if not any(metrics.METRICS.get(name).capabilities.needs == "histogram" for name in chosen):
            return Profile("none is needed") if command.target_kind in ("table", "feature set") else None
        if command.target_kind == "table":
            raise Invalid("a monitor on a table needs a baseline", hint="BASELINE (SELECT ..) or BASELINE RUN 'id'")
        if command.target_kind == "feature set":
            return baseline.of_feature_set(self._catalog, command.target)
        for ref in self._models(command):
            if not baseline.of_model(self._catalog, ref).features:
                raise Conflict(
                    f"model {ref} has no feature statistics to compare with",
                    hint="log the model with its training set: ctx.log_model(name, model, training_set=frame), "
                    "or give BASELINE (SELECT ..)",
                )
        return None

    def _models(self, command: CreateMonitor) -> list[Ref]:
        if command.target_kind == "model":
            return [command.target]
        with self._catalog.read() as cursor:
            row = endpoints.get(cursor, command.target.project, command.target.name)
        return [Ref(share.project, share.name, share.version) for share in row.shares] if row else []

    def _create(self, command: CreateMonitor, plan: Plan, caller: Caller) -> Result:
        ref = command.ref
        row: monitors.MonitorRow = plan.resolved["row"]
        profile: Profile | None = plan.resolved["profile"]
        if profile is not None:
            row = draft.with_baseline(row, profile)
        edges = lineage.of_monitor(self._catalog, command)

        def write(cursor: Any) -> None:
            monitors.put(cursor, row)
            record_all(cursor, edges)

        self._catalog.write(write)
        self._bus.publish(Event("monitor.created", ref.project, ref.name, {"target": row.target}))
        return Result(f"created monitor {ref} on {row.target_kind} {row.target}: {', '.join(row.metrics)}")

    # REFRESH MONITOR

    def _plan_refresh(self, command: RefreshMonitor, caller: Caller) -> Plan:
        ref = command.ref
        row = self._look(ref.project, lambda cursor: monitors.require(cursor, ref.project, ref.name))
        if command.start is not None and command.end is not None and command.start >= command.end:
            raise Invalid("FROM must be earlier than TO")
        watch.read(self._catalog, row)
        detail = "all windows" if command.full else "new and changed windows"
        return Plan((Step("write", f"monitor {ref}", detail),), {"row": row})

    def _refresh(self, command: RefreshMonitor, plan: Plan, caller: Caller) -> Result:
        row: monitors.MonitorRow = plan.resolved["row"]
        done = self._refresher.refresh(row, command.start, command.end, command.full)
        values = sum(len(entry.values) for entry in done.computed)
        message = (
            f"refreshed monitor {command.ref}: {counted(len(done.computed), 'window')}, {counted(values, 'value')}"
        )
        if done.raised:
            message += "; raised " + ", ".join(entry.alert.name for entry in done.raised)
        if done.notes:
            message += "; " + "; ".join(dict.fromkeys(done.notes))
        facts: dict[str, Any] = {"windows": len(done.computed), "alerts": [entry.alert.name for entry in done.raised]}
        if done.computed:
            last = plain(done.computed[-1].facts)
            facts |= {name: value["max"] if isinstance(value, dict) else value for name, value in last.items()}
        return Result(message, _table(row, done), facts)

    # DROP and ALTER MONITOR

    def _plan_drop(self, command: DropMonitor, caller: Caller) -> Plan:
        ref = command.ref
        if self._look(ref.project, lambda cursor: monitors.get(cursor, ref.project, ref.name)) is None:
            if command.if_exists:
                return missing(f"monitor {ref}")
            self._look(ref.project, lambda cursor: monitors.require(cursor, ref.project, ref.name))
        with self._catalog.read() as cursor:
            on = alerts.on(cursor, ref.project, ref.name)
        if on and not command.cascade:
            names = ", ".join(f"{row.project}.{row.name}" for row in on)
            raise Conflict(f"monitor {ref} has alerts: {names}", hint=f"DROP MONITOR {ref.name} CASCADE drops them too")
        steps = [Step("drop", f"monitor {ref}", "its results stay")]
        steps += [Step("drop", f"alert {row.project}.{row.name}") for row in on]
        return Plan(tuple(steps), {"alerts": on})

    def _drop(self, command: DropMonitor, plan: Plan, caller: Caller) -> Result:
        ref = command.ref

        def delete(cursor: Any) -> None:
            for row in plan.resolved["alerts"]:
                dropped.bury_named(cursor, "alert", row.project, row.name, caller.user)
                alerts.delete(cursor, row.project, row.name)
            dropped.bury_named(cursor, "monitor", ref.project, ref.name, caller.user)
            monitors.delete(cursor, ref.project, ref.name)

        self._catalog.write(delete)
        self._bus.publish(Event("monitor.dropped", ref.project, ref.name, {}))
        return Result(f"dropped monitor {ref}")

    def plan_alter(self, command: AlterObject, caller: Caller) -> Plan:
        """Check ALTER MONITOR; change nothing."""
        definitions.only_suspend(command)
        ref = command.ref
        row = self._look(ref.project, lambda cursor: monitors.require(cursor, ref.project, ref.name))
        return Plan((Step("write", f"monitor {ref}", command.action.lower()),), {"row": row})

    def alter(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        """Suspend or resume its clock; REFRESH works all the same."""
        row: monitors.MonitorRow = plan.resolved["row"]
        suspend = command.action.lower() == "suspend"
        upcoming = None if suspend or row.every_seconds is None else now() + timedelta(seconds=row.every_seconds)
        state = "suspended" if suspend else "active"
        self._catalog.write(lambda cursor: monitors.set_state(cursor, row.project, row.name, state, upcoming))
        self._bus.publish(Event("monitor.altered", row.project, row.name, {"action": command.action.lower()}))
        return Result(f"{'suspended' if suspend else 'resumed'} monitor {command.ref}")

    def _look(self, project: str, read: Callable[[Any], T]) -> T:
        with self._catalog.read() as cursor:
            projects.require(cursor, project)
            return read(cursor)


def _table(row: monitors.MonitorRow, done: Refreshed) -> pyarrow.Table:
    """One row a window: what was computed, and which alerts it raised."""
    import pyarrow

    time = pyarrow.timestamp("us", "UTC")
    windows = [entry.window for entry in done.computed]
    raised: dict[datetime, list[str]] = {}
    for entry in done.raised:
        raised.setdefault(entry.activation.window_end, []).append(f"{entry.alert.name}: {entry.activation.reason}")
    columns = {
        "window_start": pyarrow.array([window.start for window in windows], time),
        "window_end": pyarrow.array([window.end for window in windows], time),
        "n": pyarrow.array([window.n for window in windows], pyarrow.int64()),
        "n_labels": pyarrow.array([window.labels for window in windows], pyarrow.int64()),
    }
    for name in row.metrics:
        values = [entry.facts[name][""] for entry in done.computed]
        columns.setdefault(name, pyarrow.array(values, pyarrow.float64()))
    columns["raised"] = pyarrow.array(
        ["; ".join(raised.get(window.end, [])) or None for window in windows], pyarrow.string()
    )
    return pyarrow.table(columns)
