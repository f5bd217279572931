"""A comparison that DuckDB would answer wrongly is refused, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from mlbox.base.command import Caller, Query
from mlbox.base.errors import StatementError
from mlbox.sql import untyped
from mlbox.sql.session import Session

WRONG = [
    ("SELECT id FROM ml.runs WHERE metrics.auc > 0.9", "metrics.auc"),
    ("SELECT id FROM runs r JOIN ml.models m ON true WHERE r.params.lr <= -.05", "params.lr"),
    ('FROM catalog.ml.runs WHERE params."learning rate" BETWEEN 0.1 AND 0.2', 'params."learning rate"'),
    ("FROM ml.runs WHERE 0.9 < metrics.auc", "metrics.auc"),
    ("FROM ml.runs WHERE 0.9 < r.metrics.auc AND true", "metrics.auc"),
    ("FROM ml.runs WHERE metrics.loss > 1", "metrics.loss"),
    ("FROM ml.runs WHERE 1 >= metrics.loss", "metrics.loss"),
    ("FROM ml.runs WHERE params.lr IN (0.1, 0.2)", "params.lr"),
    ("FROM ml.runs WHERE params.lr NOT IN (1, 0.2)", "params.lr"),
    ("SELECT metrics.auc * 2 FROM ml.runs", "metrics.auc"),
    ("SELECT 1 - r.metrics.auc AS error FROM ml.runs r", "metrics.auc"),
    ("SELECT 2 * params.depth FROM ml.runs", "params.depth"),
    ("SELECT avg(metrics.auc), max(id) FROM ml.runs", "metrics.auc"),
    ("SELECT round(r.metrics.auc, 2) FROM ml.runs r", "metrics.auc"),
    ("SELECT sum(DISTINCT params.trees) FROM ml.runs", "params.trees"),
    ("FROM ml.runs WHERE params.net.rate < 0.1", "params.net.rate"),
]
RIGHT = [
    "FROM ml.runs WHERE metrics.auc::DOUBLE > 0.9",
    "FROM ml.runs WHERE 0.9 < metrics.auc::DOUBLE",
    "FROM ml.runs WHERE CAST(metrics.auc AS DOUBLE) > 0.9",
    "FROM ml.runs WHERE params.depth > 3 AND params.kind = 'gbm'",
    "FROM ml.runs WHERE name = 'metrics.auc > 0.9' -- metrics.auc > 0.9",
    "FROM mine WHERE metrics.auc > 0.9",
    "FROM ml.metrics WHERE value > 0.9",
    "SELECT avg(metrics.auc::DOUBLE), round(CAST(metrics.auc AS DOUBLE), 2), -metrics.loss::DOUBLE FROM ml.runs",
    "SELECT *, metrics.auc, params.depth FROM ml.runs WHERE params.depth IN (3, 4) AND metrics.auc IS NOT NULL",
    "SELECT avg(metrics.value) FROM ml.runs JOIN ml.metrics ON metrics.run_id = runs.id WHERE metrics.value > 0.9",
    "SELECT m.id, params.number * 2 FROM ml.runs m LEFT JOIN ml.params AS params ON true",
    "SELECT metrics.auc -> 'x' FROM ml.runs WHERE metrics.auc > 1e-1",
    "FROM ml.runs WHERE metrics.auc > 0.9::DOUBLE",
]


@pytest.mark.parametrize(("text", "field"), WRONG)
def test_what_would_be_wrong_is_refused(text: str, field: str) -> None:
    with pytest.raises(StatementError) as caught:
        untyped.refuse(Query(text))
    assert caught.value.hint == f"say that it is a number: {field}::DOUBLE"
    assert caught.value.where is not None
    assert caught.value.where.offset == text.index(field)


@pytest.mark.parametrize("text", RIGHT)
def test_everything_else_is_left_alone(text: str) -> None:
    untyped.refuse(Query(text))


def test_that_duckdb_would_be_wrong(house: Any) -> None:
    """Once it is not any more, all of this can go."""
    found = house.catalog.row("""SELECT v.x > 0.9 AS larger, v.x > 1 AS more, avg(v.x) AS mean, min(v.x * 2) AS twice
        FROM (SELECT '{"x": 0.8}'::JSON::VARIANT AS v) GROUP BY ALL""")
    assert found == {"larger": True, "more": True, "mean": 1, "twice": 2}


@pytest.mark.parametrize(
    "text", ["SELECT id FROM ml.runs WHERE metrics.auc > 0.9", "SHOW RUNS WHERE metrics.auc > 0.9"]
)
def test_both_doors_refuse(house: Any, text: str) -> None:
    with pytest.raises(StatementError, match="takes its type before its number"):
        list(Session(house.catalog, house.dispatcher, Caller()).run(text))
