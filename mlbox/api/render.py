"""Arrow tables as JSON values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base.json_values import json_value as value

if TYPE_CHECKING:
    import pyarrow

    from mlbox.sql.session import Outcome


def columns(table: pyarrow.Table) -> list[dict[str, str]]:
    """Names and types."""
    return [{"name": field.name, "type": _type(field)} for field in table.schema]


def _type(field: pyarrow.Field) -> str:
    return "json" if is_json(field) else str(field.type)


def is_json(field: pyarrow.Field) -> bool:
    """Whether a text column holds JSON."""
    return bool((field.metadata or {}).get(b"mlbox:type") == b"JSON")


def rows(table: pyarrow.Table | pyarrow.RecordBatch, *, encoded: bool = False) -> Iterator[tuple[Any, ...]]:
    """Row by row, as JSON values; ``encoded`` for msgspec, which takes text that is JSON already as it is."""
    return zip(*(_cells(table.column(index), field, encoded) for index, field in enumerate(table.schema)), strict=True)


def _cells(column: pyarrow.Array | pyarrow.ChunkedArray, field: pyarrow.Field, encoded: bool) -> list[Any]:
    if _is_time(column):
        return _times(column)
    items: list[Any] = column.to_pylist()
    if is_json(field):
        read = msgspec.Raw if encoded and _is_strict(column) else _parsed
        return [None if item is None else read(item) for item in items]
    if _is_plain(column):
        return items
    return [value(item) for item in items]


def _parsed(text: str) -> Any:
    """The value; what DuckDB alone takes for JSON (``[1,]``) stays text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_strict(column: pyarrow.Array | pyarrow.ChunkedArray) -> bool:
    """Whether no text can hold what DuckDB alone takes for JSON, nor a line break, which would end a line of NDJSON."""
    import pyarrow.compute as compute

    return compute.any(compute.match_substring_regex(column, _LOOSE), min_count=0).as_py() is not True


_LOOSE = r"(?i)(?:^|[:\[,\s-])(?:nan|inf|infinity)(?:$|[,\]}\s])|,\s*[\]}]|[\r\n]"
"""NaN, infinities, commas before a closing bracket."""


def _is_time(column: pyarrow.Array | pyarrow.ChunkedArray) -> bool:
    """Whether these are moments in microseconds of UTC, all of years that ISO 8601 writes with four digits."""
    import pyarrow.compute as compute
    import pyarrow.types as types

    kind = column.type
    if not types.is_timestamp(kind) or kind.unit != "us" or kind.tz != "UTC":
        return False
    ends = compute.min_max(column.cast("int64"))
    first, last = ends["min"].as_py(), ends["max"].as_py()
    return first is None or (first >= _FIRST and last <= _LAST)


_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Microseconds from 1970 to the first and the last moment that Python knows."""


def _times(column: pyarrow.Array | pyarrow.ChunkedArray) -> list[Any]:
    """As :func:`value` writes them, all at once: Arrow makes an object of each, and of that a text."""
    import numpy

    moments = column.cast("int64").fill_null(0).to_numpy(zero_copy_only=False).view("datetime64[us]")
    written = [
        f"{text[:19]}Z" if text.endswith(".000000") else f"{text}Z" for text in numpy.datetime_as_string(moments)
    ]
    if not column.null_count:
        return written
    return [text if there else None for text, there in zip(written, column.is_valid().to_pylist(), strict=True)]


def _is_plain(column: pyarrow.Array | pyarrow.ChunkedArray) -> bool:
    """Whether Python's values are JSON's as they are, which spares a call a cell."""
    import pyarrow.compute as compute
    import pyarrow.types as types

    kind = column.type
    if types.is_floating(kind):
        return compute.all(compute.is_finite(column), min_count=0).as_py() is True
    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_boolean(kind) or types.is_null(kind))


def arrow_stream(table: pyarrow.Table) -> bytes:
    """Arrow's IPC stream format, of all rows at once."""
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def result_body(outcome: Outcome, *, encoded: bool = False) -> dict[str, Any]:
    """One result of the envelope; ``encoded`` as of :func:`rows`."""
    table = outcome.result.table
    body = told(outcome)
    if table is not None:
        body["columns"] = columns(table)
        body["rows"] = list(rows(table, encoded=encoded))
        body["row_count"] = table.num_rows
        body["truncated"] = bool(outcome.result.facts.get("truncated", False))
    return body


def told(outcome: Outcome) -> dict[str, Any]:
    """What a result says beside its rows."""
    return {
        "statement": outcome.command,
        "message": outcome.result.message,
        "elapsed_ms": round(outcome.elapsed_ms, 3),
    }
