"""Schedules: statements by the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Query, Result, Step
from mlbox.base.cron import Cron
from mlbox.base.errors import AlreadyExists, Invalid, MlboxError, NotExecuted
from mlbox.base.events import Bus, Event
from mlbox.base.names import check_name
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import Dropping
from mlbox.engine.catalog.tables import projects, schedules
from mlbox.engine.workflows.bodies import Bodies
from mlbox.engine.workflows.commands import AlterObject, CreateSchedule, DropSchedule
from mlbox.engine.workflows.scheduler import Job

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from mlbox.engine.catalog.database import Catalog

T = TypeVar("T")


def zone(name: str) -> ZoneInfo:
    """The time zone of that name; raises ``Invalid``."""
    from zoneinfo import ZoneInfo, available_timezones

    from mlbox.base.suggest import did_you_mean

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones()) or "use a name as Europe/Berlin or UTC"
        raise Invalid(f"there is no time zone {name!r}", hint=hint) from None


def next_in_grid(anchor: datetime, every: timedelta, after: datetime) -> datetime:
    """The first of ``anchor + k × every`` (k = 1, 2, ..) that is later than ``after``."""
    passed = max(0, (after - anchor) // every)
    return anchor + (passed + 1) * every


def next_fire(row: schedules.ScheduleRow, after: datetime) -> datetime:
    """When a schedule fires next after ``after``, in UTC.

    An interval counts real time from the schedule's creation, so a change to summer time does not move it. A cron
    expression is read on the clocks of the schedule's time zone: a time that the change skips fires when the clocks
    have jumped, one that comes twice fires the first time. What was missed while the server was down is made up for
    once, not once a time.
    """
    if row.every_seconds is not None:
        return next_in_grid(row.created_at, timedelta(seconds=row.every_seconds), after)
    return Cron.parse(row.cron or "").next(after, zone(row.timezone))


class Schedules:
    """Answers CREATE, ALTER and DROP SCHEDULE, and says to the scheduler what is due when."""

    def __init__(self, catalog: Catalog, bus: Bus, bodies: Bodies) -> None:
        self._catalog = catalog
        self._bus = bus
        self._bodies = bodies

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers, but for ALTER."""
        dropping = Dropping(self._catalog, self._bus, "schedule", schedules)
        return (
            Handler(CreateSchedule, self._plan_create, self._create),
            Handler(DropSchedule, dropping.plan, dropping.drop),
        )

    def jobs(self) -> list[Job]:
        """What the active schedules have to do, and when."""
        with self._catalog.read() as cursor:
            rows = schedules.every(cursor)
        return [
            Job("schedule", row.project, row.name, row.next_run, self._firing(row))
            for row in rows
            if row.state == "active" and row.next_run is not None
        ]

    def _firing(self, row: schedules.ScheduleRow) -> Callable[[], bool]:
        return lambda: self.fire(row)

    def fire(self, row: schedules.ScheduleRow) -> bool:
        """Run the statement of ``row`` now, unless that firing has been done or the schedule has changed since."""
        moment = now()

        def claim(cursor: Any) -> bool:
            current = schedules.get(cursor, row.project, row.name)
            if current is None or current.state != "active" or current.next_run != row.next_run:
                return False
            schedules.set_fired(cursor, row.project, row.name, moment, next_fire(current, moment))
            return True

        if not self._catalog.write(claim):
            return False
        error: str | None = None
        try:
            caller = Caller(row.owner, row.project, "scheduler")
            self._bodies.run(Query(row.statement), caller, {"scheduled_at": row.next_run})
        except MlboxError as failure:
            error = failure.with_hint
        self._catalog.write(lambda cursor: schedules.set_error(cursor, row.project, row.name, error))
        self._bus.publish(Event("schedule.fired", row.project, row.name, {"error": error}))
        return True

    # CREATE SCHEDULE

    def _plan_create(self, command: CreateSchedule, caller: Caller) -> Plan:
        ref = command.ref
        check_name(ref.name, "schedule")
        existing = self._look(ref.project, lambda cursor: schedules.get(cursor, ref.project, ref.name))
        keeps = kept("schedule", command, existing, "changes it")
        if keeps is not None:
            return keeps
        if (command.cron is None) == (command.every is None):
            raise Invalid("a schedule needs either CRON or EVERY", hint="CRON '0 * * * *' or EVERY INTERVAL '1 hour'")
        if command.every is not None and command.every < timedelta(seconds=1):
            raise Invalid("EVERY must be 1 second or longer")
        self._bodies.check(command.body, ref.project)
        moment = now()
        owner = Caller(caller.user, ref.project, "scheduler")
        self._bodies.foresee(command.body, owner, {"scheduled_at": moment})
        row = schedules.ScheduleRow(
            project=ref.project,
            name=ref.name,
            cron=command.cron,
            every_seconds=None if command.every is None else command.every.total_seconds(),
            timezone=zone(command.timezone).key,
            statement=command.body.text,
            state="active",
            owner=caller.user,
            comment=command.comment,
            created_at=moment,
        )
        first = next_fire(row, moment)
        step = Step("replace" if existing else "create", f"schedule {ref}", f"first at {first:%Y-%m-%d %H:%M:%S} UTC")
        return Plan((step, Step("execute", "statement", row.statement)), {"row": replace(row, next_run=first)})

    def _create(self, command: CreateSchedule, plan: Plan, caller: Caller) -> Result:
        row: schedules.ScheduleRow = plan.resolved["row"]
        self._catalog.write(lambda cursor: schedules.put(cursor, row))
        self._bus.publish(Event("schedule.created", row.project, row.name, {"next_run": row.next_run}))
        message = f"created schedule {command.ref}: next at {row.next_run:%Y-%m-%d %H:%M:%S} UTC"
        return Result(message, facts={"next_run": row.next_run})

    # ALTER SCHEDULE

    def plan_alter(self, command: AlterObject, caller: Caller) -> Plan:
        """Check ALTER SCHEDULE; change nothing."""
        ref, action = command.ref, command.action.lower()
        if action not in ("suspend", "resume", "rename"):
            raise NotExecuted(
                f"ALTER SCHEDULE {action.upper()} is not executed by this version",
                hint="SUSPEND, RESUME and RENAME TO are; CREATE OR REPLACE SCHEDULE changes the rest",
            )
        row = self._look(ref.project, lambda cursor: schedules.require(cursor, ref.project, ref.name))
        if action == "rename":
            new_name = check_name(command.new_name or "", "schedule")
            taken = self._look(ref.project, lambda cursor: schedules.get(cursor, ref.project, new_name))
            if taken and taken.name != row.name:
                raise AlreadyExists(f"there is a schedule {ref.project}.{new_name} already")
        return Plan((Step("write", f"schedule {ref}", action),), {"row": row})

    def alter(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        """Suspend, resume or rename; a resumed schedule starts from now."""
        row: schedules.ScheduleRow = plan.resolved["row"]
        action = command.action.lower()
        if action == "rename":
            name = command.new_name or ""
            self._catalog.write(lambda cursor: schedules.rename(cursor, row.project, row.name, name))
        else:
            state = "suspended" if action == "suspend" else "active"
            upcoming = next_fire(row, now()) if state == "active" else None
            self._catalog.write(lambda cursor: schedules.set_state(cursor, row.project, row.name, state, upcoming))
        self._bus.publish(Event("schedule.altered", row.project, row.name, {"action": action}))
        done = {"suspend": "suspended", "resume": "resumed", "rename": f"renamed to {command.new_name}:"}[action]
        return Result(f"{done} schedule {command.ref}")

    def _look(self, project: str, read: Callable[[Any], T]) -> T:
        with self._catalog.read() as cursor:
            projects.require(cursor, project)
            return read(cursor)
