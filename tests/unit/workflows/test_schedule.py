from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import wait_until

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.errors import AlreadyExists, Invalid, NotExecuted, NotFound, StatementError
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import schedules
from mlbox.engine.workflows.commands import AlterObject, CreateSchedule, DropSchedule
from mlbox.engine.workflows.schedule import next_fire, next_in_grid
from mlbox.engine.workflows.scheduler import Job, Scheduler

S = Ref("default", "hourly")


def create(body: str = "SELECT 1", **options: Any) -> CreateSchedule:
    if "cron" not in options:
        options.setdefault("every", timedelta(hours=1))
    return CreateSchedule(ref=options.pop("ref", S), body=Query(body), **options)


def row_of(house: Any) -> schedules.ScheduleRow:
    with house.catalog.read() as cursor:
        return schedules.require(cursor, "default", "hourly")


def put_back(house: Any, due: datetime) -> schedules.ScheduleRow:
    """Make the schedule due at ``due``, as if the server had been down since."""
    row = replace(row_of(house), next_run=due)
    house.catalog.write(lambda cursor: schedules.put(cursor, row))
    return row


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),
    st.timedeltas(timedelta(seconds=1), timedelta(days=40)),
    st.timedeltas(timedelta(0), timedelta(days=900)),
)
def test_intervals_form_a_grid(anchor: datetime, every: timedelta, passed: timedelta) -> None:
    after = anchor + passed
    due = next_in_grid(anchor, every, after)
    assert after < due <= after + every
    assert (due - anchor) % every == timedelta(0)


def test_cron_is_read_on_the_clocks_of_its_zone(house: Any) -> None:
    house.do(create(cron="30 2 * * *", timezone="Europe/Berlin"))
    row = row_of(house)
    winter = datetime(2026, 1, 10, tzinfo=UTC)
    assert next_fire(row, winter) == datetime(2026, 1, 10, 1, 30, tzinfo=UTC)
    summer = datetime(2026, 7, 10, tzinfo=UTC)
    assert next_fire(row, summer) == datetime(2026, 7, 10, 0, 30, tzinfo=UTC)
    skipped = datetime(2026, 3, 28, 12, tzinfo=UTC)  # 02:30 does not exist on 29 March 2026
    assert next_fire(row, skipped) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_create_checks_and_is_shown(house: Any) -> None:
    house.do(create(cron="0 * * * *"))
    row = house.catalog.row("SELECT * FROM catalog.ml.schedules")
    assert row["state"] == "active" and row["next_run"] > now() and row["cron"] == "0 * * * *"
    with pytest.raises(AlreadyExists):
        house.do(create())
    assert "exists already" in house.do(create(if_not_exists=True)).message
    for wrong in (
        create(cron="61 * * * *", replace=True),
        create(every=None, replace=True),
        create(cron="0 * * * *", every=timedelta(hours=1), replace=True),
        create(every=timedelta(0), replace=True),
        create(timezone="Europe/Berlni", replace=True),
    ):
        with pytest.raises(Invalid):
            house.do(wrong)
    with pytest.raises(StatementError):
        house.do(create("NONSENSE", replace=True))
    with pytest.raises(NotFound):
        house.do(create(ref=Ref("nowhere", "s")))


def test_it_fires_once_for_all_that_was_missed(house: Any) -> None:
    house.do(create("TRAIN 0.5"))
    missed = now() - timedelta(hours=5, minutes=1)
    row = put_back(house, missed)
    assert house.workflows.schedules.fire(row) is True
    assert house.workflows.schedules.fire(row) is False, "the same firing again"
    after = row_of(house)
    assert after.last_run is not None and after.next_run is not None and after.next_run > now()
    assert after.last_error is None
    assert len(house.done) == 1 and house.done[0][1].door == "scheduler"


def test_what_went_wrong_is_kept_until_it_works_again(house: Any) -> None:
    house.do(create("FAIL 1"))
    house.workflows.schedules.fire(row_of(house))
    assert row_of(house).last_error == "failure 1"
    house.workflows.schedules.fire(row_of(house))
    assert row_of(house).last_error is None


def test_suspend_resume_rename_drop(house: Any) -> None:
    house.do(create())
    house.do(AlterObject(kind="SCHEDULE", ref=S, action="suspend"))
    stale = replace(row_of(house), state="active")
    assert row_of(house).next_run is None and list(house.workflows.schedules.jobs()) == []
    assert house.workflows.schedules.fire(stale) is False
    house.do(AlterObject(kind="SCHEDULE", ref=S, action="resume"))
    assert [job.key for job in house.workflows.schedules.jobs()] == ["schedule:default.hourly"]
    house.do(AlterObject(kind="SCHEDULE", ref=S, action="rename", new_name="daily"))
    assert [job.name for job in house.workflows.schedules.jobs()] == ["daily"]
    with pytest.raises(NotExecuted):
        house.do(AlterObject(kind="SCHEDULE", ref=Ref("default", "daily"), action="set"))
    with pytest.raises(NotExecuted):
        house.do(AlterObject(kind="galaxy", ref=S, action="suspend"))
    with pytest.raises(NotFound):
        house.do(DropSchedule(ref=S))
    house.do(DropSchedule(ref=Ref("default", "DAILY")))
    assert list(house.workflows.schedules.jobs()) == []


def test_the_loop_runs_what_is_due_and_hears_of_changes(house: Any) -> None:
    scheduler = Scheduler([house.workflows.schedules], house.bus)
    house.do(create("TRAIN 0.5"))
    put_back(house, now() - timedelta(days=3))
    scheduler.start()
    try:
        wait_until(lambda: len(house.done) == 1)
        wait_until(lambda: "schedule:default.hourly" in scheduler.pending())
        assert scheduler.pending()["schedule:default.hourly"] == row_of(house).next_run
        house.do(create("TRAIN 0.7", every=timedelta(seconds=1), ref=Ref("default", "often")))
        wait_until(lambda: sum(command.auc == 0.7 for command, _ in house.done) >= 2)
        house.do(DropSchedule(ref=Ref("default", "often")))
        wait_until(lambda: "schedule:default.often" not in scheduler.pending())
    finally:
        scheduler.stop()


def test_a_provider_that_fails_does_not_stop_the_loop(house: Any) -> None:
    ran: list[str] = []

    def fail() -> None:
        ran.append("fail")
        raise ZeroDivisionError

    class Two:
        def jobs(self) -> list[Job]:
            jobs = [Job("x", "p", "bad", now(), fail), Job("x", "p", "good", now(), lambda: ran.append("good"))]
            return [
                job for job in jobs if job.name not in ("bad" if "fail" in ran else "", "good" if "good" in ran else "")
            ]

    scheduler = Scheduler([Two()], house.bus)
    scheduler.start()
    try:
        wait_until(lambda: {"fail", "good"} <= set(ran))
    finally:
        scheduler.stop()
