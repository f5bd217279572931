"""Rows with missing values: ``ml.predict`` over tables and rows, ``ml.ask`` and an endpoint over HTTP say the same of
them, for classifiers and regressors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

MODELS: dict[str, Callable[[], bytes]] = {
    "logistic": lambda: onnx_models.logistic([1.5, -0.5, 0.25], 0.25),  # DuckDB computes the table form
    "linear": lambda: onnx_models.regression([2.0, -1.0, 0.5], 0.5),
    "classes": lambda: onnx_models.classes([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0.0, 0.1, 0.2], [3, 5, 7]),
    "trees": lambda: onnx_models.gradient_boosting(zipmap=True, columns=3).onnx,
    "network": lambda: onnx_models.perceptron(3, 4),
}
NUMBER = st.none() | st.integers(-8, 8).map(lambda value: value / 2)
ROWS = st.lists(st.tuples(NUMBER, NUMBER, NUMBER), min_size=1, max_size=6)


@pytest.fixture(scope="session")  # a worker may come back to this file
def asked(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("missing")
    server.sql("CREATE PROJECT IF NOT EXISTS missing")
    for name, make in MODELS.items():
        (folder / f"{name}.onnx").write_bytes(make())
        server.sql(
            f"CREATE MODEL {name} FROM '{folder / name}.onnx' INPUT (a DOUBLE, b DOUBLE, c DOUBLE);"
            f"CREATE ENDPOINT {name} USING MODEL {name}@1 LOG NONE",
            "missing",
        )
    return server


def _values(rows: list[tuple[Any, ...]]) -> str:
    def number(value: float | None) -> str:
        return "NULL" if value is None else f"{value!r}"

    lines = ", ".join(f"({index}, {', '.join(map(number, row))})" for index, row in enumerate(rows))
    return f"(VALUES {lines}) t(n, a, b, c)"


def _typed(rows: list[tuple[Any, ...]]) -> str:
    return f"(SELECT n, a::DOUBLE AS a, b::DOUBLE AS b, c::DOUBLE AS c FROM {_values(rows)})"


def _rows(server: Any, text: str) -> list[dict[str, Any]]:
    result = server.sql(text, "missing")[-1]
    names = [column["name"] if isinstance(column, dict) else column for column in result["columns"]]
    return [dict(zip(names, row, strict=True)) for row in result["rows"]]


def _same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        (a is None) == (b is None) and (a is None or math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6))
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12)
@given(rows=ROWS)
def test_all_say_the_same_of_gaps(asked: Any, name: str, rows: list[tuple[Any, ...]]) -> None:
    given_ = _typed(rows)
    table = _rows(asked, f"WITH g AS {given_} FROM ml.predict('{name}', 'g') ORDER BY n")
    scalar = _rows(asked, f"SELECT ml.predict('{name}', r) AS p FROM {given_} r ORDER BY n")
    ask = _rows(asked, f"SELECT ml.ask('{name}', r) AS p FROM {given_} r ORDER BY n")
    body = {"rows": [dict(zip("abc", row, strict=True)) for row in rows]}
    status, _, answer = asked.request("POST", f"/v2/models/missing.{name}/infer", body)
    assert status == 200, answer
    endpoint = [row["prediction"] for row in json.loads(answer)["rows"]]
    assert _same([row["prediction"] for row in table], endpoint), (rows, table, endpoint)
    assert _same([row["p"] for row in scalar], endpoint), (rows, scalar, endpoint)
    assert _same([json.loads(row["p"])["prediction"] for row in ask], endpoint)
    for row, values in zip(table, rows, strict=True):
        if "probabilities" in row:
            assert (row["probabilities"] is None) == (row["prediction"] is None)
        if name != "trees" and None in values:  # of these only trees have a way for what is missing
            assert row["prediction"] is None, "no class, no 0"
        else:
            assert row["prediction"] is not None


def test_a_row_that_is_null_has_none(asked: Any) -> None:
    for name in MODELS:
        rows = "(VALUES ({'a': 1.0, 'b': 1.0, 'c': 2.0}), (NULL)) t(r)"
        found = _rows(asked, f"SELECT ml.predict('{name}', r) AS p FROM {rows}")
        assert found[0]["p"] is not None and found[1]["p"] is None, name
