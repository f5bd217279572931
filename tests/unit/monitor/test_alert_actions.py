"""Alerts and what they set off."""

from __future__ import annotations

from typing import Any

import pytest

from mlbox.base.errors import Conflict, Invalid, NotExecuted, NotFound, StatementError

WAIT = 30


@pytest.fixture
def drifting(served: Any) -> Any:
    """Days 2, 3, 4 and 6 drift; a monitor d watches."""
    for day in range(8):
        served.predict(day, mean=1.5 if day in (2, 3, 4, 6) else 0)
    served.sql("CREATE MONITOR d ON ENDPOINT e WINDOW 1 DAY")
    served.sql("CREATE TABLE calls (alert VARCHAR, until TIMESTAMPTZ)")
    return served


def activations(house: Any) -> list[int]:
    """Days in whose windows the alert was raised."""
    rows = house.rows("SELECT window_end FROM catalog.ml.alert_activations ORDER BY window_end")
    return [row["window_end"].day - 2 for row in rows]


def test_raised_once_in_an_episode_and_its_statement_runs(drifting: Any) -> None:
    drifting.sql(
        "CREATE ALERT a ON MONITOR d WHEN psi > 0.5 AND n >= 400 THEN INSERT INTO calls VALUES ($alert, $window_end)"
    )
    result = drifting.sql("REFRESH MONITOR d TO '2013-07-09'")
    assert result.facts["alerts"] == ["a", "a"] and "raised a" in result.message
    assert result.table.column("raised").null_count == 6
    assert activations(drifting) == [2, 6]
    assert drifting.monitors.wait_actions(WAIT)
    calls = drifting.rows("SELECT alert, day(until) AS d FROM data.default.calls ORDER BY until")
    assert calls == [{"alert": "a", "d": 4}, {"alert": "a", "d": 8}]
    row = drifting.rows("SELECT * FROM catalog.ml.alert_activations ORDER BY window_end")[0]
    assert row["reason"].startswith("psi = ") and "(x), n = 400: psi > 0.5" in row["reason"]
    assert row["facts"]["n"] == 400 and row["outcome"] is not None and "error" not in row["outcome"]
    alert = drifting.one("SELECT * FROM catalog.ml.alerts")
    assert (alert["state"], alert["activations"]) == ("ok", 2) and alert["last_raised"] is not None
    doors = drifting.rows("SELECT door FROM catalog.ml.audit WHERE door = 'alert'")
    assert len(doors) in (0, 2)  # plain SQL is audited only when it writes
    assert [event.kind for event in drifting.events if event.kind.startswith("alert.")].count("alert.raised") == 2


def test_step_by_step_is_the_same_as_at_once(drifting: Any) -> None:
    drifting.sql("CREATE ALERT a ON MONITOR d WHEN psi > 0.5 THEN NOTIFY 'log:'")
    states = []
    for day in range(2, 10):
        drifting.sql(f"REFRESH MONITOR d TO '2013-07-0{day}'")
        states.append(drifting.one("SELECT state FROM catalog.ml.alerts")["state"])
    assert states == ["ok", "ok", "raised", "raised", "raised", "ok", "raised", "ok"]
    drifting.sql("REFRESH MONITOR d FULL TO '2013-07-09'")
    assert activations(drifting) == [2, 6]


def test_for_and_cooldown(drifting: Any) -> None:
    drifting.sql("CREATE ALERT long ON MONITOR d WHEN psi > 0.5 FOR 2 DAYS THEN NOTIFY 'log:'")
    drifting.sql("REFRESH MONITOR d TO '2013-07-09'")
    assert activations(drifting) == [3]
    drifting.sql("DROP ALERT long")
    drifting.sql("CREATE ALERT rare ON MONITOR d WHEN psi > 0.5 COOLDOWN 5 DAYS THEN NOTIFY 'log:'")
    drifting.sql("REFRESH MONITOR d FULL TO '2013-07-09'")
    rows = drifting.rows("SELECT window_end FROM catalog.ml.alert_activations WHERE alert = 'rare'")
    assert [row["window_end"].day - 2 for row in rows] == [2]


