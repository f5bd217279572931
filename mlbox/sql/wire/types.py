"""Types: what PostgreSQL's clients call the types of DuckDB and Arrow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.sql.wire.messages import Field

if TYPE_CHECKING:
    import pyarrow

BOOL, BYTEA, INT8, INT2, INT4, TEXT, OID, JSON = 16, 17, 20, 21, 23, 25, 26, 114
FLOAT4, FLOAT8, UNKNOWN, VARCHAR, DATE, TIME = 700, 701, 705, 1043, 1082, 1083
TIMESTAMP, TIMESTAMPTZ, INTERVAL, NUMERIC, UUID = 1114, 1184, 1186, 1700, 2950


@dataclass(frozen=True, slots=True)
class PgType:
    """A type of PostgreSQL that we speak; ``duckdb`` is what a parameter of it becomes."""

    oid: int
    name: str
    size: int
    array: int
    category: str
    duckdb: str
    shown: str
    """As ``format_type`` writes it."""


TYPES = (
    PgType(BOOL, "bool", 1, 1000, "B", "BOOLEAN", "boolean"),
    PgType(BYTEA, "bytea", -1, 1001, "U", "BLOB", "bytea"),
    PgType(18, '"char"', 1, 1002, "S", "VARCHAR", '"char"'),
    PgType(19, "name", 64, 1003, "S", "VARCHAR", "name"),
    PgType(INT8, "int8", 8, 1016, "N", "BIGINT", "bigint"),
    PgType(INT2, "int2", 2, 1005, "N", "SMALLINT", "smallint"),
    PgType(INT4, "int4", 4, 1007, "N", "INTEGER", "integer"),
    PgType(TEXT, "text", -1, 1009, "S", "VARCHAR", "text"),
    PgType(OID, "oid", 4, 1028, "N", "BIGINT", "oid"),
    PgType(JSON, "json", -1, 199, "U", "JSON", "json"),
    PgType(FLOAT4, "float4", 4, 1021, "N", "FLOAT", "real"),
    PgType(FLOAT8, "float8", 8, 1022, "N", "DOUBLE", "double precision"),
    PgType(UNKNOWN, "unknown", -2, 0, "X", "VARCHAR", "unknown"),
    PgType(1042, "bpchar", -1, 1014, "S", "VARCHAR", "character"),
    PgType(VARCHAR, "varchar", -1, 1015, "S", "VARCHAR", "character varying"),
    PgType(DATE, "date", 4, 1182, "D", "DATE", "date"),
    PgType(TIME, "time", 8, 1183, "D", "TIME", "time without time zone"),
    PgType(TIMESTAMP, "timestamp", 8, 1115, "D", "TIMESTAMP", "timestamp without time zone"),
    PgType(TIMESTAMPTZ, "timestamptz", 8, 1185, "D", "TIMESTAMPTZ", "timestamp with time zone"),
    PgType(INTERVAL, "interval", 16, 1187, "T", "INTERVAL", "interval"),
    PgType(NUMERIC, "numeric", -1, 1231, "N", "DECIMAL(38,10)", "numeric"),
    PgType(UUID, "uuid", 16, 2951, "U", "UUID", "uuid"),
    PgType(3802, "jsonb", -1, 3807, "U", "JSON", "jsonb"),
)
BY_OID = {kind.oid: kind for kind in TYPES}
ELEMENT = {kind.array: kind for kind in TYPES if kind.array}
"""From the type of an array to that of its elements."""

_NAMED = {
    "BOOLEAN": BOOL,
    "TINYINT": INT2,
    "SMALLINT": INT2,
    "INTEGER": INT4,
    "BIGINT": INT8,
    "UTINYINT": INT2,
    "USMALLINT": INT4,
    "UINTEGER": INT8,
    "UBIGINT": NUMERIC,
    "HUGEINT": NUMERIC,
    "UHUGEINT": NUMERIC,
    "BIGNUM": NUMERIC,
    "FLOAT": FLOAT4,
    "DOUBLE": FLOAT8,
    "BLOB": BYTEA,
    "DATE": DATE,
    "TIME": TIME,
    "TIME_NS": TIME,
    "TIMESTAMP": TIMESTAMP,
    "TIMESTAMP_S": TIMESTAMP,
    "TIMESTAMP_MS": TIMESTAMP,
    "TIMESTAMP_NS": TIMESTAMP,
    "TIMESTAMP WITH TIME ZONE": TIMESTAMPTZ,
    "TIMESTAMPTZ": TIMESTAMPTZ,
    "INTERVAL": INTERVAL,
    "UUID": UUID,
    "JSON": JSON,
    "VARIANT": JSON,
    "OID": OID,
}
_LIST = re.compile(r"(.+)\[\d*\]\Z", re.S)
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)\Z")


def of_duckdb(name: str) -> tuple[int, int]:
    """The type's number and modifier for a type of DuckDB; what PostgreSQL has not is text, and nested things JSON."""
    decimal = _DECIMAL.match(name)
    if decimal:
        return NUMERIC, numeric_modifier(int(decimal[1]), int(decimal[2]))
    if name.startswith(("STRUCT(", "MAP(", "UNION(")) and not name.endswith("]"):
        return JSON, -1
    array = _LIST.match(name)
    if array:
        element, _ = of_duckdb(array[1])
        simple = element != JSON and not array[1].endswith("]")
        return (BY_OID[element].array if simple else JSON), -1
    return _NAMED.get(name, TEXT), -1


def numeric_modifier(precision: int, scale: int) -> int:
    """``numeric(precision, scale)`` as the modifier of its type."""
    return ((precision << 16) | scale) + 4


def of_arrow(field: pyarrow.Field) -> tuple[int, int]:
    """The type's number and modifier of a column of a result."""
    import pyarrow

    kind = field.type
    marked = (field.metadata or {}).get(b"mlbox:type")
    if marked:
        return of_duckdb(marked.decode())
    types = pyarrow.types
    if types.is_decimal(kind):
        whole = kind.scale == 0 and kind.precision >= 38  # HUGEINT
        return NUMERIC, -1 if whole else numeric_modifier(kind.precision, kind.scale)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        element, _ = of_arrow(kind.value_field)
        nested = element == JSON or element in ELEMENT
        return (JSON if nested else BY_OID[element].array), -1
    tests = (
        (types.is_boolean, BOOL),
        (types.is_int8, INT2),
        (types.is_uint8, INT2),
        (types.is_int16, INT2),
        (types.is_uint16, INT4),
        (types.is_int32, INT4),
        (types.is_uint32, INT8),
        (types.is_int64, INT8),
        (types.is_uint64, NUMERIC),
        (types.is_float64, FLOAT8),
        (types.is_floating, FLOAT4),
        (types.is_date, DATE),
        (types.is_time, TIME),
        (types.is_interval, INTERVAL),
        (types.is_duration, INTERVAL),
        (types.is_binary, BYTEA),
        (types.is_large_binary, BYTEA),
        (types.is_nested, JSON),
    )
    if types.is_timestamp(kind):
        return (TIMESTAMP if kind.tz is None else TIMESTAMPTZ), -1
    return next((oid for test, oid in tests if test(kind)), TEXT), -1


def field_of(column: pyarrow.Field) -> Field:
    """A column of a result as RowDescription tells it, in text."""
    oid, modifier = of_arrow(column)
    return described(column.name, oid, modifier)


def described(name: str, oid: int, modifier: int = -1) -> Field:
    """A column of a known type."""
    return Field(name, oid, BY_OID[oid].size if oid in BY_OID else -1, modifier)
