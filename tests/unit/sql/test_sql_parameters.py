"""Parameters: their values in clauses, and as literals in queries that stay text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from mlbox.base.errors import Invalid, StatementError
from mlbox.engine.features.commands import CreateFeatureSet
from mlbox.engine.runs.commands import StartRun
from mlbox.sql.parameters import as_literal, used
from mlbox.sql.script import SqlParser

PARSER = SqlParser()


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -7,
        2**70,
        0.1,
        -1e300,
        float("inf"),
        "",
        "it's; $x ? --",
        "日本\n🙂",
        Decimal("-1.50"),
        date(2026, 1, 31),
        datetime(2026, 1, 31, 12, 30, 1, 5),
        datetime(2026, 1, 31, 12, tzinfo=UTC),
        timedelta(days=3, microseconds=7),
        b"\x00\xff'",
        [1, None, 3],
        [],
        {"a b": "it's", "c": [1.5]},
    ],
    ids=repr,
)
def test_a_literal_means_its_value_to_duckdb(value: Any) -> None:
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT {as_literal(value)}, {as_literal(value)} IS NULL").fetchone()
    assert row is not None
    assert row[0] == value
    assert row[1] is (value is None)


def test_floats_stay_doubles() -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT typeof({as_literal(0.1)})").fetchone() == ("DOUBLE",)
        assert connection.execute(f"SELECT isnan({as_literal(float('nan'))})").fetchone() == (True,)


def test_what_cannot_be_written_is_refused() -> None:
    for value in ("a\0b", object()):
        with pytest.raises(Invalid):
            as_literal(value)
    with pytest.raises(StatementError) as caught:
        PARSER.parse_one("RUN f FROM (SELECT $x)", "p", {"x": object()})
    assert caught.value.where is not None
    assert caught.value.where.column == 20


def test_question_marks_are_numbered_over_the_whole_statement() -> None:
    command = PARSER.parse_one("RUN f FROM (SELECT ?, '?', ?) WITH (a = ?, b = ?)", "p", [1, "x", 3, 4])
    assert isinstance(command, StartRun)
    assert command.source is not None
    assert command.source.query is not None
    assert command.source.query.text == "SELECT 1, '?', 'x'"
    assert command.parameters == {"a": 3, "b": 4}


def test_names_fold_and_values_may_be_shared() -> None:
    command = PARSER.parse_one("RUN f WITH (a = $Rate, b = $RATE)", "p", {"rate": 0.5, "unused": 1})
    assert isinstance(command, StartRun)
    assert command.parameters == {"a": 0.5, "b": 0.5}


def test_a_hostile_value_stays_a_value() -> None:
    hostile = "x'; DROP TABLE t; --"
    command = PARSER.parse_one("CREATE FEATURE SET f (ENTITY id) AS SELECT $v AS id", "p", {"v": hostile})
    assert isinstance(command, CreateFeatureSet)
    assert command.query is not None
    with duckdb.connect() as connection:
        assert connection.execute(command.query.text).fetchall() == [(hostile,)]


def test_plain_sql_gets_the_named_values_that_it_uses() -> None:
    given = {"a": 1, "B": 2, "c": 3}
    assert used("SELECT $A, $b, '$c' -- $c", given) == {"a": 1, "B": 2}
    assert used("SELECT 1", given) is None
    assert used("SELECT ?", [1]) == [1]
