"""Expressions over requests: DuckDB is the judge of what they mean."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbox.base.command import Query
from mlbox.base.errors import Invalid, StatementError
from mlbox.serve.expressions.compile import compile_all
from mlbox.serve.expressions.library import FUNCTIONS
from mlbox.serve.expressions.values import of_values

TYPES = {"a": "DOUBLE", "b": "BIGINT", "s": "VARCHAR", "f": "BOOLEAN"}
KINDS = {"a": "double", "b": "bigint", "s": "varchar", "f": "boolean"}
CONNECTION = duckdb.connect()

texts = st.text("abcXYZ é09 %", max_size=5)
doubles = st.one_of(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), st.sampled_from([0.0, 0.5, -2.5, 1e9]))
integers = st.integers(-1000, 1000)


def _or_null(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


ROWS = st.lists(
    st.tuples(_or_null(doubles), _or_null(integers), _or_null(texts), _or_null(st.booleans())), min_size=1, max_size=6
)

NUMBER = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["a", "b", "a", "b"]),
        st.integers(0, 20).map(str),
        st.sampled_from(["0.5::DOUBLE", "2.5::DOUBLE"]),
        st.tuples(NUMBER, st.sampled_from(["+", "-", "*", "/"]), NUMBER).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(NUMBER, st.integers(1, 9), st.sampled_from(["//", "%"])).map(lambda t: f"({t[0]} {t[2]} {t[1]})"),
        NUMBER.map(lambda x: f"(- {x})"),
        st.tuples(st.sampled_from(["abs", "floor", "ceil", "sign", "round", "exp"]), NUMBER).map(
            lambda t: f"{t[0]}({t[1]})" if t[0] != "exp" else f"exp(({t[1]}) / 1e9::DOUBLE)"
        ),
        st.tuples(st.sampled_from(["sqrt", "ln", "log10", "log2"]), NUMBER).map(lambda t: f"{t[0]}(abs({t[1]}) + 1)"),
        NUMBER.map(lambda x: f"round(({x})::DOUBLE, 2)"),
        TEXT.map(lambda x: f"length({x})"),
        st.tuples(BOOLEAN, NUMBER, NUMBER).map(lambda t: f"CASE WHEN {t[0]} THEN {t[1]} ELSE {t[2]} END"),
        st.tuples(NUMBER, NUMBER).map(lambda t: f"coalesce({t[0]}, {t[1]})"),
        st.tuples(NUMBER, NUMBER).map(lambda t: f"nullif({t[0]}, {t[1]})"),
        st.tuples(st.sampled_from(["greatest", "least"]), NUMBER, NUMBER).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        NUMBER.map(lambda x: f"try_cast({x} AS BIGINT)"),
        BOOLEAN.map(lambda x: f"({x})::BIGINT"),
    )
)
TEXT = st.deferred(
    lambda: st.one_of(
        st.just("s"),
        texts.map(lambda x: f"'{x}'"),
        st.tuples(st.sampled_from(["lower", "upper", "trim", "ltrim", "rtrim", "reverse"]), TEXT).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(TEXT, TEXT).map(lambda t: f"({t[0]} || {t[1]})"),
        st.tuples(TEXT, TEXT).map(lambda t: f"concat({t[0]}, {t[1]})"),
        st.tuples(TEXT, TEXT, TEXT).map(lambda t: f"replace({t[0]}, {t[1]}, {t[2]})"),
        st.tuples(TEXT, st.integers(-3, 4)).map(lambda t: f"left({t[0]}, {t[1]})"),
        st.just("b::VARCHAR"),
        st.just("f::VARCHAR"),
        st.tuples(BOOLEAN, TEXT, TEXT).map(lambda t: f"if({t[0]}, {t[1]}, {t[2]})"),
    )
)
BOOLEAN = st.deferred(
    lambda: st.one_of(
        st.just("f"),
        st.sampled_from(["true", "false"]),
        st.tuples(NUMBER, st.sampled_from(["=", "<>", "<", ">", "<=", ">="]), NUMBER).map(" ".join).map("({})".format),
        st.tuples(TEXT, st.sampled_from(["=", "<>", "<"]), TEXT).map(" ".join).map("({})".format),
        st.tuples(BOOLEAN, st.sampled_from(["AND", "OR"]), BOOLEAN).map(" ".join).map("({})".format),
        BOOLEAN.map(lambda x: f"(NOT {x})"),
        st.tuples(NUMBER, NUMBER, NUMBER).map(lambda t: f"({t[0]} BETWEEN {t[1]} AND {t[2]})"),
        st.tuples(NUMBER, NUMBER, NUMBER).map(lambda t: f"({t[0]} IN ({t[1]}, {t[2]}))"),
        NUMBER.map(lambda x: f"({x} IS NULL)"),
        TEXT.map(lambda x: f"({x} IS NOT NULL)"),
        st.tuples(NUMBER, NUMBER).map(lambda t: f"({t[0]} IS DISTINCT FROM {t[1]})"),
        st.tuples(st.sampled_from(["contains", "starts_with", "ends_with"]), TEXT, TEXT).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
    )
)


def _ours(text: str, rows: list[tuple[Any, ...]]) -> list[Any]:
    columns = {name: of_values([row[i] for row in rows], KINDS[name]) for i, name in enumerate(TYPES)}  # type: ignore[arg-type]
    (expression,) = compile_all(Query(f"{text} AS x"))
    with np.errstate(all="ignore"):
        found = expression.compute(columns, len(rows))
    assert all(KINDS[name] == "varchar" for name in expression.texts)  # what was told of it before
    assert expression.kind in (None, found.kind) or found.kind == "null", (text, expression.kind, found.kind)
    return found.list()


def _theirs(text: str, rows: list[tuple[Any, ...]]) -> list[Any]:
    names = ", ".join(f"{name}::{kind} AS {name}" for name, kind in TYPES.items())
    marks = ", ".join("(?, ?, ?, ?)" for _ in rows)
    values = [value for row in rows for value in row]
    sql = f"SELECT {text} FROM (SELECT {names} FROM (VALUES {marks}) t(a, b, s, f))"
    return [row[0] for row in CONNECTION.execute(sql, values).fetchall()]


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None or isinstance(one, str):
        return bool(one == other)
    one, other = float(one), float(other)
    if math.isnan(one) or math.isnan(other) or math.isinf(one) or math.isinf(other):
        return repr(one) == repr(other)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(NUMBER, TEXT, BOOLEAN), ROWS)
def test_an_expression_means_what_it_means_in_duckdb(text: str, rows: list[tuple[Any, ...]]) -> None:
    try:
        theirs = _theirs(text, rows)
    except duckdb.Error:
        return  # out of range, and the like: nothing to compare
    try:
        ours = _ours(text, rows)
    except Invalid:
        return  # refused aloud
    assert all(map(_same, ours, theirs)), (text, rows, ours, theirs)


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"{name}(a)"
            for name in ("sin", "cos", "tan", "atan", "log10", "ln", "sqrt", "log", "log2", "isnan", "sign")
        ),
        *(
            "atan2(a, b)",
            "pow(a, 2)",
            "a ** 2",
            "a % 3",
            "b // -4",
            "b % -4",
            "mod(b, 3)",
            "pi() * a",
            "1 / 0",
            "0 / 0",
        ),
        *("CASE WHEN f IS NULL OR a > 0 THEN a ELSE round(a, 2) END", "CASE WHEN true THEN a ELSE round(a, 2) END"),
        *("round(a, 400)", "round(a, -400)", "round(a, 307)", "round(a * 1e300, -308)", "round(a, -308)"),
        *("try_cast(s || '99999999999999999999' AS BIGINT)", "try_cast('9223372036854775807' AS BIGINT)"),
        *("try_cast(s AS BIGINT)", "try_cast('-5.5' AS BIGINT)", "try_cast('1e999999999' AS BIGINT)", "'1e3'::BIGINT"),
        *("try_cast('nan' AS BIGINT)", "try_cast(' 7 ' AS INTEGER)", "try_cast('2147483648' AS INTEGER)"),
        *("round(a)", "round(a, 1)", "round(a, -2)", "a::BIGINT", "a::INT", "b::DOUBLE", "b = 3", "ifnull(a, 0)"),
        *(
            "s::VARCHAR || 1",
            "try_cast(s AS DOUBLE)",
            "(b > 2)::VARCHAR",
            "a IS NOT DISTINCT FROM b",
            "NOT f",
            "f IS TRUE",
        ),
        *("a NOT BETWEEN 1 AND 2", "b NOT IN (1, NULL)", "CASE b WHEN 3 THEN 'x' WHEN 4 THEN 'y' END"),
        *("sqrt(-1) > 1", "greatest(a, NULL, 3)", "least(s, 'b')", "1e3 + b", "a + 0.1", "9007199254740993 + b"),
    ],
)
def test_every_function_agrees_with_duckdb(text: str) -> None:
    rows = [(1.5, 3, "a", True), (-2.5, -7, "5.5", False), (None, None, None, None), (1234.5678, 4, "", None)]
    ours, theirs = _ours(text, rows), _theirs(text, rows)
    assert all(map(_same, ours, theirs)), (ours, theirs)


def test_a_text_of_too_many_digits_is_no_whole_number() -> None:
    (expression,) = compile_all(Query("s::BIGINT AS x"))
    for text in ("9" * 400, "9223372036854775808", "-9223372036854775809"):
        with pytest.raises(Invalid, match="is no BIGINT"):
            expression.compute({"s": of_values([text], "varchar")}, 1)
    assert expression.compute({"s": of_values(["-9223372036854775808"], "varchar")}, 1).list() == [-(2**63)]


def test_times_are_read_and_taken_apart() -> None:
    stamps = ["2024-01-07 05:06:07", "2023-12-31T23:59:59Z", "1999-02-28", None]
    columns = {"s": of_values(stamps, "varchar")}
    for part in (
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "dow",
        "isodow",
        "doy",
        "week",
        "quarter",
        "epoch",
    ):
        call = "epoch(s::TIMESTAMP)" if part == "epoch" else f"extract({part} FROM s::TIMESTAMP)"
        (expression,) = compile_all(Query(f"{call} AS x"))
        ours = expression.compute(columns, len(stamps)).list()
        theirs = [CONNECTION.execute(f"SELECT {call} FROM (SELECT ? AS s)", [stamp]).fetchone() for stamp in stamps]
        assert all(_same(one, other[0]) for one, other in zip(ours, theirs, strict=True) if other), (part, ours, theirs)


@pytest.mark.parametrize(
    ("text", "says", "column"),
    [
        ("amuont +", "no expression", 1),
        ("1 + nosuch(a) AS x", "nosuch is not computed for requests", 5),
        ("a + 1", "an expression needs a name", 3),
        ("t.a + 1 AS x", "t.a has a qualifier", 1),
        ("(SELECT 1) AS x", "subquery is not computed", 1),
        ("sum(a) AS x", "sum is not computed for requests", 1),
        ("a::DECIMAL(3, 1) AS x", "a cast to DECIMAL", 2),
        ("[1, 2] AS x", "is not computed for requests", 1),
        ("left(s) AS x", "left takes 2 to 2 arguments", 1),
        ("1 AS x FROM t", "only expressions stand here", 1),
    ],
)
def test_what_is_outside_of_the_subset_is_refused_with_its_place(text: str, says: str, column: int) -> None:
    with pytest.raises(StatementError, match=says) as caught:
        compile_all(Query(text, 0, text))
    if says != "no expression":
        assert caught.value.where is not None and caught.value.where.column == column
    if "nosuch" in text:
        assert caught.value.hint is not None and "coalesce" not in caught.value.hint and "greatest" in caught.value.hint


@pytest.mark.parametrize(("text", "word"), [("hour(at::TIMESTAMP) AS h", "at"), ("x + order AS y", "order")])
def test_a_column_that_is_called_like_a_word_of_the_language_is_told_quotes(text: str, word: str) -> None:
    with pytest.raises(StatementError) as caught:
        compile_all(Query(text))
    assert caught.value.hint == f'{word} is a word of SQL; a column of that name is written "{word}"'
    assert compile_all(Query(text.replace(word, f'"{word}"')))


def test_values_that_do_not_fit_are_the_callers_fault() -> None:
    for text in ("s + 1", "s = 1", "9223372036854775807 + b", "1 // (b - b)", "s::DOUBLE", "nosuch + 1", "lower(a)"):
        with pytest.raises(Invalid):
            _ours(text, [(1.0, 5, "x", True)])


def test_the_library_is_documented() -> None:
    assert len(FUNCTIONS) > 40
