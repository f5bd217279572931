"""Statements that refer to something: found exactly, or told at once, over a whole house."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.errors import Invalid, NotFound
from mlbox.engine.catalog.tables import runs
from mlbox.sql.session import Session

VECTOR = """
CREATE TABLE visits AS
SELECT i % 3 AS shop, TIMESTAMPTZ '2026-01-01' + to_hours(i) AS ts, i::DOUBLE AS x FROM range(9) r(i);
CREATE FEATURE SET shops (ENTITY shop, TIMESTAMP ts) AS SELECT shop, ts, x FROM visits;
CREATE FEATURE VECTOR v AS FEATURES (shops.x) LABEL shops.x;
"""


@pytest.fixture
def session(house: Any, tmp_path: Path) -> Session:
    """With a function and a feature vector."""
    (tmp_path / "train.py").write_text("def train(ctx, frame=None, d=1): pass\n")
    opened = Session(house.catalog, house.dispatcher, Caller())
    run(opened, f"CREATE FUNCTION train FROM '{tmp_path / 'train.py'}'; {VECTOR}")
    return opened


def run(session: Session, text: str) -> Any:
    """The last result."""
    *_, outcome = session.run(text)
    return outcome.result


def insert(house: Any, run_id: str, name: str) -> None:
    """A completed run."""
    row = runs.RunRow(
        id=run_id, project="default", name=name, function="f", function_version=1, handler=None, runtime="local",
        state="completed", created_at=now(),
    )  # fmt: skip
    house.catalog.write(lambda cursor: runs.insert(cursor, row))


def test_describe_run_refuses_a_prefix_of_several(house: Any, session: Session) -> None:
    one, two = "01a20740" + "1" * 24, "01a20740" + "2" * 24
    insert(house, one, "first")
    insert(house, two, "second")
    with pytest.raises(Invalid, match=r"several runs begin with '01a20740': 01a2074011111111 \(first\), .*\(second\)"):
        run(session, "DESCRIBE RUN '01a20740'")
    for text, found in ((one, one), ("01a207402", two), ("FIRST", one)):
        assert run(session, f"DESCRIBE RUN '{text}'").facts["id"] == found
    insert(house, "f" * 32, "01a20740")
    assert run(session, "DESCRIBE RUN '01a20740'").facts["id"] == "f" * 32
    with pytest.raises(NotFound) as caught:
        run(session, "DESCRIBE RUN frist")
    assert caught.value.hint == "did you mean first?"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("REFRESH FEATURE SET shopps", "shopps"),
        ("RUN trian", "trian"),
        ("RUN WORKFLOW nightly", "nightly"),
        ("RUN train FROM (SELECT * FROM ml.features('vv', 'shops'))", "vv"),
        ("RUN train FROM (SELECT * FROM visit)", "visit"),
        ("RUN train FROM visit", "RUN"),
    ],
)
def test_a_schedule_refers_to_what_exists(session: Session, statement: str, name: str) -> None:
    text = f"SELECT 1; CREATE SCHEDULE s EVERY 1 DAY AS {statement}"
    with pytest.raises(NotFound) as caught:
        run(session, text)
    assert caught.value.where is not None and text[caught.value.where.offset :].startswith(name)
    assert run(session, "SHOW SCHEDULES").table.num_rows == 0


@pytest.mark.parametrize(
    "statement",
    [
        "REFRESH FEATURE SET shops TO $scheduled_at",
        "RUN train FROM v WITH (d = 2) AS nightly",
        "CREATE MODEL m FROM RUN nightly",  # a run comes when its schedule fires
        "CREATE MODEL m FROM 'later.onnx'",
        "CREATE FEATURE SET shops (ENTITY shop, TIMESTAMP ts) AS SELECT shop, ts, x FROM visits",
        "INSERT INTO visits SELECT 1, $scheduled_at, 2",
    ],
)
def test_a_schedule_may_wait_for_what_comes(session: Session, statement: str) -> None:
    run(session, f"CREATE SCHEDULE s EVERY 1 DAY AS {statement}")
    assert run(session, "SHOW SCHEDULES").table.num_rows == 1


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        ("STEP fit AS (RUN trian)", "trian"),
        ("STEP fit AS (RUN train FROM (SELECT * FROM ml.features('w', 'shops') WHERE ts < $until::TIMESTAMPTZ))", "w"),
        ("STEP a AS (REFRESH FEATURE SET shopps), STEP b AFTER a AS (RUN train)", "shopps"),
        ("STEP a AS (RUN WORKFLOW inner_)", "inner_"),
        ("STEP fit AS (RUN train FROM (SELECT * FROM ml.features('v', 'shops') WHERE ts < $until::TIMESTAMPTZ))", None),
        ("STEP a AS (SELECT 1), STEP b AFTER a AS (RUN trian)", None),
        ("STEP a AS (CREATE FUNCTION trian FROM 'trian.py'), STEP b AS (RUN trian)", None),
        ("STEP a FOR EACH x IN ('p') AS (RUN trian WITH (x = $x))", None),
        ("STEP a WHEN ($again) AS (RUN trian)", None),
        ("STEP a AS (CREATE TABLE t AS SELECT 1), STEP b AS (RUN train FROM t)", None),
    ],
)
def test_first_steps_refer_to_what_exists_or_what_a_step_may_make(
    session: Session, steps: str, wrong: str | None
) -> None:
    text = f"CREATE WORKFLOW nightly AS ({steps})"
    if wrong is None:
        run(session, text)
        return
    with pytest.raises(NotFound) as caught:
        run(session, text)
    assert caught.value.where is not None and text[caught.value.where.offset :].startswith(wrong)
