"""Rows as JSON: what is taken as it is says the same as what is read and written again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from mlbox.api import render
from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.json_values import json_value
from mlbox.sql.session import Session


def table(house: House, text: str) -> pa.Table:
    (outcome,) = Session(house.catalog, house.dispatcher, Caller()).run(text)
    assert outcome.result.table is not None
    return outcome.result.table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("""'{"a": 1.50, "b": [null, "info"], "ü": "\\u00fc"}'::JSON""", {"a": 1.5, "b": [None, "info"], "ü": "ü"}),
        ("{'a': 'nan'::DOUBLE, 'b': 'inf'::DOUBLE, 'c': 1}::VARIANT::JSON", {"a": None, "b": None, "c": 1}),
        ("'[1, nan]'::JSON", "[1, nan]"),
        ("'[1,]'::JSON", "[1,]"),
        ("'NaN'::JSON", None),
        ("NULL::JSON", None),
        ("E'{\\n\"a\": 1}'::JSON", {"a": 1}),
    ],
)
def test_json_is_json_whatever_duckdb_takes_for_it(house: House, text: str, expected: Any) -> None:
    found = table(house, f"SELECT {text} AS x, '{{\"z\": 1}}'::JSON AS y")
    for encoded in (False, True):
        line = msgspec.json.encode(list(render.rows(found, encoded=encoded)))
        assert b"\n" not in line
        assert json.loads(line, parse_constant=pytest.fail) == [[expected, {"z": 1}]]


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31 23:59:59+00",
        "2026-01-31 23:59:59.1+00",
        "2026-01-31 23:59:59.000001+00",
        "0001-01-01 00:00:00+00",
        "9999-12-31 23:59:59.999999+00",
        "1969-12-31 23:59:59.5+00",
    ],
)
def test_times_are_written_as_one_by_one(house: House, written: str) -> None:
    found = table(house, f"SELECT * FROM (VALUES (TIMESTAMPTZ '{written}'), (NULL)) t(x)")
    single = json_value(found.column(0)[0].as_py())
    assert single.endswith("Z")
    assert list(render.rows(found)) == [(single,), (None,)]
    assert list(render.rows(found.slice(1))) == [(None,)]
    assert list(render.rows(found.slice(0, 0))) == []
    naive = table(house, f"SELECT TIMESTAMP '{written[:-3]}' AS x")
    assert list(render.rows(naive)) == [(single[:-1],)]
