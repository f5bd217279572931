"""Monitors over a prediction log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mlbox.base.clock import now
from mlbox.base.errors import AlreadyExists, Conflict, Invalid, NotFound, StatementError
from mlbox.engine.catalog.tables import monitors as rows_of_monitors

LABELS = "LABELS FROM (SELECT id, label, known_at FROM truth)"
MONITOR = "CREATE MONITOR d ON ENDPOINT e WINDOW 1 DAY"


def test_drift_is_seen_when_it_comes(served: Any) -> None:
    for day in range(4):
        served.predict(day, mean=0 if day < 2 else 1.5)
    served.sql(MONITOR)
    result = served.sql("REFRESH MONITOR d TO '2013-07-06'")
    psi = served.drift("psi", "x")
    assert list(psi) == [0, 1, 2, 3]
    assert max(psi[0], psi[1]) < 0.2 < 1 < min(psi[2], psi[3])
    assert max(served.drift("psi", "y").values()) == pytest.approx(0, abs=1e-9)
    assert set(served.drift("ks", "x")) == {0, 1, 2, 3}
    assert result.facts["psi"] == pytest.approx(psi[3]) and result.facts["windows"] == 4
    assert result.table is not None and result.table.num_rows == 4
    events = [event for event in served.events if event.kind == "monitor.window"]
    assert len(events) == 4 and events[0].data["values"]["n"] == 400
    assert served.one("SELECT * FROM catalog.ml.monitors")["last_window_end"].day == 5


def test_only_complete_windows_and_only_once(served: Any) -> None:
    for day in range(3):
        served.predict(day)
    served.sql(MONITOR)
    assert served.sql("REFRESH MONITOR d TO '2013-07-02 23:59:59'").facts["windows"] == 1
    assert served.sql("REFRESH MONITOR d TO '2013-07-03'").facts["windows"] == 1
    assert served.sql("REFRESH MONITOR d TO '2013-07-03'").facts["windows"] == 0
    before = served.rows("SELECT * EXCLUDE computed_at FROM catalog.ml.drift ORDER BY ALL")
    assert served.sql("REFRESH MONITOR d FULL TO '2013-07-03'").facts["windows"] == 2
    assert served.rows("SELECT * EXCLUDE computed_at FROM catalog.ml.drift ORDER BY ALL") == before
    assert served.sql("REFRESH MONITOR d FROM '2013-07-01 12:00:00' TO '2013-07-04'").facts["windows"] == 2
    assert served.sql("REFRESH MONITOR d").facts["windows"] == 0, "in 2013 everything has been computed"


def test_late_rows_make_a_window_new(served: Any) -> None:
    served.predict(0)
    served.predict(1)
    served.sql(MONITOR)
    served.sql("REFRESH MONITOR d TO '2013-07-05'")
    served.predict(0, rows=500, mean=3)
    assert served.sql("REFRESH MONITOR d TO '2013-07-05'").facts["windows"] == 1
    assert served.rows("SELECT DISTINCT n FROM catalog.ml.drift WHERE day(window_start) = 1") == [{"n": 900}]
    assert served.drift("psi", "x")[0] > 0.5


def test_failed_requests_and_shadows_do_not_count(served: Any) -> None:
    served.predict(0)
    served.predict(0, rows=300, mean=9, status="error")
    served.predict(0, rows=301, mean=9, shadow=True)
    served.sql(MONITOR)
    served.sql("REFRESH MONITOR d TO '2013-07-02'")
    assert served.drift("psi", "x")[0] < 0.2


def test_labels_count_from_when_they_are_known(served: Any) -> None:
    served.predict(0)
    served.predict(1, auc=False)
    served.sql(f"{MONITOR} {LABELS} METRICS (auc, n_labels, psi)")
    served.sql("REFRESH MONITOR d TO '2013-07-03'")
    assert served.drift("auc") == {} and set(served.drift("psi", "x")) == {0, 1}
    assert served.sql("REFRESH MONITOR d TO '2013-07-03 12:00:00'").facts["windows"] == 1
    part = served.drift("n_labels")[0]
    assert 30 <= part < 400
    served.sql("REFRESH MONITOR d TO '2013-07-06'")
    assert served.drift("n_labels") == {0: 400, 1: 400}
    auc = served.drift("auc")
    assert auc[0] > 0.75 and abs(auc[1] - 0.5) < 0.1
    served.sql("REFRESH MONITOR d TO '2013-07-03'")
    assert served.drift("n_labels") == {0: 400, 1: 400}, "a refresh of the past takes nothing back"


def test_too_few_labels_wait(served: Any) -> None:
    served.predict(0, rows=20)
    served.sql(f"{MONITOR} {LABELS} METRICS (auc)")
    served.sql("REFRESH MONITOR d TO '2013-07-09'")
    assert served.drift("auc") == {}
    served.sql(f"CREATE OR REPLACE MONITOR d ON ENDPOINT e WINDOW 1 DAY {LABELS} METRICS (auc) WITH (min_labels = 20)")
    served.sql("REFRESH MONITOR d TO '2013-07-09'")
    assert set(served.drift("auc")) == {0}


def test_the_baseline_is_that_of_the_version_that_predicted(served: Any) -> None:
    served.model(version=2, mean=2)
    served.predict(0, mean=0, version=1)
    served.predict(1, mean=2, version=2)
    served.predict(2, mean=0, version=2)
    served.sql(MONITOR)
    served.sql("REFRESH MONITOR d TO '2013-07-09'")
    psi = served.drift("psi", "x")
    assert psi[0] < 0.2 and psi[1] < 0.2 and psi[2] > 1


def test_segments(served: Any) -> None:
    served.predict(0)
    served.sql(f"{MONITOR} SEGMENT BY (country) METRICS (psi, prediction_mean)")
    served.sql("REFRESH MONITOR d TO '2013-07-02'")
    found = served.rows("SELECT segment, n FROM catalog.ml.drift WHERE metric = 'prediction_mean' ORDER BY n")
    assert [(row["segment"], row["n"]) for row in found] == [("country=FR", 100), ("country=DE", 300), (None, 400)]


def test_a_model_is_watched_over_all_its_endpoints(served: Any) -> None:
    served.model(version=2)
    served.predict(0)
    served.predict(1, version=2)
    served.sql("CREATE MONITOR d ON MODEL m WINDOW 1 DAY")
    served.sql("CREATE MONITOR second ON MODEL m@2 WINDOW 1 DAY")
    assert served.sql("REFRESH MONITOR d TO '2013-07-04'").facts["windows"] == 2
    assert served.sql("REFRESH MONITOR second TO '2013-07-04'").facts["windows"] == 1


def test_a_table_with_a_query_as_baseline(house: Any) -> None:
    house.sql("CREATE TABLE base AS SELECT i % 50 AS a, random() AS b FROM range(2000) t(i)")
    house.sql(
        "CREATE TABLE sold AS SELECT TIMESTAMP '2026-01-01' + INTERVAL (i) MINUTE AS t, "
        "i % 50 + 40 * (i // 1440) AS a, NULL::DOUBLE AS b, 'x' AS c FROM range(2880) t(i)"
    )
    house.sql("CREATE MONITOR s ON TABLE sold BASELINE (SELECT * FROM base) METRICS (psi, null_rate) WINDOW 1 DAY")
    house.sql("REFRESH MONITOR s TO '2026-01-03'")
    rows = house.rows("SELECT metric, feature, value FROM catalog.ml.drift ORDER BY metric, feature, window_start")
    values = {(row["metric"], row["feature"]): [] for row in rows}
    for row in rows:
        values[row["metric"], row["feature"]].append(row["value"])
    assert values["psi", "a"][0] < 0.05 and values["psi", "a"][1] > 1
    assert values["null_rate", "b"] == [1, 1] and values["null_rate", "a"] == [0, 0]
    assert ("psi", "b") not in values


@pytest.mark.parametrize(
    ("statement", "error", "words"),
    [
        ("CREATE MONITOR d ON ENDPOINT nope", NotFound, "endpoint"),
        ("CREATE MONITOR d ON MODEL mm", NotFound, "did you mean m?"),
        ("CREATE MONITOR d ON ENDPOINT e METRICS (psy)", NotFound, "did you mean psi?"),
        ("CREATE MONITOR d ON ENDPOINT e METRICS (auc)", Invalid, "LABELS FROM"),
        ("CREATE MONITOR d ON ENDPOINT e METRICS (psi (bins = 1))", Invalid, "bins"),
        ("CREATE MONITOR d ON ENDPOINT e METRICS (psi (bin = 10))", Invalid, "did you mean bins?"),
        ("CREATE MONITOR d ON ENDPOINT e LABELS FROM (SELECT 1 AS id)", Invalid, "label"),
        ("CREATE MONITOR d ON ENDPOINT e LABELS FROM (SELECT idd, label FROM (SELECT 1 AS id))", StatementError, "idd"),
        ("CREATE MONITOR d ON ENDPOINT e WITH (min_label = 3)", Invalid, "did you mean min_labels?"),
        ("CREATE MONITOR d ON ENDPOINT e BASELINE RUN 'nope'", NotFound, "nope"),
        ("CREATE MONITOR d ON ENDPOINT e BASELINE (SELECT 'a' AS x)", Invalid, "numeric"),
        ("CREATE MONITOR d ON ENDPOINT e BASELINE (SELECT 1 AS x WHERE false)", Invalid, "no rows"),
        ("CREATE MONITOR d ON TABLE nope BASELINE (SELECT 1 AS x)", NotFound, "table"),
        ("CREATE MONITOR nowhere.d ON ENDPOINT e", NotFound, "project"),
    ],
)
def test_what_is_wrong_is_said_beforehand(served: Any, statement: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        served.sql(statement)
    assert words in f"{caught.value} {caught.value.hint}"  # type: ignore[attr-defined]
    assert served.rows("SELECT * FROM catalog.ml.monitors") == []


def test_a_model_without_statistics_needs_a_baseline(house: Any) -> None:
    house.model(stats=False)
    house.endpoint()
    house.predict(0)
    with pytest.raises(Conflict) as caught:
        house.sql(MONITOR)
    assert "training_set" in (caught.value.hint or "")
    house.sql(f"{MONITOR} METRICS (prediction_mean)")
    house.sql("REFRESH MONITOR d TO '2013-07-02'")
    assert set(house.drift("prediction_mean")) == {0}


def test_create_replace_drop(served: Any) -> None:
    served.predict(0)
    served.sql(MONITOR)
    with pytest.raises(AlreadyExists):
        served.sql(MONITOR)
    assert "exists already" in served.sql("CREATE MONITOR IF NOT EXISTS D ON ENDPOINT e").message
    served.sql("REFRESH MONITOR d TO '2013-07-02'")
    served.sql("CREATE OR REPLACE MONITOR d ON ENDPOINT e WINDOW 1 DAY METRICS (js)")
    assert served.sql("REFRESH MONITOR d TO '2013-07-02'").facts["windows"] == 1
    assert {row["metric"] for row in served.rows("SELECT metric FROM catalog.ml.drift")} == {"js"}
    served.sql("DROP MONITOR d")
    assert served.rows("SELECT * FROM catalog.ml.drift") != []
    with pytest.raises(NotFound):
        served.sql("REFRESH MONITOR d")
    served.sql("DROP MONITOR IF EXISTS d")


def test_its_definition_makes_it_again(served: Any) -> None:
    served.predict(0)
    served.sql(f"CREATE MONITOR d ON ENDPOINT e METRICS (psi (bins = 5), auc) WINDOW 6 HOURS EVERY 1 HOUR {LABELS}")
    first = served.one("SELECT * EXCLUDE created_at FROM catalog.ml.monitors")
    served.sql("DROP MONITOR d")
    served.sql(first["definition"])
    assert served.one("SELECT * EXCLUDE created_at FROM catalog.ml.monitors") == first


def test_the_clock(served: Any) -> None:
    served.predict(0)
    served.sql(f"{MONITOR} EVERY 1 HOUR")
    assert served.monitors.due(now()) == []
    (job,) = served.monitors.due(now() + timedelta(hours=1, seconds=1))
    assert job.key == "monitor:default.d"
    job.run()
    assert set(served.drift("psi", "x")) == {0}
    job.run()
    with served.catalog.read() as cursor:
        row = rows_of_monitors.require(cursor, "default", "d")
    assert row.next_run is not None and row.next_run > job.due - timedelta(hours=1)
    served.sql("ALTER MONITOR d SUSPEND")
    assert served.monitors.jobs() == []
    assert served.one("SELECT state FROM catalog.ml.monitors") == {"state": "suspended"}
    served.sql("ALTER MONITOR d RESUME")
    assert [job.name for job in served.monitors.jobs()] == ["d"]
