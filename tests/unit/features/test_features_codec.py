"""Rows and keys as bytes: nothing is lost, equal values are one key, order of bytes is order of values."""

from __future__ import annotations

import math
import struct
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from examples_of import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbox.base.errors import Invalid
from mlbox.engine.features.stores.online.base import Row, Schema
from mlbox.engine.features.stores.online.codec import Layout, order_of
from mlbox.engine.features.stores.online.keys import LONGEST_KEY, KeyPacker, microseconds, part_of

SET_ID = "0123456789abcdef" * 2
INT64 = st.integers(-(2**63), 2**63 - 1)
INSTANTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "BIGINT": INT64,
    "UINTEGER": st.integers(0, 2**32 - 1),
    "DOUBLE": st.floats(allow_nan=False),
    "FLOAT": st.floats(allow_nan=False, width=32),
    "DECIMAL(18,3)": st.integers(-(10**9), 10**9).map(float),
    "BOOLEAN": st.booleans(),
    "VARCHAR": st.text(max_size=20),
    "ENUM('a', 'b')": st.sampled_from("ab"),
    "TIMESTAMP WITH TIME ZONE": INSTANTS.map(lambda value: value.replace(tzinfo=UTC)),
    "TIMESTAMP": INSTANTS,
    "DATE": st.dates(),
    "INTEGER[]": st.lists(st.none() | st.integers(-9, 9), max_size=5),
    "DOUBLE[3]": st.lists(st.floats(allow_nan=False), min_size=3, max_size=3),
    "STRUCT(a INTEGER, b VARCHAR[])": st.dictionaries(st.text(max_size=3), JSON, max_size=3),
}


@st.composite
def rows(draw: st.DrawFn) -> tuple[Schema, Row]:
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=8))
    if draw(st.booleans()):
        types = types * 17  # beyond the 64 bits of a word
    values = tuple(draw(st.none() | VALUES[name]) for name in types)
    row = Row((1,), draw(INT64), draw(INT64), draw(INT64), values)
    return Schema(SET_ID, ("BIGINT",), tuple(types)), row


@settings(max_examples=examples(300))
@given(case=rows())
def test_a_row_comes_back_as_it_went(case: tuple[Schema, Row]) -> None:
    schema, row = case
    layout = Layout(schema)
    raw = layout.pack(row)
    assert layout.unpack(row.key, raw) == row
    assert order_of(raw) == row.order
    assert [type(value) for value in layout.unpack(row.key, raw).values] == [type(value) for value in row.values]


def test_not_a_number_stays_one() -> None:
    layout = Layout(Schema(SET_ID, ("BIGINT",), ("DOUBLE", "BIGINT")))
    back = layout.unpack((1,), layout.pack(Row((1,), 0, 0, 0, (math.nan, 2**62))))
    assert math.isnan(back.values[0]) and back.values[1] == 2**62


def packed(kind: str, value: Any) -> bytes:
    return part_of(kind)(value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("BIGINT", INT64),
        ("UBIGINT", st.integers(0, 2**64 - 1)),
        ("HUGEINT", st.integers(-(2**127), 2**127 - 1)),
        ("DOUBLE", st.floats(allow_nan=False)),
        ("VARCHAR", st.text(max_size=12)),
        ("BLOB", st.binary(max_size=12)),
        ("TIMESTAMP", INSTANTS),
        ("DATE", st.dates()),
        ("BOOLEAN", st.booleans()),
        ("DECIMAL(18,2)", st.decimals(-(10**9), 10**9, places=2)),
        ("UUID", st.uuids()),
    ],
)
def test_order_of_keys_is_order_of_values(kind: str, values: st.SearchStrategy[Any]) -> None:
    def raw(value: Any) -> Any:
        return value.encode() if isinstance(value, str) else value

    @settings(max_examples=examples(100))
    @given(one=values, other=values)
    def holds(one: Any, other: Any) -> None:
        assert (packed(kind, one) < packed(kind, other)) == (raw(one) < raw(other))
        assert (packed(kind, one) == packed(kind, other)) == (raw(one) == raw(other))

    holds()


@pytest.mark.parametrize(
    ("kind", "equals"),
    [
        ("BIGINT", (7, 7.0, "7", True + 6, Decimal(7))),
        ("DOUBLE", (7, 7.0, "7", Decimal("7.0"))),
        ("DOUBLE", (0.0, -0.0, 0)),
        ("FLOAT", (0.1, struct.unpack("<f", struct.pack("<f", 0.1))[0], "0.1")),
        ("DECIMAL(18,2)", (1.1, Decimal("1.10"), "1.1")),
        ("VARCHAR", ("7", 7)),
        ("DATE", (date(2026, 1, 2), "2026-01-02", datetime(2026, 1, 2))),
        ("TIMESTAMP", (datetime(2026, 1, 2, 3), "2026-01-02T03:00:00", datetime(2026, 1, 2, 3, tzinfo=UTC))),
        ("UUID", (uuid.UUID(int=5), str(uuid.UUID(int=5)), uuid.UUID(int=5).hex)),
        ("BOOLEAN", (True, 1, "true")),
        ("BLOB", (b"ab", "ab", bytearray(b"ab"))),
    ],
)
def test_what_is_one_value_of_the_type_is_one_key(kind: str, equals: tuple[Any, ...]) -> None:
    assert len({packed(kind, value) for value in equals}) == 1


@pytest.mark.parametrize(
    ("kind", "value"), [("BIGINT", "x"), ("BIGINT", 7.5), ("DOUBLE", "x"), ("BOOLEAN", "yes"), ("BOOLEAN", 2),
                        ("UUID", "x"), ("TIMESTAMP", 5), ("DATE", "soon"), ("BIGINT", []), ("DECIMAL(18,2)", "x")]
)  # fmt: skip
def test_what_is_none_of_the_type_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(Invalid, match="is not of type"):
        KeyPacker(Schema(SET_ID, (kind,), ())).pack((value,))


TEXTS = st.tuples(st.text(max_size=4), st.text(max_size=4))


@settings(max_examples=examples(200))
@given(one=TEXTS, other=TEXTS)
def test_two_texts_do_not_run_into_each_other(one: tuple[str, str], other: tuple[str, str]) -> None:
    keys = KeyPacker(Schema(SET_ID, ("VARCHAR", "VARCHAR"), ()))
    assert (keys.pack(one) == keys.pack(other)) == (one == other)


def test_long_keys_are_hashed_and_missing_ones_are_none() -> None:
    keys = KeyPacker(Schema(SET_ID, ("VARCHAR", "VARCHAR"), ()))
    long = keys.pack(("x" * 5000, "y"))
    assert long is not None and len(long) <= LONGEST_KEY and long != keys.pack(("x" * 5000, "z"))
    assert keys.pack((None, "y")) is None
    with pytest.raises(Invalid):
        keys.pack(("a",))


def test_microseconds_since_1970() -> None:
    assert microseconds(datetime(1970, 1, 1, 0, 0, 1)) == 1_000_000
    assert microseconds("1970-01-01T01:00:00+01:00") == 0
    assert microseconds(date(1969, 12, 31)) == -86_400_000_000
