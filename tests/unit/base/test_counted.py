"""Counts as people read them, where a statement says what it made."""

from __future__ import annotations

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.counted import counted
from mlbox.sql.session import Session


def test_one_is_no_plural() -> None:
    assert [counted(count, "row") for count in (0, 1, 2, 1024)] == ["0 rows", "1 row", "2 rows", "1,024 rows"]
    assert [counted(count, "entity", "entities") for count in (1, 2)] == ["1 entity", "2 entities"]


def test_statements_say_one_feature_and_one_step(house: House) -> None:
    session = Session(house.catalog, house.dispatcher, Caller())
    text = """
    CREATE FEATURE SET f (ENTITY id INT, TIMESTAMP at, a DOUBLE)
        AS SELECT 1 AS id, TIMESTAMP '2026-01-01' AS at, 2.0 AS a;
    CREATE FEATURE VECTOR v AS FEATURES (f.a);
    CREATE WORKFLOW w AS (STEP one AS (SELECT 1))
    """
    messages = [outcome.result.message for outcome in session.run(text)]
    assert [message.partition(": ")[2] for message in messages] == ["1 row, 1 feature", "1 feature", "1 step"]
