"""Alerts: definitions, evaluation over windows, and what they set off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Query, Result, Step
from mlbox.base.errors import Invalid, MlboxError, NotExecuted
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.names import check_name
from mlbox.engine.catalog import conditions
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import Dropping
from mlbox.engine.catalog.tables import alerts, monitors, projects
from mlbox.engine.catalog.tables.lineage import record_all
from mlbox.engine.monitor import actions, definitions, lineage
from mlbox.engine.monitor.actions import Actions, Raised
from mlbox.engine.monitor.alerts import episodes, names_of, new_raises, plain, reason_of
from mlbox.engine.monitor.commands import CreateAlert, DropAlert
from mlbox.engine.monitor.notifiers.base import notifier_for
from mlbox.engine.workflows.bodies import Bodies
from mlbox.engine.workflows.commands import AlterObject
from mlbox.engine.workflows.schedule import next_in_grid
from mlbox.engine.workflows.scheduler import Job

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

T = TypeVar("T")
_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an alert's condition gave over windows: rows for the catalog, facts and reasons of those where it held."""

    alert: alerts.AlertRow
    rows: list[alerts.EvaluationRow] = field(default_factory=list)
    facts: dict[datetime, Mapping[str, Any]] = field(default_factory=dict)
    reasons: dict[datetime, str] = field(default_factory=dict)
    error: MlboxError | None = None


