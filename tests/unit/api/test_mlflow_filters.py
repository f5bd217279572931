"""Filters of MLflow's searches: what they mean, and what is wrong with others."""

from __future__ import annotations

from typing import Any

import pytest

from mlbox.api.mlflow.filters import holds, parse, parse_order
from mlbox.base.errors import Invalid
from mlbox.engine.catalog.tables.run_search import Condition, Order


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, []),
        ("", []),
        ("metrics.auc > 0.9", [Condition("metric", "auc", ">", 0.9)]),
        ("metric.`val/auc` <= -1e-3", [Condition("metric", "val/auc", "<=", -0.001)]),
        ("metrics.val/auc = 1", [Condition("metric", "val/auc", "=", 1)]),
        ("params.lr='0.1'", [Condition("param", "lr", "=", "0.1")]),
        ('parameters."a b" != "x"', [Condition("param", "a b", "!=", "x")]),
        ("tags.mlflow.user LIKE 'a%'", [Condition("tag", "mlflow.user", "LIKE", "a%")]),
        ("tags.x IS NOT NULL", [Condition("tag", "x", "IS NOT NULL")]),
        ("run_name = 'it''s'", [Condition("attribute", "run_name", "=", "it's")]),
        ("attributes.status = 'FINISHED'", [Condition("attribute", "status", "=", "FINISHED")]),
        ("attributes.run_id IN ('a', 'b')", [Condition("attribute", "run_id", "IN", ["a", "b"])]),
        ("start_time > 5 and datasets.name = 'd'", [
            Condition("attribute", "start_time", ">", 5), Condition("dataset", "name", "=", "d"),
        ]),
    ],
)  # fmt: skip
def test_filters(text: Any, found: Any) -> None:
    assert parse(text) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.auc > 'x'", "not a number"),
        ("metrics.auc", "where a comparison was expected"),
        ("metrics.auc > ", "where a value"),
        ("metrics.auc > 1 OR metrics.auc < 0", "'OR' where AND"),
        ("things.x = 1", "nothing to search called 'things'"),
        ("params.x = '1' ; DROP TABLE runs", "cannot be read at ';"),
        ("datasets.age = '1'", "a data set has no 'age'"),
        ("attributes.run_id IN 'a'", "where ( was"),
    ],
)
def test_wrong_filters(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(text)
    assert message in caught.value.message


def test_orders() -> None:
    assert parse_order(["metrics.auc DESC", "start_time", "params.`a b` ASC"]) == [
        Order("metric", "auc", True), Order("attribute", "start_time"), Order("param", "a b"),
    ]  # fmt: skip
    with pytest.raises(Invalid):
        parse_order(["metrics.auc DOWN"])


@pytest.mark.parametrize(
    ("text", "value", "truth"),
    [
        ("name LIKE 'ch%'", "churn", True),
        ("name LIKE 'CH%'", "churn", False),
        ("name ILIKE 'CH_RN'", "churn", True),
        ("name = 'churn'", None, False),
        ("metrics.x >= 2", 2.0, True),
        ("metrics.x > 2", "no number", False),
        ("tags.x IS NULL", None, True),
        ("attributes.run_id NOT IN ('a')", "b", True),
    ],
)
def test_what_holds(text: str, value: Any, truth: bool) -> None:
    assert holds(parse(text)[0], value) is truth
