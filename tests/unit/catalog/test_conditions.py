from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbox.base.command import Query
from mlbox.base.errors import StatementError
from mlbox.engine.catalog.conditions import parse, values_of

FACTS: dict[str, Any] = {
    "fit": {"auc": 0.7, "run": "abc", "metrics": {"loss": 0.1}},
    "champion": {"auc": 0.65},
    "check": {"n": 1200, "empty": None},
    "psi": {"": 0.3, "temp": 0.1},
    "Odd Name": {"x": 1},
}


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("fit.auc > champion.auc + 0.001 AND check.n >= 1000", True),
        ("fit.auc < champion.auc", False),
        ("FIT.Auc > 0.6", True),
        ("check.empty > 1", None),
        ("check.empty IS NULL OR fit.auc > 1", True),
        ("psi > 0.2 AND psi.temp < 0.2", True),
        ("fit.metrics.loss < 0.2", True),
        ('"Odd Name".x = 1', True),
        ('"check".n > 1', True),
        ("'check.n' <> 'ä' AND fit.run LIKE 'a%'", True),
        ("fit.auc BETWEEN 0.6 AND 0.8 -- fit.nothing", True),
        ("CASE WHEN check.n > 1 THEN true ELSE false END", True),
        ("true", True),
    ],
)
def test_evaluates(text: str, truth: bool | None) -> None:
    assert parse(Query(text)).evaluate(FACTS) is truth


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("'ä' = 'ä' AND fit.acu > 1", "fit.acu", "fit.acu"),
        ("check.n > 1 AND fitt.auc > 1", "fitt.auc", "fitt.auc"),
        ("fit > 1", "fit", "not one value"),
        ("fit.auc > EXISTS (SELECT 1)", "EXISTS", "subquery"),
        ("sum(psi) OVER () > 1", "sum", "window"),
        ("fit.auc > 'x'::INTEGER", "'x'", "cannot be evaluated"),
        ("fit.auc > ", "", "not a condition"),
        ("1 FROM x WHERE (true", "FROM", "not a condition"),
        ("true); DROP TABLE x; SELECT (true", "", "not a condition"),
        ("fit.auc > $limit", "$limit", "$limit"),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, at: str, message: str) -> None:
    source = f"CREATE ALERT ö WHEN {text}"
    query = Query(text, len("CREATE ALERT ö WHEN "), source)
    with pytest.raises(StatementError) as caught:
        parse(query).evaluate(FACTS)
    assert message in caught.value.message
    where = caught.value.where
    assert where is not None
    if at and "cannot be evaluated" not in message:
        assert where.offset == source.index(at, query.offset)
    else:
        assert where.offset >= query.offset


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(StatementError) as caught:
        parse(Query("fit.acu > 1")).evaluate(FACTS)
    assert "fit.auc" in (caught.value.hint or "")
    with pytest.raises(StatementError) as caught:
        parse(Query("fti.auc > 1")).check({"fit", "check"}, "step")
    assert "fit" in (caught.value.hint or "")


def test_parameters_are_values() -> None:
    assert parse(Query("fit.auc > $limit")).evaluate(FACTS, {"limit": 0.5, "unused": 1}) is True


def test_files_are_out_of_reach(tmp_path: Any) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    with pytest.raises(StatementError):
        parse(Query(f"read_text('{secret}') IS NULL")).evaluate({})


def test_for_each_values() -> None:
    assert values_of(Query("1, 2 + 1, $x"), {"x": 7, "y": 8}) == [1, 3, 7]
    assert values_of(Query("'a', 'b'"), {}) == ["a", "b"]


number = st.floats(-1e6, 1e6, allow_nan=False)


@given(number, number, number)
def test_agrees_with_python(a: float, b: float, c: float) -> None:
    facts = {"x": {"a": a, "b": b}, "select": {"c": c}}
    condition = parse(Query("x.a > x.b OR NOT (select.c <= x.a) AND x.b = x.b"))
    assert condition.evaluate(facts) is (a > b or c > a)
