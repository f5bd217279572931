from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbox.base.command import Query
from mlbox.base.errors import StatementError
from mlbox.engine.catalog.conditions import parse
from mlbox.engine.catalog.tables.alerts import EvaluationRow
from mlbox.engine.monitor.alerts import episodes, facts_of, names_of, new_raises, plain, reason_of
from mlbox.engine.monitor.compute import Value, Window

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rows(*truths: bool | None) -> list[EvaluationRow]:
    return [EvaluationRow(START + i * HOUR, START + (i + 1) * HOUR, truth) for i, truth in enumerate(truths)]


def raised(*truths: bool | None, for_: int = 0, cooldown: int = 0) -> list[int]:
    """The windows, counted from 1, that raise the alert."""
    _, found = episodes(rows(*truths), for_ * HOUR, cooldown * HOUR)
    return [(episode.raised - START) // HOUR for episode in found if episode.raised]


@pytest.mark.parametrize(
    ("truths", "more", "expected"),
    [
        ((False, True, True, True, False), {}, [2]),
        ((True, False, True), {}, [1, 3]),
        ((True, None, True, False, True), {}, [1, 5]),
        ((None, None), {}, []),
        ((True, True, True, True), {"for_": 3}, [3]),
        ((True, True, False, True, True, True), {"for_": 3}, [6]),
        ((True, False, True, False, True), {"cooldown": 3}, [1, 5]),
        ((True, False, True, True, True, True), {"cooldown": 3}, [1, 4]),
    ],
)
def test_when_it_is_raised(truths: Any, more: Any, expected: list[int]) -> None:
    assert raised(*truths, **more) == expected


def test_the_state_is_that_of_the_last_known_window() -> None:
    assert episodes(rows(True, None))[0] == "raised"
    assert episodes(rows(True, False))[0] == "ok"
    assert episodes(rows(True), 2 * HOUR)[0] == "pending"
    assert episodes([])[0] == "ok"


truths = st.lists(st.sampled_from([True, False, None]), max_size=40)
hours = st.integers(0, 5)


@given(truths, hours, hours)
def test_an_episode_raises_once_and_only_after_its_time(found: list[bool | None], for_: int, cooldown: int) -> None:
    _, all_ = episodes(rows(*found), for_ * HOUR, cooldown * HOUR)
    ends = [episode.raised for episode in all_ if episode.raised]
    assert all(episode.raised - episode.start >= for_ * HOUR for episode in all_ if episode.raised)
    assert all(later - earlier >= cooldown * HOUR for earlier, later in zip(ends, ends[1:], strict=False))
    assert all(episode.start < episode.raised <= episode.end for episode in all_ if episode.raised)


@given(truths, hours, hours, st.integers(0, 40))
def test_looking_again_raises_nothing_new(found: list[bool | None], for_: int, cooldown: int, cut: int) -> None:
    """However the windows come in, in two parts or computed again, the same ones raise."""
    history = rows(*found)
    _, first = episodes(history[:cut], for_ * HOUR, cooldown * HOUR)
    known = new_raises(first, [])
    _, whole = episodes(history, for_ * HOUR, cooldown * HOUR)
    known += new_raises(whole, known)
    assert sorted(known) == new_raises(whole, [])
    assert new_raises(whole, known) == []


def test_a_late_label_raises_an_older_window_once() -> None:
    _, before = episodes(rows(None, False, True))
    known = new_raises(before, [])
    assert known == [START + 3 * HOUR]
    _, after = episodes(rows(True, False, True))
    assert new_raises(after, known) == [START + HOUR]


def facts() -> dict[str, Any]:
    values = [
        Value(START, "", "psi", "temp", 0.31, 900),
        Value(START, "", "psi", "wind", 0.05, 1000),
        Value(START, "country=DE", "psi", "temp", 9.0, 10),
        Value(START, "", "auc", "", 0.71, 300),
    ]
    window = Window(START, START + HOUR, 1000, labels=300)
    return facts_of(values, ["psi", "ks", "auc"], ["temp", "wind", "rain"], window)


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("psi > 0.3 AND n >= 1000", True),
        ("psi_mean < 0.2", True),
        ("psi.temp > 0.3 AND psi.wind < 0.1", True),
        ("psi.rain > 0.1", None),
        ("ks > 0.1", None),
        ("auc < 0.72 AND n_labels = 300", True),
        ("monitor.psi > 0.3 AND monitor.psi.wind < 0.1", True),
        ("psi > 1", False),
    ],
)
def test_what_a_condition_sees(text: str, truth: bool | None) -> None:
    assert parse(Query(text)).evaluate(facts()) is truth


def test_names_are_checked_beforehand() -> None:
    parse(Query("psi.whatever > 1 AND auc_mean < 1")).check(names_of(["psi", "auc"]), "metric")
    with pytest.raises(StatementError) as caught:
        parse(Query("ps1 > 1")).check(names_of(["psi", "auc"]), "metric")
    assert "psi" in (caught.value.hint or "")


def test_the_reason_names_the_feature() -> None:
    reason = reason_of(parse(Query("psi > 0.2\n AND n >= 1000")), facts())
    assert reason == "psi = 0.31 (temp), n = 1000: psi > 0.2 AND n >= 1000"


def test_kept_facts_are_plain() -> None:
    kept = plain(facts())
    assert kept["psi"] == {"max": 0.31, "features": {"temp": 0.31, "wind": 0.05}}
    assert kept["auc"] == 0.71 and kept["ks"] is None and "monitor" not in kept