def test_a_webhook_is_told_and_tried_again(drifting: Any, hook: Any) -> None:
    hook.answers = [503, 500]
    drifting.sql(f"CREATE ALERT a ON MONITOR d WHEN psi > 0.5 SEVERITY high THEN NOTIFY '{hook.url}', 'log:'")
    drifting.sql("REFRESH MONITOR d TO '2013-07-05'")
    assert drifting.monitors.wait_actions(WAIT)
    assert len(hook.told) == 3
    told = hook.told[-1]
    assert (told["alert"], told["severity"], told["monitor"]) == ("a", "high", "d")
    assert told["window_end"] == "2013-07-04T00:00:00Z" and told["facts"]["psi"]["features"]["x"] > 0.5
    rows = drifting.rows("SELECT url, status FROM catalog.ml.notifications ORDER BY url")
    assert [(row["url"], row["status"]) for row in rows] == [(hook.url, "sent"), ("log:", "sent")]


def test_a_failing_action_is_recorded_and_the_next_one_runs(drifting: Any, hook: Any) -> None:
    hook.answers = [404]
    drifting.sql("CREATE WORKFLOW nowhere AS (STEP a AS (SELECT 1))")
    drifting.sql(
        f"CREATE ALERT a ON MONITOR d WHEN psi > 0.5 THEN NOTIFY '{hook.url}' "
        "THEN RUN WORKFLOW nowhere THEN INSERT INTO calls VALUES ('x', NULL)"
    )
    drifting.sql("DROP WORKFLOW nowhere")
    drifting.sql("REFRESH MONITOR d TO '2013-07-05'")
    assert drifting.monitors.wait_actions(WAIT)
    outcome = drifting.one("SELECT outcome FROM catalog.ml.alert_activations")["outcome"]
    assert "404" in outcome and "there is no workflow default.nowhere" in outcome
    assert len(hook.told) == 1, "404 is not tried again"
    assert drifting.one("SELECT status, error FROM catalog.ml.notifications")["status"] == "error"
    assert len(drifting.rows("SELECT * FROM data.default.calls")) == 1


def test_an_alert_runs_a_workflow(drifting: Any) -> None:
    drifting.sql(
        "CREATE WORKFLOW retrain AS (STEP check AS (REFRESH MONITOR d TO '2013-07-04'), "
        "STEP tell AFTER check WHEN (check.windows = 0) AS (INSERT INTO calls VALUES ('done', $until)))"
    )
    drifting.sql("CREATE ALERT a ON MONITOR d WHEN psi > 0.5 THEN RUN WORKFLOW retrain WITH (until = $window_end)")
    drifting.sql("REFRESH MONITOR d TO '2013-07-04'")
    assert drifting.monitors.wait_actions(WAIT)
    assert drifting.one("SELECT state FROM catalog.ml.workflow_runs")["state"] == "completed"
    assert drifting.one("SELECT alert, day(until) AS d FROM data.default.calls") == {"alert": "done", "d": 4}


def test_an_alert_on_late_labels(served: Any) -> None:
    served.predict(0)
    served.predict(1, auc=False)
    served.sql("CREATE MONITOR d ON ENDPOINT e WINDOW 1 DAY LABELS FROM truth")
    served.sql("CREATE ALERT bad ON MONITOR d WHEN auc < 0.6 AND n_labels >= 300 THEN NOTIFY 'log:'")
    served.sql("REFRESH MONITOR d TO '2013-07-03'")
    assert activations(served) == []
    served.sql("REFRESH MONITOR d TO '2013-07-05'")
    assert activations(served) == [1]


def test_an_alert_that_is_a_query(house: Any) -> None:
    house.sql("CREATE TABLE stock (n INTEGER)")
    house.sql("CREATE ALERT empty WHEN NOT EXISTS (SELECT 1 FROM stock) EVERY 5 MINUTES THEN NOTIFY 'log:'")
    (job,) = house.monitors.jobs()
    assert job.run() is True and job.run() is False
    assert house.one("SELECT state FROM catalog.ml.alerts") == {"state": "raised"}
    house.sql("INSERT INTO stock VALUES (1)")
    (job,) = house.monitors.jobs()
    job.run()
    assert house.one("SELECT state, activations FROM catalog.ml.alerts") == {"state": "ok", "activations": 1}
    assert house.monitors.wait_actions(WAIT)


def test_one_alert_that_cannot_be_evaluated_stops_nothing(drifting: Any) -> None:
    drifting.sql("CREATE ALERT odd ON MONITOR d WHEN psi.nothing > 1 THEN NOTIFY 'log:'")
    drifting.sql("CREATE ALERT fine ON MONITOR d WHEN psi > 0.5 THEN NOTIFY 'log:'")
    result = drifting.sql("REFRESH MONITOR d TO '2013-07-04'")
    assert "alert odd: there is no fact 'psi.nothing'" in result.message
    assert result.facts["alerts"] == ["fine"]
    assert any(event.kind == "alert.failed" for event in drifting.events)


