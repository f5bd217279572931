"""Which values go to Spark and back unharmed, as Parquet."""

from __future__ import annotations

import re

from mlbox.base.names import quote

_PLAIN = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "DATE", "BLOB")
_AS = {
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    "UTINYINT": "BIGINT",
    "USMALLINT": "BIGINT",
    "UINTEGER": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)",
    "HUGEINT": "DECIMAL(38,0)",
    "UUID": "VARCHAR",
}
_LIST = re.compile(r"(.+)\[\d*\]\Z")
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


def sent_as(kind: str) -> str | None:
    """The type as which a value of a DuckDB type travels; None: it does not. What comes back is cast to what it was."""
    folded = kind.upper()
    if folded in _PLAIN or folded.startswith("DECIMAL("):
        return folded
    if folded.startswith("ENUM("):
        return "VARCHAR"
    entries = _LIST.match(folded)
    if entries is not None:
        inner = sent_as(entries[1])
        return None if inner is None else f"{inner}[]"
    return _AS.get(folded)


def sent_sql(name: str, kind: str, alias: str | None = None) -> str:
    """A column as it is sent (SQL of DuckDB); its type must travel."""
    given = sent_as(kind)
    assert given is not None
    column = quote(name) if given == kind.upper() else f"CAST({quote(name)} AS {given})"
    return f"{column} AS {quote(alias or name)}"


def family(kind: str) -> str:
    """Types of one family are equal when their values are."""
    folded = kind.upper()
    if folded in _INTEGERS:
        return "integer"
    return "time" if folded.startswith(("TIMESTAMP", "DATE")) else folded