class Alerts:
    """Answers CREATE, ALTER and DROP ALERT; evaluates the alerts on a monitor and those that are a query."""

    def __init__(self, catalog: Catalog, bus: Bus, bodies: Bodies) -> None:
        self._catalog = catalog
        self._bus = bus
        self._bodies = bodies
        self.actions = Actions(catalog, bus, bodies)

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers, but for ALTER."""
        dropping = Dropping(self._catalog, self._bus, "alert", alerts, "its activations stay")
        return (
            Handler(CreateAlert, self._plan_create, self._create),
            Handler(DropAlert, dropping.plan, dropping.drop),
        )

    # evaluation

    def evaluate(
        self, monitor: monitors.MonitorRow, windows: Sequence[tuple[datetime, datetime, Mapping[str, Any]]]
    ) -> list[Evaluation]:
        """The truth of every alert on ``monitor`` over windows (start, end, facts). Nothing is written."""
        with self._catalog.read() as cursor:
            rows = alerts.of_monitor(cursor, monitor.project, monitor.name)
        found: list[Evaluation] = []
        for row in rows:
            evaluation = Evaluation(row)
            try:
                condition = conditions.parse(Query(row.condition))
                for start, end, facts in windows:
                    truth = condition.evaluate(facts)
                    evaluation.rows.append(alerts.EvaluationRow(start, end, truth))
                    evaluation.facts[end] = plain(facts)
                    if truth:
                        evaluation.reasons[end] = reason_of(condition, facts)
            except MlboxError as error:  # one alert's mistake must not stop the monitor
                evaluation = Evaluation(row, error=error)
            found.append(evaluation)
        return found

    def write(self, cursor: DuckDBPyConnection, evaluation: Evaluation, at: datetime) -> list[Raised]:
        """Inside a transaction: keep the evaluation and the state that follows; what it raises."""
        row = evaluation.alert
        current = alerts.get(cursor, row.project, row.name)
        if current is None or current.created_at != row.created_at:
            return []  # dropped or replaced since
        history = alerts.put_evaluations(cursor, row, evaluation.rows)
        state, found = episodes(history, _span(row.for_seconds), _span(row.cooldown_seconds))
        starts = {entry.window_end: entry.window_start for entry in history}
        raised: list[Raised] = []
        for end in new_raises(found, alerts.activated(cursor, row)):
            if end not in evaluation.reasons:
                continue
            activation = alerts.ActivationRow(
                project=row.project,
                alert=row.name,
                id=new_id(),
                raised_at=at,
                window_start=starts[end],
                window_end=end,
                reason=evaluation.reasons[end],
                facts=evaluation.facts[end],
                actions=actions.describe(actions.from_json(row.actions)),
            )
            alerts.insert_activation(cursor, activation)
            raised.append(Raised(row, activation))
        alerts.set_state(cursor, row, state, len(raised), at)
        return raised

    def announce(self, evaluations: Iterable[Evaluation], raised: Iterable[Raised]) -> None:
        """After the transaction: tell the bus, and start the actions."""
        for evaluation in evaluations:
            if evaluation.error is not None:
                alert = evaluation.alert
                why = {"error": evaluation.error.message}
                self._bus.publish(Event("alert.failed", alert.project, alert.name, why))
        for entry in raised:
            activation = entry.activation
            data: dict[str, Any] = {
                "activation": activation.id,
                "reason": activation.reason,
                "severity": entry.alert.severity,
                "window_end": activation.window_end,
            }
            self._bus.publish(Event("alert.raised", entry.alert.project, entry.alert.name, data))
            self.actions.submit(entry)

    def jobs(self) -> list[Job]:
        """When the alerts that are a query are looked at."""
        with self._catalog.read() as cursor:
            rows = alerts.every(cursor)
        return [
            Job("alert", row.project, row.name, row.next_run, self._looking(row))
            for row in rows
            if row.on_kind is None and not row.suspended and row.next_run is not None
        ]

    def _looking(self, row: alerts.AlertRow) -> Callable[[], bool]:
        return lambda: self.look(row)

    def look(self, row: alerts.AlertRow) -> bool:
        """Evaluate an alert that is a query, unless that has been done or it has changed; whether it was evaluated."""
        moment = now()
        every = _span(row.every_seconds) or _EVERY

        def claim(cursor: DuckDBPyConnection) -> bool:
            current = alerts.get(cursor, row.project, row.name)
            if current is None or current.suspended or current.next_run != row.next_run:
                return False
            alerts.set_next_run(cursor, row.project, row.name, next_in_grid(current.created_at, every, moment))
            return True

        if not self._catalog.write(claim):
            return False
        evaluation = Evaluation(row)
        try:
            table = self._catalog.query(row.project, _as_query(Query(row.condition)))
            truth = table.column(0)[0].as_py() if table.num_rows else None
            evaluation.rows.append(alerts.EvaluationRow(moment - every, moment, truth))
            evaluation.reasons[moment] = " ".join(row.condition.split())
            evaluation.facts[moment] = {}
        except MlboxError as error:
            evaluation = Evaluation(row, error=error)
        raised = self._catalog.write(lambda cursor: self.write(cursor, evaluation, moment)) if evaluation.rows else []
        self.announce([evaluation], raised)
        return True

    # CREATE ALERT

    def _plan_create(self, command: CreateAlert, caller: Caller) -> Plan:
        ref = command.ref
        check_name(ref.name, "alert")
        existing = self._look(ref.project, lambda cursor: alerts.get(cursor, ref.project, ref.name))
        keeps = kept("alert", command, existing, "changes it")
        if keeps is not None:
            return keeps
        if not command.actions:
            raise Invalid("an alert needs an action", hint="THEN NOTIFY 'https://..' or THEN statement")
        for span, clause in ((command.for_, "FOR"), (command.cooldown, "COOLDOWN"), (command.every, "EVERY")):
            if span is not None and span <= timedelta(0):
                raise Invalid(f"{clause} must be longer than nothing")
        self._check_condition(command)
        for action in command.actions:
            for url in action.notify:
                notifier_for(url)
            if action.statement is not None:
                self._bodies.check(action.statement, ref.project)
                owner = Caller(caller.user, ref.project, "alert")
                self._bodies.foresee(action.statement, owner, actions.placeholders(command))
        steps = [Step("replace" if existing else "create", f"alert {ref}", f"when {command.when.text}")]
        steps += [Step("execute", "then", line) for line in actions.describe(command.actions)]
        return Plan(tuple(steps))

    def _check_condition(self, command: CreateAlert) -> None:
        ref = command.ref
        if command.on_kind is None or command.on is None:
            kinds = self._catalog.describe(ref.project, _as_query(command.when))
            if len(kinds) != 1:
                raise Invalid("the condition must be one value", where=command.when.where(0))
            return
        if command.on_kind != "monitor":
            raise NotExecuted(
                f"an alert ON {command.on_kind.upper()} is not executed by this version",
                hint="ON MONITOR works, and so does a condition without ON: WHEN EXISTS (SELECT .. FROM ml.runs ..)",
            )
        on = command.on
        monitor = self._look(on.project, lambda cursor: monitors.require(cursor, on.project, on.name))
        conditions.parse(command.when).check(names_of(monitor.metrics), "metric")

    def _create(self, command: CreateAlert, plan: Plan, caller: Caller) -> Result:
        ref = command.ref
        moment = now()
        row = alerts.AlertRow(
            project=ref.project,
            name=ref.name,
            on_kind=command.on_kind,
            on_project=command.on.project if command.on else None,
            on_name=command.on.name if command.on else None,
            condition=command.when.text,
            for_seconds=_seconds(command.for_),
            every_seconds=_seconds(command.every),
            cooldown_seconds=_seconds(command.cooldown),
            severity=command.severity.lower(),
            actions=actions.to_json(command.actions),
            state="ok",
            suspended=False,
            last_raised=None,
            activations=0,
            definition=definitions.of_alert(command),
            owner=caller.user,
            comment=command.comment,
            created_at=moment,
            next_run=moment if command.on_kind is None else None,
        )

        def write(cursor: Any) -> None:
            alerts.put(cursor, row)
            record_all(cursor, lineage.of_alert(command))

        self._catalog.write(write)
        self._bus.publish(Event("alert.created", ref.project, ref.name, {"on": row.on_name}))
        return Result(f"created alert {ref}")

    # ALTER ALERT

    def plan_alter(self, command: AlterObject, caller: Caller) -> Plan:
        """Check ALTER ALERT; change nothing."""
        definitions.only_suspend(command)
        ref = command.ref
        row = self._look(ref.project, lambda cursor: alerts.require(cursor, ref.project, ref.name))
        return Plan((Step("write", f"alert {ref}", command.action.lower()),), {"row": row})

    def alter(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        """Suspend or resume; windows computed in between are not looked at."""
        row: alerts.AlertRow = plan.resolved["row"]
        suspend = command.action.lower() == "suspend"
        upcoming = now() if row.on_kind is None and not suspend else None
        self._catalog.write(lambda cursor: alerts.set_suspended(cursor, row.project, row.name, suspend, upcoming))
        self._bus.publish(Event("alert.altered", row.project, row.name, {"action": command.action.lower()}))
        return Result(f"{'suspended' if suspend else 'resumed'} alert {command.ref}")

    def _look(self, project: str, read: Callable[[Any], T]) -> T:
        with self._catalog.read() as cursor:
            projects.require(cursor, project)
            return read(cursor)


def _as_query(condition: Query) -> Query:
    return condition.within("SELECT (", "\n)::BOOLEAN")


def _span(seconds: float | None) -> timedelta:
    return timedelta(seconds=seconds or 0)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
