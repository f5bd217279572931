"""Cron times, against the croniter package and by hand where summer time begins and ends."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from mlbox.base.cron import Cron
from mlbox.base.errors import Invalid

BERLIN = ZoneInfo("Europe/Berlin")

EXPRESSIONS = [
    "* * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "5,35 */3 * * *",
    "10-50/20 6-9 * * *",
    "0 0 1 * *",
    "0 0 31 * *",
    "0 12 29 2 *",
    "30 4 1,15 * fri",
    "0 0 13 * 5",
    "0 0 * * 0",
    "0 0 * * 7",
    "0 9 * * mon-fri",
    "0 9 * jan,jul wed",
    "59 23 31 12 *",
    "0 0 * * 5-7",
    "15 10 */10 * *",
    "@hourly",
    "@daily",
    "@weekly",
    "@monthly",
    "@yearly",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_next_times_are_croniters(text: str) -> None:
    cron = Cron.parse(text)
    generator = random.Random(text)
    for _ in range(12):
        after = datetime.fromtimestamp(generator.randrange(1_500_000_000, 2_100_000_000), UTC)
        expected = croniter(text, after)
        found = after
        for _ in range(4):
            found = cron.next(found)
            assert found == expected.get_next(datetime), (text, after)


def test_next_is_later_than_a_matching_instant() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert Cron.parse("@daily").next(at) == datetime(2026, 1, 2, tzinfo=UTC)
    assert Cron.parse("@daily").next(at.replace(second=1)) == datetime(2026, 1, 2, tzinfo=UTC)


def test_either_day_field_suffices_when_both_are_given() -> None:
    cron = Cron.parse("0 0 13 * fri")
    found = []
    at = datetime(2026, 1, 1, tzinfo=UTC)
    while len(found) < 5:
        at = cron.next(at)
        found.append(at.day)
    assert found == [2, 9, 13, 16, 23]


def test_zone_decides_the_hour() -> None:
    winter = Cron.parse("0 6 * * *").next(datetime(2026, 1, 10, 12, tzinfo=UTC), BERLIN)
    summer = Cron.parse("0 6 * * *").next(datetime(2026, 7, 10, 12, tzinfo=UTC), BERLIN)
    assert (winter, summer) == (datetime(2026, 1, 11, 5, tzinfo=UTC), datetime(2026, 7, 11, 4, tzinfo=UTC))


def test_a_time_that_spring_skips_fires_after_the_jump() -> None:
    # 2026-03-29 in Berlin goes from 02:00 to 03:00
    found = Cron.parse("30 2 * * *").next(datetime(2026, 3, 28, 12, tzinfo=UTC), BERLIN)
    assert found.astimezone(BERLIN).replace(tzinfo=None) == datetime(2026, 3, 29, 3, 30)


def test_a_time_that_autumn_repeats_fires_once() -> None:
    # 2026-10-25 in Berlin goes from 03:00 back to 02:00
    cron = Cron.parse("30 2 * * *")
    first = cron.next(datetime(2026, 10, 24, 12, tzinfo=UTC), BERLIN)
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert cron.next(first, BERLIN) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_every_hour_goes_on_through_autumn() -> None:
    cron = Cron.parse("0 * * * *")
    at = datetime(2026, 10, 24, 22, tzinfo=UTC)
    hours = []
    for _ in range(6):
        at = cron.next(at, BERLIN)
        hours.append((at.day, at.hour))
    assert hours == [(24, 23), (25, 0), (25, 1), (25, 2), (25, 3), (25, 4)]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("0 * *", "5 fields", "minute hour"),
        ("0 0 * * * *", "has 6", "minute hour"),
        ("60 * * * *", "'60' is not a valid minute", "0 to 59"),
        ("* 24 * * *", "not a valid hour", "0 to 23"),
        ("0 0 0 * *", "not a valid day of month", "1 to 31"),
        ("0 0 * foo *", "not a valid month", "jan"),
        ("0 0 * * fry", "not a valid day of week", "fri"),
        ("*/0 * * * *", "'*/0'", "step"),
        ("*/x * * * *", "'*/x'", "step"),
        ("9-5 * * * *", "'9-5'", "smaller"),
        ("0 0 30 2 *", "never comes", "month"),
        ("0 0 31 4,6,9,11 *", "never comes", "month"),
        ("@dayly", "@dayly", "@daily"),
        ("", "has 0", "minute hour"),
        ("1,,2 * * * *", "''", "allowed"),
    ],
)
def test_refusals_say_what_is_wrong(text: str, message: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        Cron.parse(text)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