def test_suspend_resume_drop(drifting: Any) -> None:
    drifting.sql("CREATE ALERT a ON MONITOR d WHEN psi > 0.5 THEN NOTIFY 'log:'")
    drifting.sql("ALTER ALERT a SUSPEND")
    drifting.sql("REFRESH MONITOR d TO '2013-07-04'")
    assert activations(drifting) == []
    assert drifting.one("SELECT state FROM catalog.ml.alerts") == {"state": "suspended"}
    drifting.sql("ALTER ALERT a RESUME")
    drifting.sql("REFRESH MONITOR d TO '2013-07-05'")
    assert activations(drifting) == [3]
    with pytest.raises(Conflict) as caught:
        drifting.sql("DROP MONITOR d")
    assert "CASCADE" in (caught.value.hint or "")
    drifting.sql("DROP MONITOR d CASCADE")
    assert drifting.rows("SELECT * FROM catalog.ml.alerts") == []
    assert activations(drifting) == [3]
    with pytest.raises(NotFound):
        drifting.sql("DROP ALERT a")


@pytest.mark.parametrize(
    ("statement", "error", "words"),
    [
        ("CREATE ALERT a ON MONITOR nope WHEN psi > 1 THEN NOTIFY 'log:'", NotFound, "nope"),
        ("CREATE ALERT a ON MONITOR d WHEN psy > 1 THEN NOTIFY 'log:'", StatementError, "did you mean psi"),
        ("CREATE ALERT a ON MONITOR d WHEN psi > THEN NOTIFY 'log:'", StatementError, "not a condition"),
        ("CREATE ALERT a ON MONITOR d WHEN psi > 1 THEN NOTIFY 'slak://x'", NotFound, "known: console:"),
        ("CREATE ALERT a ON MONITOR d WHEN psi > 1 THEN NOTIFY 'https:///x'", Invalid, "host"),
        ("CREATE ALERT a ON MONITOR d WHEN psi > 1 THEN RUN", StatementError, "name of the function"),
        ("CREATE ALERT a ON ENDPOINT e WHEN errors > 1 THEN NOTIFY 'log:'", NotExecuted, "ON MONITOR"),
        ("CREATE ALERT a WHEN EXISTS (SELECT 1 FROM nothing) THEN NOTIFY 'log:'", NotFound, "nothing"),
    ],
)
def test_what_is_wrong_is_said_beforehand(drifting: Any, statement: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        drifting.sql(statement)
    assert words in f"{caught.value} {caught.value.hint}"  # type: ignore[attr-defined]
    assert drifting.rows("SELECT * FROM catalog.ml.alerts") == []


def test_what_a_stopped_server_left_undone_is_marked(drifting: Any) -> None:
    drifting.sql("CREATE ALERT a ON MONITOR d WHEN psi > 0.5 THEN NOTIFY 'log:'")
    drifting.monitors.alerts.actions.shutdown()  # raised alerts wait for ever, as after a crash
    drifting.sql("REFRESH MONITOR d TO '2013-07-04'")
    assert drifting.one("SELECT outcome FROM catalog.ml.alert_activations") == {"outcome": None}
    assert drifting.monitors.recover() == 1
    assert drifting.one("SELECT outcome FROM catalog.ml.alert_activations")["outcome"].startswith("interrupted")


def test_what_an_alert_refers_to_must_exist(drifting: Any) -> None:
    text = "CREATE ALERT a ON MONITOR d WHEN psi > 0.5 THEN NOTIFY 'log:' THEN {}"
    for statement, name in (
        ("RUN WORKFLOW retrian WITH (until = $window_end)", "retrian"),
        ("REFRESH MONITOR dd FROM $window_start", "dd"),
        ("RUN WORKFLOW nowhere.retrain", "nowhere"),
    ):
        with pytest.raises(NotFound) as caught:
            drifting.sql(text.format(statement))
        assert caught.value.where is not None
        assert caught.value.where.offset == text.format(statement).index(name)
    assert drifting.rows("SELECT * FROM catalog.ml.alerts") == []
    drifting.sql(text.format("REFRESH MONITOR d FROM $window_end TO $window_start"))  # wrong, but not a reference
